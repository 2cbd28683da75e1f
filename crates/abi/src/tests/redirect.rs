use retake_model::Addr;

use super::{Call, Memory};
use crate::{Piece, Placed, Pointer, ReadMemory, Redirect, copy_back, nr, redirect, resolve};

/// Scratch memory of these tests: the last part of [`Memory`].
const SCRATCH: u64 = 0x4000;

impl Call<'_> {
    fn plan(&self) -> Redirect {
        redirect(&resolve(self.no, &self.args), &self.args, &self.before, self.mem)
    }

    /// Does what a recorder does at entry.
    fn place(&self) -> Placed {
        let placed = self.plan().place(Addr::new(SCRATCH), &self.args).unwrap();
        for (from, to, len) in placed.copies_in() {
            let mut bytes = vec![0; usize::try_from(len).unwrap()];
            assert!(self.mem.read(from, &mut bytes));
            self.mem.put(to.get(), &bytes);
        }
        for (at, value) in placed.pointers() {
            self.mem.put64(at.get(), value);
        }
        placed
    }

    fn back(&self, placed: &Placed, result: i64) -> Vec<(u64, u64, u64)> {
        let mut copies = Vec::new();
        let call = resolve(self.no, &self.args);
        copy_back(&call, placed, &self.before, result, self.mem, &mut |from, to, len| {
            copies.push((from.get(), to.get(), len));
        });
        copies
    }
}

#[test]
fn a_read_goes_through_scratch() {
    let mem = Memory::new();
    let call = Call::enter(nr::READ, &[3, 0x2000, 100], &mem);
    let plan = call.plan();
    assert_eq!(
        plan.pieces(),
        [Piece { caller: Addr::new(0x2000), len: 100, copy_in: false, pointer: Pointer::Arg(1) }]
    );
    assert_eq!(plan.room(), 112);
    let placed = call.place();
    assert_eq!(placed.args, [3, SCRATCH, 100, 0, 0, 0]);
    assert_eq!(call.back(&placed, 7), [(SCRATCH, 0x2000, 7)]);
    assert_eq!(call.back(&placed, -512), []);
}

#[test]
fn calls_that_do_not_wait_need_no_scratch() {
    let mem = Memory::new();
    for (no, args) in [
        (nr::FSTAT, [3, 0x2000, 0, 0, 0, 0]),
        (nr::RECVFROM, [3, 0x2000, 10, 0x40, 0, 0]),
        (nr::POLL, [0x2000, 1, 0, 0, 0, 0]),
        (nr::FUTEX, [0x2000, 0, 1, 0, 0, 0]),
        (nr::FCNTL, [3, 7, 0x2000, 0, 0, 0]),
        (nr::WRITE, [3, 0x2000, 10, 0, 0, 0]),
        (nr::VMSPLICE, [3, 0x2000, 1, 0, 0, 0]),
        (nr::READ, [3, 0, 10, 0, 0, 0]),
        (nr::READ, [3, 0x2000, 0, 0, 0, 0]),
    ] {
        assert!(Call::enter(no, &args, &mem).plan().is_empty(), "{no} {args:x?}");
    }
}

#[test]
fn waits_for_children_go_through_scratch() {
    let mem = Memory::new();
    let call = Call::enter(nr::WAITID, &[0, 0, 0x2000, 4, 0x2100], &mem);
    let placed = call.place();
    let (info, usage) = (placed.args[2], placed.args[4]);
    assert_eq!((info, usage), (SCRATCH, SCRATCH + 32), "the 28 bytes of a siginfo, padded");
    mem.put32(info, 17);
    let expected = [(info, 0x2000, 12), (info + 16, 0x2010, 12), (usage, 0x2100, 144)];
    assert_eq!(call.back(&placed, 0), expected);
    let call = Call::enter(nr::WAIT4, &[0, 0x2000, 0, 0x2100, 0, 0], &mem);
    let placed = call.place();
    assert_eq!(call.back(&placed, 0), [], "no child");
    assert_eq!(call.back(&placed, 9).len(), 2);
}

#[test]
fn polls_copy_in_and_bring_back_only_what_was_written() {
    let mem = Memory::new();
    mem.put32(0x2000, 77);
    let call = Call::enter(nr::PPOLL, &[0x2000, 2, 0x2100, 0, 8], &mem);
    let placed = call.place();
    assert_eq!(mem.get64(SCRATCH) & 0xffff_ffff, 77, "the pollfd was copied in");
    assert_eq!(placed.args[2], SCRATCH + 16);
    let expected =
        [(SCRATCH + 6, 0x2006, 2), (SCRATCH + 14, 0x200e, 2), (SCRATCH + 16, 0x2100, 16)];
    assert_eq!(call.back(&placed, 1), expected);
}

#[test]
fn length_words_travel_with_their_buffers() {
    let mem = Memory::new();
    mem.put32(0x2100, 28);
    let call = Call::enter(nr::ACCEPT4, &[3, 0x2000, 0x2100, 0], &mem);
    let placed = call.place();
    assert_eq!(placed.args, [3, SCRATCH, SCRATCH + 32, 0, 0, 0]);
    assert_eq!(mem.get64(SCRATCH + 32) & 0xffff_ffff, 28);
    mem.put32(SCRATCH + 32, 16);
    assert_eq!(call.back(&placed, 5), [(SCRATCH, 0x2000, 16), (SCRATCH + 32, 0x2100, 4)]);
}

