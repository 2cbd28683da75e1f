//! Moments with names.

use retake_model::Position;
use serde::{Deserialize, Serialize};

use crate::DebugError;
use crate::answers::BookmarkView;
use crate::names::closest;

/// All bookmarks, in the order they were set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bookmarks {
    /// The highest number given so far to one without a name.
    last: u32,
    all: Vec<BookmarkView>,
}

impl Bookmarks {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn all(&self) -> &[BookmarkView] {
        &self.all
    }

    /// Sets one; a name that there is already moves here.
    pub(crate) fn set(
        &mut self,
        name: Option<&str>,
        position: Position,
        place: String,
    ) -> BookmarkView {
        let name = name.map_or_else(|| self.next_name(), str::to_owned);
        self.all.retain(|bookmark| bookmark.name != name);
        let bookmark = BookmarkView { name, position, place };
        self.all.push(bookmark.clone());
        bookmark
    }

    /// `c1`, `c2` as in Delve, where nobody says a name.
    fn next_name(&mut self) -> String {
        self.last += 1;
        format!("c{}", self.last)
    }

    pub(crate) fn find(&self, name: &str) -> Result<&BookmarkView, DebugError> {
        let found = self.all.iter().find(|bookmark| bookmark.name == name);
        found.ok_or_else(|| {
            let names = self.all.iter().map(|bookmark| bookmark.name.as_str());
            let meant = closest(name, names).map(|meant| format!(", did you mean {meant:?}?"));
            let meant = meant.unwrap_or_default();
            DebugError::NotFound(format!("there is no bookmark {name:?}{meant}"))
        })
    }

    pub(crate) fn remove(&mut self, name: &str) -> Result<BookmarkView, DebugError> {
        let removed = self.find(name)?.clone();
        self.all.retain(|bookmark| bookmark.name != name);
        Ok(removed)
    }
}
