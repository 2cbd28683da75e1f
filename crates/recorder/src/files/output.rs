//! Output of the program, and outputs that went through scratch memory.

use retake_abi::{ReadMemory, Size, nr};
use retake_model::{Addr, SyscallNo};
use retake_recording::{Effect, OutputHash, Stream};

use crate::book::Draft;
use crate::calls::answer::Answer;
use crate::calls::view::View;
use crate::error::RecordError;
use crate::files::descriptors::descriptor;
use crate::tasks::{OpenCall, Task};
use crate::world::World;

/// The argument that holds the descriptor a call writes to, if it writes without passing through
/// the program's memory.
fn copies_to(no: SyscallNo, args: &[u64; 6]) -> Option<i32> {
    let [first, _, third, ..] = *args;
    match no {
        nr::SENDFILE => Some(descriptor(first)),
        nr::SPLICE | nr::COPY_FILE_RANGE => Some(descriptor(third)),
        _ => None,
    }
}

/// Where a call that writes to a descriptor takes its bytes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// Its arguments are address and length.
    Memory,
    /// Its arguments are a list of `struct iovec` and its length.
    Pieces,
}

impl Source {
    /// `None`: the call does not write.
    fn of(no: SyscallNo) -> Option<Self> {
        match no {
            nr::WRITE | nr::PWRITE64 | nr::SENDTO => Some(Self::Memory),
            nr::WRITEV | nr::PWRITEV | nr::PWRITEV2 => Some(Self::Pieces),
            _ => None,
        }
    }
}

impl World {
    /// Calls that would move bytes to the program's output inside the kernel are refused, with the
    /// error after which programs copy through memory: a replay must be able to show them.
    pub(crate) fn output_call(&mut self, task: &Task, no: SyscallNo, args: &[u64; 6]) -> Answer {
        match copies_to(no, args) {
            Some(fd) if self.echo.stream(task.process(), fd).is_some() => {
                Answer::Now(retake_abi::Errno::EINVAL.to_result())
            }
            _ => Answer::Kernel,
        }
    }

    /// Whether a task is in a call that writes to the recording's standard output or error.
    pub(crate) fn writes_output(&mut self, task: &Task) -> bool {
        let Some(open) = &task.open else { return false };
        let [fd, ..] = open.args;
        Source::of(open.call.no).is_some()
            && self.echo.stream(task.process(), descriptor(fd)).is_some()
    }

    /// Notes which bytes of memory a write took, and a hash of them.
    pub(crate) fn note_output(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        open: &OpenCall,
        result: i64,
    ) {
        let Ok(mut left @ 1..) = u64::try_from(result) else {
            return;
        };
        let [fd, data, len, ..] = open.args;
        let Some(source) = Source::of(open.call.no) else { return };
        let stream = self.echo.stream(task.process(), descriptor(fd));
        if source == Source::Memory {
            self.note_piece(draft, task, stream, data, left.min(len));
            return;
        }
        for n in 0..len.min(1024) {
            let mut iov = [0; 16];
            if task.memory.read_exact(Addr::new(data + n * 16), &mut iov).is_err() {
                return;
            }
            let mut words = retake_ptrace::read_words(&iov);
            let (base, size) = (words.next().unwrap_or(0), words.next().unwrap_or(0).min(left));
            self.note_piece(draft, task, stream, base, size);
            left -= size;
        }
    }

    fn note_piece(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        stream: Option<Stream>,
        base: u64,
        len: u64,
    ) {
        let mut hash = OutputHash::default();
        let mut block = [0; 16 << 10];
        let mut done = 0;
        while done < len {
            let most = usize::try_from(len - done).unwrap_or(usize::MAX).min(block.len());
            let Some(part) = block.get_mut(..most) else { break };
            if task.memory.read_exact(Addr::new(base.wrapping_add(done)), part).is_err() {
                // The kernel could read it, so it was changed since by another process.
                return;
            }
            hash.update(part);
            done += part.len() as u64;
        }
        if len > 0 {
            let (addr, hash) = (Addr::new(base), hash.finish());
            draft.add(&Effect::Output { stream, addr, len, hash });
        }
    }

    /// Whether a call that gives as much as there is room for was given room that the program cannot write to:
    /// what it came to may not be all that was written.
    pub(crate) fn goes_too_far(
        &mut self,
        task: &Task,
        open: &OpenCall,
    ) -> Result<bool, RecordError> {
        let space = self.space(task.space)?;
        let arg = |n: u8| open.args.get(usize::from(n)).copied().unwrap_or(0);
        Ok(open.call.outputs.iter().any(|output| match output.size {
            Size::Result { cap } => {
                let (start, room) = (arg(output.arg), arg(cap));
                start != 0 && !space.can_write(Addr::new(start), room)
            }
            _ => false,
        }))
    }

    /// After a call that failed halfway: whatever it may have written, as it is now.
    pub(crate) fn capture_possible_outputs(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        open: &OpenCall,
    ) -> Result<(), RecordError> {
        let mut ranges = Vec::new();
        let view = View(&task.memory);
        retake_abi::possible_outputs(
            &open.call,
            &open.args,
            &open.before,
            &view,
            &mut |addr, len| {
                ranges.push((addr, len));
            },
        );
        let space = self.space(task.space)?;
        let writable = ranges.into_iter().map(|(addr, len)| (addr, space.writable_len(addr, len)));
        for (addr, len) in writable.collect::<Vec<_>>() {
            let len = usize::try_from(len).unwrap_or(0);
            draft.write_with(addr, len, |out| task.memory.read(addr, out).unwrap_or(0));
        }
        Ok(())
    }

    /// Moves what a redirected call wrote to where the program wanted it.
    pub(crate) fn copy_back(
        &mut self,
        draft: &mut Draft,
        task: &mut Task,
        open: &OpenCall,
        placed: &retake_abi::Placed,
        result: i64,
    ) -> Result<(), RecordError> {
        let mut pieces = Vec::new();
        retake_abi::copy_back(
            &open.call,
            placed,
            &open.before,
            result,
            &View(&task.memory),
            &mut |from, to, len| pieces.push((from, to, len)),
        );
        for (from, to, len) in pieces {
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
            if !View(&task.memory).read(from, &mut bytes) {
                continue;
            }
            task.memory.write(to, &bytes)?;
            draft.write(to, &bytes);
        }
        Ok(())
    }
}
