//! Random code, natively and translated.

use std::collections::BTreeMap;

use iced_x86::Code;
use retake_model::Signal;
use retake_translator::{Constancy, Limits};

use super::bench::{Bench, CODE, Cache};
use super::compare::{differences, listing};
use super::forms::{self, Maker};
use super::pieces::{Mix, piece};
use super::rng::Rng;

/// Instructions that the ordinary test runs.
const FEW: u64 = 4000;

pub(crate) fn seed() -> u64 {
    let given = std::env::var("RETAKE_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(1, |now| now.as_nanos() as u64 & 0xffff_ffff)
    })
}

pub(crate) fn cases(few: u64) -> u64 {
    let given = std::env::var("RETAKE_TRANSLATOR_CASES").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(few)
}

/// The forms that this processor has: those that do not end with SIGILL.
pub(crate) fn supported(bench: &mut Bench) -> Vec<Code> {
    let mut rng = Rng::new(1);
    let all = forms::all();
    let works = |code: &Code| {
        (0..6).any(|_| {
            let mut maker = Maker { rng: &mut rng, at: CODE, bytes: Vec::new() };
            if !maker.form(*code) {
                return false;
            }
            maker.raw(&[0xcc]);
            bench.put_code(CODE, &maker.bytes);
            let state = bench.state(&mut Rng::new(2));
            bench.native(&state).signal != Signal::ILL
        })
    };
    all.into_iter().filter(works).collect()
}

/// Caches of all kinds.
pub(crate) fn caches(bench: &Bench) -> [Cache; 4] {
    [
        bench.cache(0, Limits::default()),
        bench.cache(1, Limits::single_instructions()),
        bench.cache(2, Limits::plain()),
        bench.cache(3, Limits { code: 32 << 10, ..Limits::small_cache() }),
    ]
}

#[test]
fn random_code_does_the_same_translated() {
    let first = seed();
    let bench = &mut Bench::new();
    let forms = supported(bench);
    assert!(forms.len() > 900, "{} forms", forms.len());
    let mut caches = caches(bench);
    let cases = cases(FEW);
    let (mut done, mut n, mut failures) = (0, 0_u64, Vec::new());
    let mut ends = BTreeMap::new();
    let verbose = std::env::var("RETAKE_VERBOSE").is_ok();
    while done < cases {
        let seed = first.wrapping_add(n);
        let rng = &mut Rng::new(seed);
        let shape = rng.below(4);
        let branches = [u32::MAX, 4, 8, 3][shape as usize];
        let of_forms = &forms[..];
        let mix = Mix { forms: of_forms, items: 14, branches };
        let (code, starts) = piece(rng, CODE, &mix);
        let kind = match rng.below(16) {
            0 => 3,
            n => n as usize % 3,
        };
        bench.constancy = if rng.once_in(4) { Constancy::Compared } else { Constancy::Told };
        bench.put_code(CODE, &code);
        let state = bench.state(rng);
        if verbose {
            eprintln!(
                "RETAKE_SEED={seed} kind {kind} {:?}\n{}",
                bench.constancy,
                listing(CODE, &code)
            );
        }
        let stepped = rng.once_in(16);
        let (native, clock) = match stepped {
            true => {
                let (_, clock, outcome) = bench.stepped(&state, &[]);
                (outcome, Some(clock))
            }
            false => (bench.native(&state), None),
        };
        *ends.entry(native.signal).or_insert(0_u64) += 1;
        let cache = &mut caches[kind];
        Bench::forget(cache, BTreeMap::new());
        let (translated, counted, _) = bench.translated(cache, &state);
        let mut text = differences(&native, &translated).unwrap_or_default();
        if clock.is_some_and(|clock| clock != counted) {
            text += &format!("clock: {clock:?}, translated {counted}\n");
        }
        if !text.is_empty() {
            let code = listing(CODE, &code);
            let constancy = bench.constancy;
            failures.push(format!(
                "RETAKE_SEED={seed} cache {kind} {constancy:?} native ends at {:#x}\n{text}{code}",
                native.state.registers.rip
            ));
            if failures.len() > 8 {
                break;
            }
        }
        done += starts.len() as u64;
        n += 1;
    }
    eprintln!("{n} pieces, {done} instructions of {} forms: {ends:?}", forms.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
