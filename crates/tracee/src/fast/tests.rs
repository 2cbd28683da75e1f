//! The code's own table of calls against the one of the `abi` crate.

use retake_abi::{Before, Class, ReadMemory, nr};
use retake_model::{Addr, SyscallNo};

use super::entry::{Entry, HEADER, LEN, RESULT};
use super::rows::{Mode, row_of};

struct Zeroes;

impl ReadMemory for Zeroes {
    fn read(&self, _: Addr, out: &mut [u8]) -> bool {
        out.fill(0);
        true
    }
}

/// An entry of a call with these arguments and this result, before bytes are added.
fn entry(no: SyscallNo, args: &[u64; 6], result: i64, len: u64) -> Vec<u8> {
    let mut words = vec![0; usize::try_from(HEADER / 8).unwrap()];
    let [rdi, rsi, rdx, r10, r8, r9] = *args;
    words[..11].copy_from_slice(&[1, no.get().into(), 0, 0, 0, rdi, rsi, rdx, r8, r9, r10]);
    (words[RESULT], words[LEN]) = (result.cast_unsigned(), len);
    words.iter().flat_map(|word: &u64| word.to_le_bytes()).collect()
}

/// Arguments with which the call is for the code, and what it may give.
fn samples(no: SyscallNo) -> Vec<([u64; 6], i64, u64)> {
    let any = [0x1000, 0x2000, 0x30, 0x20, 0x5000, 0];
    let fixed = u64::from(row_of(no).fixed);
    match no {
        nr::TIME => vec![([0; 6], 1_700_000_000, 0)],
        nr::GETTIMEOFDAY => vec![([0x1000, 0, 0, 0, 0, 0], 0, fixed)],
        nr::OPEN | nr::OPENAT => vec![(any, 3, 0)],
        nr::CLOSE => vec![(any, 0, 0)],
        nr::FCNTL => [0, 1, 2, 3, 4, 1030].map(|command| ([3, command, 0, 0, 0, 0], 1, 0)).to_vec(),
        nr::IOCTL => {
            let of = |command, len| ([3, command, 0x3000, 0, 0, 0], 0, len);
            vec![of(0x5401, 36), of(0x5413, 8), of(0x541b, 4), of(0x5451, 0)]
        }
        nr::RECVFROM => {
            vec![([3, 0x2000, 0x30, 0, 0, 0], 7, 7), ([3, 0x2000, 7, 0x20, 0, 0], 30, 7)]
        }
        nr::EPOLL_WAIT => vec![([3, 0x2000, 8, 0, 0, 0], 2, 24)],
        nr::PRLIMIT64 => vec![([0, 3, 0, 0x4000, 0, 0], 0, 16)],
        nr::NEWFSTATAT | nr::READLINKAT => vec![([3, 0x2000, 0x3000, 0x20, 0, 0], 0, fixed)],
        nr::GETXATTR | nr::LGETXATTR | nr::FGETXATTR => {
            vec![([3, 0x2000, 0x3000, 0x20, 0, 0], 9, 9), ([3, 0x2000, 0x3000, 0, 0, 0], 9, 0)]
        }
        _ if row_of(no).mode == Mode::Fixed => vec![(any, 0, fixed), (any, -2, fixed)],
        _ => vec![(any, 9, 9), (any, 0, 0), (any, -14, 0)],
    }
}

#[test]
fn calls_write_what_the_table_of_calls_says() {
    let mut seen = 0;
    for call in retake_abi::all().filter(|call| super::may_be_fast(call.no)) {
        for (args, result, len) in samples(call.no) {
            let call = retake_abi::resolve(call.no, &args);
            let plain = matches!(call.class, Class::Emulate | Class::Thread(_));
            assert!(plain, "{} is more than a call: {:?}", call.name, call.class);
            let mut expected = Vec::new();
            let mut give = |addr: Addr, len: u64| expected.push((addr, len));
            retake_abi::outputs(&call, &args, &Before::default(), result, &Zeroes, &mut give);
            expected.retain(|(_, len)| *len > 0);
            let bytes = entry(call.no, &args, result, len);
            let entry = Entry::unfinished(&bytes, None).unwrap();
            let place = entry.data_place().filter(|(_, len)| *len > 0);
            if row_of(call.no).mode == Mode::Taken {
                let taken = (result > 0).then(|| (Addr::new(args[1]), result.cast_unsigned()));
                assert_eq!((place, expected), (taken, vec![]), "{}{args:x?} = {result}", call.name);
            } else {
                assert_eq!(expected, Vec::from_iter(place), "{}{args:x?} = {result}", call.name);
            }
        }
        seen += 1;
    }
    assert_eq!(seen, 50, "each of them has a row in the table of calls");
}

#[test]
fn what_waits_for_others_needs_a_descriptor_of_which_that_is_known() {
    // A call that opens, closes or reads the machine's own state may wait, but not for a task.
    let not_for_tasks = [nr::OPEN, nr::OPENAT, nr::CLOSE, nr::EPOLL_WAIT];
    for call in retake_abi::all().filter(|call| super::may_be_fast(call.no)) {
        let waits = call.blocks == retake_abi::Blocks::May && !not_for_tasks.contains(&call.no);
        assert_eq!(waits, super::needs_descriptor(call.no), "{}", call.name);
    }
}
