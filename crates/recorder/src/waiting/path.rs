//! Which way a turn of a loop takes: told from registers and memory before it, without executing it.
//!
//! Only plain integer instructions are followed. Where a branch depends on anything else the way is not known.

use std::collections::BTreeMap;

use iced_x86::{ConditionCode, FlowControl, Instruction, Mnemonic, OpKind, Register};
use retake_model::{Addr, Registers};
use retake_ptrace::WatchLen;
use retake_tracee::Glance;

use super::code::{Access, Known, Step};

/// The flags that conditions depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Flags {
    carry: bool,
    zero: bool,
    sign: bool,
    overflow: bool,
    parity: bool,
}

impl Flags {
    fn of(eflags: u64) -> Self {
        let bit = |n: u32| eflags >> n & 1 == 1;
        Self { carry: bit(0), parity: bit(2), zero: bit(6), sign: bit(7), overflow: bit(11) }
    }

    /// Those of a result of so many bits, of which neither carry nor overflow comes (Intel SDM vol. 1, 3.4.3.1).
    fn of_result(result: u64, bits: u32) -> Self {
        let sign = result >> (bits - 1) & 1 == 1;
        let parity = (result & 0xff).count_ones().is_multiple_of(2);
        Self { carry: false, zero: result == 0, sign, overflow: false, parity }
    }

    fn holds(self, condition: ConditionCode) -> bool {
        let Self { carry, zero, sign, overflow, parity } = self;
        match condition {
            ConditionCode::o => overflow,
            ConditionCode::no => !overflow,
            ConditionCode::b => carry,
            ConditionCode::ae => !carry,
            ConditionCode::e => zero,
            ConditionCode::ne => !zero,
            ConditionCode::be => carry || zero,
            ConditionCode::a => !carry && !zero,
            ConditionCode::s => sign,
            ConditionCode::ns => !sign,
            ConditionCode::p => parity,
            ConditionCode::np => !parity,
            ConditionCode::l => sign != overflow,
            ConditionCode::ge => sign == overflow,
            ConditionCode::le => zero || sign != overflow,
            ConditionCode::g => !zero && sign == overflow,
            ConditionCode::None => true,
        }
    }
}

/// What is known of a task in a turn of its loop.
struct State<'a> {
    known: Known,
    flags: Option<Flags>,
    memory: &'a Glance<'a>,
    /// What the turn has written by now: length and, if that is known, value.
    written: BTreeMap<Addr, (usize, Option<u64>)>,
}

/// A turn that surely executes just the instructions of its loop, and then the first one again.
#[derive(Debug)]
pub(super) struct SureTurn {
    pub(super) accesses: Vec<Access>,
    /// All turns from the next one on do the same, and leave everything as it is: until somebody else writes to
    /// what they read. These are the accesses of such a turn then.
    pub(super) lasts: bool,
}

/// What a turn comes to that begins with these registers, if that is sure.
pub(super) fn sure_turn(
    turn: &[&Step],
    registers: &Registers,
    memory: &Glance<'_>,
) -> Option<SureTurn> {
    let flags = Some(Flags::of(registers.eflags));
    let known = Known::all(registers);
    let mut state = State { known, flags, memory, written: BTreeMap::new() };
    let accesses = state.turn(turn)?;
    let (known, flags) = (state.known.clone(), state.flags);
    let again = state.turn(turn).filter(|_| {
        known.is_complete() && state.known == known && state.flags == flags && state.is_unwritten()
    });
    let lasts = again.is_some();
    Some(SureTurn { accesses: again.unwrap_or(accesses), lasts })
}

fn mask(bits: u32) -> u64 {
    u64::MAX >> (64 - bits.clamp(1, 64))
}

