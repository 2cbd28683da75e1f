//! A process that runs pieces of code natively, and from the cache.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction};
use retake_model::{Addr, AddrRange, Registers, SigInfo, Signal, SyscallNo, VectorState};
use retake_ptrace::{Cpuid, ProcessMemory, Resume, StopEvent, Stopped, kill_process, spawn_stub};
use retake_tracee::{InjectPage, call_in_place, inject_in_replay};
use retake_translator::{
    CacheMemory, Code, Constancy, Entry, Limits, Room, Stop, Test, Translator,
};

pub(crate) const CODE: u64 = 0x2000_0000_0000;
pub(crate) const CODE_LEN: u64 = 0x2000;
pub(crate) const DATA: u64 = CODE + 0x1_0000;
pub(crate) const DATA_LEN: u64 = 0x3000;
pub(crate) const STACK: u64 = CODE + 0x2_0000;
pub(crate) const STACK_LEN: u64 = 0x1000;
/// Data that an address of 32 bits reaches.
pub(crate) const LOW: u64 = 0x1000_0000;
pub(crate) const LOW_LEN: u64 = 0x1000;
pub(crate) const FS: u64 = DATA + 0x900;
pub(crate) const GS: u64 = DATA + 0x1900;
const AREAS: [(u64, u64); 3] = [(DATA, DATA_LEN), (STACK, STACK_LEN), (LOW, LOW_LEN)];
const ROOM_LEN: u32 = 4 << 20;
/// Steps of one run at most.
const MOST_STEPS: usize = 20_000;

/// What pieces of code start from, and end with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) registers: Registers,
    pub(crate) vector: Vec<u8>,
    pub(crate) data: Vec<u8>,
}

/// How a piece of code ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) signal: Signal,
    /// Code and address of a memory fault.
    pub(crate) fault: Option<(i32, Addr)>,
    pub(crate) state: State,
}

/// A step of a native run: the state before it, and the branches before it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) registers: Registers,
    pub(crate) vector: Vec<u8>,
    pub(crate) words: Vec<u64>,
    pub(crate) clock: u64,
}

/// A stop at a test, translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TestStop {
    pub(crate) registers: Registers,
    pub(crate) vector: Vec<u8>,
    pub(crate) clock: u64,
}

/// A run up to a call, or another stop.
#[derive(Clone, Debug)]
pub(crate) struct UntilCall {
    pub(crate) registers: Registers,
    pub(crate) stop: StopEvent,
    /// Registers at the tests that held.
    pub(crate) tests: Vec<Registers>,
}

/// Memory of the process at a room.
#[derive(Debug)]
pub(crate) struct Cached {
    memory: Rc<RefCell<ProcessMemory>>,
    base: u64,
}

impl CacheMemory for Cached {
    fn write(&mut self, offset: u32, bytes: &[u8]) -> io::Result<()> {
        assert!(u64::from(offset) + bytes.len() as u64 <= ROOM_LEN.into(), "writes past the room");
        let at = Addr::new(self.base + u64::from(offset));
        self.memory.borrow_mut().write(at, bytes).map_err(io::Error::other)
    }

    fn read(&self, offset: u32, into: &mut [u8]) -> io::Result<()> {
        let at = Addr::new(self.base + u64::from(offset));
        self.memory.borrow().read_exact(at, into).map_err(io::Error::other)
    }
}

/// Memory that nobody runs.
struct NoMemory;

impl CacheMemory for NoMemory {
    fn write(&mut self, _: u32, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn read(&self, _: u32, into: &mut [u8]) -> io::Result<()> {
        into.fill(0);
        Ok(())
    }
}

/// The code of the process.
pub(crate) struct Live<'a> {
    memory: &'a RefCell<ProcessMemory>,
    constancy: Constancy,
}

impl Code for Live<'_> {
    fn read(&mut self, at: Addr, into: &mut [u8]) -> usize {
        if !(CODE..CODE + CODE_LEN).contains(&at.get()) {
            return 0;
        }
        let len = into.len().min((CODE + CODE_LEN - at.get()) as usize);
        self.memory.borrow().read(at, &mut into[..len]).unwrap_or(0)
    }

    fn constancy(&mut self, _: Addr) -> Constancy {
        self.constancy
    }
}

pub(crate) type Cache = Translator<Cached>;

pub(crate) struct Bench {
    task: Stopped,
    pub(crate) memory: Rc<RefCell<ProcessMemory>>,
    base: Registers,
    vector: Vec<u8>,
    /// What the process has in its data.
    data: Vec<u8>,
    /// Set by steps outside: what the translator cannot count.
    pub(crate) branches_outside: u64,
    pub(crate) constancy: Constancy,
}

