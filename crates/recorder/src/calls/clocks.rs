//! Clocks: read here, on the program's behalf.
//!
//! The functions of the vdso make calls (`vdso.rs`), and runtimes look at clocks a lot.
//! The clocks are the system's, so the recorder reads them as well as the program would, and the call
//! needs no second stop.

use retake_abi::nr;
use retake_model::{Addr, SyscallNo};
use retake_ptrace::{Clock, clock};

use crate::book::Draft;
use crate::calls::answer::Answer;
use crate::tasks::Task;
use crate::world::World;

/// Where a call puts the time, and in which form.
struct Wanted {
    clock: Clock,
    to: Addr,
    form: Form,
}

enum Form {
    /// `struct timespec`
    Nanoseconds,
    /// `struct timeval`
    Microseconds,
    /// `time_t`, which is the result too; the pointer may be null.
    Seconds,
}

fn wanted(no: SyscallNo, args: &[u64; 6]) -> Option<Wanted> {
    let [first, second, ..] = *args;
    let (clock, to, form) = match no {
        nr::CLOCK_GETTIME => (Clock::from_id(first)?, second, Form::Nanoseconds),
        // The time zone is the kernel's to tell.
        nr::GETTIMEOFDAY if second == 0 => (Clock::REALTIME, first, Form::Microseconds),
        nr::TIME => (Clock::REALTIME_COARSE, first, Form::Seconds),
        _ => return None,
    };
    Some(Wanted { clock, to: Addr::new(to), form })
}

impl World {
    /// Answers a call that reads a clock. What is out of the ordinary is left to the kernel: clocks of
    /// processes, memory that cannot be written, and everything once a task changed namespaces.
    pub(crate) fn clock_call(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        no: SyscallNo,
        args: &[u64; 6],
    ) -> Answer {
        let Some(Wanted { clock: which, to, form }) = wanted(no, args) else {
            return Answer::Kernel;
        };
        if self.changed_namespaces {
            return Answer::Kernel;
        }
        let now = clock(which);
        let seconds = now.as_secs();
        let fraction = match form {
            Form::Nanoseconds => now.subsec_nanos(),
            Form::Microseconds => now.subsec_micros(),
            Form::Seconds => {
                let result = Answer::Now(seconds.cast_signed());
                if to.is_null() || self.give(draft, task, to, &seconds.to_le_bytes()) {
                    return result;
                }
                return Answer::Kernel;
            }
        };
        let words = [seconds.to_le_bytes(), u64::from(fraction).to_le_bytes()];
        if self.give(draft, task, to, words.as_flattened()) {
            Answer::Now(0)
        } else {
            Answer::Kernel
        }
    }

    /// Writes where the program itself could; false if it could not.
    pub(crate) fn give(&mut self, draft: &mut Draft, task: &Task, to: Addr, bytes: &[u8]) -> bool {
        // Nothing is written, not a part either.
        let space = self.spaces.get(&task.space);
        let fits = space.is_some_and(|space| space.can_write(to, bytes.len() as u64));
        if !fits || !task.memory.write_as_allowed(to, bytes) {
            return false;
        }
        draft.write_with(to, bytes.len(), |out| {
            out.copy_from_slice(bytes);
            bytes.len()
        });
        true
    }
}
