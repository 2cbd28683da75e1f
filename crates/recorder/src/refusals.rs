//! What the program asked for and cannot have while it is recorded.

use retake_abi::nr;
use retake_model::SyscallNo;

use crate::session::Session;

/// Calls whose refusal the user has to know about: the program does less than it does by itself.
const NOTEWORTHY: [(SyscallNo, &str); 1] = [(
    nr::PTRACE,
    "the program used ptrace, which is refused (EPERM) while it is recorded: debuggers and tracers in it do not work",
)];

impl Session {
    /// Says once in the manifest that a call was refused, where that matters.
    pub(crate) fn warn_refused(&mut self, no: SyscallNo) {
        let Some((_, text)) = NOTEWORTHY.iter().find(|(known, _)| *known == no) else {
            return;
        };
        self.warn_once((*text).to_owned());
    }

    /// Says something in the manifest, if it does not say so already.
    pub(crate) fn warn_once(&mut self, text: String) {
        if self.warned.insert(text.clone()) {
            self.writer.update_manifest(|manifest| manifest.warnings.push(text));
        }
    }
}