impl State<'_> {
    /// Executes a turn, if it surely takes this way: gives its accesses.
    fn turn(&mut self, turn: &[&Step]) -> Option<Vec<Access>> {
        let mut list = Vec::new();
        for (n, step) in turn.iter().enumerate() {
            let next = turn.get(n + 1).or(turn.first())?.instruction().ip();
            if self.next(step.instruction())? != next {
                return None;
            }
            let accesses = step.accesses(&self.known)?;
            self.execute(step, &accesses);
            list.extend(accesses);
        }
        Some(list)
    }

    /// Whether all that was written was there before.
    fn is_unwritten(&self) -> bool {
        self.written.iter().all(|(addr, (len, value))| {
            let whole = WatchLen::holding(*len).filter(|whole| whole.bytes() == *len);
            let before = whole.and_then(|whole| self.memory.word(*addr, whole));
            value.is_some() && before == *value
        })
    }

    /// Where the code goes on after this instruction.
    fn next(&self, instruction: &Instruction) -> Option<u64> {
        match instruction.flow_control() {
            FlowControl::Next => Some(instruction.next_ip()),
            FlowControl::UnconditionalBranch => Some(instruction.near_branch_target()),
            // Not `loop` and `jrcxz`, which look at a register.
            FlowControl::ConditionalBranch if instruction.is_jcc_short_or_near() => {
                let taken = self.flags?.holds(instruction.condition_code());
                Some(if taken { instruction.near_branch_target() } else { instruction.next_ip() })
            }
            _ => None,
        }
    }

    /// A word of memory as the turn sees it.
    fn load(&self, access: &Access) -> Option<u64> {
        let overlaps = |(at, (len, _)): &(&Addr, &(usize, Option<u64>))| {
            at.get() < access.addr.get() + access.len as u64
                && access.addr.get() < at.get() + *len as u64
        };
        let mut written = self.written.iter().filter(overlaps);
        match (written.next(), written.next()) {
            (None, _) => {
                let mut bytes = [0; 8];
                self.memory.read_exact(access.addr, bytes.get_mut(..access.len)?)?;
                Some(u64::from_le_bytes(bytes))
            }
            (Some((at, (len, value))), None) if *at == access.addr && *len == access.len => *value,
            _ => None,
        }
    }

    fn operand(&self, instruction: &Instruction, n: u32, accesses: &[Access]) -> Option<u64> {
        match instruction.op_kind(n) {
            OpKind::Register => {
                let register = instruction.op_register(n);
                let is_plain = register.is_gpr() && !is_high(register);
                let bits = u32::try_from(register.size() * 8).ok()?;
                is_plain.then(|| self.known.value(register))?.map(|value| value & mask(bits))
            }
            OpKind::Memory => match accesses {
                [only] if only.reads => self.load(only),
                _ => None,
            },
            _ => instruction.try_immediate(n).ok(),
        }
    }

    /// What is known after it.
    fn execute(&mut self, step: &Step, accesses: &[Access]) {
        let instruction = step.instruction();
        let result = self.compute(instruction, accesses);
        step.forget_written(&mut self.known);
        if instruction.rflags_modified() != 0 {
            self.flags = result.flags;
        }
        for access in accesses.iter().filter(|access| access.writes) {
            let value = result.stored.filter(|_| accesses.len() == 1);
            let place = self.written.entry(access.addr).or_insert((access.len, value));
            let is_same = place.0 == access.len;
            *place = (place.0.max(access.len), value.filter(|_| is_same));
        }
        for (register, value) in result.registers.into_iter().flatten() {
            // Parts of 8 and 16 bits leave the rest as it is, which is forgotten here.
            if register.is_gpr32() || register.is_gpr64() {
                self.known.set(register, value);
            }
        }
    }

    fn compute(&self, instruction: &Instruction, accesses: &[Access]) -> Computed {
        self.try_compute(instruction, accesses).unwrap_or_default()
    }

    fn try_compute(&self, instruction: &Instruction, accesses: &[Access]) -> Option<Computed> {
        let first = || self.operand(instruction, 0, accesses);
        let second = || self.operand(instruction, 1, accesses);
        let bits = u32::try_from(match instruction.op0_kind() {
            OpKind::Register => instruction.op0_register().size() * 8,
            _ => instruction.memory_size().size() * 8,
        })
        .ok()
        .filter(|bits| matches!(bits, 8 | 16 | 32 | 64))?;
        let both = |flags, value: u64| {
            let mut computed = Computed { flags: Some(flags), ..Computed::default() };
            computed.put(instruction, 0, value & mask(bits));
            computed
        };
        let flags_only = |flags| Computed { flags: Some(flags), ..Computed::default() };
        let before = self.flags;
        Some(match instruction.mnemonic() {
            Mnemonic::Cmp => flags_only(subtract(first()?, second()?, bits).0),
            Mnemonic::Test => flags_only(Flags::of_result(first()? & second()? & mask(bits), bits)),
            Mnemonic::Sub => {
                let (flags, value) = subtract(first()?, second()?, bits);
                both(flags, value)
            }
            Mnemonic::Add => {
                let (flags, value) = add(first()?, second()?, bits);
                both(flags, value)
            }
            Mnemonic::Inc => {
                let (flags, value) = add(first()?, 1, bits);
                both(Flags { carry: before?.carry, ..flags }, value)
            }
            Mnemonic::Dec => {
                let (flags, value) = subtract(first()?, 1, bits);
                both(Flags { carry: before?.carry, ..flags }, value)
            }
            Mnemonic::And => {
                let value = first()? & second()? & mask(bits);
                both(Flags::of_result(value, bits), value)
            }
            Mnemonic::Or => {
                let value = (first()? | second()?) & mask(bits);
                both(Flags::of_result(value, bits), value)
            }
            Mnemonic::Xor => {
                let same = instruction.op1_kind() == OpKind::Register
                    && instruction.op0_register() == instruction.op1_register();
                let value = if same { 0 } else { (first()? ^ second()?) & mask(bits) };
                both(Flags::of_result(value, bits), value)
            }
            Mnemonic::Mov | Mnemonic::Movzx => {
                let mut computed = Computed::default();
                computed.put(instruction, 0, second()? & mask(bits));
                computed
            }
            Mnemonic::Xchg => {
                let (one, other) = (first()?, second()?);
                let mut computed = Computed::default();
                computed.put(instruction, 0, other);
                computed.put(instruction, 1, one);
                computed
            }
            // Only where it fails: else memory changes, and nobody waits.
            Mnemonic::Cmpxchg => {
                let there = first()?;
                let (register, expected) = self.accumulator(bits)?;
                let (flags, _) = subtract(expected, there, bits);
                let mut computed = flags_only(flags);
                if !flags.zero {
                    computed.put(instruction, 0, there);
                    computed.registers[1] = Some((register, there));
                }
                computed
            }
            _ => return None,
        })
    }

    fn accumulator(&self, bits: u32) -> Option<(Register, u64)> {
        let register = match bits {
            8 => Register::AL,
            16 => Register::AX,
            32 => Register::EAX,
            _ => Register::RAX,
        };
        Some((register, self.known.value(register)? & mask(bits)))
    }
}

