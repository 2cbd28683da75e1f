//! What numbers a compiled expression can be.

use super::Int;

const I64_MIN: i128 = i64::MIN as i128;
const I64_MAX: i128 = i64::MAX as i128;
const U64_MAX: i128 = u64::MAX as i128;

/// Between which values a term lies, in 128 bits. All fit into an `i64`, or all into a `u64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) least: i128,
    pub(super) most: i128,
}

impl Range {
    /// All numbers with a sign.
    pub(super) const I64: Self = Self { least: I64_MIN, most: I64_MAX };
    /// All numbers without one.
    pub(super) const U64: Self = Self { least: 0, most: U64_MAX };

    /// The smallest one with all of these values; `None` if they do not fit.
    pub(super) fn of(values: [Option<i128>; 4]) -> Option<Self> {
        let [a, b, c, d] = values;
        let values = [a?, b?, c?, d?];
        let least = values.into_iter().fold(i128::MAX, i128::min);
        let most = values.into_iter().fold(i128::MIN, i128::max);
        let fits = (0 <= least && most <= U64_MAX) || (I64_MIN <= least && most <= I64_MAX);
        fits.then_some(Self { least, most })
    }

    pub(super) fn between(least: i128, most: i128) -> Option<Self> {
        Self::of([Some(least), Some(most), Some(least), Some(most)])
    }

    pub(super) fn of_int(int: Int) -> Self {
        let values = 1_i128 << (8 * int.bytes);
        match int.signed {
            true => Self { least: -values / 2, most: values / 2 - 1 },
            false => Self { least: 0, most: values - 1 },
        }
    }

    pub(super) const fn has_negative(self) -> bool {
        self.least < 0
    }

    /// Whether some value reads as another one with a sign.
    pub(super) const fn has_large(self) -> bool {
        self.most > I64_MAX
    }
}
