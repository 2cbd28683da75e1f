//! Names that begin with a text, for whoever completes a line.

use std::collections::BTreeSet;

use crate::Debugger;
use crate::location::{self, Location};
use crate::variables::{FrameScope, TaskMemory};

impl Debugger {
    /// Names of functions that begin with a text, the program's own first: `most` of them, each once.
    pub fn functions_starting(&self, text: &str, most: usize) -> Vec<String> {
        let pattern = Location::Pattern(format!("^{}", regex::escape(text)));
        let found = pattern.resolve(self.execution.as_ref(), &self.catalog).unwrap_or_default();
        let names = found.into_iter().filter_map(|found| found.place.function);
        let names: BTreeSet<String> = names.collect();
        names.into_iter().take(most).collect()
    }

    /// Names of the program's source files that begin with a text, without their folders: `most` of them.
    pub fn sources_starting(&self, text: &str, most: usize) -> Vec<String> {
        let files = self.execution.files();
        let own = files.iter().filter(|info| !location::is_system(info));
        // What cannot be parsed has no sources to offer.
        let modules =
            own.filter_map(|info| self.catalog.module(self.execution.as_ref(), info).ok());
        let mut names = BTreeSet::new();
        for path in modules.flat_map(|module| module.source_files()) {
            let name = path.rsplit('/').next().unwrap_or(&path);
            if name.starts_with(text) {
                names.insert(name.to_owned());
            }
        }
        names.into_iter().take(most).collect()
    }

    /// Names of variables that begin with a text: those that the selected frame sees, then `most` of those
    /// outside of its functions, if the text says anything.
    pub fn variables_starting(&self, text: &str, most: usize) -> Vec<String> {
        let Ok(scope) = FrameScope::of(self, self.task(), self.frame) else { return Vec::new() };
        let mut names: Vec<String> = Vec::new();
        let mut add = |name: &str| {
            if name.starts_with(text) && !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        };
        scope.names().for_each(&mut add);
        if let Some(info) = scope.info().filter(|_| !text.is_empty()) {
            let memory = TaskMemory::new(self.execution.as_ref(), &self.catalog, scope.task());
            let fits = |name: &str| name.starts_with(text);
            let globals = scope.at(&memory).all_globals(info, &fits, most);
            globals.iter().for_each(|(name, _)| add(name));
        }
        names
    }

    /// The names of all bookmarks.
    pub fn bookmark_names(&self) -> Vec<String> {
        self.bookmarks.all().iter().map(|bookmark| bookmark.name.clone()).collect()
    }
}