impl Drop for Bench {
    fn drop(&mut self) {
        kill_process(self.task.tid());
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let stub = spawn_stub(Cpuid::Executed).unwrap();
        let mut task = stub.task;
        let mut memory = ProcessMemory::new(task.tid());
        let base = task.registers().unwrap();
        const FIXED: u64 = 0x10 | 0x20 | 2;
        let map = |addr: u64, len: u64, prot: u64| [addr, len, prot, FIXED, u64::MAX, 0];
        let mmap = SyscallNo::new(9);
        let page = map(InjectPage::ADDR.get(), InjectPage::LEN, 7);
        call_in_place(&mut task, &mut memory, &base, mmap, page).unwrap();
        memory.write(InjectPage::ADDR, &InjectPage::CODE).unwrap();
        let rooms = (0..4).map(|n| (Self::room(n).range().start().get(), ROOM_LEN.into(), 7));
        let areas = AREAS.into_iter().map(|(addr, len)| (addr, len, 3));
        for (addr, len, prot) in areas.chain([(CODE, CODE_LEN, 5)]).chain(rooms) {
            let done = inject_in_replay(&mut task, &base, mmap, map(addr, len, prot)).unwrap();
            assert_eq!(done.result.cast_unsigned(), addr);
        }
        let mut vector = task.vector().unwrap().as_bytes().to_vec();
        vector[..160].fill(0);
        vector[..2].copy_from_slice(&0x37f_u16.to_le_bytes());
        vector[24..28].copy_from_slice(&0x1f80_u32.to_le_bytes());
        // XSTATE_BV: x87, SSE, and AVX where it is.
        vector[512] = if vector.len() >= 832 { 7 } else { 3 };
        let data = vec![0; AREAS.iter().map(|(_, len)| *len as usize).sum()];
        let base = Registers { fs_base: FS, gs_base: GS, orig_rax: u64::MAX, ..base };
        let memory = Rc::new(RefCell::new(memory));
        let constancy = Constancy::Told;
        Self { task, memory, base, vector, data, branches_outside: 0, constancy }
    }

    fn room(n: u32) -> Room {
        Room::at(AddrRange::low(0x3800_0000 + n * ROOM_LEN, ROOM_LEN)).unwrap()
    }

    /// A cache in the `n`th room.
    pub(crate) fn cache(&self, n: u32, limits: Limits) -> Cache {
        let room = Self::room(n);
        let base = room.range().start().get();
        Translator::new(room, Cached { memory: self.memory.clone(), base }, limits).unwrap()
    }

    /// A state that is the same for a seed: general registers as given.
    pub(crate) fn state(&self, rng: &mut super::rng::Rng) -> State {
        let mut registers = Registers { rip: CODE, rsp: STACK + STACK_LEN / 2, ..self.base };
        for name in [
            "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12",
            "r13", "r14", "r15",
        ] {
            registers.set(retake_model::RegisterName::from_name(name).unwrap(), rng.value());
        }
        registers.eflags = 0x202 | rng.next() & 0x8d5;
        let mut vector = self.vector.clone();
        rng.fill(&mut vector[160..416]);
        if vector.len() >= 832 {
            rng.fill(&mut vector[576..832]);
        }
        let mut data = vec![0; self.data.len()];
        rng.fill(&mut data);
        State { registers, vector, data }
    }

    pub(crate) fn put_code(&self, at: u64, code: &[u8]) {
        self.memory.borrow_mut().write(Addr::new(at), code).unwrap();
    }

    fn put(&mut self, state: &State) {
        self.put_data(&state.data);
        self.task.set_vector(&VectorState::from_bytes(state.vector.clone())).unwrap();
        self.task.set_registers(&state.registers).unwrap();
    }

    fn put_data(&mut self, data: &[u8]) {
        if self.data != data {
            let mut at = 0;
            for (addr, len) in AREAS {
                let part = &data[at..at + len as usize];
                self.memory.borrow_mut().write(Addr::new(addr), part).unwrap();
                at += len as usize;
            }
            self.data.copy_from_slice(data);
        }
    }

    fn take_data(&mut self) {
        let mut at = 0;
        for (addr, len) in AREAS {
            let part = &mut self.data[at..at + len as usize];
            self.memory.borrow().read_exact(Addr::new(addr), part).unwrap();
            at += len as usize;
        }
    }

    /// The vector state as it is compared: without where the last x87 instruction and its
    /// operand were (a processor of AMD keeps that only while an exception is pending), and without
    /// what is in use: a stop of the task forgets a part that has its first value.
    fn vector_now(&self) -> Vec<u8> {
        let mut vector = self.task.vector().unwrap().as_bytes().to_vec();
        vector[6..24].fill(0);
        vector[512..520].fill(0);
        vector
    }

