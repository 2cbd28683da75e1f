//! Tests that a task makes itself, at random places of random code.

use std::collections::BTreeMap;

use iced_x86::Code;
use retake_model::{
    Addr, Arithmetic, Comparison, Judged, Predicate, RegisterName, Registers, TaskId, Term, Width,
};
use retake_translator::{Condition, Constancy, Filter, Test, Word, XmmHalf};

use super::bench::{Bench, CODE, DATA, LOW, STACK, Step, TestStop};
use super::compare::{differences, listing};
use super::pieces::{Mix, piece};
use super::random::{caches, cases, seed, supported};
use super::rng::Rng;

/// Places that the ordinary test looks at.
const FEW: u64 = 300;

/// Words that are looked at: counters of loops among them.
fn words(rng: &mut Rng) -> Vec<Addr> {
    let mut words: Vec<Addr> = (0..6).map(|n| Addr::new(DATA + 0x20 + n * 8)).collect();
    words.push(Addr::new(STACK + 0x7f8));
    words.push(Addr::new(LOW + u64::from(rng.below(0xff0))));
    words
}

/// The value of a word at a step.
fn value(step: &Step, words: &[Addr], word: Word) -> u64 {
    match word {
        Word::Register(name) => step.registers.get(name),
        Word::Memory(addr) => {
            words.iter().position(|other| *other == addr).map_or(0, |n| step.words[n])
        }
        Word::Xmm(register, half) => {
            let at = 160 + usize::from(register) * 16 + usize::from(half == XmmHalf::Upper) * 8;
            u64::from_le_bytes(step.vector[at..at + 8].try_into().unwrap())
        }
    }
}

/// The vector registers of an area: the rest of it says how they came into it, too.
fn registers_of(vector: &[u8]) -> Vec<u8> {
    [vector.get(160..416), vector.get(576..832)].into_iter().flatten().flatten().copied().collect()
}

fn word(rng: &mut Rng, words: &[Addr]) -> Word {
    match rng.below(4) {
        0 | 1 => Word::Register(rng.pick(&RegisterName::GENERAL)),
        2 => Word::Memory(rng.pick(words)),
        _ => {
            let half = rng.pick(&[XmmHalf::Lower, XmmHalf::Upper]);
            Word::Xmm(rng.below(16) as u8, half)
        }
    }
}

/// A test that holds at a step, and perhaps at others.
fn test_of(rng: &mut Rng, step: &Step, words: &[Addr]) -> Test {
    let conditions = (0..rng.below(5)).map(|_| {
        let word = word(rng, words);
        Condition { word, value: value(step, words, word) }
    });
    let mut conditions: Vec<Condition> = conditions.collect();
    match rng.below(16) {
        // What cannot be read is never what was asked for.
        0 => conditions.push(Condition { word: Word::Memory(Addr::new(0x10)), value: 0 }),
        1 => {
            let word = word(rng, words);
            conditions.insert(0, Condition { word, value: rng.next() });
        }
        _ => {}
    }
    let predicate = rng.once_in(2).then(|| predicate(rng, step, words, 3));
    Test { place: None, filter: Some(Filter { conditions, predicate, counter: None }) }
}

/// A predicate that may hold, of at most so many levels.
fn predicate(rng: &mut Rng, step: &Step, words: &[Addr], levels: u32) -> Predicate {
    let row = |rng: &mut Rng| {
        (0..rng.below(4)).map(|_| predicate(rng, step, words, levels - 1)).collect()
    };
    match rng.below(if levels == 0 { 2 } else { 6 }) {
        0 => Predicate::Task(TaskId::new(rng.below(2))),
        1..3 => {
            let (left, right) = (term(rng, words, 3), term(rng, words, 3));
            let seen = left.evaluate(&AtStep { step, words });
            let right = if rng.once_in(2) { Term::Constant(seen.unwrap_or(0)) } else { right };
            Predicate::Compare(comparison(rng), left, right)
        }
        3 => Predicate::Not(Box::new(predicate(rng, step, words, levels - 1))),
        4 => Predicate::All(row(rng)),
        _ => Predicate::Any(row(rng)),
    }
}