#[test]
fn scattered_reads_get_a_scratch_array() {
    let mem = Memory::new();
    mem.put_iovecs(0x2000, &[(0x3000, 10), (0x3100, 0), (0x3200, 20)]);
    let call = Call::enter(nr::READV, &[3, 0x2000, 3], &mem);
    let placed = call.place();
    assert_eq!(placed.args[1], SCRATCH);
    let (first, third) = (SCRATCH + 48, SCRATCH + 64);
    assert_eq!(mem.get64(SCRATCH), first);
    assert_eq!(mem.get64(SCRATCH + 8), 10);
    assert_eq!(mem.get64(SCRATCH + 32), third);
    assert_eq!(call.back(&placed, 12), [(first, 0x3000, 10), (third, 0x3200, 2)]);
    assert_eq!(call.outputs(12), [(0x3000, 10), (0x3200, 2)], "the caller's array is untouched");
}

#[test]
fn a_message_is_rebuilt_in_scratch() {
    let mem = Memory::new();
    mem.put_message(0x2000);
    let call = Call::enter(nr::RECVMSG, &[3, 0x2000, 0], &mem);
    let placed = call.place();
    // Header 64 (padded), name 32, iovec 16, buffer 112, control 64.
    let (name, iov, data, control) = (SCRATCH + 64, SCRATCH + 96, SCRATCH + 112, SCRATCH + 224);
    assert_eq!(placed.args[1], SCRATCH);
    assert_eq!(mem.get64(SCRATCH), name);
    assert_eq!(mem.get64(SCRATCH + 16), iov);
    assert_eq!(mem.get64(iov), data);
    assert_eq!(mem.get64(SCRATCH + 32), control);
    assert_eq!(call.plan().room(), 288);
    // The kernel answers.
    mem.put32(SCRATCH + 8, 16);
    mem.put64(SCRATCH + 40, 24);
    assert_eq!(
        call.back(&placed, 42),
        [
            (name, 0x3000, 16),
            (SCRATCH + 8, 0x2008, 4),
            (data, 0x3100, 42),
            (control, 0x3200, 24),
            (SCRATCH + 40, 0x2028, 8),
            (SCRATCH + 48, 0x2030, 4),
        ]
    );
}

#[test]
fn many_messages_are_rebuilt_too() {
    let mem = Memory::new();
    mem.put_message(0x2000);
    mem.put_message(0x2040);
    let call = Call::enter(nr::RECVMMSG, &[3, 0x2000, 2, 0, 0x2700], &mem);
    let placed = call.place();
    assert_eq!(placed.args[1], SCRATCH);
    assert_ne!(mem.get64(SCRATCH + 64), 0x3000, "the second name pointer was replaced");
    mem.put32(SCRATCH + 56, 9);
    let copies = call.back(&placed, 1);
    assert!(copies.contains(&(SCRATCH + 56, 0x2038, 4)), "{copies:x?}");
    assert!(copies.iter().any(|c| c.1 == 0x3100 && c.2 == 9), "{copies:x?}");
    assert!(copies.iter().any(|c| c.1 == 0x2700 && c.2 == 16), "{copies:x?}");
}

#[test]
fn sent_messages_bring_back_only_lengths() {
    let mem = Memory::new();
    let call = Call::enter(nr::SENDMMSG, &[3, 0x2000, 2, 0], &mem);
    let placed = call.place();
    let expected = [(SCRATCH + 56, 0x2038, 4), (SCRATCH + 120, 0x2078, 4)];
    assert_eq!(call.back(&placed, 2), expected);
    assert_eq!(call.back(&placed, 1), expected[..1]);
}

#[test]
fn one_argument_one_piece() {
    let mem = Memory::new();
    mem.put32(0x2000, 20);
    let call = Call::enter(nr::NAME_TO_HANDLE_AT, &[0, 0x1100, 0x2000, 0x2200, 1], &mem);
    let lens: Vec<u64> = call.plan().pieces().iter().map(|p| p.len).collect();
    assert_eq!(lens, [28, 8]);
}

#[test]
fn hostile_lengths_do_not_wrap() {
    let mem = Memory::new();
    let call = Call::enter(nr::READ, &[3, 0x2000, u64::MAX], &mem);
    assert_eq!(call.plan().room(), 0x7fff_f000 + 4080);
    assert_eq!(call.plan().place(Addr::new(u64::MAX - 15), &call.args), None);
    let call = Call::enter(nr::RECVMMSG, &[3, u64::MAX - 8, u64::MAX, 0, 0], &mem);
    assert!(call.outputs(i64::MAX).is_empty());
}

#[test]
fn buffers_of_unbuffered_reads_lie_as_well_as_the_callers() {
    let mem = Memory::new();
    let place = |buffer: u64, len: u64| {
        let call = Call::enter(nr::PREAD64, &[3, buffer, len, 0], &mem);
        let plan = call.plan();
        let placed = plan.place(Addr::new(0x9010), &call.args).unwrap();
        assert!(placed.args[1] + len <= 0x9010 + plan.room());
        placed.args[1]
    };
    assert_eq!(place(0x3000, 4096), 0xa000);
    assert_eq!(place(0x3200, 1024), 0x9200);
    assert_eq!(place(0x3200, 1000), 0x9010);
    assert_eq!(place(0x3201, 1024), 0x9010);
}
