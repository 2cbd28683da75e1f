//! Long answers go through a pager.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::{Command, Stdio};

/// Whether a text was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paged {
    Shown,
    /// There is no pager: somebody else is to print it.
    Not,
}

/// Shows a text in `$PAGER`, else in `less`.
pub(super) fn show(text: &str, pager: Option<OsString>) -> io::Result<Paged> {
    let pager = pager.filter(|pager| !pager.is_empty()).unwrap_or_else(|| "less".into());
    let mut command = Command::new("sh");
    // `$PAGER` may have arguments. Colors as they are, gone again if one screen is enough.
    command.arg("-c").arg(&pager).env("LESS", "-FRX").stdin(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return Ok(Paged::Not) };
    let written = child.stdin.take().map_or(Ok(()), |mut input| writeln!(input, "{text}"));
    let status = child.wait()?;
    // 126 and 127: there is no such program (sh(1)).
    if matches!(status.code(), Some(126 | 127)) {
        return Ok(Paged::Not);
    }
    match written {
        // Whoever has seen enough leaves before the end.
        Err(err) if err.kind() != io::ErrorKind::BrokenPipe => Err(err),
        _ => Ok(Paged::Shown),
    }
}
