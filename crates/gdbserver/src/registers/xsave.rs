//! The XSAVE area in standard format (Intel SDM vol. 1, 13.4).

use retake_model::VectorState;

/// Control words of the x87 unit, and its registers, 16 bytes apart.
pub(super) const ST: usize = 32;
/// Control and status of SSE.
pub(super) const MXCSR: usize = 24;
/// The first sixteen vector registers' lowest 16 bytes.
pub(super) const XMM: usize = 160;
/// Their next 16 bytes.
pub(super) const YMM_HIGH: usize = 576;
/// The kernel keeps XCR0 here.
const XCR0: usize = 464;
/// XSTATE_BV
const IN_USE: usize = 512;

/// A component of the extended state, by its bit in XCR0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Component {
    X87 = 0,
    Sse = 1,
    Avx = 2,
    /// k0 to k7.
    Masks = 5,
    /// The upper 32 bytes of registers 0 to 15.
    UpperZmm = 6,
    /// Registers 16 to 31.
    HighZmm = 7,
    Pkru = 9,
}

/// Where the parts of AVX-512 are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx512 {
    pub(super) masks: usize,
    pub(super) upper_zmm: usize,
    pub(super) high_zmm: usize,
}

/// What the extended state of a machine holds besides x87 and SSE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extended {
    pub(super) avx: bool,
    pub(super) avx512: Option<Avx512>,
    pub(super) pkru: Option<usize>,
}

impl Extended {
    /// As a state of the machine shows it. `cpuid` are answers that were recorded: leaf, subleaf, eax, ebx,
    /// ecx, edx.
    pub(crate) fn of(vector: &VectorState, cpuid: &[[u32; 6]]) -> Self {
        let area = vector.as_bytes();
        let enabled = word(area, XCR0);
        let has = |component: Component| enabled >> component as u32 & 1 == 1;
        let inside = |at: usize, len: usize| (at + len <= area.len()).then_some(at);
        // Leaf 0xd tells in ebx where a component is. Without it: AMD keeps no room for MPX (components 3 and 4).
        let shift = if area.len() < 2688 { 256 } else { 0 };
        let at = |component: Component, usual: usize, len: usize| {
            let told = cpuid.iter().find(|answer| answer[..2] == [0xd, component as u32]);
            let told =
                told.and_then(|answer| usize::try_from(answer[3]).ok()).filter(|at| *at >= IN_USE);
            inside(told.unwrap_or(usual - shift), len).filter(|_| has(component))
        };
        let masks = at(Component::Masks, 1088, 8 * 8);
        let upper = at(Component::UpperZmm, 1152, 16 * 32);
        let high = at(Component::HighZmm, 1664, 16 * 64);
        let avx512 = masks.zip(upper).zip(high);
        Self {
            avx: has(Component::Avx) && inside(YMM_HIGH, 16 * 16).is_some(),
            avx512: avx512.map(|((masks, upper_zmm), high_zmm)| Avx512 {
                masks,
                upper_zmm,
                high_zmm,
            }),
            pkru: at(Component::Pkru, 2688, 4),
        }
    }
}

/// Bytes of a component; zeroes where it is in its initial state or not there.
pub(super) fn bytes(vector: &VectorState, component: Component, at: usize, len: usize) -> Vec<u8> {
    let area = vector.as_bytes();
    // MXCSR is kept whichever components are in use (Intel SDM vol. 1, 13.7).
    let in_use = at == MXCSR || word(area, IN_USE) >> component as u32 & 1 == 1;
    let found = area.get(at..).unwrap_or_default().iter().take(len).copied();
    let mut value: Vec<u8> = if in_use { found.collect() } else { Vec::new() };
    value.resize(len, 0);
    value
}

/// Whether the x87 unit is not in its initial state.
pub(super) fn has_x87(vector: &VectorState) -> bool {
    word(vector.as_bytes(), IN_USE) & 1 == 1
}

fn word(area: &[u8], at: usize) -> u64 {
    let bytes = area.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_le_bytes)
}
