//! Control registers of the x87 unit, from the FXSAVE part of the area (Intel SDM vol. 1, 10.5.1).

use retake_model::VectorState;

use super::xsave;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    Fctrl,
    Fstat,
    Ftag,
    Fiseg,
    Fioff,
    Foseg,
    Fooff,
    Fop,
}

impl Control {
    /// All, in gdb's order, with gdb's names.
    pub(super) const ALL: [(Self, &'static str); 8] = [
        (Self::Fctrl, "fctrl"),
        (Self::Fstat, "fstat"),
        (Self::Ftag, "ftag"),
        (Self::Fiseg, "fiseg"),
        (Self::Fioff, "fioff"),
        (Self::Foseg, "foseg"),
        (Self::Fooff, "fooff"),
        (Self::Fop, "fop"),
    ];
}

/// Its value.
pub(super) fn control(control: Control, vector: &VectorState) -> u32 {
    if !xsave::has_x87(vector) {
        // As `fninit` leaves it.
        return match control {
            Control::Fctrl => 0x37f,
            Control::Ftag => 0xffff,
            _ => 0,
        };
    }
    let area = vector.as_bytes();
    let byte = |at: usize| area.get(at).copied().map_or(0, u32::from);
    let half = |at: usize| byte(at) | byte(at + 1) << 8;
    match control {
        Control::Fctrl => half(0),
        Control::Fstat => half(2),
        Control::Ftag => tags(vector, half(2) >> 11 & 7, byte(4)),
        Control::Fop => half(6),
        Control::Fioff => half(8) | half(10) << 16,
        Control::Fiseg => half(12),
        Control::Fooff => half(16) | half(18) << 16,
        Control::Foseg => half(20),
    }
}

/// Two bits for each register: valid, zero, special, empty. The area has one bit, and the register.
fn tags(vector: &VectorState, top: u32, abridged: u32) -> u32 {
    let tag = |physical: u32| {
        if abridged >> physical & 1 == 0 {
            return 3;
        }
        let nth = usize::try_from((physical + 8 - top) % 8).unwrap_or(0);
        let value = xsave::bytes(vector, xsave::Component::X87, xsave::ST + 16 * nth, 10);
        let (fraction, exponent) = value.split_at(8);
        let exponent =
            exponent.iter().rev().fold(0, |high, low| high << 8 | u32::from(*low)) & 0x7fff;
        let integer = fraction.last().is_some_and(|byte| byte & 0x80 != 0);
        match exponent {
            0x7fff => 2,
            0 if fraction.iter().all(|byte| *byte == 0) => 1,
            0 => 2,
            _ if integer => 0,
            _ => 2,
        }
    };
    (0..8).fold(0, |all, physical| all | tag(physical) << (2 * physical))
}
