//! Machine code as text.

use std::ops::Range;

use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter};
use retake_model::{Addr, Backing, FileId, FileOffset, Mapping, Protection};

use super::{frames, names};
use crate::answers::{CodeView, InstructionView};
use crate::code::{FunctionCode, SourceLine, file_at};
use crate::location::Location;
use crate::requests::DisassembleRequest;
use crate::{Answer, DebugError, Debugger, RequestControl};

/// Bytes that are decoded where no function says how long it is.
const WITHOUT_FUNCTION: u64 = 256;
/// Longer functions are cut.
const LONGEST: u64 = 1 << 16;

pub(super) fn show(
    debugger: &mut Debugger,
    request: &DisassembleRequest,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    let task = debugger.task();
    let pc = match frames::selected(debugger) {
        Some(frame) => frame.place.pc,
        None => debugger.execution.program_registers(task)?.pc(),
    };
    let at = match &request.at {
        None => pc,
        Some(Location::Address(address)) => names::address(debugger, address, control)?,
        Some(location) => mapped(debugger, location)?,
    };
    let code = debugger.code_at(task, at);
    let (function, offset) = code.map_or((None, None), |code| (code.function, Some(code.offset)));
    let (start, len) = range(function.as_deref(), offset, at);
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    let got = debugger.execution.read_some(task, start, &mut bytes)?;
    if got == 0 {
        return Err(DebugError::NotFound(format!("nothing is mapped at {start} at this moment")));
    }
    bytes.truncate(got);
    let line = |addr: Addr| {
        let (function, offset) = (function.as_deref()?, offset?);
        let distance = addr.get().wrapping_sub(at.get());
        let here = FileOffset::new(offset.get().wrapping_add(distance));
        function
            .statements
            .iter()
            .find(|row| row.offset == here)
            .map(|row| SourceLine { file: row.file.to_string(), line: row.line })
    };
    let all = decode(&bytes, start, pc, line);
    let instructions = around(all, at, request.count);
    let name = function.as_deref().and_then(|function| function.name.as_deref());
    let name = name.map(str::to_owned);
    Ok(Answer::Code(CodeView { function: name, instructions }))
}

/// The code of a function around a byte of it, as addresses.
fn range(function: Option<&FunctionCode>, offset: Option<FileOffset>, at: Addr) -> (Addr, u64) {
    let found = function.zip(offset).and_then(|(function, offset)| {
        let holds = |range: &&Range<FileOffset>| range.contains(&offset);
        function.ranges.iter().find(holds).map(|range| (range.clone(), offset))
    });
    let Some((range, offset)) = found else { return (at, WITHOUT_FUNCTION) };
    let before = offset.get() - range.start.get();
    let len = range.end.get() - range.start.get();
    (Addr::new(at.get().wrapping_sub(before)), len.min(LONGEST))
}

fn decode(
    bytes: &[u8],
    start: Addr,
    pc: Addr,
    line: impl Fn(Addr) -> Option<SourceLine>,
) -> Vec<InstructionView> {
    let mut decoder = Decoder::with_ip(64, bytes, start.get(), DecoderOptions::NONE);
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_uppercase_hex(false);
    formatter.options_mut().set_hex_prefix("0x");
    formatter.options_mut().set_hex_suffix("");
    formatter.options_mut().set_space_after_operand_separator(true);
    formatter.options_mut().set_branch_leading_zeros(false);
    let (mut all, mut instruction) = (Vec::new(), Instruction::default());
    while decoder.can_decode() {
        let from = decoder.position();
        decoder.decode_out(&mut instruction);
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        let addr = Addr::new(instruction.ip());
        let of = bytes.get(from..decoder.position()).unwrap_or_default();
        all.push(InstructionView {
            addr,
            bytes: of.iter().map(|byte| format!("{byte:02x}")).collect(),
            text,
            source: line(addr),
            here: addr == pc,
        });
    }
    all
}

/// So many instructions around an address; all if there are no more.
fn around(all: Vec<InstructionView>, at: Addr, count: usize) -> Vec<InstructionView> {
    let here = all.iter().position(|instruction| instruction.addr >= at).unwrap_or(0);
    let last = all.len().saturating_sub(count);
    let first = here.saturating_sub(count / 2).min(last);
    all.into_iter().skip(first).take(count).collect()
}

/// The address of a place in code, in the selected task's memory.
fn mapped(debugger: &Debugger, location: &Location) -> Result<Addr, DebugError> {
    let found = location.resolve(debugger.execution.as_ref(), &debugger.catalog)?;
    let mappings = debugger.execution.mappings(debugger.task())?;
    let addr = found.iter().find_map(|found| {
        mappings.iter().find_map(|mapping| addr_of(mapping, found.file, found.place.offset))
    });
    addr.ok_or_else(|| {
        let what = format!("{location} is not in the memory of this thread at this moment");
        DebugError::NotFound(what)
    })
}

/// Where a mapping has a byte of a file as code.
pub(super) fn addr_of(mapping: &Mapping, file: FileId, offset: FileOffset) -> Option<Addr> {
    let Backing::File { file: of, offset: first } = mapping.backing else { return None };
    if of != file || !mapping.prot.allows(Protection::EXEC) {
        return None;
    }
    let addr = mapping.range.start().checked_add(offset.get().checked_sub(first.get())?)?;
    mapping.range.contains(addr).then_some(addr)
}

/// The entry of a function, in the memory of a task.
pub(super) fn entry_of(debugger: &Debugger, location: &Location) -> Result<Addr, DebugError> {
    let stop_at = mapped(debugger, location)?;
    let code = debugger.code_at(debugger.task(), stop_at);
    let entry = code.and_then(|code| {
        let entry = code.function.as_deref()?.entry;
        let back = code.offset.get().checked_sub(entry.get())?;
        Some(Addr::new(stop_at.get().wrapping_sub(back)))
    });
    let in_file = file_at(debugger.execution.as_ref(), debugger.task(), stop_at);
    entry.or(in_file.map(|_| stop_at)).ok_or_else(|| {
        DebugError::NotFound(format!("{location} is no function that can be called here"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_reads_like_intels_manuals() {
        // push rbp; mov rbp, rsp; mov eax, [rdi+0x10]; ret
        let bytes = [0x55, 0x48, 0x89, 0xe5, 0x8b, 0x47, 0x10, 0xc3];
        let all = decode(&bytes, Addr::new(0x1000), Addr::new(0x1004), |_| None);
        let texts: Vec<_> = all.iter().map(|one| (one.addr.get(), one.text.as_str())).collect();
        let wanted = [
            (0x1000, "push rbp"),
            (0x1001, "mov rbp, rsp"),
            (0x1004, "mov eax, [rdi+0x10]"),
            (0x1007, "ret"),
        ];
        assert_eq!(texts, wanted);
        assert_eq!(all[2].bytes, "8b4710");
        assert!(all[2].here && !all[1].here);
        let shown = around(all, Addr::new(0x1004), 2);
        assert_eq!(shown.iter().map(|one| one.addr.get()).collect::<Vec<_>>(), [0x1001, 0x1004]);
    }
}
