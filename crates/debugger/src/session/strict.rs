//! Doing all of a session again, and comparing each position and answer with the journal.

use super::{Done, Resumed, SavedState, next_in_chain};
use crate::{DebugError, Debugger};

/// A request whose answer or position is not what the journal says.
#[derive(Debug, thiserror::Error)]
#[error("request {seq} of the session, {command:?}, differs from the journal: {what}")]
pub struct Difference {
    /// The request's number, from 1.
    pub seq: u64,
    /// The line that somebody wrote for it.
    pub command: String,
    /// What differs.
    pub what: String,
}

/// A session could not be done again.
#[derive(Debug, thiserror::Error)]
pub enum StrictError {
    /// It was, and differs.
    #[error(transparent)]
    Difference(#[from] Difference),
    /// The debugger failed, or was interrupted.
    #[error(transparent)]
    Debug(#[from] DebugError),
}

/// Does everything that a session did, on a debugger at the start that no session is attached to; `done` is
/// told of each request. The debugger is where the session was then.
///
/// # Errors
/// At the first request that differs.
pub fn redo(
    debugger: &mut Debugger,
    resumed: &Resumed,
    done: &mut dyn FnMut(u64),
) -> Result<(), StrictError> {
    let mut chain = String::new();
    for one in &resumed.done {
        let differs = |what: String| Difference {
            seq: one.begin.seq,
            command: one.begin.command.clone(),
            what,
        };
        let Done { begin, end } = one;
        let request = begin.request().ok_or_else(|| {
            differs("it was written by another version, and cannot be done again".to_owned())
        })?;
        if end.cancelled {
            // It changed nothing that counts, and had no answer.
            debugger.restore(&end.state)?;
            chain.clone_from(&end.chain);
            done(begin.seq);
            continue;
        }
        let control = debugger.control();
        let result = debugger.run(&request, &control);
        if control.is_cancelled() || result.as_ref().is_err_and(DebugError::is_interrupted) {
            return Err(result.err().map_or_else(
                || differs("it was interrupted".to_owned()).into(),
                StrictError::Debug,
            ));
        }
        compare(one, &debugger.state(), differs)?;
        let text = begin.request.as_ref().map(ToString::to_string).unwrap_or_default();
        let next = next_in_chain(&chain, &text, &end.state, &result).map_err(DebugError::from)?;
        if next != end.chain {
            let now = match &result {
                Ok(_) => "it has another answer now, or the journal was changed".to_owned(),
                Err(err) => format!("now it fails, or the journal was changed: {err}"),
            };
            return Err(differs(now).into());
        }
        chain = next;
        done(begin.seq);
    }
    Ok(())
}

/// Compares what a request led to.
fn compare(
    done: &Done,
    now: &SavedState,
    differs: impl Fn(String) -> Difference,
) -> Result<(), Difference> {
    let then = &done.end.state;
    if then.position != now.position {
        let (then, now) = (then.position, now.position);
        return Err(differs(format!("it led to {then} then, and to {now} now")));
    }
    if then.task != now.task || then.selected != now.selected || then.frame != now.frame {
        return Err(differs("another thread or frame is selected now".to_owned()));
    }
    if then.breakpoints != now.breakpoints || then.watches != now.watches {
        return Err(differs("there are other breakpoints or watches now".to_owned()));
    }
    if then.displays != now.displays || then.bookmarks != now.bookmarks {
        return Err(differs("there are other displays or bookmarks now".to_owned()));
    }
    if then.sources != now.sources || then.settings != now.settings {
        return Err(differs("there are other settings now".to_owned()));
    }
    Ok(())
}
