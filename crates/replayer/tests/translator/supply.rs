//! Calls whose answers are supplied.

use iced_x86::code_asm::{CodeAssembler, eax, r12, r13, rax, rbx, rdi, rdx, rsi};
use retake_model::{Addr, Registers, Signal};
use retake_ptrace::StopEvent;
use retake_translator::{Fits, Limits, SuppliedAt};

use super::bench::{Bench, CODE, Cache, DATA, State, UntilCall};
use super::random::seed;
use super::rng::Rng;

/// The number of the calls.
const NO: u32 = 17;
/// What a probe is told.
const READY: u64 = 2;
/// ENOSYS, as the kernel has it at a stop.
const NO_RESULT: u64 = 38_u64.wrapping_neg();

/// A loop of twelve turns with a call in each, before which it asks whether that waits; the addresses behind
/// the two `syscall` instructions.
fn put_loop(bench: &Bench) -> (Addr, Addr) {
    let mut a = CodeAssembler::new(64).unwrap();
    let (mut again, mut end) = (a.create_label(), a.create_label());
    let (mut behind_probe, mut behind_call) = (a.create_label(), a.create_label());
    a.mov(r12, 12_u64).unwrap();
    a.set_label(&mut again).unwrap();
    a.mov(eax, 7).unwrap();
    // Flags of all kinds.
    a.add(r13, rdx).unwrap();
    a.syscall().unwrap();
    a.set_label(&mut behind_probe).unwrap();
    a.mov(rbx, rax).unwrap();
    a.test(eax, eax).unwrap();
    a.jle(end).unwrap();
    a.mov(eax, NO).unwrap();
    a.mov(rdi, DATA + 0x100).unwrap();
    a.mov(rsi, r12).unwrap();
    a.syscall().unwrap();
    a.set_label(&mut behind_call).unwrap();
    a.add(rdx, rax).unwrap();
    a.dec(r12).unwrap();
    a.jne(again).unwrap();
    a.set_label(&mut end).unwrap();
    a.int3().unwrap();
    let options = iced_x86::BlockEncoderOptions::RETURN_NEW_INSTRUCTION_OFFSETS;
    let done = a.assemble_options(CODE, options).unwrap();
    let at = |label| Addr::new(done.label_ip(label).unwrap());
    let behind = (at(&behind_probe), at(&behind_call));
    bench.put_code(CODE, &done.inner.code_buffer);
    behind
}

fn at((probe, call): (Addr, Addr)) -> SuppliedAt {
    let before = |behind: Addr| behind.checked_sub(2);
    let (question, call) = (before(probe).unwrap(), before(call).unwrap());
    SuppliedAt { call, questions: [question, Addr::NULL], answer: READY }
}

/// The registers that the task has at all its calls, with a stop at each of both kinds, and the branches between
/// them. `result` answers the calls.
fn with_stops(
    bench: &mut Bench,
    cache: &mut Cache,
    state: &State,
    (probe, call): (Addr, Addr),
    result: impl Fn(usize) -> u64,
) -> (Vec<Registers>, Vec<Registers>) {
    let (mut probes, mut calls) = (Vec::new(), Vec::new());
    let mut ran = bench.until_call(cache, state);
    while ran.stop == StopEvent::Syscall {
        let here = ran.registers;
        assert_eq!(here.rax, NO_RESULT);
        let answer = if here.pc() == probe {
            probes.push(here);
            READY
        } else {
            assert_eq!(here.pc(), call);
            calls.push(here);
            result(calls.len() - 1)
        };
        let after = Registers { rax: answer, orig_rax: u64::MAX, ..here };
        ran = bench.go_on_until_call(cache, after);
    }
    assert_eq!(ran.stop, StopEvent::Signal(Signal::TRAP));
    (probes, calls)
}

/// What the calls write, by their number.
fn outputs(n: usize) -> Vec<(Addr, Vec<u8>)> {
    let at = |at: u64, len: usize| {
        (Addr::new(DATA + at), (0..len).map(|byte| (byte * 7 + n) as u8 | 1).collect())
    };
    match n % 5 {
        0 => vec![],
        1 => vec![at(0x100, 1)],
        2 => vec![at(0x200, 0), at(0x203, 16), at(0x300, 5)],
        // Over the edge of a page.
        3 => vec![at(0x400, 4097), at(0x401, 3)],
        _ => vec![at(0x1f00, 144), at(0x2000, 8)],
    }
}

fn result(n: usize) -> u64 {
    (n as u64).wrapping_sub(2).wrapping_mul(0x1_0000_0001)
}

/// Where the data lies in what the bench gives.
fn written(state: &State, calls: std::ops::Range<usize>) -> Vec<u8> {
    let mut data = state.data.clone();
    for (addr, bytes) in calls.flat_map(outputs) {
        let at = (addr.get() - DATA) as usize;
        data[at..at + bytes.len()].copy_from_slice(&bytes);
    }
    data
}

fn supply(cache: &mut Cache, at: SuppliedAt, calls: &[Registers]) {
    let mut supply = cache.new_supply();
    for (n, before) in calls.iter().enumerate() {
        let outputs = outputs(n);
        let outputs = outputs.iter().map(|(addr, bytes)| (*addr, bytes.as_slice()));
        assert_eq!(supply.push(before, result(n), outputs), Fits::Yes);
    }
    assert_eq!(supply.len(), calls.len());
    cache.supply(at, supply).unwrap();
}

