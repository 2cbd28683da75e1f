//! A replayed task: a process of its own, with the memory calls it is made to execute.

use std::fs::File;
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use retake_abi::consts::clone::{CLONE_PARENT, CLONE_VM};
use retake_abi::{Errno, nr};
use retake_model::{
    Addr, AddrRange, FileOffset, Protection, Registers, SpaceId, SyscallNo, TaskId, Tid,
};
use retake_ptrace::{Cpuid, ProcessMemory, Stopped, send_fd, spawn_stub, wait};
use retake_recording::LocalSegment;
use retake_tracee::{InjectPage, call_in_place, inject_in_replay};

use crate::failure::Failure;

/// End of user memory on x86-64 with four-level page tables.
const USER_END: u64 = 0x7fff_ffff_f000;
const MAP_PRIVATE: u64 = 2;
const MAP_SHARED: u64 = 1;
const MAP_FIXED: u64 = 0x10;
const MAP_ANONYMOUS: u64 = 0x20;
const MAP_NORESERVE: u64 = 0x4000;
const SIGCHLD: u64 = 17;

/// Where in our page the message header for receiving descriptors lies, and its parts.
const MESSAGE: u64 = 256;
const MESSAGE_IOV: u64 = MESSAGE + 64;
const MESSAGE_BYTE: u64 = MESSAGE + 96;
const MESSAGE_CONTROL: u64 = MESSAGE + 128;
/// Where in it a segment's description lies.
const DESCRIPTOR: u64 = 512;

/// One task of the recording, as it lives in the replay.
#[derive(Debug)]
pub(crate) struct LiveTask {
    pub(crate) id: TaskId,
    /// Its numbers in the program's eyes.
    pub(crate) tid: Tid,
    pub(crate) pid: Tid,
    pub(crate) space: SpaceId,
    pub(crate) name: Vec<u8>,
    pub(crate) stopped: Stopped,
    pub(crate) memory: ProcessMemory,
    /// Registers as the recording has them since its last event.
    pub(crate) registers: Registers,
    pub(crate) in_syscall: Option<SyscallNo>,
    /// It was made to execute calls of ours: its registers are not its own until they are set again.
    borrowed: bool,
    socket: Arc<UnixStream>,
    socket_fd: RawFd,
}

/// The kernel did not do in the replay what it did in the program.
pub(crate) fn refused(no: SyscallNo, args: &[u64; 6], errno: Errno) -> Failure {
    let call = retake_abi::format_call(no, args);
    Failure::Refused(format!("{call} in the replay gave {errno}"))
}

impl Drop for LiveTask {
    fn drop(&mut self) {
        self.stopped.end();
    }
}

/// The parts of `range` below and above retake's page, which calls are made from: a program may unmap all
/// that there is.
fn without_our_page(range: AddrRange) -> impl Iterator<Item = AddrRange> {
    let ours = AddrRange::with_len(InjectPage::ADDR, InjectPage::LEN);
    let parts = match ours.filter(|ours| ours.overlaps(range)) {
        None => [Some(range), None],
        Some(ours) => {
            [AddrRange::new(range.start(), ours.start()), AddrRange::new(ours.end(), range.end())]
        }
    };
    parts.into_iter().flatten().filter(|part| !part.is_empty())
}

/// What a new task is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: TaskId,
    pub(crate) tid: Tid,
    pub(crate) pid: Tid,
    pub(crate) space: SpaceId,
}

impl LiveTask {
    /// A task in an empty address space.
    pub(crate) fn start(identity: Identity, cpuid: Cpuid) -> Result<Self, Failure> {
        let stub = spawn_stub(cpuid)?;
        let mut stopped = stub.task;
        let mut memory = ProcessMemory::new(stopped.tid());
        let base = stopped.registers()?;
        const ALL: u64 = 7;
        let page = InjectPage::ADDR;
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
        let args = [page.get(), InjectPage::LEN, ALL, flags, u64::MAX, 0];
        let made = call_in_place(&mut stopped, &mut memory, &base, nr::MMAP, args)?;
        if made.result.cast_unsigned() != page.get() {
            return Err(Failure::Refused(
                "no room for retake's page in a fresh process".to_owned(),
            ));
        }
        memory.write(page, &InjectPage::CODE)?;
        let above = page.get() + InjectPage::LEN;
        for (start, len) in [(0, page.get()), (above, USER_END - above)] {
            inject_in_replay(&mut stopped, &base, nr::MUNMAP, [start, len, 0, 0, 0, 0])?;
        }
        let socket = Arc::new(stub.socket);
        let Identity { id, tid, pid, space } = identity;
        let mut task = Self {
            id,
            tid,
            pid,
            space,
            name: Vec::new(),
            stopped,
            memory,
            registers: base,
            in_syscall: None,
            borrowed: true,
            socket,
            socket_fd: stub.socket_fd,
        };
        task.write_message_header()?;
        Ok(task)
    }

