//! Moments with names.

use retake_debugger::{Moment, NewBookmark, Request};

use super::{Command, Words};
use crate::ConsoleError;
use crate::asked::Asked;

pub(super) const BOOKMARK: Command = Command {
    name: "bookmark",
    aliases: &["check", "checkpoint"],
    usage: "bookmark [NAME]",
    summary: "gives this moment a name for goto NAME; c1, c2, ... where none is said",
    words: Words::NONE,
    parse: |_, args| {
        let name = (!args.is_empty()).then(|| args.to_owned());
        Ok(Asked::plainly(Request::Bookmark(NewBookmark { name })))
    },
};

pub(super) const BOOKMARKS: Command = Command {
    name: "bookmarks",
    aliases: &[],
    usage: "bookmarks",
    summary: "lists the moments that have names",
    words: Words::NONE,
    parse: |command, args| command.alone(args, Request::Bookmarks),
};

pub(super) const CLEAR_BOOKMARK: Command = Command {
    name: "clear-bookmark",
    aliases: &["clear-checkpoint", "clearcheck"],
    usage: "clear-bookmark NAME",
    summary: "takes the name of a moment away",
    words: Words::Moments(&[]),
    parse: clear,
};

fn clear(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    if args.is_empty() {
        return Err(command.misuse("a name is missing"));
    }
    Ok(Asked::plainly(Request::ClearBookmark { name: args.to_owned() }))
}

pub(super) const RESTART: Command = Command {
    name: "restart",
    aliases: &["r", "run"],
    usage: "restart [BOOKMARK | EVENT]",
    summary: "goes to the start of the recording, to a bookmark, or to an event: nothing is run again",
    words: Words::Moments(&[]),
    parse: |command, args| {
        let moment = match args {
            "" => Moment::Start,
            _ => super::moving::named_moment(command, args)?,
        };
        Ok(Asked::plainly(Request::Seek(moment)))
    },
};
