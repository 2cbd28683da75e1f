//! The vdso: the kernel's functions that read clocks without a system call.
//!
//! What they read, the page beside them, changes by itself. So that page is taken away, and the functions
//! are made to end in system calls, which are recorded as all others. What programs look for in the vdso is
//! there: its symbols and their versions, and rules for unwinding that are true of the new code.

use retake_abi::{Errno, nr};
use retake_model::{Addr, SyscallNo};
use retake_ptrace::ProcessMemory;
use retake_tracee::MapsEntry;

/// Nothing like it is as large; the kernel's has two or three pages.
const LARGEST: u64 = 1 << 16;
const INT3: u8 = 0xcc;

/// A section header of a 64-bit ELF file (elf(5)).
#[derive(Clone, Copy, Debug)]
struct Section {
    name: u32,
    kind: u32,
    at: usize,
    len: usize,
    link: u32,
}

/// An ELF file as it is in memory, where addresses are offsets.
struct Elf<'a>(&'a [u8]);

impl<'a> Elf<'a> {
    fn bytes<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    fn half(&self, at: usize) -> Option<usize> {
        Some(u16::from_le_bytes(self.bytes(at)?).into())
    }

    fn word(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(at)?))
    }

    fn long(&self, at: usize) -> Option<usize> {
        usize::try_from(u64::from_le_bytes(self.bytes(at)?)).ok()
    }

    fn sections(&self) -> Option<Vec<Section>> {
        let is_elf64 = self.0.get(..5)? == b"\x7fELF\x02";
        let (table, each, count) = (self.long(40)?, self.half(58)?, self.half(60)?);
        let one = |n: usize| {
            let at = table.checked_add(n.checked_mul(each)?)?;
            Some(Section {
                name: self.word(at)?,
                kind: self.word(at.checked_add(4)?)?,
                at: self.long(at.checked_add(24)?)?,
                len: self.long(at.checked_add(32)?)?,
                link: self.word(at.checked_add(40)?)?,
            })
        };
        if is_elf64 { (0..count).map(one).collect() } else { None }
    }

    fn text(&self, strings: &Section, name: u32) -> Option<&'a [u8]> {
        let at = strings.at.checked_add(usize::try_from(name).ok()?)?;
        self.0.get(at..)?.split(|byte| *byte == 0).next()
    }

    fn section(&self, list: &[Section], name: &[u8]) -> Option<Section> {
        let names = list.get(self.half(62)?)?;
        list.iter().find(|section| self.text(names, section.name) == Some(name)).copied()
    }
}

/// A function of the vdso.
struct Function<'a> {
    name: &'a [u8],
    at: usize,
    len: usize,
}

fn functions<'a>(elf: &Elf<'a>, sections: &[Section]) -> Option<Vec<Function<'a>>> {
    const DYNAMIC_SYMBOLS: u32 = 11;
    const SYMBOL: usize = 24;
    const FUNCTION: u8 = 2;
    let symbols = sections.iter().find(|section| section.kind == DYNAMIC_SYMBOLS)?;
    let strings = sections.get(usize::try_from(symbols.link).ok()?)?;
    let one = |n: usize| {
        let at = symbols.at.checked_add(n * SYMBOL)?;
        let [kind] = elf.bytes(at.checked_add(4)?)?;
        let function = Function {
            name: elf.text(strings, elf.word(at)?)?,
            at: elf.long(at.checked_add(8)?)?,
            len: elf.long(at.checked_add(16)?)?,
        };
        Some((kind & 0xf == FUNCTION && function.at != 0).then_some(function))
    };
    let all: Option<Vec<_>> = (0..symbols.len / SYMBOL).map(one).collect();
    Some(all?.into_iter().flatten().collect())
}

/// `mov eax, NUMBER; syscall; ret`
fn call(no: SyscallNo) -> Vec<u8> {
    [&[0xb8][..], &no.get().to_le_bytes(), &[0x0f, 0x05, 0xc3]].concat()
}

/// `mov rax, -ENOSYS; ret`
fn absent() -> Vec<u8> {
    let result = -i32::from(Errno::ENOSYS.number());
    [&[0x48, 0xc7, 0xc0][..], &result.to_le_bytes(), &[0xc3]].concat()
}

/// The code for a function. `None`: it is left as it is.
fn code_for(name: &[u8]) -> Option<Vec<u8>> {
    Some(match name.strip_prefix(b"__vdso_").unwrap_or(name) {
        b"clock_gettime" => call(nr::CLOCK_GETTIME),
        b"gettimeofday" => call(nr::GETTIMEOFDAY),
        b"time" => call(nr::TIME),
        b"clock_getres" => call(nr::CLOCK_GETRES),
        b"getcpu" => call(nr::GETCPU),
        // With -1 for a length of its state it is asked for what that state needs: it has none.
        // `cmp r8, -1; je` behind the call.
        b"getrandom" => {
            let call = call(nr::GETRANDOM);
            let over = u8::try_from(call.len()).ok()?;
            [&[0x49, 0x83, 0xf8, 0xff, 0x74, over][..], &call, &absent()].concat()
        }
        // It enters an enclave, and reads no clock.
        b"sgx_enter_enclave" => return None,
        _ => absent(),
    })
}

