//! The calls that install and ask about filters.

use std::sync::Arc;

use retake_abi::{Errno, nr};
use retake_model::{Addr, SyscallNo};
use retake_ptrace::TaskStatus;

use super::bpf::{self, Program};
use super::{Confinement, FILTER_PENALTY, Installed, MOST_INSTRUCTIONS, Mode, cost};
use crate::tasks::Task;
use crate::world::World;

const PR_SET_NO_NEW_PRIVS: u64 = 38;
const PR_GET_NO_NEW_PRIVS: u64 = 39;
const PR_GET_SECCOMP: u64 = 21;
const PR_SET_SECCOMP: u64 = 22;
const SECCOMP_SET_MODE_STRICT: u64 = 0;
const SECCOMP_SET_MODE_FILTER: u64 = 1;
const SECCOMP_GET_ACTION_AVAIL: u64 = 2;
const FLAG_TSYNC: u64 = 1;
const FLAG_TSYNC_ESRCH: u64 = 1 << 4;
/// With `SECCOMP_FILTER_FLAG_LOG` and `SECCOMP_FILTER_FLAG_SPEC_ALLOW`, which change nothing here.
const KNOWN_FLAGS: u64 = FLAG_TSYNC | 1 << 1 | 1 << 2 | FLAG_TSYNC_ESRCH;
/// `CAP_SYS_ADMIN` in a mask of capabilities.
const SYS_ADMIN: u64 = 1 << 21;

impl World {
    /// prctl(2) and seccomp(2) on what a task may do.
    pub(crate) fn confine(&mut self, task: &mut Task, no: SyscallNo, args: &[u64; 6]) -> i64 {
        let [first, second, third, fourth, fifth, ..] = *args;
        let result = if no == nr::SECCOMP {
            match first {
                SECCOMP_SET_MODE_STRICT if second == 0 && third == 0 => set_strict(task),
                SECCOMP_SET_MODE_FILTER => self.install(task, second, Addr::new(third)),
                SECCOMP_GET_ACTION_AVAIL if second == 0 => action_is_known(task, Addr::new(third)),
                _ => Err(Errno::EINVAL),
            }
        } else {
            match (first, second) {
                (PR_GET_SECCOMP, _) => Ok(match task.confinement.mode {
                    Mode::Free if crate::calls::outer_filter::is_there() => 2,
                    Mode::Free => 0,
                    Mode::Strict => 1,
                    Mode::Filtered(_) => 2,
                }),
                (PR_SET_SECCOMP, 1) => set_strict(task),
                (PR_SET_SECCOMP, 2) => self.install(task, 0, Addr::new(third)),
                (PR_SET_NO_NEW_PRIVS, 1) if third | fourth | fifth == 0 => {
                    task.confinement.no_new_privs = true;
                    Ok(0)
                }
                (PR_GET_NO_NEW_PRIVS, 0) if third | fourth | fifth == 0 => {
                    Ok(i64::from(task.confinement.no_new_privs))
                }
                _ => Err(Errno::EINVAL),
            }
        };
        result.unwrap_or_else(Errno::to_result)
    }

    fn install(&mut self, task: &mut Task, flags: u64, program: Addr) -> Result<i64, Errno> {
        if flags & !KNOWN_FLAGS != 0 {
            return Err(Errno::EINVAL);
        }
        let program = read_program(task, program)?;
        if !task.confinement.no_new_privs && !is_administrator(task)? {
            return Err(Errno::EACCES);
        }
        let before = match &task.confinement.mode {
            Mode::Strict => return Err(Errno::EINVAL),
            Mode::Free => None,
            Mode::Filtered(filters) => Some(Arc::clone(filters)),
        };
        let sum = program.len() + FILTER_PENALTY + before.as_deref().map_or(0, cost);
        if sum > MOST_INSTRUCTIONS {
            return Err(Errno::ENOMEM);
        }
        if flags & FLAG_TSYNC != 0 {
            let threads =
                || self.tasks.values().filter(|other| other.pid == task.pid && !other.ended);
            let stranger = threads().find(|other| !descends(before.as_ref(), &other.confinement));
            if let Some(stranger) = stranger {
                let tid = i64::from(stranger.tid.get());
                return if flags & FLAG_TSYNC_ESRCH == 0 { Ok(tid) } else { Err(Errno::ESRCH) };
            }
        }
        let filters = Arc::new(Installed { program, before });
        if flags & FLAG_TSYNC != 0 {
            let pid = task.pid;
            let no_new_privs = task.confinement.no_new_privs;
            for other in self.tasks.values_mut().filter(|other| other.pid == pid) {
                other.confinement.mode = Mode::Filtered(Arc::clone(&filters));
                other.confinement.no_new_privs |= no_new_privs;
            }
        }
        task.confinement.mode = Mode::Filtered(filters);
        Ok(0)
    }
}

/// Whether another thread's filters are among those of the caller.
fn descends(own: Option<&Arc<Installed>>, other: &Confinement) -> bool {
    let filters = match &other.mode {
        Mode::Free => return true,
        Mode::Strict => return false,
        Mode::Filtered(filters) => filters,
    };
    let mut next = own;
    while let Some(filter) = next {
        if Arc::ptr_eq(filter, filters) {
            return true;
        }
        next = filter.before.as_ref();
    }
    false
}

fn set_strict(task: &mut Task) -> Result<i64, Errno> {
    match task.confinement.mode {
        Mode::Filtered(_) => Err(Errno::EINVAL),
        Mode::Free if crate::calls::outer_filter::is_there() => Err(Errno::EINVAL),
        Mode::Free | Mode::Strict => {
            task.confinement.mode = Mode::Strict;
            Ok(0)
        }
    }
}

fn action_is_known(task: &Task, addr: Addr) -> Result<i64, Errno> {
    let mut action = [0; 4];
    task.memory.read_exact(addr, &mut action).map_err(|_| Errno::EFAULT)?;
    match u32::from_le_bytes(action) {
        0x8000_0000 | 0 | 0x0003_0000 | 0x0005_0000 | 0x7ff0_0000 | 0x7ffc_0000 | 0x7fff_0000 => {
            Ok(0)
        }
        _ => Err(Errno::EOPNOTSUPP),
    }
}

/// Reads `struct sock_fprog` and what it points to.
fn read_program(task: &Task, addr: Addr) -> Result<Program, Errno> {
    let mut head = [0; 16];
    task.memory.read_exact(addr, &mut head).map_err(|_| Errno::EFAULT)?;
    let [l0, l1, _, _, _, _, _, _, code @ ..] = head;
    let len = usize::from(u16::from_le_bytes([l0, l1]));
    if len == 0 || len > bpf::MOST_INSTRUCTIONS {
        return Err(Errno::EINVAL);
    }
    let mut bytes = vec![0; len * bpf::Instruction::LEN];
    let code = Addr::new(u64::from_le_bytes(code));
    task.memory.read_exact(code, &mut bytes).map_err(|_| Errno::EFAULT)?;
    Program::parse(&bytes)
}

/// Where that cannot be known the recorder has no room left (seccomp(2), `ENOMEM`).
fn is_administrator(task: &Task) -> Result<bool, Errno> {
    let capabilities = TaskStatus::of(task.tid).and_then(|status| status.mask("CapEff:"));
    Ok(capabilities.map_err(|_| Errno::ENOMEM)? & SYS_ADMIN != 0)
}
