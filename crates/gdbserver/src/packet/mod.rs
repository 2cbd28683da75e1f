//! Requests, parsed from the bytes of packets. Bytes that are no request are one too: nothing here fails.

mod points;
mod query;
mod threads;

use retake_model::Addr;

use crate::framing::unescape;
use crate::hex;

pub(crate) use points::{Point, PointKind};
pub(crate) use query::{FileRequest, Object, RrCommand, Transfer};
pub(crate) use threads::{ThreadRef, Which};

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// `qSupported`, with what the client can do.
    Supported(Vec<String>),
    /// `QStartNoAckMode`
    NoAcks,
    /// `vMustReplyEmpty`: only gdb asks it.
    MustReplyEmpty,
    /// `!`
    Extended,
    /// `?`
    WhyStopped,
    /// `qAttached`
    Attached,
    /// `qC`
    CurrentThread,
    /// `qfThreadInfo`
    FirstThreads,
    /// `qsThreadInfo`
    MoreThreads,
    /// `qThreadExtraInfo`
    ThreadText(ThreadRef),
    /// `T`
    IsAlive(ThreadRef),
    /// `Hg`, `Hc`
    SetThread(ThreadUse, ThreadRef),
    /// `qSymbol`
    Symbols,
    /// `qGetTLSAddr`: thread, offset, link map.
    ThreadLocal(ThreadRef, u64, Addr),
    /// `g`
    Registers,
    /// `p`
    Register(usize),
    /// `P`
    SetRegister(usize),
    /// `G`
    SetRegisters,
    /// `m`
    Memory(Addr, usize),
    /// `M`, `X`: how many bytes are to be written.
    SetMemory(u64),
    /// `qSearch:memory`
    Search(Addr, u64, Vec<u8>),
    /// `Z`
    Insert(Point),
    /// `z`
    Remove(Point),
    /// `vCont?`
    CanResume,
    /// `vCont`, `c`, `s`, `C`, `S`
    Resume(Resume),
    /// `bc`
    ContinueBack,
    /// `bs`
    StepBack,
    /// `QPassSignals`, in gdb's numbers.
    PassSignals(Vec<u8>),
    /// `vRun`, with its first argument.
    Run(String),
    /// `vKill`: what gdb does before `vRun` and when it leaves.
    KillProcess,
    /// `k`
    Kill,
    /// `D`
    Detach,
    /// `qXfer:…:read`
    Transfer(Transfer),
    /// `vFile`
    File(FileRequest),
    /// `qRRCmd`
    Rr(RrCommand),
    /// A known request, but not well-formed.
    Malformed,
    /// Anything else.
    Unknown,
}

/// What a thread is set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ThreadUse {
    /// To look at.
    Look,
    /// To move.
    Move,
}

/// How to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    /// All run.
    Continue,
    /// This thread executes one instruction.
    Step(Option<ThreadRef>),
}

/// Parses a packet.
pub(crate) fn parse(packet: &[u8]) -> Request {
    match packet {
        b"!" => Request::Extended,
        b"?" => Request::WhyStopped,
        b"g" => Request::Registers,
        b"bc" => Request::ContinueBack,
        b"bs" => Request::StepBack,
        b"k" => Request::Kill,
        b"D" => Request::Detach,
        b"c" => Request::Resume(Resume::Continue),
        b"s" => Request::Resume(Resume::Step(None)),
        _ => with_arguments(packet).unwrap_or(Request::Malformed),
    }
}

/// `None`: a known request, but not well-formed.
fn with_arguments(packet: &[u8]) -> Option<Request> {
    let (letter, rest) = packet.split_first()?;
    Some(match letter {
        b'q' | b'Q' => return query::parse(packet),
        b'v' => return extended(packet),
        b'D' if rest.first() == Some(&b';') => Request::Detach,
        // With a signal to deliver: a recording has its own.
        b'C' => Request::Resume(Resume::Continue),
        b'S' => Request::Resume(Resume::Step(None)),
        b'G' => Request::SetRegisters,
        b'T' => Request::IsAlive(ThreadRef::parse(rest)?),
        b'H' => set_thread(rest)?,
        b'p' => Request::Register(usize::try_from(hex::number(rest)?).ok()?),
        b'P' => {
            let (number, _) = split_once(rest, b'=')?;
            Request::SetRegister(usize::try_from(hex::number(number)?).ok()?)
        }
        b'm' => {
            let (addr, len) = range(rest)?;
            Request::Memory(addr, usize::try_from(len).ok()?)
        }
        b'M' | b'X' => Request::SetMemory(range(split_once(rest, b':')?.0)?.1),
        b'Z' => Request::Insert(Point::parse(rest)?),
        b'z' => Request::Remove(Point::parse(rest)?),
        _ => Request::Unknown,
    })
}

fn set_thread(rest: &[u8]) -> Option<Request> {
    let (letter, thread) = rest.split_first()?;
    let usage = match letter {
        b'g' => ThreadUse::Look,
        b'c' => ThreadUse::Move,
        _ => return Some(Request::Unknown),
    };
    Some(Request::SetThread(usage, ThreadRef::parse(thread)?))
}

/// Packets that begin with `v`.
fn extended(packet: &[u8]) -> Option<Request> {
    if let Some(actions) = packet.strip_prefix(b"vCont;") {
        return Some(Request::Resume(resume(actions)?));
    }
    if let Some(arguments) = packet.strip_prefix(b"vRun;") {
        // The file's name, then the arguments of the program.
        let first = arguments.split(|&byte| byte == b';').nth(1).unwrap_or_default();
        return Some(Request::Run(String::from_utf8_lossy(&hex::decode(first)?).into_owned()));
    }
    if let Some(request) = packet.strip_prefix(b"vFile:") {
        return Some(Request::File(FileRequest::parse(request)?));
    }
    Some(match packet {
        b"vCont?" => Request::CanResume,
        b"vMustReplyEmpty" => Request::MustReplyEmpty,
        b"vRun" => Request::Run(String::new()),
        _ if packet.starts_with(b"vKill") => Request::KillProcess,
        _ => Request::Unknown,
    })
}

/// One thread steps, or all go on: between two events only one of them runs, as it was recorded.
fn resume(actions: &[u8]) -> Option<Resume> {
    let mut resume = Resume::Continue;
    for action in actions.split(|&byte| byte == b';') {
        let (kind, thread) = match split_once(action, b':') {
            Some((kind, thread)) => (kind, Some(ThreadRef::parse(thread)?)),
            None => (action, None),
        };
        match kind.first()? {
            b'c' | b'C' => {}
            b's' | b'S' if resume == Resume::Continue => resume = Resume::Step(thread),
            b's' | b'S' => {}
            _ => return None,
        }
    }
    Some(resume)
}

/// `ADDR,LEN`
fn range(text: &[u8]) -> Option<(Addr, u64)> {
    let (addr, len) = split_once(text, b',')?;
    Some((Addr::new(hex::number(addr)?), hex::number(len)?))
}

fn split_once(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let found = text.iter().position(|&byte| byte == at)?;
    let (before, after) = text.split_at(found);
    Some((before, after.get(1..)?))
}

/// Binary data behind `ADDR;LEN;`.
fn search(rest: &[u8]) -> Option<Request> {
    let (addr, rest) = split_once(rest, b';')?;
    let (len, pattern) = split_once(rest, b';')?;
    Some(Request::Search(Addr::new(hex::number(addr)?), hex::number(len)?, unescape(pattern)))
}

#[cfg(test)]
mod tests;