#[test]
fn a_row_of_calls_is_taken_without_a_stop() {
    let bench = &mut Bench::new();
    let behind = put_loop(bench);
    let first = seed();
    for (n, limits) in
        [Limits::default(), Limits::plain(), Limits::single_instructions()].into_iter().enumerate()
    {
        for seed in first..first + 8 {
            let cache = &mut bench.cache(n as u32, limits);
            let state = bench.state(&mut Rng::new(seed));
            let (probes, calls) = with_stops(bench, cache, &state, behind, result);
            assert_eq!((probes.len(), calls.len()), (12, 12));
            for taken in [0, 1, 5, 11] {
                supply(cache, at(behind), &calls[..taken]);
                let ran = bench.until_call(cache, &state);
                assert_eq!(
                    (ran.stop, ran.registers),
                    (StopEvent::Syscall, calls[taken]),
                    "seed {seed}"
                );
                assert_eq!(cache.branches().unwrap(), if taken == 0 { 1 } else { 2 });
                assert_eq!(cache.end_supply().unwrap(), taken);
                assert!(bench.data_now() == written(&state, 0..taken), "seed {seed}");
                // Nothing is supplied any more.
                assert_eq!(bench.until_call(cache, &state).registers, probes[0]);
            }
        }
    }
}

/// The processor leaves the flags and the next address behind at a `syscall`.
#[test]
fn an_answered_probe_leaves_registers_as_the_kernel_does() {
    let bench = &mut Bench::new();
    let behind = put_loop(bench);
    let first = seed();
    for seed in first..first + 40 {
        let cache = &mut bench.cache(0, Limits::default());
        let state = bench.state(&mut Rng::new(seed));
        let (probes, calls) = with_stops(bench, cache, &state, behind, result);
        let tests = [(behind.0, retake_translator::Test::always())].into();
        cache.set_tests(&tests).unwrap();
        supply(cache, at(behind), &calls[..3]);
        let seen = bench.until_call(cache, &state).tests;
        let expected = |probe: &Registers| Registers { rax: READY, orig_rax: u64::MAX, ..*probe };
        let expected: Vec<Registers> = probes[..4].iter().map(expected).collect();
        assert_eq!(seen, expected, "seed {seed}");
        cache.set_tests(&[].into()).unwrap();
    }
}

#[test]
fn another_call_than_the_supplied_one_is_made() {
    let bench = &mut Bench::new();
    let behind = put_loop(bench);
    let cache = &mut bench.cache(0, Limits::default());
    let state = bench.state(&mut Rng::new(seed()));
    let (_, calls) = with_stops(bench, cache, &state, behind, result);
    for name in [
        "orig_rax", "rbx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r12", "r13",
        "r14", "r15",
    ] {
        let name = retake_model::RegisterName::from_name(name).unwrap();
        let mut others = calls[..5].to_vec();
        let value = others[3].get(name);
        others[3].set(name, value ^ 1 << 40);
        supply(cache, at(behind), &others);
        let ran = bench.until_call(cache, &state);
        assert_eq!((ran.stop, ran.registers), (StopEvent::Syscall, calls[3]), "{name:?}");
        assert_eq!(cache.end_supply().unwrap(), 3);
        assert!(bench.data_now() == written(&state, 0..3), "{name:?}");
    }
}

/// Where the task cannot write itself, the call stops it, with the registers that it has there.
#[test]
fn outputs_to_memory_that_is_read_only_make_a_stop() {
    let bench = &mut Bench::new();
    let behind = put_loop(bench);
    let cache = &mut bench.cache(0, Limits::default());
    let state = bench.state(&mut Rng::new(seed()));
    let (_, calls) = with_stops(bench, cache, &state, behind, result);
    let mut supply = cache.new_supply();
    let bytes = [1; 40];
    for (n, before) in calls[..4].iter().enumerate() {
        let to = if n == 2 { CODE + 0x1000 } else { DATA };
        let outputs = [(Addr::new(DATA), &bytes[..]), (Addr::new(to), &bytes[..])];
        assert_eq!(supply.push(before, result(n), outputs.into_iter()), Fits::Yes);
    }
    cache.supply(at(behind), supply).unwrap();
    let UntilCall { registers: here, stop, .. } = bench.until_call(cache, &state);
    assert_eq!(stop, StopEvent::Signal(Signal::SEGV));
    let call = Registers { rip: calls[2].rip - 2, rax: NO.into(), ..calls[2] };
    let call = Registers { orig_rax: u64::MAX, rcx: here.rcx, r11: here.r11, ..call };
    assert_eq!(super::bench::visible(here), super::bench::visible(call));
    assert_eq!(cache.end_supply().unwrap(), 2);
}

#[test]
fn what_does_not_fit_is_not_supplied() {
    let bench = &mut Bench::new();
    let behind = put_loop(bench);
    let cache = &mut bench.cache(0, Limits::default());
    let state = bench.state(&mut Rng::new(seed()));
    let (_, calls) = with_stops(bench, cache, &state, behind, result);
    let mut supply = cache.new_supply();
    let bytes = [1; 0x1000];
    let outputs = || [(Addr::new(DATA), &bytes[..])].into_iter();
    let mut fit = 0;
    while supply.push(&calls[fit % 12], 0, outputs()) == Fits::Yes {
        fit += 1;
    }
    assert!((20..40).contains(&fit), "{fit}");
    assert_eq!(supply.len(), fit);
    cache.supply(at(behind), supply).unwrap();
    assert_eq!(cache.end_supply().unwrap(), 0);
}
