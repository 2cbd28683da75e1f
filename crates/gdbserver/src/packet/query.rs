//! Packets that begin with `q` or `Q`, and host I/O.

use retake_model::{Addr, Tid};

use super::{Request, ThreadRef, search, split_once};
use crate::framing::unescape;
use crate::hex;

/// A part of an object that is read with `qXfer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transfer {
    /// Of what.
    pub(crate) object: Object,
    /// Which one.
    pub(crate) annex: String,
    /// From which byte on.
    pub(crate) offset: usize,
    /// How many bytes at most.
    pub(crate) len: usize,
}

/// What `qXfer` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    /// The registers.
    Features,
    /// The auxiliary vector.
    Auxv,
    /// The path of the executable.
    ExecFile,
    /// The signal at which the program stopped.
    SigInfo,
}

/// Host I/O. Nothing is ever written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FileRequest {
    /// As which process files are seen.
    SetFs,
    /// Open a path.
    Open(Vec<u8>),
    /// Read: which one, how many bytes, from where.
    Read(u64, u64, u64),
    /// What it is.
    Stat(u64),
    /// Done with it.
    Close(u64),
    /// The target of a symbolic link.
    ReadLink(Vec<u8>),
    /// Anything that changes something, or is not known.
    Other,
}

/// A command of rr, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RrCommand {
    /// `when`, `checkpoint`, `info checkpoints`, …
    pub(crate) name: String,
    /// The thread that the client has selected, where it says so.
    pub(crate) thread: Option<Tid>,
    /// What it is about.
    pub(crate) arguments: Vec<String>,
}

pub(super) fn parse(packet: &[u8]) -> Option<Request> {
    match packet {
        b"QStartNoAckMode" => return Some(Request::NoAcks),
        b"qfThreadInfo" => return Some(Request::FirstThreads),
        b"qsThreadInfo" => return Some(Request::MoreThreads),
        b"qC" => return Some(Request::CurrentThread),
        _ => {}
    }
    // `qThreadExtraInfo,ID` and `qAttached:PID` are the two forms.
    let end = packet.iter().position(|byte| matches!(byte, b':' | b',')).unwrap_or(packet.len());
    let (name, rest) = packet.split_at(end);
    let rest = rest.get(1..).unwrap_or_default();
    Some(match name {
        b"qSupported" => Request::Supported(list(rest, b';')),
        b"qAttached" => Request::Attached,
        b"qThreadExtraInfo" => Request::ThreadText(ThreadRef::parse(rest)?),
        b"qSymbol" => Request::Symbols,
        b"qGetTLSAddr" => {
            let mut parts = rest.split(|&byte| byte == b',');
            let (thread, offset, map) = (parts.next()?, parts.next()?, parts.next()?);
            let map = Addr::new(hex::number(map)?);
            Request::ThreadLocal(ThreadRef::parse(thread)?, hex::number(offset)?, map)
        }
        b"QPassSignals" => {
            let numbers = rest.split(|&byte| byte == b';').filter(|text| !text.is_empty());
            let number = |text| u8::try_from(hex::number(text)?).ok();
            Request::PassSignals(numbers.map(number).collect::<Option<_>>()?)
        }
        b"qSearch" => search(rest.strip_prefix(b"memory:")?)?,
        b"qXfer" => transfer(rest)?,
        b"qRRCmd" => Request::Rr(RrCommand::parse(rest)?),
        _ => Request::Unknown,
    })
}

fn transfer(rest: &[u8]) -> Option<Request> {
    let parts: Vec<&[u8]> = rest.splitn(4, |&byte| byte == b':').collect();
    let [object, operation, annex, range] = parts.as_slice() else { return None };
    let object = match *object {
        b"features" => Object::Features,
        b"auxv" => Object::Auxv,
        b"exec-file" => Object::ExecFile,
        b"siginfo" => Object::SigInfo,
        _ => return Some(Request::Unknown),
    };
    if *operation != b"read" {
        return Some(Request::Unknown);
    }
    let (offset, len) = split_once(range, b',')?;
    Some(Request::Transfer(Transfer {
        object,
        annex: String::from_utf8_lossy(annex).into_owned(),
        offset: usize::try_from(hex::number(offset)?).ok()?,
        len: usize::try_from(hex::number(len)?).ok()?,
    }))
}

fn list(text: &[u8], separator: u8) -> Vec<String> {
    let parts = text.split(|&byte| byte == separator).filter(|part| !part.is_empty());
    parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

impl FileRequest {
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (name, rest) = split_once(text, b':')?;
        let mut numbers = rest.split(|&byte| byte == b',').map(hex::number);
        let mut number = || numbers.next().flatten();
        let path = |text: &[u8]| hex::decode(text.split(|&byte| byte == b',').next()?);
        Some(match name {
            b"setfs" => Self::SetFs,
            b"open" => Self::Open(path(rest)?),
            b"pread" => Self::Read(number()?, number()?, number()?),
            b"fstat" => Self::Stat(number()?),
            b"close" => Self::Close(number()?),
            b"readlink" => Self::ReadLink(path(rest)?),
            _ => Self::Other,
        })
    }
}

impl RrCommand {
    /// `NAME:THREAD[:HEX…]`, or as older clients have it `HEX(NAME)[:HEX…]`.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = text.split(|&byte| byte == b':');
        let name = parts.next()?;
        let old = hex::decode(name).filter(|name| !name.is_empty());
        let mut thread = None;
        let name = match old {
            Some(name) => name,
            None => {
                let number = parts.next().and_then(|text| std::str::from_utf8(text).ok());
                let number = number.and_then(|text| text.parse().ok());
                thread = number.filter(|number| *number > 0).map(Tid::new);
                unescape(name)
            }
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let arguments = parts.map(|part| hex::decode(part).map(text)).collect::<Option<_>>()?;
        Some(Self { name: text(name), thread, arguments })
    }
}