/// Rules for unwinding from anywhere in `len` bytes from `text` on, where the return address is on top of
/// the stack (DWARF 4, 6.4; Linux Standard Base, 10.6): `.eh_frame` and `.eh_frame_hdr`.
fn unwinding(frames: usize, header: usize, text: usize, len: usize) -> Option<(Vec<u8>, Vec<u8>)> {
    let distance = |from: usize, to: usize| {
        let (from, to) = (i64::try_from(from).ok()?, i64::try_from(to).ok()?);
        i32::try_from(to - from).ok().map(i32::to_le_bytes)
    };
    let mut eh_frame = vec![20, 0, 0, 0, 0, 0, 0, 0];
    // Version 1, "zR", alignments 1 and -8, return address in column 16; addresses relative, 32 bits.
    eh_frame.extend([1, b'z', b'R', 0, 1, 0x78, 16, 1, 0x1b]);
    // DW_CFA_def_cfa rsp 8, DW_CFA_offset 16 1, two DW_CFA_nop.
    eh_frame.extend([0x0c, 7, 8, 0x90, 1, 0, 0]);
    let entry = eh_frame.len();
    eh_frame.extend([16, 0, 0, 0]);
    eh_frame.extend(u32::try_from(entry + 4).ok()?.to_le_bytes());
    eh_frame.extend(distance(frames + entry + 8, text)?);
    eh_frame.extend(u32::try_from(len).ok()?.to_le_bytes());
    eh_frame.extend([0; 4 + 4]);
    // Version 1; pointer relative, count as it is, table relative to this header.
    let mut eh_frame_hdr = vec![1, 0x1b, 0x03, 0x3b];
    eh_frame_hdr.extend(distance(header + 4, frames)?);
    eh_frame_hdr.extend(1_u32.to_le_bytes());
    eh_frame_hdr.extend(distance(header, text)?);
    eh_frame_hdr.extend(distance(header, frames + entry)?);
    Some((eh_frame, eh_frame_hdr))
}

/// The vdso with functions that make system calls. `None` if it is not as expected.
fn with_calls(image: &[u8]) -> Option<Vec<u8>> {
    let elf = Elf(image);
    let sections = elf.sections()?;
    let mut new = image.to_vec();
    let mut put = |at: usize, room: usize, bytes: &[u8], filler: u8| {
        let place = new.get_mut(at..at.checked_add(room)?)?;
        place.fill(filler);
        place.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(())
    };
    for function in functions(&elf, &sections)? {
        if let Some(code) = code_for(function.name) {
            put(function.at, function.len, &code, INT3)?;
        }
    }
    let section = |name: &[u8]| elf.section(&sections, name);
    let (text, frames, header) =
        (section(b".text")?, section(b".eh_frame")?, section(b".eh_frame_hdr")?);
    let (eh_frame, eh_frame_hdr) = unwinding(frames.at, header.at, text.at, text.len)?;
    put(frames.at, frames.len, &eh_frame, 0)?;
    put(header.at, header.len, &eh_frame_hdr, 0)?;
    Some(new)
}

/// Changes the functions of a process's vdso. False: it could not be done, and the vdso has to go.
pub(crate) fn lead_to_calls(memory: &mut ProcessMemory, vdso: &MapsEntry) -> bool {
    let len = usize::try_from(vdso.range.len().min(LARGEST)).unwrap_or(0);
    let mut image = vec![0; len];
    memory.read_exact(vdso.range.start(), &mut image).is_ok()
        && with_calls(&image)
            .is_some_and(|new| memory.write_forced(vdso.range.start(), &new).is_ok())
}

/// The page below the vdso, where what its functions read was.
pub(crate) fn page_below(vdso: &MapsEntry, taken_away: &[&MapsEntry]) -> Option<Addr> {
    let page = Addr::new(vdso.range.start().get().checked_sub(retake_model::PAGE_SIZE)?);
    taken_away.iter().any(|entry| entry.range.contains(page)).then_some(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This process's own.
    fn vdso() -> Option<Vec<u8>> {
        let tid = retake_model::Tid::new(i32::try_from(std::process::id()).ok()?);
        let maps = retake_tracee::read_maps(tid).ok()?;
        let entry = maps.into_iter().find(|entry| entry.path == "[vdso]")?;
        let mut image = vec![0; usize::try_from(entry.range.len()).ok()?];
        ProcessMemory::new(tid).read_exact(entry.range.start(), &mut image).ok()?;
        Some(image)
    }

    #[test]
    fn functions_end_in_calls() {
        let Some(image) = vdso() else { return };
        let new = with_calls(&image).unwrap();
        let elf = Elf(&new);
        let sections = elf.sections().unwrap();
        let list = functions(&elf, &sections).unwrap();
        let clock = list.iter().find(|f| f.name == b"__vdso_clock_gettime").unwrap();
        assert_eq!(new[clock.at..clock.at + 9], [0xb8, 228, 0, 0, 0, 0x0f, 0x05, 0xc3, INT3]);
        assert!(list.iter().any(|f| f.name == b"__vdso_gettimeofday"));
        assert_eq!(new.len(), image.len());
    }

    #[test]
    fn what_is_no_vdso_is_left_alone() {
        assert!(with_calls(&[]).is_none());
        assert!(with_calls(&[0x7f; 4096]).is_none());
        let Some(mut image) = vdso() else { return };
        // Section headers that lead nowhere.
        image[40..48].fill(0xff);
        assert!(with_calls(&image).is_none());
    }
}