fn comparison(rng: &mut Rng) -> Comparison {
    rng.pick(&[
        Comparison::Equal,
        Comparison::Unequal,
        Comparison::Below,
        Comparison::BelowOrEqual,
        Comparison::SignedLess,
        Comparison::SignedLessOrEqual,
    ])
}

fn term(rng: &mut Rng, words: &[Addr], levels: u32) -> Term {
    let deeper = |rng: &mut Rng| Box::new(term(rng, words, levels - 1));
    match rng.below(if levels == 0 { 5 } else { 7 }) {
        0 => Term::Constant(rng.next() >> rng.below(64)),
        1 => Term::Constant(u64::from(rng.below(4)).wrapping_neg()),
        2 => Term::Register(RegisterName::Rip),
        3 => Term::Register(rng.pick(&RegisterName::GENERAL)),
        4 => {
            let gone = rng.once_in(20);
            let addr = if gone { 0x10 } else { rng.pick(words).get() };
            Term::Memory(width(rng), Box::new(Term::Constant(addr)))
        }
        _ => {
            let operator = rng.pick(&[
                Arithmetic::Add,
                Arithmetic::Subtract,
                Arithmetic::Multiply,
                Arithmetic::And,
                Arithmetic::Or,
                Arithmetic::Xor,
                Arithmetic::Divide,
                Arithmetic::Remainder,
                Arithmetic::DivideSigned,
                Arithmetic::RemainderSigned,
                Arithmetic::ShiftRightSigned,
            ]);
            let right = match operator {
                Arithmetic::Divide | Arithmetic::Remainder => {
                    Box::new(Term::Constant((rng.next() >> rng.below(64)).max(1)))
                }
                Arithmetic::DivideSigned | Arithmetic::RemainderSigned => {
                    let number = (rng.next() >> rng.below(64)).clamp(1, u64::MAX - 1);
                    Box::new(Term::Constant(number))
                }
                Arithmetic::ShiftRightSigned => Box::new(Term::Constant(u64::from(rng.below(64)))),
                _ => deeper(rng),
            };
            Term::Arithmetic(operator, deeper(rng), right)
        }
    }
}

fn width(rng: &mut Rng) -> Width {
    rng.pick(&[Width::U8, Width::U16, Width::U32, Width::U64, Width::I8, Width::I16, Width::I32])
}

/// A state as predicates see it.
struct AtStep<'a> {
    step: &'a Step,
    words: &'a [Addr],
}

impl Judged for AtStep<'_> {
    fn task(&self) -> TaskId {
        TaskId::new(0)
    }

    fn registers(&self) -> &Registers {
        &self.step.registers
    }

    fn read(&self, addr: Addr, out: &mut [u8]) -> bool {
        let Some(n) = self.words.iter().position(|word| *word == addr) else { return false };
        out.copy_from_slice(&self.step.words[n].to_le_bytes()[..out.len()]);
        true
    }
}

fn holds(step: &Step, words: &[Addr], test: &Test) -> bool {
    let judged = |predicate: &Predicate| predicate.evaluate(&AtStep { step, words });
    let Some(filter) = &test.filter else { return false };
    equal(step, words, filter) && filter.predicate.as_ref().and_then(judged).unwrap_or(true)
}

fn equal(step: &Step, words: &[Addr], filter: &Filter) -> bool {
    filter.conditions.iter().all(|condition| match condition.word {
        Word::Memory(addr) if !words.contains(&addr) => false,
        word => value(step, words, word) == condition.value,
    })
}

