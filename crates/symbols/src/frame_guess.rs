//! Frames of code that has no call frame information: hand-written assembly, PLT stubs of some
//! linkers, returns from signal handlers.

use retake_model::{FileAddr, RegisterName};

use crate::frame_rule::{CALLEE_SAVED, Cfa, FrameKind, FrameRule, RuleSource, Saved};
use crate::module::Module;
use crate::prologue::ENDBR;
use crate::unwind::{GREGS, SIGRETURN, SIGRETURN_SHORT};

/// `push rbp`
const PUSH_RBP: u8 = 0x55;
/// `ret`, and `ret` with a prefix for old branch predictors.
const RETURNS: [&[u8]; 2] = [&[0xc3], &[0xf3, 0xc3]];
/// The length of `syscall`.
const SYSCALL_LEN: u64 = 2;
/// The order of registers in `ucontext_t` (`sys/ucontext.h`), up to `rip`.
const SIGNAL_ORDER: [RegisterName; 17] = [
    RegisterName::R8,
    RegisterName::R9,
    RegisterName::R10,
    RegisterName::R11,
    RegisterName::R12,
    RegisterName::R13,
    RegisterName::R14,
    RegisterName::R15,
    RegisterName::Rdi,
    RegisterName::Rsi,
    RegisterName::Rbp,
    RegisterName::Rbx,
    RegisterName::Rdx,
    RegisterName::Rax,
    RegisterName::Rcx,
    RegisterName::Rsp,
    RegisterName::Rip,
];

impl Module {
    /// A rule from the instructions at `addr`; without a hint, `rbp` is taken as frame pointer.
    pub(crate) fn guessed_rule(&self, addr: u64) -> Option<FrameRule> {
        if let Some(pushed) = self.plt().pushed_at(self, addr) {
            return Some(above_stack_pointer(pushed));
        }
        let code = self.elf().bytes_at(FileAddr::new(addr), 16)?;
        if is_signal_return(code) || self.is_call_of_signal_return(addr) {
            return Some(signal_rule());
        }
        if RETURNS.iter().any(|ret| code.starts_with(ret)) {
            return Some(above_stack_pointer(0));
        }
        Some(self.in_prologue_of_symbol(addr).map_or_else(frame_pointer_rule, above_stack_pointer))
    }

    /// Whether `addr` is the `syscall` of what a signal handler returns to.
    fn is_call_of_signal_return(&self, addr: u64) -> bool {
        [SIGRETURN.as_slice(), &SIGRETURN_SHORT].into_iter().any(|code| {
            let before = u64::try_from(code.len()).unwrap_or(0).saturating_sub(SYSCALL_LEN);
            let start = FileAddr::new(addr.wrapping_sub(before));
            self.elf().bytes_at(start, code.len()) == Some(code)
        })
    }

    /// The bytes pushed since the entry, if `addr` is among the first instructions of a function.
    fn in_prologue_of_symbol(&self, addr: u64) -> Option<u64> {
        let start = self.symbols().at(addr)?.addr;
        let code = self.elf().bytes_at(FileAddr::new(start), 16)?;
        let skipped = if code.starts_with(&ENDBR) { 4 } else { 0 };
        let into = addr.checked_sub(start)?;
        if into == 0 || into == skipped {
            return Some(0);
        }
        (code.get(usize::try_from(skipped).ok()?) == Some(&PUSH_RBP) && into == skipped + 1)
            .then_some(8)
    }
}

/// Whether a signal handler returns to this code.
pub(crate) fn is_signal_return(code: &[u8]) -> bool {
    code.starts_with(&SIGRETURN) || code.starts_with(&SIGRETURN_SHORT)
}

/// The return address is `pushed` bytes above the stack pointer.
fn above_stack_pointer(pushed: u64) -> FrameRule {
    let offset = pushed.saturating_add(8).cast_signed();
    let mut registers: Vec<_> = CALLEE_SAVED.map(|name| (name, Saved::Same)).into();
    registers.sort_by_key(|(name, _)| *name);
    // Code that has just pushed `rbp` has not changed it.
    FrameRule {
        cfa: Cfa::Register { register: RegisterName::Rsp, offset },
        return_address: Saved::AtCfa(-8),
        registers,
        kind: FrameKind::Called,
        source: RuleSource::Instructions,
    }
}

/// The rule of code that keeps `rbp` as frame pointer; what else it saved is not known.
pub(crate) fn frame_pointer_rule() -> FrameRule {
    let saved = |name| match name {
        RegisterName::Rbp => (name, Saved::AtCfa(-16)),
        other => (other, Saved::Same),
    };
    let mut registers: Vec<_> = CALLEE_SAVED.map(saved).into();
    registers.sort_by_key(|(name, _)| *name);
    FrameRule {
        cfa: Cfa::Register { register: RegisterName::Rbp, offset: 16 },
        return_address: Saved::AtCfa(-8),
        registers,
        kind: FrameKind::Called,
        source: RuleSource::FramePointer,
    }
}

/// The rule at what a signal handler returns to: the stack pointer is at the `ucontext_t`.
pub(crate) fn signal_rule() -> FrameRule {
    let at = |index: usize| {
        let offset = u64::try_from(index).unwrap_or(0).saturating_mul(8).saturating_add(GREGS);
        (RegisterName::Rsp, offset.cast_signed())
    };
    let mut registers = Vec::new();
    let mut return_address = Saved::Lost;
    let mut cfa = 0;
    for (index, name) in SIGNAL_ORDER.into_iter().enumerate() {
        let (register, offset) = at(index);
        match name {
            RegisterName::Rip => return_address = Saved::Memory { register, offset },
            name => registers.push((name, Saved::Memory { register, offset })),
        }
        if name == RegisterName::Rsp {
            cfa = offset;
        }
    }
    registers.sort_by_key(|(name, _)| *name);
    FrameRule {
        cfa: Cfa::Memory { register: RegisterName::Rsp, offset: cfa },
        return_address,
        registers,
        kind: FrameKind::Signal,
        source: RuleSource::Instructions,
    }
}
