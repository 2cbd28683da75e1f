//! Calls that may wait while other tasks run: their outputs go to scratch memory first.
//!
//! The kernel writes an output at a moment that nobody knows. Another task that runs meanwhile, or a
//! checkpoint, must not see the write before the call's completion is an event of the recording. So the
//! recorder (1) asks for a [`Redirect`] plan, (2) places it in scratch memory of the task, copies
//! in what the kernel reads, and enters the call with the placed arguments, (3) at completion
//! copies back what the kernel wrote and restores the arguments.
//!
//! An interrupted call is a completion too. If the kernel restarts it with the same arguments
//! (512, 513, 514), the new entry gets a new plan. After 516 the kernel keeps the pointers that it
//! was entered with and uses them in restart_syscall(2): the scratch memory must stay until then.

use retake_model::Addr;

use crate::before::Before;
use crate::call::{Blocks, Class, Count, Output, Size, Special, Syscall};
use crate::memory::ReadMemory;
use crate::messages::{self, Header};
use crate::nr;
use crate::outputs::{
    FILE_HANDLE_HEADER, RUSAGE, bit_set_bytes, count_of, exact_outputs, unsigned_count,
};

/// Pieces of scratch memory start at multiples of this many bytes.
const ALIGN: u64 = 16;
/// Unbuffered reads (`O_DIRECT`) want buffers at multiples of the block size of a disk.
const BLOCKS: [u64; 2] = [4096, 512];
/// The kernel moves no more bytes in one call (`MAX_RW_COUNT`).
const MAX_BYTES: u64 = 0x7fff_f000;

/// What has to be put into scratch memory for one call. Empty if nothing has to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redirect {
    pieces: Vec<Piece>,
}

/// One buffer of the caller that gets a stand-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The caller's buffer.
    pub caller: Addr,
    /// Its length, in bytes.
    pub len: u64,
    /// Whether the stand-in must hold the caller's bytes when the call starts: the kernel reads
    /// them, or does not write all of them.
    pub copy_in: bool,
    /// Where the pointer to it stands.
    pub pointer: Pointer,
}

/// Where a pointer to a buffer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointer {
    /// In that argument.
    Arg(u8),
    /// In an earlier piece of the plan, this many bytes from its start.
    In {
        /// Index of that piece.
        piece: usize,
        /// Offset in it.
        at: u64,
    },
}

/// A plan whose pieces have addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The arguments to enter the call with.
    pub args: [u64; 6],
    /// The scratch address of each piece.
    pieces: Vec<(Piece, Addr)>,
}

/// The plan for a call: empty if it cannot wait, writes nothing, or is one whose outputs go
/// straight to the caller's memory (futex, fcntl, ioctl; vmsplice, which reads or
/// writes its buffers as the descriptor says; and all of
/// [`Class::Unknown`], whose outputs are not known). `before` is what [`crate::capture_before`]
/// took.
pub fn redirect(
    call: &Syscall,
    args: &[u64; 6],
    before: &Before,
    mem: &dyn ReadMemory,
) -> Redirect {
    let mut plan = Planner { args, before, mem, pieces: Vec::new() };
    let writes_directly = matches!(
        call.no,
        nr::FUTEX | nr::FCNTL | nr::IOCTL | nr::QUOTACTL | nr::KEYCTL | nr::VMSPLICE
    );
    let known = matches!(call.class, Class::Emulate | Class::Signal(_));
    if call.blocks == Blocks::May && known && !writes_directly {
        for output in call.outputs {
            plan.output(output);
        }
    }
    Redirect { pieces: plan.pieces }
}

/// Gives `sink` every range that the kernel may have written to before the call failed, whatever it
/// wrote: each buffer at its full length. For calls that failed halfway (`EFAULT`), of which
/// [`crate::outputs`] knows nothing ([`Syscall::outputs_are_exact`]).
pub fn possible_outputs(
    call: &Syscall,
    args: &[u64; 6],
    before: &Before,
    mem: &dyn ReadMemory,
    sink: &mut impl FnMut(Addr, u64),
) {
    let mut plan = Planner { args, before, mem, pieces: Vec::new() };
    for output in call.outputs {
        plan.output(output);
    }
    for piece in plan.pieces {
        sink(piece.caller, piece.len);
    }
}

impl Redirect {
    /// Whether the call can be entered as it is.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The buffers, an outer one before those that it points to.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// How many bytes of scratch memory the plan needs.
    pub fn room(&self) -> u64 {
        self.pieces.iter().fold(0, |sum: u64, p| {
            sum.saturating_add(padded(p.len)).saturating_add(p.alignment() - ALIGN)
        })
    }

