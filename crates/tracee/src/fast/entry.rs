//! What the code has written down of a call.

use retake_abi::Errno;
use retake_model::{Addr, Registers, SyscallNo};

use super::code::FastCode;
use super::fds::FdKind;
use super::layout::MOST_BYTES;
use super::rows::{Arg, Mode, row_of};

/// The words before an entry's bytes.
const WORDS: usize = 21;
/// Bytes of them.
pub(super) const HEADER: u64 = 8 * WORDS as u64;
const HEADER_LEN: usize = 8 * WORDS;

pub(super) const FS_BASE: usize = 15;
pub(super) const GS_BASE: usize = 16;
pub(super) const RESULT: usize = 17;
pub(super) const FLAGS: usize = 18;
/// How many bytes follow, and above that what was known of the descriptor.
pub(super) const LEN: usize = 19;
/// What the code asks `poll` about.
pub(super) const ASKED: usize = 20;

/// A call: registers and result, and the bytes that it wrote to memory, or took from there.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    words: [u64; WORDS],
    bytes: &'a [u8],
}

/// Bytes in the program's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// Where they are.
    pub addr: Addr,
    /// What they are.
    pub bytes: &'a [u8],
}

fn words_of(bytes: &[u8]) -> Option<[u64; WORDS]> {
    let mut words = [0; WORDS];
    let header = bytes.get(..HEADER_LEN)?;
    for (place, bytes) in words.iter_mut().zip(header.as_chunks::<8>().0) {
        *place = u64::from_le_bytes(*bytes);
    }
    Some(words)
}

impl<'a> Entry<'a> {
    /// The first entry in a part of the buffer, and what is behind it. `None` at the mark behind the last one,
    /// and where there is no entry.
    pub fn parse(buffer: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let header = Self { words: words_of(buffer)?, bytes: &[] };
        let len = header.len_in_buffer();
        if header.words[0] == 0 || header.data_place().map_or(0, |(_, len)| len) != len {
            return None;
        }
        let len = usize::try_from(len).ok()?;
        let (bytes, rest) = buffer.get(HEADER_LEN..)?.split_at_checked(len.next_multiple_of(8))?;
        Some((Self { bytes: bytes.get(..len)?, ..header }, rest))
    }

    /// The call that the code was making when the task was killed: `buffer` begins where the cursor is. Where the
    /// code had not come to write them, result and flags are in `registers`.
    pub fn unfinished(buffer: &[u8], registers: Option<&Registers>) -> Option<Entry<'static>> {
        let mut words = words_of(buffer)?;
        if let Some(registers) = registers {
            words[RESULT] = registers.rax;
            words[FLAGS] = registers.r11;
        }
        Some(Entry { words, bytes: &[] })
    }

    /// The same call with these bytes.
    pub fn with_bytes(self, bytes: &[u8]) -> Entry<'_> {
        Entry { words: self.words, bytes }
    }

    fn len_in_buffer(&self) -> u64 {
        self.words[LEN] & u64::from(u32::MAX)
    }

    fn arg(&self, arg: Arg) -> u64 {
        self.words.get(arg as usize / 8).copied().unwrap_or(0)
    }

    /// Where the bytes are that the call wrote or took, and how many.
    pub fn data_place(&self) -> Option<(Addr, u64)> {
        let row = row_of(self.no());
        let result = self.result();
        let len = match row.mode {
            Mode::Traced | Mode::Plain => return None,
            // Before the call and after it the number is there.
            Mode::Fixed if result == 0 => self.len_in_buffer(),
            Mode::Written | Mode::Taken if result > 0 => {
                result.cast_unsigned().min(self.arg(row.cap)) * u64::from(row.each)
            }
            Mode::Fixed | Mode::Written | Mode::Taken => return None,
        };
        let addr = self.arg(row.data);
        (addr != 0 && len <= MOST_BYTES).then_some((Addr::new(addr), len))
    }

    /// The number of the call.
    pub fn no(&self) -> SyscallNo {
        SyscallNo::new(u32::try_from(self.words[1]).unwrap_or(u32::MAX))
    }

    /// What was known of the descriptor when the call was made.
    pub fn descriptor_kind(&self) -> FdKind {
        let [_, _, _, _, kind, ..] = self.words[LEN].to_le_bytes();
        FdKind::from_byte(kind)
    }

    /// Registers at the entry of the call, but for those that say nothing about the program; `like`
    /// gives the segments.
    pub fn before(&self, code: &FastCode, like: &Registers) -> Registers {
        let [_, no, rbx, rbp, rsp, rdi, rsi, rdx, r8, r9, r10, r12, r13, r14, r15, ..] = self.words;
        let (fs_base, gs_base, flags) =
            (self.words[FS_BASE], self.words[GS_BASE], self.words[FLAGS]);
        let rip = code.after_call.get();
        Registers {
            rbx,
            rbp,
            rsp,
            rdi,
            rsi,
            rdx,
            r8,
            r9,
            r10,
            r12,
            r13,
            r14,
            r15,
            fs_base,
            gs_base,
            orig_rax: no,
            rax: Errno::ENOSYS.to_result().cast_unsigned(),
            rcx: rip,
            rip,
            r11: flags,
            eflags: flags,
            ..*like
        }
    }

    /// Registers with which the task makes the call as a traced one instead: at the `syscall` instruction of the
    /// stub that led to the code. `at_call` are those at the code's own.
    pub fn at_stub(&self, at_call: &Registers) -> Registers {
        let rip = self.words[0].wrapping_sub(SYSCALL_LEN);
        Registers { rip, rcx: rip, rax: self.words[1], orig_rax: u64::MAX, ..*at_call }
    }

    /// What the call gave.
    pub fn result(&self) -> i64 {
        self.words[RESULT].cast_signed()
    }

    /// What it wrote to memory.
    pub fn written(&self) -> Option<Data<'a>> {
        matches!(row_of(self.no()).mode, Mode::Fixed | Mode::Written).then(|| self.data())?
    }

    /// What it took from there.
    pub fn taken(&self) -> Option<Data<'a>> {
        (row_of(self.no()).mode == Mode::Taken).then(|| self.data())?
    }

    fn data(&self) -> Option<Data<'a>> {
        let (addr, _) = self.data_place()?;
        (!self.bytes.is_empty()).then_some(Data { addr, bytes: self.bytes })
    }
}

