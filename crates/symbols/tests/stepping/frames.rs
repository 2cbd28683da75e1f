use std::path::Path;

use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{ExplicitModuleSectionInfo, FrameAddress, Unwinder as _};
use iced_x86::{Decoder, DecoderOptions};
use object::{Object, ObjectSection};
use retake_model::{Addr, FileAddr, RegisterName, Registers};
use retake_symbols::{Cfa, FrameKind, Module, PcKind, RuleSource, Saved};
use retake_testkit::fixture;

use crate::support::{C, addr, c, entry_of, function, load, programs};

/// Where the stack and the program are in these tests.
const STACK: u64 = 0x7fff_0000_1000;
const FRAME: u64 = STACK + 0x400;
const BIAS: u64 = 0x5555_5555_0000;

/// A stack in which every word tells where it is, and looks like an address above.
fn word(at: Addr) -> Option<u64> {
    (at.get() >> 20 == STACK >> 20).then(|| at.get() + 0x10_000)
}

fn registers(pc: u64) -> Registers {
    let mut registers = Registers { rip: pc, rsp: STACK, rbp: FRAME, ..Registers::default() };
    for (value, name) in (0xa0..).zip(RegisterName::GENERAL) {
        if registers.get(name) == 0 {
            registers.set(name, value);
        }
    }
    // Frames that align their stack keep its former top here for a moment.
    registers.r10 = STACK + 0x200;
    registers
}

/// Which tables framehop looks at: with `.eh_frame` it ignores `.debug_frame`.
#[derive(Clone, Copy, PartialEq)]
enum Tables {
    EhFrame,
    DebugFrame,
}

fn framehop_of(path: &Path, tables: Tables) -> UnwinderX86_64<Vec<u8>> {
    let bytes = std::fs::read(path).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let range = |name: &str| {
        let section = file.section_by_name(name)?;
        Some(section.address()..section.address() + section.size())
    };
    let data =
        |name: &str| Some(file.section_by_name(name)?.uncompressed_data().ok()?.into_owned());
    let eh_frame = tables == Tables::EhFrame;
    let info = ExplicitModuleSectionInfo {
        text_svma: range(".text"),
        got_svma: range(".got"),
        eh_frame_svma: range(".eh_frame").filter(|_| eh_frame),
        eh_frame: data(".eh_frame").filter(|_| eh_frame),
        eh_frame_hdr_svma: range(".eh_frame_hdr").filter(|_| eh_frame),
        eh_frame_hdr: data(".eh_frame_hdr").filter(|_| eh_frame),
        debug_frame: data(".debug_frame").filter(|_| !eh_frame),
        ..Default::default()
    };
    let mut unwinder = UnwinderX86_64::new();
    let range = BIAS..BIAS + 0x1000_0000;
    unwinder.add_module(framehop::Module::new(String::new(), range, BIAS, info));
    unwinder
}

/// Return address, `rsp` and `rbp` of a caller.
type Caller = (u64, u64, u64);

fn with_framehop(unwinder: &UnwinderX86_64<Vec<u8>>, registers: &Registers) -> Option<Caller> {
    let mut cache = CacheX86_64::<_>::new();
    let mut regs = UnwindRegsX86_64::new(registers.rip, registers.rsp, registers.rbp);
    let at = FrameAddress::from_instruction_pointer(registers.rip);
    let mut read = |at| word(Addr::new(at)).ok_or(());
    let pc = unwinder.unwind_frame(at, &mut regs, &mut cache, &mut read).unwrap()?;
    Some((pc, regs.sp(), regs.bp()))
}

/// The addresses of all instructions of the executable sections.
fn boundaries(path: &Path) -> Vec<u64> {
    let bytes = std::fs::read(path).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let mut list = Vec::new();
    for section in file.sections() {
        let name = section.name().unwrap();
        if [".text", ".plt", ".plt.got", ".plt.sec", ".init", ".fini"].contains(&name) {
            let data = section.data().unwrap();
            let decoder = Decoder::with_ip(64, data, section.address(), DecoderOptions::NONE);
            list.extend(decoder.into_iter().map(|instruction| instruction.ip()));
        }
    }
    list
}

/// Over all instructions of all programs, what framehop finds is what the rule says.
#[test]
fn callers_are_those_that_framehop_finds() {
    for path in programs() {
        let module = load(&path);
        let framehop = [Tables::EhFrame, Tables::DebugFrame].map(|t| framehop_of(&path, t));
        let (mut compared, mut guessed) = (0, 0);
        for pc in boundaries(&path) {
            let rule = module.frame_rule(FileAddr::new(pc)).unwrap();
            if rule.source != RuleSource::CallFrameInfo {
                guessed += 1;
                continue;
            }
            // framehop falls back to frame pointers where a frame keeps its CFA in memory, knows no
            // registers but `rsp` and `rbp`, takes the return address to be below the CFA (it is not
            // in `longjmp`), and does not read signal frames.
            let known = [RegisterName::Rsp, RegisterName::Rbp];
            let is_simple = rule.kind == FrameKind::Called
                && matches!(&rule.cfa, Cfa::Register { register, .. } if known.contains(register))
                && matches!(rule.return_address, Saved::AtCfa(-8) | Saved::Lost)
                && matches!(rule.register(RegisterName::Rbp), Saved::Same | Saved::AtCfa(_));
            if !is_simple {
                continue;
            }
            let registers = registers(pc + BIAS);
            let at = FileAddr::new(pc);
            let mine = module.caller_frame(at, PcKind::Exact, &registers, &mut word);
            let mine = mine.map(|mine| mine.registers).map(|mine| (mine.rip, mine.rsp, mine.rbp));
            let theirs = framehop.each_ref().map(|framehop| with_framehop(framehop, &registers));
            assert!(
                theirs.contains(&mine),
                "{}: {pc:#x} {rule:?} {theirs:x?} {mine:x?}",
                path.display()
            );
            compared += 1;
        }
        assert!(
            compared > 100 && compared > guessed * 2,
            "{}: {compared} {guessed}",
            path.display()
        );
    }
}