    /// The plan in scratch memory at `scratch` (16-byte aligned, [`Self::room`] bytes). `None` if
    /// that leaves the address space.
    pub fn place(&self, scratch: Addr, args: &[u64; 6]) -> Option<Placed> {
        let mut args = *args;
        let mut pieces = Vec::with_capacity(self.pieces.len());
        let mut next = scratch;
        for piece in &self.pieces {
            next = Addr::new(next.get().checked_next_multiple_of(piece.alignment())?);
            if let Pointer::Arg(arg) = piece.pointer {
                *args.get_mut(usize::from(arg))? = next.get();
            }
            pieces.push((*piece, next));
            next = next.checked_add(padded(piece.len))?;
        }
        Some(Placed { args, pieces })
    }
}

impl Piece {
    /// Its stand-in lies as well as itself.
    fn alignment(&self) -> u64 {
        let lies_at =
            |block: &u64| self.caller.get().is_multiple_of(*block) && self.len.is_multiple_of(512);
        BLOCKS.into_iter().find(lies_at).unwrap_or(ALIGN)
    }
}

/// Bytes of a piece with its padding.
const fn padded(len: u64) -> u64 {
    len.div_ceil(ALIGN).saturating_mul(ALIGN)
}

impl Placed {
    /// What to copy before the call: from the caller's memory, to scratch memory, bytes.
    pub fn copies_in(&self) -> impl Iterator<Item = (Addr, Addr, u64)> {
        self.pieces.iter().filter(|(p, _)| p.copy_in).map(|(p, at)| (p.caller, *at, p.len))
    }

    /// The 64-bit words to write into scratch memory after [`Self::copies_in`]: pointers from one
    /// piece to another.
    pub fn pointers(&self) -> impl Iterator<Item = (Addr, u64)> {
        self.pieces.iter().filter_map(|(piece, target)| match piece.pointer {
            Pointer::Arg(_) => None,
            Pointer::In { piece, at } => {
                let (_, holder) = self.pieces.get(piece)?;
                Some((holder.checked_add(at)?, target.get()))
            }
        })
    }

    /// The caller's address that an address in scratch memory stands for.
    pub fn to_caller(&self, scratch: Addr) -> Option<Addr> {
        self.pieces.iter().find_map(|(piece, at)| {
            let offset = scratch.offset_from(*at)?;
            if offset < piece.len { piece.caller.checked_add(offset) } else { None }
        })
    }
}

/// Gives `sink` everything to copy at completion: from scratch memory, to the caller's memory,
/// bytes. `call` and `before` are those of the entry, `mem` reads the same task.
///
/// Write with the program's own permissions (process_vm_writev(2), not `/proc/PID/mem`) and pass
/// over a failure: the kernel too leaves a read-only timeout of select(2) alone.
pub fn copy_back(
    call: &Syscall,
    placed: &Placed,
    before: &Before,
    result: i64,
    mem: &dyn ReadMemory,
    sink: &mut impl FnMut(Addr, Addr, u64),
) {
    exact_outputs(call, &placed.args, before, result, mem, &mut |from, len| {
        if let Some(to) = placed.to_caller(from) {
            sink(from, to, len);
        }
    });
}

/// A plan in the making.
struct Planner<'a> {
    args: &'a [u64; 6],
    before: &'a Before,
    mem: &'a dyn ReadMemory,
    pieces: Vec<Piece>,
}

