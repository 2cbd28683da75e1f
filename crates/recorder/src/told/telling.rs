//! Telling a program of other CPUs than there are.

use super::processors::Processors;
use crate::session::Session;

impl Session {
    /// The program is told of these.
    pub(crate) fn tell_of(&mut self, processors: Processors) {
        if processors.asked().is_some() {
            // Some may have been opened by who started the recording.
            self.hardware.told_files.expect();
            if !self.hardware.traps_cpuid {
                self.book.warn_once(
                    "the cpuid instruction tells the program of the machine's own CPUs, as this processor cannot trap it: \
                     calls and files tell of those that --cpus asked for"
                        .to_owned(),
                );
            }
        }
        self.hardware.processors = processors;
    }
}