    fn outcome(&mut self, signal: Signal, info: &SigInfo, registers: Registers) -> Outcome {
        self.take_data();
        let in_memory = [Signal::SEGV, Signal::BUS].contains(&signal);
        let fault = in_memory.then(|| (info.code(), info.fault_addr()));
        let vector = self.vector_now();
        let registers = visible(registers);
        Outcome { signal, fault, state: State { registers, vector, data: self.data.clone() } }
    }

    /// Runs the code at once.
    pub(crate) fn native(&mut self, state: &State) -> Outcome {
        self.put(state);
        let stop = self.task.resume_and_wait(Resume::Emulate, None).unwrap();
        self.ended(stop)
    }

    fn ended(&mut self, stop: StopEvent) -> Outcome {
        let mut registers = self.task.registers().unwrap();
        let StopEvent::Signal(signal) = stop else { panic!("{stop:?} at {registers:x?}") };
        let info = self.task.siginfo().unwrap();
        if signal == Signal::TRAP {
            // Behind the breakpoint.
            registers.rip -= 1;
        }
        self.outcome(signal, &info, registers)
    }

    /// Runs the code step by step. `words` are looked at before each.
    pub(crate) fn stepped(&mut self, state: &State, words: &[Addr]) -> (Vec<Step>, u64, Outcome) {
        self.put(state);
        let mut steps = Vec::new();
        let mut clock = 0;
        loop {
            let registers = self.task.registers().unwrap();
            let instruction = self.instruction(registers.pc());
            let memory = self.memory.borrow();
            let words = words.iter().map(|addr| memory.read_u64(*addr).unwrap_or(0)).collect();
            drop(memory);
            let vector = self.vector_now();
            steps.push(Step { registers: visible(registers), vector, words, clock });
            assert!(steps.len() < MOST_STEPS, "does not end");
            let is_end = instruction.code() == iced_x86::Code::Int3;
            let how = if is_end { Resume::Emulate } else { Resume::EmulateStep };
            let stop = self.task.resume_and_wait(how, None).unwrap();
            if is_end || stop != StopEvent::Signal(Signal::TRAP) {
                let outcome = self.ended(stop);
                return (steps, clock, outcome);
            }
            // A repeated string instruction is stepped turn by turn, and is no branch.
            clock += u64::from(is_branch(&instruction));
        }
    }

    pub(crate) fn instruction(&self, at: Addr) -> Instruction {
        let mut code = [0; 15];
        let got = self.memory.borrow().read(at, &mut code).unwrap_or(0);
        Decoder::with_ip(64, &code[..got], at.get(), DecoderOptions::NONE).decode()
    }

    /// Whether an instruction is never executed from the cache, so that no test is made there.
    pub(crate) fn is_outside(&self, pc: Addr) -> bool {
        let memory = self.memory.clone();
        let code = &mut Live { memory: &memory, constancy: self.constancy };
        let mut cache = Translator::new(Self::room(0), NoMemory, Limits::plain()).unwrap();
        cache.enter(pc, code).unwrap() == Entry::Outside
    }

    /// Runs the code from the cache.
    pub(crate) fn translated(
        &mut self,
        cache: &mut Cache,
        state: &State,
    ) -> (Outcome, u64, Vec<TestStop>) {
        self.put(state);
        cache.reset_clock().unwrap();
        self.branches_outside = 0;
        let mut program = state.registers;
        let mut behind_test = false;
        let mut tests = Vec::new();
        for _ in 0..MOST_STEPS {
            let memory = self.memory.clone();
            let code = &mut Live { memory: &memory, constancy: self.constancy };
            let entry = match std::mem::take(&mut behind_test) {
                true => cache.enter_behind_test(program.pc(), code).unwrap(),
                false => cache.enter(program.pc(), code).unwrap(),
            };
            let Entry::Cache(at) = entry else {
                let instruction = self.instruction(program.pc());
                let is_end = instruction.code() == iced_x86::Code::Int3;
                let how = if is_end { Resume::Emulate } else { Resume::EmulateStep };
                self.task.set_registers(&program).unwrap();
                let stop = self.task.resume_and_wait(how, None).unwrap();
                if is_end || stop != StopEvent::Signal(Signal::TRAP) {
                    let clock = cache.branches().unwrap();
                    return (self.ended(stop), clock + self.branches_outside, tests);
                }
                self.branches_outside += u64::from(is_branch(&instruction));
                program = self.task.registers().unwrap();
                continue;
            };
            let mut actual = Registers { rip: at.get(), orig_rax: u64::MAX, ..program };
            loop {
                self.task.set_registers(&actual).unwrap();
                let stop = self.task.resume_and_wait(Resume::Emulate, None).unwrap();
                actual = self.task.registers().unwrap();
                let came_to = cache.stopped(&actual).unwrap();
                let clock = cache.branches().unwrap().wrapping_add(self.branches_outside);
                match came_to {
                    Some(Stop::Moved(registers) | Stop::Outside(registers)) => {
                        program = registers;
                        break;
                    }
                    Some(Stop::Test { registers }) => {
                        let vector = self.vector_now();
                        tests.push(TestStop { registers: visible(registers), vector, clock });
                        program = registers;
                        behind_test = true;
                        break;
                    }
                    Some(Stop::TestFailed(registers)) => actual = registers,
                    Some(Stop::At(registers)) => {
                        let StopEvent::Signal(signal) = stop else {
                            panic!("{stop:?} at {registers:x?}")
                        };
                        let info = self.task.siginfo().unwrap();
                        if std::env::var("RETAKE_VERBOSE").is_ok() {
                            let from = actual.rip - 24;
                            let mut code = [0; 40];
                            self.memory.borrow().read_exact(Addr::new(from), &mut code).unwrap();
                            let code = super::compare::listing(from, &code);
                            eprintln!("{signal} in the cache at {:#x}:\n{code}", actual.rip);
                        }
                        return (self.outcome(signal, &info, registers), clock, tests);
                    }
                    // Out of the cache, or within what was added: shows in the comparison.
                    Some(Stop::Between) | None => {
                        let StopEvent::Signal(signal) = stop else {
                            panic!("{stop:?} at {actual:x?}")
                        };
                        let info = self.task.siginfo().unwrap();
                        return (self.outcome(signal, &info, actual), clock, tests);
                    }
                }
            }
        }
        panic!("does not end at {:#x}", program.rip);
    }

