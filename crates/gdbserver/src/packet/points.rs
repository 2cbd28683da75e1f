//! Breakpoints and watchpoints: `KIND,ADDR,LEN[;X…][;cmds:…]`.

use retake_model::Addr;

use super::{range, split_once};
use crate::hex;

/// A breakpoint or watchpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    /// What kind.
    pub(crate) kind: PointKind,
    /// Where.
    pub(crate) addr: Addr,
    /// How many bytes a watchpoint watches.
    pub(crate) len: u64,
    /// Agent expressions: it counts where one of them is not zero, or where there are none.
    pub(crate) conditions: Vec<Vec<u8>>,
}

/// What kind of breakpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PointKind {
    /// `Z0`
    Software,
    /// `Z1`
    Hardware,
    /// `Z2`
    Write,
    /// `Z3`
    Read,
    /// `Z4`
    Access,
}

impl Point {
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (kind, rest) = split_once(text, b',')?;
        let kind = match kind {
            b"0" => PointKind::Software,
            b"1" => PointKind::Hardware,
            b"2" => PointKind::Write,
            b"3" => PointKind::Read,
            b"4" => PointKind::Access,
            _ => return None,
        };
        let (place, rest) = match split_once(rest, b';') {
            Some((place, rest)) => (place, rest),
            None => (rest, &[][..]),
        };
        let (addr, len) = range(place)?;
        Some(Self { kind, addr, len, conditions: conditions(rest)? })
    }
}

/// `X<length>,<bytes in hex>`, several of them one after the other, with or without a separator.
fn conditions(mut text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    while let Some(rest) = text.strip_prefix(b"X") {
        let (len, rest) = split_once(rest, b',')?;
        let digits = usize::try_from(hex::number(len)?).ok()?.checked_mul(2)?;
        let (code, rest) = rest.split_at_checked(digits)?;
        found.push(hex::decode(code)?);
        text = rest.strip_prefix(b";").unwrap_or(rest);
    }
    // Commands to run at the breakpoint are not announced, and not taken.
    text.is_empty().then_some(found)
}