    /// `struct msghdr` (recvmsg(2)) with one byte of data and room for one descriptor.
    fn write_message_header(&mut self) -> Result<(), Failure> {
        let at = |offset: u64| InjectPage::ADDR.get() + offset;
        let header = [0, 0, at(MESSAGE_IOV), 1, at(MESSAGE_CONTROL), 32, 0];
        let iov = [at(MESSAGE_BYTE), 1];
        let bytes = |words: &[u64]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<_>>();
        self.memory.write(Addr::new(at(MESSAGE)), &bytes(&header))?;
        self.memory.write(Addr::new(at(MESSAGE_IOV)), &bytes(&iov))?;
        Ok(())
    }

    /// Makes the task execute a call; an error of the kernel's is an error here.
    pub(crate) fn call(&mut self, no: SyscallNo, args: [u64; 6]) -> Result<u64, Failure> {
        self.try_call(no, args)?.map_err(|errno| refused(no, &args, errno))
    }

    /// Makes the task execute a call that may fail.
    pub(crate) fn try_call(
        &mut self,
        no: SyscallNo,
        args: [u64; 6],
    ) -> Result<Result<u64, Errno>, Failure> {
        self.borrowed = true;
        let done = inject_in_replay(&mut self.stopped, &self.registers, no, args)?;
        Ok(Errno::from_result(done.result).map_or(Ok(done.result.cast_unsigned()), Err))
    }

    pub(crate) fn map_anonymous(
        &mut self,
        range: AddrRange,
        prot: Protection,
    ) -> Result<(), Failure> {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
        let args = [range.start().get(), range.len(), prot.bits(), flags, u64::MAX, 0];
        self.call(nr::MMAP, args).map(drop)
    }

    pub(crate) fn map_file(
        &mut self,
        range: AddrRange,
        prot: Protection,
        file: &File,
        offset: FileOffset,
        shared: bool,
    ) -> Result<(), Failure> {
        send_fd(&self.socket, file)?;
        self.write_message_header()?;
        let socket = u64::try_from(self.socket_fd).unwrap_or(0);
        let message = InjectPage::ADDR.get() + MESSAGE;
        self.call(nr::RECVMSG, [socket, message, 0, 0, 0, 0])?;
        let mut fd = [0; 4];
        // After `struct cmsghdr` (cmsg(3)): 16 bytes.
        self.memory
            .read_exact(Addr::new(InjectPage::ADDR.get() + MESSAGE_CONTROL + 16), &mut fd)?;
        let fd = u64::from(u32::from_le_bytes(fd));
        let kind = if shared { MAP_SHARED } else { MAP_PRIVATE | MAP_NORESERVE };
        let args =
            [range.start().get(), range.len(), prot.bits(), kind | MAP_FIXED, fd, offset.get()];
        let mapped = self.call(nr::MMAP, args);
        self.call(nr::CLOSE, [fd, 0, 0, 0, 0, 0])?;
        mapped.map(drop)
    }

    pub(crate) fn unmap(&mut self, range: AddrRange) -> Result<(), Failure> {
        for part in without_our_page(range) {
            self.call(nr::MUNMAP, [part.start().get(), part.len(), 0, 0, 0, 0])?;
        }
        Ok(())
    }

    pub(crate) fn protect(&mut self, range: AddrRange, prot: Protection) -> Result<(), Failure> {
        for part in without_our_page(range) {
            let args = [part.start().get(), part.len(), prot.bits(), 0, 0, 0];
            self.call(nr::MPROTECT, args)?;
        }
        Ok(())
    }

    pub(crate) fn discard(&mut self, range: AddrRange) -> Result<(), Failure> {
        const MADV_DONTNEED: u64 = 4;
        self.call(nr::MADVISE, [range.start().get(), range.len(), MADV_DONTNEED, 0, 0, 0]).map(drop)
    }

