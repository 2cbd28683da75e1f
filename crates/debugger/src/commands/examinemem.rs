//! `examinemem`: shows memory.

use retake_execution::Execution;

use super::CommandInfo;
use super::names::DebuggerNames;
use crate::expr;
use crate::output::MemoryView;
use crate::{DebugError, Debugger, Output};

pub(super) const INFO: CommandInfo = CommandInfo {
    name: "examinemem",
    aliases: &["x"],
    usage: "examinemem [-fmt hex|dec|oct|bin|raw] [-count N] [-size 1..8] ADDRESS",
    summary: "shows memory; the address may be an expression",
};

/// Most bytes shown at once.
const MAX_BYTES: usize = 1 << 16;

#[derive(Clone, Copy)]
enum Format {
    Hex,
    Dec,
    Oct,
    Bin,
    Raw,
}

pub(super) fn run<E: Execution>(
    debugger: &mut Debugger<E>,
    args: &str,
) -> Result<Output, DebugError> {
    let (mut format, mut count, mut size, mut rest) = (Format::Hex, 1_usize, 1_usize, args);
    // `-8+$rsp` would be an address, so only known options are options.
    while let Some((option, after)) = option(rest) {
        let (value, after) = after.split_once(char::is_whitespace).unwrap_or((after, ""));
        match option {
            "-fmt" => format = format_of(value)?,
            "-size" => size = INFO.number(value)?,
            "-x" => {
                rest = rest.trim_start_matches("-x").trim_start();
                break;
            }
            _ => count = INFO.number(value)?,
        }
        rest = after.trim_start();
    }
    if rest.is_empty() {
        return Err(INFO.misuse("an address is missing"));
    }
    if !(1..=8).contains(&size) {
        return Err(INFO.misuse("the size must be 1 to 8"));
    }
    let bytes = count.checked_mul(size).filter(|&bytes| 0 < bytes && bytes <= MAX_BYTES);
    let bytes = bytes.ok_or_else(|| INFO.misuse(format!("at most {MAX_BYTES} bytes are shown")))?;
    let expr = expr::parse(rest)?;
    let addr = expr::evaluate_address(&expr, &mut DebuggerNames(debugger))?;
    let mut memory = vec![0; bytes];
    debugger.execution.read_memory(debugger.task(), addr, &mut memory)?;
    let items = memory.chunks(size).map(|item| text(item, format)).collect();
    Ok(Output::Memory(MemoryView { addr, size, items }))
}

/// The option that comes next, and what follows it.
fn option(text: &str) -> Option<(&str, &str)> {
    let (word, after) = text.split_once(char::is_whitespace)?;
    let known = ["-fmt", "-count", "-len", "-size", "-x"];
    known.contains(&word).then(|| (word, after.trim_start()))
}

fn format_of(name: &str) -> Result<Format, DebugError> {
    Ok(match name {
        "hex" | "hexadecimal" => Format::Hex,
        "dec" | "decimal" => Format::Dec,
        "oct" | "octal" => Format::Oct,
        "bin" | "binary" => Format::Bin,
        "raw" => Format::Raw,
        _ => return Err(INFO.misuse(format!("{name:?} is not a format"))),
    })
}

/// A little-endian item as text, padded so that columns line up.
fn text(item: &[u8], format: Format) -> String {
    let value = item.iter().rev().fold(0_u64, |value, &byte| (value << 8) | u64::from(byte));
    let size = item.len();
    match format {
        Format::Hex => format!("0x{value:0width$x}", width = 2 * size),
        Format::Dec => value.to_string(),
        Format::Oct => format!("0{value:0width$o}", width = (8 * size).div_ceil(3)),
        Format::Bin => format!("{value:0width$b}", width = 8 * size),
        Format::Raw => item.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
