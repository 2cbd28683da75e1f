//! Stacks: from the registers of a task to the frames of its callers.
//!
//! framehop walks by call frame information (`.eh_frame`, `.debug_frame`) or by frame pointers. The
//! frame of a signal handler is walked here: its caller's registers lie in the `ucontext_t` that the
//! kernel put on the stack (sigreturn(2), arch/x86/include/uapi/asm/sigcontext.h).

use std::fmt;
use std::sync::Arc;

use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{ExplicitModuleSectionInfo, FrameAddress, Unwinder as _};
use object::{Object, ObjectSection};
use retake_model::{Addr, AddrRange, Registers};

use crate::module::Module;
use crate::sections::section_bytes;

/// `mov rax, 15 (rt_sigreturn); syscall`: what a signal handler returns to, in glibc, musl and Go.
pub(crate) const SIGRETURN: [u8; 9] = [0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05];
/// The same as musl writes it: `mov eax, 15; syscall`.
pub(crate) const SIGRETURN_SHORT: [u8; 7] = [0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05];
/// Where `rbp`, `rsp` and `rip` are in `ucontext_t`: after flags, link and stack, in the order r8 to
/// r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip.
pub(crate) const GREGS: u64 = 40;
const RBP: u64 = GREGS + 10 * 8;
const RSP: u64 = GREGS + 15 * 8;
const RIP: u64 = GREGS + 16 * 8;

type Bytes = Arc<[u8]>;

/// What unwinding reads of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct FrameSections {
    pub(crate) text: Option<std::ops::Range<u64>>,
    pub(crate) got: Option<std::ops::Range<u64>>,
    pub(crate) eh_frame: Option<(std::ops::Range<u64>, Bytes)>,
    eh_frame_hdr: Option<(std::ops::Range<u64>, Bytes)>,
    pub(crate) debug_frame: Option<Bytes>,
}

impl FrameSections {
    pub(crate) fn load(module: &Module) -> Self {
        let elf = module.elf();
        let Some(file) = elf.file() else { return Self::default() };
        let range = |name: &str| {
            let section = file.section_by_name(name)?;
            Some(section.address()..section.address().checked_add(section.size())?)
        };
        let both = |name: &str| Some((range(name)?, section_bytes(elf, name)?));
        Self {
            text: range(".text"),
            got: range(".got"),
            eh_frame: both(".eh_frame"),
            eh_frame_hdr: both(".eh_frame_hdr"),
            debug_frame: section_bytes(elf, ".debug_frame"),
        }
    }
}

/// A frame of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnwoundFrame {
    /// Where it goes on.
    pub pc: Addr,
    /// The address to look up: inside of the call, for a return address.
    pub lookup: Addr,
    /// Its stack pointer; null where only the frame pointer is known.
    pub sp: Addr,
}

/// Walks stacks over the modules of one address space.
#[derive(Default)]
pub struct Unwinder {
    inner: UnwinderX86_64<Bytes>,
}

impl fmt::Debug for Unwinder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unwinder").finish_non_exhaustive()
    }
}

impl Unwinder {
    /// One that knows no module: it follows frame pointers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a module whose code is at `range`, `bias` above the addresses it was linked at.
    pub fn add_module(&mut self, module: &Module, range: AddrRange, bias: u64) {
        let sections = module.frame_sections();
        let FrameSections { text, got, eh_frame, eh_frame_hdr, debug_frame } = sections.clone();
        let (eh_frame_svma, eh_frame) = eh_frame.unzip();
        let (eh_frame_hdr_svma, eh_frame_hdr) = eh_frame_hdr.unzip();
        let info = ExplicitModuleSectionInfo {
            text_svma: text,
            got_svma: got,
            eh_frame_svma,
            eh_frame,
            eh_frame_hdr_svma,
            eh_frame_hdr,
            debug_frame,
            ..Default::default()
        };
        let range = range.start().get()..range.end().get();
        self.inner.add_module(framehop::Module::new(String::new(), range, bias, info));
    }

    /// The frames of a stack, innermost first, at most `max`. `read` gives the word at an address.
    pub fn unwind(
        &self,
        registers: &Registers,
        read: &mut dyn FnMut(Addr) -> Option<u64>,
        max: usize,
    ) -> Vec<UnwoundFrame> {
        let mut cache = CacheX86_64::<_>::new();
        let (pc, sp) = (registers.rip, registers.rsp);
        let mut regs = UnwindRegsX86_64::new(pc, sp, registers.rbp);
        let mut at = FrameAddress::from_instruction_pointer(pc);
        let mut frames: Vec<UnwoundFrame> = Vec::new();
        while frames.len() < max {
            let pc = Addr::new(at.address());
            let (lookup, sp) = (Addr::new(at.address_for_lookup()), Addr::new(regs.sp()));
            let frame = UnwoundFrame { pc, lookup, sp };
            if frames.last() == Some(&frame) {
                break;
            }
            frames.push(frame);
            if is_sigreturn(pc, read) {
                let Some(interrupted) = interrupted(regs.sp(), read) else { break };
                regs = interrupted;
                at = FrameAddress::from_instruction_pointer(regs.ip());
                continue;
            }
            let mut word = |addr: u64| read(Addr::new(addr)).ok_or(());
            match self.inner.unwind_frame(at, &mut regs, &mut cache, &mut word) {
                Ok(Some(0)) | Ok(None) | Err(_) => break,
                Ok(Some(next)) => match FrameAddress::from_return_address(next) {
                    Some(next) => at = next,
                    None => break,
                },
            }
        }
        frames
    }
}

fn is_sigreturn(pc: Addr, read: &mut dyn FnMut(Addr) -> Option<u64>) -> bool {
    let Some(first) = read(pc) else { return false };
    let second = pc.checked_add(8).and_then(read).unwrap_or(0);
    let mut code = [0; 16];
    code[..8].copy_from_slice(&first.to_le_bytes());
    code[8..].copy_from_slice(&second.to_le_bytes());
    code.starts_with(&SIGRETURN) || code.starts_with(&SIGRETURN_SHORT)
}

/// The registers that a handler's frame was put over. `sp` is where the `ucontext_t` is: the kernel
/// put the return address right before it.
fn interrupted(sp: u64, read: &mut dyn FnMut(Addr) -> Option<u64>) -> Option<UnwindRegsX86_64> {
    let mut word = |offset: u64| read(Addr::new(sp.checked_add(offset)?));
    Some(UnwindRegsX86_64::new(word(RIP)?, word(RSP)?, word(RBP)?))
}
