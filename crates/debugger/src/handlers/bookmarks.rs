//! Moments with names.

use crate::requests::NewBookmark;
use crate::{Answer, DebugError, Debugger};

pub(super) fn set(debugger: &mut Debugger, new: &NewBookmark) -> Result<Answer, DebugError> {
    if let Some(name) = &new.name
        && !is_name(name)
    {
        let what = format!(
            "{name:?} is no name for a bookmark: use letters, digits, '-' and '_', and begin with a letter"
        );
        return Err(DebugError::NotFound(what));
    }
    let execution = debugger.execution.as_ref();
    let (position, place) = (execution.position(), debugger.place_of(execution.current_task()));
    let mut text = place.function.unwrap_or_else(|| place.pc.to_string());
    if let Some(source) = place.source {
        text.push_str(&format!(" at {source}"));
    }
    Ok(Answer::Bookmarks(vec![debugger.bookmarks.set(new.name.as_deref(), position, text)]))
}

/// Whether `goto NAME` cannot mean anything else.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic())
        && name.chars().all(|c| c.is_alphanumeric() || "-_".contains(c))
}

pub(super) fn list(debugger: &Debugger) -> Answer {
    Answer::Bookmarks(debugger.bookmarks.all().to_vec())
}

pub(super) fn clear(debugger: &mut Debugger, name: &str) -> Result<Answer, DebugError> {
    Ok(Answer::Bookmarks(vec![debugger.bookmarks.remove(name)?]))
}