#[test]
fn the_first_instructions_of_a_function() {
    let module = c(&["-O0", "-fcf-protection=none"]);
    let entry = entry_of(&module, "main").get();
    // `push rbp; mov rbp, rsp`: one byte, three bytes.
    let cfa = |at| module.frame_rule(FileAddr::new(at)).unwrap().cfa;
    let of = |register, offset| Cfa::Register { register, offset };
    assert_eq!(cfa(entry), of(RegisterName::Rsp, 8));
    assert_eq!(cfa(entry + 1), of(RegisterName::Rsp, 16));
    assert_eq!(cfa(entry + 4), of(RegisterName::Rbp, 16));
    let rule = module.frame_rule(FileAddr::new(entry + 4)).unwrap();
    assert_eq!(rule.return_address, Saved::AtCfa(-8));
    assert_eq!(rule.register(RegisterName::Rbp), Saved::AtCfa(-16));
    assert_eq!(rule.register(RegisterName::R12), Saved::Same);
    assert_eq!(rule.register(RegisterName::Rsp), Saved::Value(0));
    assert_eq!(rule.register(RegisterName::Rdi), Saved::Lost);
}

/// A frame keeps its CFA from the first to the last instruction, whatever it pushes.
#[test]
fn saved_registers_are_found_where_they_were_pushed() {
    let module = c(&["-O2"]);
    let code = function(&module, "many");
    let mut most = 0;
    for range in &code.ranges {
        for at in range.start.get()..range.end.get() {
            let rule = module.frame_rule(addr(&module, retake_model::FileOffset::new(at))).unwrap();
            let pushed = rule.registers.iter().filter(|(_, s)| matches!(s, Saved::AtCfa(_)));
            most = most.max(pushed.count());
            assert_eq!(rule.return_address, Saved::AtCfa(-8));
        }
    }
    assert!(most >= 5, "{most}");
}

#[test]
fn aligned_frames_keep_their_cfa_in_memory() {
    let path = fixture::c(C, &["-O2", "-mstackrealign", "-mpreferred-stack-boundary=4"]);
    let module = load(&path);
    let code = function(&module, "aligned");
    let rules: Vec<Cfa> = boundaries(&path)
        .into_iter()
        .map(FileAddr::new)
        .filter(|pc| module.offset_of_file_addr(*pc).is_some_and(|offset| code.contains(offset)))
        .map(|pc| module.frame_rule(pc).unwrap().cfa)
        .collect();
    assert!(rules.iter().all(|cfa| !matches!(cfa, Cfa::Expression(_))), "{rules:?}");
}

#[test]
fn the_end_of_a_stack_has_no_caller() {
    let module = c(&["-O2"]);
    let start = module.entry();
    let rule = module.frame_rule(start).unwrap();
    assert_eq!(rule.return_address, Saved::Lost);
    let registers = registers(start.get() + BIAS);
    assert_eq!(module.caller_frame(start, PcKind::Exact, &registers, &mut word), None);
    assert!(module.frame_cfa(start, PcKind::Exact, &registers, &mut word).is_some());
}

fn signal_return(module: &Module) -> Option<FileAddr> {
    let found = module.find_functions("__restore_rt");
    found.first().map(|place| place.entry)
}

#[test]
fn what_a_signal_interrupted_is_found_with_all_registers() {
    let module = c(&["-O2", "-static"]);
    let at = signal_return(&module).unwrap();
    // `ucontext_t`: flags, link and stack, then r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip.
    let slots = |index: u64| word(Addr::new(STACK + 40 + index * 8)).unwrap();
    for kind in [PcKind::Exact, PcKind::Return] {
        let registers = registers(at.get() + BIAS);
        let frame = module.caller_frame(at, kind, &registers, &mut word).unwrap();
        assert_eq!(frame.pc, PcKind::Exact);
        let found = frame.registers;
        assert_eq!((found.rip, found.rsp, found.rbp), (slots(16), slots(15), slots(10)));
        assert_eq!((found.r8, found.rdi, found.rax), (slots(0), slots(8), slots(13)));
        assert_eq!(frame.inner_cfa, Addr::new(slots(15)));
    }
    // The library says the same of it as its instructions do.
    let described = module.frame_rule(at).unwrap();
    assert_eq!((described.kind, described.source), (FrameKind::Signal, RuleSource::CallFrameInfo));
    let guessed = module.rule_of_frame(at, PcKind::Exact).unwrap();
    assert_eq!((described.cfa, described.return_address), (guessed.cfa, guessed.return_address));
    assert_eq!(described.registers, guessed.registers);
}
