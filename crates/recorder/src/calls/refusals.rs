//! What the program asked for and cannot have while it is recorded.

use retake_abi::{Convention, Errno, table_of};
use retake_model::{Addr, Registers};
use retake_ptrace::Stopped;

use crate::book::Book;
use crate::calls::answer::Answer;
use crate::calls::convention::Made;
use crate::error::RecordError;
use crate::next::Next;
use crate::session::Session;
use crate::tasks::Task;

/// What is mapped to look at memory that the kernel writes at any time, by the beginning of the name that
/// `/proc/PID/fd` has for it, and what it is.
const WRITTEN_BY_KERNEL: [(&str, &str); 3] = [
    ("anon_inode:[perf_event]", "performance events"),
    ("anon_inode:bpf-map", "a BPF map"),
    ("anon_inode:kvm-vcpu", "a virtual processor"),
];

/// perf_event_open(2): only what software counts. What the processor counts is not there, as on many virtual
/// machines; a signal for each event could not be placed (`sigtrap`).
pub(crate) fn counter_call(task: &Task, args: &[u64; 6]) -> Answer {
    const SOFTWARE: u32 = 1;
    const SIGTRAP: u64 = 1 << 37;
    // `type` and the flags in `struct perf_event_attr`.
    let (attributes, mut kind) = (args[0], [0; 4]);
    let flags = task.memory.read_u64(Addr::new(attributes.wrapping_add(40)));
    let (Ok(()), Ok(flags)) = (task.memory.read_exact(Addr::new(attributes), &mut kind), flags)
    else {
        // The kernel says so itself.
        return Answer::Kernel;
    };
    match u32::from_le_bytes(kind) {
        SOFTWARE if flags & SIGTRAP == 0 => Answer::Kernel,
        SOFTWARE => Answer::Now(Errno::EINVAL.to_result()),
        _ => Answer::Now(Errno::ENOENT.to_result()),
    }
}

impl Book {
    /// Whether an mmap(2) would show memory that the kernel writes while the program runs. Says so once.
    pub(crate) fn is_refused_mapping(&mut self, task: &Task, args: &[u64; 6]) -> bool {
        const MAP_SHARED: u64 = 1;
        const MAP_ANONYMOUS: u64 = 0x20;
        let [_, _, _, flags, fd, _] = *args;
        if flags & MAP_SHARED == 0 || flags & MAP_ANONYMOUS != 0 {
            return false;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the kernel takes 32 bits too")]
        let link = std::fs::read_link(format!("/proc/{}/fd/{}", task.tid, fd as i32));
        // Without one the kernel refuses the mapping itself.
        let Ok(link) = link else { return false };
        let link = link.as_os_str().as_encoded_bytes();
        let Some((_, what)) =
            WRITTEN_BY_KERNEL.iter().find(|(name, _)| link.starts_with(name.as_bytes()))
        else {
            return false;
        };
        self.warn_once(format!(
            "the program mapped {what}, which is refused (EPERM) while it is recorded: the kernel writes there at any time"
        ));
        true
    }
}

/// Each number up to here that is refused is named.
const MOST_NAMED: u32 = 1024;

impl Session {
    /// Answers a call that cannot be recorded, and says so once.
    pub(crate) fn refuse_made(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
        made: &Made,
        entry: &Registers,
    ) -> Result<Next, RecordError> {
        let (convention, number) = table_of(made.no);
        let which = match convention {
            Convention::X32 => "x32",
            Convention::I386 | Convention::Native => "32-bit (int 0x80)",
        };
        let what = match number {
            ..MOST_NAMED => format!("number {number}"),
            _ => "with a number that there is not".to_owned(),
        };
        self.book.warn_once(format!(
            "the program made the {which} system call {what}, which is refused (ENOSYS) while it is recorded"
        ));
        self.fail_as_unknown(task, stopped, made, entry)
    }

    /// The call is not made: it fails as one that the kernel does not have (`ENOSYS`).
    pub(crate) fn fail_as_unknown(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
        made: &Made,
        entry: &Registers,
    ) -> Result<Next, RecordError> {
        let draft = self.book.draft();
        self.answer(task, draft, stopped, made.no, entry, Errno::ENOSYS.to_result())
    }
}