impl Planner<'_> {
    fn arg(&self, index: u8) -> u64 {
        self.args.get(usize::from(index)).copied().unwrap_or(0)
    }

    fn output(&mut self, output: &Output) {
        let caller = Addr::new(self.arg(output.arg));
        if caller.is_null() {
            return;
        }
        let pointer = Pointer::Arg(output.arg);
        match output.size {
            Size::Iovec { count } | Size::IovecWhole { count } => {
                self.iovecs(caller, self.arg(count), pointer);
            }
            Size::Msghdr => {
                self.add(caller, messages::MSGHDR, true, pointer);
                self.message(caller, self.pieces.len().saturating_sub(1), 0);
            }
            Size::Mmsghdr { count } => {
                self.messages(caller, unsigned_count(self.arg(count)), pointer)
            }
            size => {
                let (room, copy_in) = self.room(size, output.arg);
                self.add_or_grow(
                    caller,
                    room.saturating_add(u64::from(output.at)),
                    copy_in,
                    pointer,
                );
            }
        }
    }

    /// The most bytes an output can have, and whether its stand-in needs the caller's bytes.
    fn room(&self, size: Size, arg: u8) -> (u64, bool) {
        match size {
            Size::Result { cap } => (self.arg(cap), false),
            Size::ResultTimes { each, cap } => {
                (count_of(self.arg(cap)).saturating_mul(u64::from(each)), false)
            }
            Size::ResultPlus { extra, cap } => {
                (self.arg(cap).saturating_add(u64::from(extra)), false)
            }
            Size::LenWord { arg } => (self.before.word(arg).map_or(0, u64::from), false),
            Size::OwnPrefix { cap } => (self.arg(cap), false),
            Size::RequestResult { request } => (self.arg(request) >> 16 & 0x3fff, false),
            Size::Fixed(bytes)
            | Size::FixedUnlessNull { bytes, .. }
            | Size::FixedIfFlag { bytes, .. } => (u64::from(bytes), true),
            Size::ArgBytes(arg) => (self.arg(arg), true),
            Size::ArgTimes { arg, each } => (self.arg(arg).saturating_mul(u64::from(each)), true),
            Size::Fields {
                count: Count::Arg(arg) | Count::Result { cap: arg }, stride, ..
            } => (unsigned_count(self.arg(arg)).saturating_mul(u64::from(stride)), true),
            Size::PageBytes(arg) => (self.arg(arg).div_ceil(retake_model::PAGE_SIZE), true),
            Size::FdSet { nfds } => (bit_set_bytes(count_of(self.arg(nfds))), true),
            Size::NodeMask(arg) => (bit_set_bytes(self.arg(arg).saturating_sub(1)), true),
            Size::Special(Special::FileHandle) => {
                let bytes = self.before.word(arg).map_or(0, u64::from);
                (bytes.saturating_add(FILE_HANDLE_HEADER), true)
            }
            Size::Special(Special::WaitidUsage) => (RUSAGE, true),
            // None of these belongs to a call that waits and is redirected.
            Size::Special(_) | Size::Iovec { .. } | Size::IovecWhole { .. } => (0, true),
            Size::Msghdr | Size::Mmsghdr { .. } => (0, true),
        }
    }

    fn add(&mut self, caller: Addr, len: u64, copy_in: bool, pointer: Pointer) {
        let len = len.min(MAX_BYTES);
        if len > 0 && !caller.is_null() {
            self.pieces.push(Piece { caller, len, copy_in, pointer });
        }
    }

    /// Several outputs may lie behind one argument: they share a piece.
    fn add_or_grow(&mut self, caller: Addr, len: u64, copy_in: bool, pointer: Pointer) {
        match self.pieces.iter_mut().find(|p| p.pointer == pointer) {
            Some(piece) => {
                piece.len = piece.len.max(len.min(MAX_BYTES));
                piece.copy_in |= copy_in;
            }
            None => self.add(caller, len, copy_in, pointer),
        }
    }

    fn iovecs(&mut self, array: Addr, count: u64, pointer: Pointer) {
        // The kernel refuses a longer array before it writes anything.
        if count == 0 || count > messages::IOV_MAX {
            return;
        }
        let holder = self.pieces.len();
        self.add(array, count * messages::IOVEC, true, pointer);
        for n in 0..count {
            let Some(iovec) = messages::read_iovec(self.mem, array, n) else {
                return;
            };
            let at = n * messages::IOVEC;
            self.add(iovec.base, iovec.len, false, Pointer::In { piece: holder, at });
        }
    }

    /// The buffers of the header at `header`, whose stand-in lies at offset `at` of piece `holder`.
    fn message(&mut self, header: Addr, holder: usize, at: u64) {
        let Some(now) = Header::read(self.mem, header) else {
            return;
        };
        let inside = |field| Pointer::In { piece: holder, at: at + field };
        self.add(now.name, u64::from(now.name_len), false, inside(0));
        self.iovecs(now.iov, now.iov_count, inside(messages::IOV_AT));
        // The kernel leaves out the padding between control messages.
        self.add(now.control, now.control_len, true, inside(messages::CONTROL_AT));
    }

    fn messages(&mut self, array: Addr, count: u64, pointer: Pointer) {
        let count = count.min(messages::IOV_MAX);
        let holder = self.pieces.len();
        self.add(array, count * messages::MMSGHDR, true, pointer);
        for n in 0..count {
            let at = n * messages::MMSGHDR;
            let Some(header) = array.checked_add(at) else {
                return;
            };
            self.message(header, holder, at);
        }
    }
}
