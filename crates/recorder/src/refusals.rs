//! What the program asked for and cannot have while it is recorded.

use crate::session::Session;

impl Session {
    /// Says something in the manifest, if it does not say so already.
    pub(crate) fn warn_once(&mut self, text: String) {
        if self.warned.insert(text.clone()) {
            self.writer.update_manifest(|manifest| manifest.warnings.push(text));
        }
    }
}