const SYSCALL_LEN: u64 = 2;

#[cfg(test)]
mod tests {
    use retake_abi::nr;

    use super::*;

    fn entry_of(no: SyscallNo, result: i64, len: u64, bytes: usize) -> Vec<u8> {
        let mut words = [0; WORDS];
        (words[0], words[1], words[6], words[7]) = (0x5000_0012, u64::from(no.get()), 0x1000, 20);
        (words[RESULT], words[LEN]) = (result.cast_unsigned(), len);
        let mut all: Vec<u8> = words.iter().flat_map(|word: &u64| word.to_le_bytes()).collect();
        all.extend((0..bytes).map(|n| u8::try_from(n).unwrap()));
        all
    }

    #[test]
    fn entries_follow_each_other() {
        let mut all = entry_of(nr::READ, 5, 5, 8);
        all.extend(entry_of(nr::WRITE, 3, 3, 8));
        all.extend(entry_of(nr::LSEEK, 3, 0, 0));
        all.extend([0; HEADER_LEN]);
        let (read, rest) = Entry::parse(&all).unwrap();
        let data = Data { addr: Addr::new(0x1000), bytes: &[0, 1, 2, 3, 4] };
        assert_eq!((read.written(), read.taken()), (Some(data), None));
        let (write, rest) = Entry::parse(rest).unwrap();
        assert_eq!((write.written(), write.taken().unwrap().bytes), (None, [0, 1, 2].as_slice()));
        let (seek, rest) = Entry::parse(rest).unwrap();
        assert!(seek.no() == nr::LSEEK && seek.written().is_none() && seek.taken().is_none());
        assert!(Entry::parse(rest).is_none(), "the mark");
    }

    #[test]
    fn lengths_that_the_code_does_not_write() {
        assert!(Entry::parse(&entry_of(nr::READ, 5, 6, 8)).is_none(), "more than the result");
        assert!(Entry::parse(&entry_of(nr::READ, 30, 30, 32)).is_none(), "more than the room");
        assert!(Entry::parse(&entry_of(nr::READ, 5, 5, 4)).is_none(), "cut");
        assert!(Entry::parse(&entry_of(nr::LSEEK, 0, 8, 8)).is_none(), "of a call without bytes");
        assert!(Entry::parse(&[0; 8]).is_none());
    }

    #[test]
    fn a_call_is_made_at_its_stub_instead() {
        let all = entry_of(nr::READ, 0, 0, 0);
        let registers = Registers { rax: 5, r11: 6, rdi: 7, ..Registers::default() };
        let entry = Entry::unfinished(&all, Some(&registers)).unwrap();
        assert_eq!((entry.result(), entry.data_place()), (5, Some((Addr::new(0x1000), 5))));
        let stub = entry.at_stub(&registers);
        assert_eq!((stub.rip, stub.rax, stub.rdi), (0x5000_0010, 0, 7));
        assert_eq!(stub.orig_rax, u64::MAX);
    }
}