#[test]
fn tests_hold_where_they_do_natively() {
    let first = seed();
    let bench = &mut Bench::new();
    let forms: Vec<Code> = supported(bench);
    let few: Vec<Code> = forms.iter().copied().filter(|code| is_simple(*code)).collect();
    let mut caches = caches(bench);
    let mut failures = Vec::new();
    let (mut stops, mut passes) = (0, 0);
    for n in 0..cases(FEW) / if std::env::var("RETAKE_TRANSLATOR_CASES").is_ok() { 100 } else { 1 }
    {
        let seed = first.wrapping_add(n);
        let rng = &mut Rng::new(seed);
        let mix = match rng.below(3) {
            0 => Mix { forms: &forms, items: 10, branches: 3 },
            _ => Mix { forms: &few, items: 12, branches: 2 },
        };
        let (code, _) = piece(rng, CODE, &mix);
        let kind = rng.below(4) as usize;
        bench.constancy = if rng.once_in(4) { Constancy::Compared } else { Constancy::Told };
        bench.put_code(CODE, &code);
        let state = bench.state(rng);
        let words = words(rng);
        let (steps, clock, native) = bench.stepped(&state, &words);
        let mut tests = BTreeMap::new();
        for _ in 0..1 + rng.below(3) {
            let step = &steps[rng.below(steps.len() as u32) as usize];
            let instruction = bench.instruction(step.registers.pc());
            // One place for all its turns; and the last one is outside.
            let repeats = instruction.has_rep_prefix() || instruction.has_repne_prefix();
            let is_end = instruction.code() == Code::Int3;
            if !(is_end || repeats && instruction.is_string_instruction()) {
                tests.insert(step.registers.pc(), test_of(rng, step, &words));
            }
        }
        let cache = &mut caches[kind];
        Bench::forget(cache, tests.clone());
        let (translated, counted, mut found) = bench.translated(cache, &state);
        found.iter_mut().for_each(|stop| stop.vector = registers_of(&stop.vector));
        let expected: Vec<TestStop> = steps
            .iter()
            .filter(|step| {
                let pc = step.registers.pc();
                !bench.is_outside(pc)
                    && tests.get(&pc).is_some_and(|test| holds(step, &words, test))
            })
            .map(|step| TestStop {
                registers: step.registers,
                vector: registers_of(&step.vector),
                clock: step.clock,
            })
            .collect();
        stops += expected.len();
        passes += steps.iter().filter(|step| tests.contains_key(&step.registers.pc())).count();
        let mut text = differences(&native, &translated).unwrap_or_default();
        if clock != counted {
            text += &format!("clock {clock}, translated {counted}\n");
        }
        if expected != found {
            let wrong = expected.iter().zip(&found).position(|(a, b)| a != b);
            let at = wrong.unwrap_or(expected.len().min(found.len()));
            text += &format!("{} stops, translated {}\n", expected.len(), found.len());
            if let (Some(a), Some(b)) = (expected.get(at), found.get(at)) {
                text += &format!(
                    "stop {at}: {:x?} clocks {} {} vector same {}\n",
                    a.registers.differences(&b.registers),
                    a.clock,
                    b.clock,
                    a.vector == b.vector
                );
            }
            text += &format!("{tests:x?}\n");
        }
        if !text.is_empty() {
            let constancy = bench.constancy;
            let code = listing(CODE, &code);
            failures.push(format!("RETAKE_SEED={seed} cache {kind} {constancy:?}\n{text}{code}"));
            if failures.len() > 4 {
                break;
            }
        }
    }
    eprintln!("{stops} stops, {passes} passes");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Instructions that do not end a piece with a fault.
fn is_simple(code: Code) -> bool {
    use iced_x86::Mnemonic as M;
    matches!(
        code.mnemonic(),
        M::Add
            | M::Sub
            | M::Adc
            | M::Xor
            | M::Mov
            | M::Lea
            | M::Cmp
            | M::Test
            | M::Inc
            | M::Dec
            | M::Imul
            | M::Shl
            | M::Shr
            | M::Rol
            | M::Movzx
            | M::Setb
            | M::Cmove
            | M::Push
            | M::Pop
            | M::Paddq
            | M::Pxor
            | M::Movdqu
            | M::Movups
            | M::Neg
            | M::Not
            | M::Xchg
    ) && !code.op_code().op_kinds().iter().any(|kind| format!("{kind:?}").contains("seg"))
}