/// What an instruction makes, as far as that is known.
#[derive(Clone, Copy, Debug, Default)]
struct Computed {
    flags: Option<Flags>,
    registers: [Option<(Register, u64)>; 2],
    stored: Option<u64>,
}

impl Computed {
    fn put(&mut self, instruction: &Instruction, n: u32, value: u64) {
        match instruction.op_kind(n) {
            OpKind::Register => {
                if let Some(place) = self.registers.get_mut(usize::from(n != 0)) {
                    *place = Some((instruction.op_register(n), value));
                }
            }
            _ => self.stored = Some(value),
        }
    }
}

fn is_high(register: Register) -> bool {
    matches!(register, Register::AH | Register::BH | Register::CH | Register::DH)
}

fn subtract(from: u64, what: u64, bits: u32) -> (Flags, u64) {
    let (from, what) = (from & mask(bits), what & mask(bits));
    let result = from.wrapping_sub(what) & mask(bits);
    let sign = |value: u64| value >> (bits - 1) & 1 == 1;
    let overflow = sign(from) != sign(what) && sign(from) != sign(result);
    (Flags { carry: from < what, overflow, ..Flags::of_result(result, bits) }, result)
}

fn add(to: u64, what: u64, bits: u32) -> (Flags, u64) {
    let (to, what) = (to & mask(bits), what & mask(bits));
    let result = to.wrapping_add(what) & mask(bits);
    let sign = |value: u64| value >> (bits - 1) & 1 == 1;
    let overflow = sign(to) == sign(what) && sign(to) != sign(result);
    (Flags { carry: result < to, overflow, ..Flags::of_result(result, bits) }, result)
}

#[cfg(test)]
mod tests {
    use retake_model::Tid;
    use retake_ptrace::ProcessMemory;

    use super::*;

    const LASTS: bool = true;
    const ONCE: bool = false;

    /// How much a loop of these instructions accesses, with memory of this process, and whether that lasts.
    fn turn(code: &[&[u8]], registers: Registers) -> Option<(usize, bool)> {
        let me = Tid::new(i32::try_from(std::process::id()).unwrap());
        let mut at = 0x1000;
        let mut steps = Vec::new();
        for bytes in code {
            steps.push(Step::decode(Addr::new(at), bytes).unwrap());
            at += bytes.len() as u64;
        }
        let steps: Vec<&Step> = steps.iter().collect();
        let memory = ProcessMemory::new(me);
        let turn = sure_turn(&steps, &registers, &Glance::of_still(&memory))?;
        Some((turn.accesses.len(), turn.lasts))
    }

