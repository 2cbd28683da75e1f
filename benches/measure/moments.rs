//! Random moments of recordings.

/// How many moments of a recording are visited, unless `RETAKE_BENCH_MOMENTS` says otherwise.
const MOMENTS: usize = 200;

/// How many moments of each recording to visit.
pub(crate) fn moments() -> usize {
    let text = std::env::var("RETAKE_BENCH_MOMENTS").ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(MOMENTS).max(1)
}

/// Numbers that are the same in each run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % end.max(1)
    }
}
