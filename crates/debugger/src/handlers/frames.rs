//! Selecting a frame of the stack.

use super::looking;
use crate::answers::FrameView;
use crate::requests::{Detail, FrameChoice};
use crate::{Answer, DebugError, Debugger};

/// Frames that are looked through for one of the user's.
const DEPTH: usize = 64;

pub(super) fn select(debugger: &mut Debugger, choice: FrameChoice) -> Result<Answer, DebugError> {
    let wanted = match choice {
        FrameChoice::Selected => debugger.frame,
        FrameChoice::Number(n) => n,
        FrameChoice::Up(by) => debugger.frame.saturating_add(by),
        FrameChoice::Down(by) => debugger.frame.checked_sub(by).ok_or_else(|| {
            let n = debugger.frame;
            DebugError::NotFound(format!("frame {n} is selected, and 0 is the innermost one"))
        })?,
    };
    let frame = numbered(debugger, wanted)?;
    debugger.frame = wanted;
    Ok(Answer::Frame(frame))
}

/// The frame of a number.
pub(super) fn numbered(debugger: &Debugger, wanted: usize) -> Result<FrameView, DebugError> {
    let mut frames = looking::stack(debugger, wanted.saturating_add(1), Detail::Places)?;
    let count = frames.len();
    if count <= wanted {
        let what = format!("there is no frame {wanted}: the stack has {count}, from 0");
        return Err(DebugError::NotFound(what));
    }
    Ok(frames.swap_remove(wanted))
}

/// The selected frame, where that is not the innermost one.
pub(super) fn selected(debugger: &Debugger) -> Option<FrameView> {
    if debugger.frame == 0 { None } else { numbered(debugger, debugger.frame).ok() }
}

/// Selects the innermost frame of the user's own code; leaves the innermost one selected where no other is
/// known to be of it.
pub(super) fn select_own(debugger: &mut Debugger) {
    let frames = looking::stack(debugger, DEPTH, Detail::Places).unwrap_or_default();
    debugger.frame = frames.iter().position(is_own).unwrap_or(0);
}

/// Parts of paths that runtimes and standard libraries are compiled from.
const RUNTIMES: [&str; 16] = [
    "/rustc/",
    "/library/std/",
    "/library/core/",
    "/library/alloc/",
    "/library/panic_",
    "/.cargo/registry/",
    "/go/src/",
    "/usr/lib/go",
    "/usr/src/",
    "/usr/include/",
    "/gcc-",
    "/libstdc++",
    "/glibc",
    "/sysdeps/",
    "/nptl/",
    "/libio/",
];

fn is_own(frame: &FrameView) -> bool {
    let Some(source) = &frame.place.source else { return false };
    // The C library is compiled with paths that begin in its own folder.
    let is_relative = source.file.starts_with("./") || source.file.starts_with("../");
    !is_relative && !RUNTIMES.iter().any(|part| source.file.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::PlaceView;
    use crate::code::SourceLine;
    use retake_model::Addr;

    #[test]
    fn runtimes_are_not_the_users() {
        let of = |file: &str| {
            let source = Some(SourceLine { file: file.to_owned(), line: 1 });
            let place = PlaceView { pc: Addr::new(1), function: None, source };
            is_own(&FrameView { n: 0, place, inlined: false, variables: Vec::new() })
        };
        assert!(of("/home/me/shop/src/main.rs"));
        assert!(of("/home/me/go/shop/main.go"));
        assert!(!of("/rustc/abc/library/std/src/panicking.rs"));
        assert!(!of("/usr/lib/go-1.24/src/runtime/panic.go"));
        assert!(!of("./nptl/pthread_kill.c"));
        assert!(!of("../sysdeps/unix/sysv/linux/raise.c"));
    }
}