    #[test]
    fn a_loop_is_followed_as_long_as_its_words_lead_around() {
        let words = Box::new([5_u32, 7]);
        let at = std::ptr::from_ref(&*words) as u64;
        // mov eax, [rbx]; cmp eax, ecx; je -6: as long as they are equal.
        let code: [&[u8]; 3] = [&[0x8b, 0x03], &[0x39, 0xc8], &[0x74, 0xfa]];
        let registers = |rcx| Registers { rip: 0x1000, rbx: at, rcx, ..Registers::default() };
        assert_eq!(
            turn(&code, registers(5)),
            Some((1, LASTS)),
            "and `eax` is another one at first"
        );
        assert_eq!(turn(&code, registers(6)), None);
        // pause; mov eax, 1; xchg [rbx], eax; test eax, eax; jne: a lock that another task holds.
        let code: [&[u8]; 5] =
            [&[0xf3, 0x90], &[0xb8, 1, 0, 0, 0], &[0x87, 0x03], &[0x85, 0xc0], &[0x75, 0xf3]];
        assert_eq!(turn(&code, registers(0)), Some((1, ONCE)), "it writes the 1 itself");
        let locked = Box::new(1_u32);
        let held = Registers { rbx: std::ptr::from_ref(&*locked) as u64, ..registers(0) };
        assert_eq!(turn(&code, held), Some((1, LASTS)));
        // add rdx, 1; cmp rdx, rcx; je on; cmp eax, [rbx]; je back: as long as the counter is another one.
        let code: [&[u8]; 5] =
            [&[0x48, 0x83, 0xc2, 1], &[0x48, 0x39, 0xca], &[0x74, 9], &[0x3b, 0x03], &[0x74, 0xf3]];
        assert_eq!(turn(&code, Registers { rax: 5, ..registers(9) }), Some((1, ONCE)));
        assert_eq!(turn(&code, Registers { rax: 5, ..registers(1) }), None);
        // lock cmpxchg [rbx], edx; jne: fails as long as eax is another one; then eax is what is there.
        let code: [&[u8]; 2] = [&[0xf0, 0x0f, 0xb1, 0x13], &[0x75, 0xfa]];
        assert_eq!(turn(&code, Registers { rax: 6, ..registers(0) }), Some((1, ONCE)));
        assert_eq!(turn(&code, Registers { rax: 5, ..registers(0) }), None);
    }

    #[test]
    fn what_is_not_computed_is_not_known() {
        let registers = Registers { rip: 0x1000, ..Registers::default() };
        // imul eax, eax; je.
        assert_eq!(turn(&[&[0x0f, 0xaf, 0xc0], &[0x74, 0xfb]], registers), None);
        // xor eax, eax; je.
        assert_eq!(turn(&[&[0x31, 0xc0], &[0x74, 0xfc]], registers), Some((0, LASTS)));
        // mov al, [rbx]; test al, al; jne. The rest of `rax` is not followed.
        let one = Box::new(1_u8);
        let registers = Registers { rbx: std::ptr::from_ref(&*one) as u64, ..registers };
        let loads_a_byte: [&[u8]; 3] = [&[0x8a, 0x03], &[0x84, 0xc0], &[0x75, 0xfa]];
        assert_eq!(turn(&loads_a_byte, registers), None);
        // jmp rax.
        assert_eq!(turn(&[&[0xff, 0xe0]], registers), None);
    }

    #[test]
    fn flags_are_those_of_the_machine() {
        let check = |from, what, bits| {
            let Flags { carry, zero, sign, overflow, .. } = subtract(from, what, bits).0;
            (carry, zero, sign, overflow)
        };
        let sum = |to, what, bits| {
            let Flags { carry, zero, sign, overflow, .. } = add(to, what, bits).0;
            (carry, zero, sign, overflow)
        };
        assert_eq!(sum(0xff, 1, 8), (true, true, false, false));
        assert_eq!(sum(0x7f, 1, 8), (false, false, true, true));
        assert_eq!(sum(u64::MAX, u64::MAX, 64), (true, false, true, false));
        assert_eq!(sum(0x8000_0000, 0x8000_0000, 32), (true, true, false, true));
        assert_eq!(check(1, 1, 32), (false, true, false, false));
        assert_eq!(check(0, 1, 8), (true, false, true, false));
        assert_eq!(check(0x80, 1, 8), (false, false, false, true));
        assert_eq!(check(0x7fff_ffff, 0xffff_ffff, 32), (true, false, true, true));
        assert_eq!(check(u64::MAX, 0, 64), (false, false, true, false));
        assert!(Flags::of(0x46).holds(ConditionCode::e));
        assert!(subtract(u64::MAX, 1, 64).0.holds(ConditionCode::l));
        assert!(subtract(u64::MAX, 1, 64).0.holds(ConditionCode::a));
    }
}