    /// Runs the code from the cache up to a call, or another stop.
    pub(crate) fn until_call(&mut self, cache: &mut Cache, state: &State) -> UntilCall {
        self.take_data();
        self.put(state);
        cache.reset_clock().unwrap();
        self.go_on_until_call(cache, state.registers)
    }

    /// The same from where it stands, with other registers.
    pub(crate) fn go_on_until_call(
        &mut self,
        cache: &mut Cache,
        mut program: Registers,
    ) -> UntilCall {
        let mut tests = Vec::new();
        let mut behind_test = false;
        for _ in 0..MOST_STEPS {
            let memory = self.memory.clone();
            let code = &mut Live { memory: &memory, constancy: self.constancy };
            let entry = match std::mem::take(&mut behind_test) {
                true => cache.enter_behind_test(program.pc(), code).unwrap(),
                false => cache.enter(program.pc(), code).unwrap(),
            };
            let at = match entry {
                Entry::Cache(at) => Registers { rip: at.get(), orig_rax: u64::MAX, ..program },
                Entry::Outside => program,
            };
            self.task.set_registers(&at).unwrap();
            let stop = self.task.resume_and_wait(Resume::Emulate, None).unwrap();
            let actual = self.task.registers().unwrap();
            match cache.stopped(&actual).unwrap() {
                Some(Stop::Outside(registers)) if stop != StopEvent::Syscall => {
                    return UntilCall { registers, stop, tests };
                }
                Some(Stop::Moved(registers) | Stop::Outside(registers)) => program = registers,
                Some(Stop::Test { registers }) => {
                    tests.push(registers);
                    program = registers;
                    behind_test = true;
                }
                Some(Stop::At(registers)) => return UntilCall { registers, stop, tests },
                None => return UntilCall { registers: actual, stop, tests },
                other => panic!("{stop:?}: {other:?}"),
            }
        }
        panic!("does not end at {:#x}", program.rip);
    }

    /// What is in the data.
    pub(crate) fn data_now(&mut self) -> Vec<u8> {
        self.take_data();
        self.data.clone()
    }

    /// Makes these the tests of the cache.
    pub(crate) fn forget(cache: &mut Cache, tests: std::collections::BTreeMap<Addr, Test>) {
        let all = AddrRange::with_len(Addr::new(CODE), CODE_LEN).unwrap();
        cache.code_changed(all).unwrap();
        cache.set_tests(&tests).unwrap();
    }
}

pub(crate) fn is_branch(instruction: &Instruction) -> bool {
    use FlowControl as F;
    matches!(
        instruction.flow_control(),
        F::UnconditionalBranch
            | F::ConditionalBranch
            | F::IndirectBranch
            | F::Call
            | F::IndirectCall
            | F::Return
    ) && instruction.code() != iced_x86::Code::Syscall
}

/// Registers without what the tracer's own doings leave in them.
pub(crate) fn visible(registers: Registers) -> Registers {
    const TRAP_FLAG: u64 = 0x100;
    let clean = registers.without_resume_flag();
    Registers { orig_rax: u64::MAX, eflags: clean.eflags & !TRAP_FLAG, ..clean }
}