    /// Sets a segment of the program's own.
    pub(crate) fn set_segment(&mut self, segment: &LocalSegment) -> Result<(), Failure> {
        let at = InjectPage::ADDR.get() + DESCRIPTOR;
        self.memory.write(Addr::new(at), &segment.descriptor)?;
        let args = [segment.function.into(), at, segment.descriptor.len() as u64, 0, 0, 0];
        match self.call(nr::MODIFY_LDT, args)? {
            0 => Ok(()),
            // The kernel returns its errors as unsigned numbers of 32 bits.
            other => {
                let call = retake_abi::format_call(nr::MODIFY_LDT, &args);
                Err(Failure::Refused(format!("{call} in the replay gave {other:#x}")))
            }
        }
    }

    /// A new task: a sharer of this one's memory if it is in the same address space, else a copy.
    pub(crate) fn spawn(&mut self, identity: Identity) -> Result<Self, Failure> {
        let shares = identity.space == self.space;
        self.clone_process(identity, if shares { CLONE_VM | SIGCHLD } else { SIGCHLD })
    }

    /// A new task with a copy of this one's memory, and no child of it: a child of the replayer's, as it is one.
    pub(crate) fn spawn_beside(&mut self, identity: Identity) -> Result<Self, Failure> {
        self.clone_process(identity, CLONE_PARENT | SIGCHLD)
    }

    /// The same task once more, over a copy of its memory.
    pub(crate) fn copy(&mut self) -> Result<Self, Failure> {
        self.clone_process(self.identity(), SIGCHLD)
    }

    /// The numbers that tell this task from others.
    pub(crate) fn identity(&self) -> Identity {
        Identity { id: self.id, tid: self.tid, pid: self.pid, space: self.space }
    }

    fn clone_process(&mut self, identity: Identity, flags: u64) -> Result<Self, Failure> {
        self.borrowed = true;
        let done = inject_in_replay(
            &mut self.stopped,
            &self.registers,
            nr::CLONE,
            [flags, 0, 0, 0, 0, 0],
        )?;
        let Some(child) = done.child else {
            return Err(Failure::Refused(format!("clone in the replay gave {}", done.result)));
        };
        let stopped = match wait(child, retake_ptrace::WaitFlags::Block)? {
            Some(retake_ptrace::PtraceStop::Stopped(stopped, _)) => stopped,
            Some(retake_ptrace::PtraceStop::Killed { signal, .. }) => {
                return Err(Failure::Killed(signal));
            }
            other => return Err(Failure::Refused(format!("a cloned task gave {other:?}"))),
        };
        let Identity { id, tid, pid, space } = identity;
        Ok(Self {
            id,
            tid,
            pid,
            space,
            name: self.name.clone(),
            memory: ProcessMemory::new(child),
            stopped,
            registers: self.registers,
            in_syscall: None,
            borrowed: true,
            socket: Arc::clone(&self.socket),
            socket_fd: self.socket_fd,
        })
    }

    /// Gives the task its own registers back if it was made to execute calls of ours since they were
    /// set. Such calls are made only where the last event left it.
    pub(crate) fn give_back(&mut self) -> Result<(), Failure> {
        if self.borrowed {
            {
                let own = self.registers;
                self.set_registers(&own)
            }
        } else {
            Ok(())
        }
    }

    /// Gives a task that was made to execute calls of ours in the middle of its code these registers back.
    pub(crate) fn go_on_with(&mut self, registers: &Registers) -> Result<(), Failure> {
        self.borrowed = false;
        Ok(self.stopped.set_registers(registers)?)
    }

    /// Makes `registers` the task's own.
    pub(crate) fn set_registers(&mut self, registers: &Registers) -> Result<(), Failure> {
        self.registers = *registers;
        self.borrowed = false;
        // With a call's number in place the kernel might take a result for a call to restart.
        let live = Registers { orig_rax: u64::MAX, ..*registers };
        self.stopped.set_registers(&live)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A replayed build forks thousands of processes; limits on their number are lower than that.
    #[test]
    fn a_forked_process_that_ended_is_gone() {
        let (id, tid) = (TaskId::new(0), Tid::new(1));
        let identity = |space| Identity { id, tid, pid: tid, space: SpaceId::new(space) };
        let mut parent = LiveTask::start(identity(0), Cpuid::Executed).unwrap();
        for space in [0, 1] {
            let child = parent.spawn(identity(space)).unwrap();
            let there = format!("/proc/{}", child.stopped.tid());
            assert!(std::path::Path::new(&there).exists());
            drop(child);
            assert!(!std::path::Path::new(&there).exists(), "{there} is a zombie");
        }
    }
}
