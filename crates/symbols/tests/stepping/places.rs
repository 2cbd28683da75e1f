use retake_model::{FileAddr, FileOffset, RegisterName};
use retake_symbols::{Cfa, Module, Saved, Trampoline};
use retake_testkit::fixture;

use crate::support::{C, CPP, addr, c, entry_of, function, load, marked};

fn plus(addr: FileAddr, bytes: u64) -> FileAddr {
    FileAddr::new(addr.get() + bytes)
}

#[test]
fn a_call_leads_behind_the_prologue() {
    let module = c(&["-O0"]);
    let code = function(&module, "many");
    let (entry, stop_at) = (addr(&module, code.entry), addr(&module, code.stop_at));
    assert!(stop_at > entry);
    assert_eq!(module.stop_of_call(entry), Some(stop_at));
    assert_eq!(module.stop_of_call(plus(entry, 1)), Some(stop_at));
    assert!(module.is_in_prologue(entry) && !module.is_in_prologue(stop_at));
    // The same as a breakpoint on the function.
    assert_eq!(module.find_functions("many")[0].stop_at, stop_at);
    // A jump into the middle of a function stays there.
    let recursive = function(&module, "recursive");
    let [recursion, ..] = marked(&recursive, C, "recursion")[..] else { panic!() };
    let middle = addr(&module, recursion.offset);
    assert_eq!(module.stop_of_call(middle), Some(middle));
}

#[test]
fn code_without_lines_is_no_place_to_stop_at() {
    let module = c(&["-O0"]);
    // `_start` comes from the C library, without DWARF.
    let start = module.entry();
    assert!(module.function_code(start).is_some());
    assert!(!module.has_lines(start) && module.has_lines(entry_of(&module, "main")));
    assert_eq!(module.stop_of_call(start), None);
    let nowhere = FileAddr::new(u64::MAX - 3);
    assert!(module.function_code(nowhere).is_none() && module.frame_rule(nowhere).is_none());
    assert_eq!((module.stop_of_call(nowhere), module.trampoline(nowhere)), (None, None));
}

/// The targets of the `call rel32` of a function.
fn calls(module: &Module, bytes: &[u8], name: &str) -> Vec<FileAddr> {
    let code = function(module, name);
    let mut targets = Vec::new();
    for range in &code.ranges {
        let index = |offset: FileOffset| usize::try_from(offset.get()).unwrap();
        let at = addr(module, range.start).get();
        let decoder =
            iced_x86::Decoder::with_ip(64, &bytes[index(range.start)..index(range.end)], at, 0);
        let near = decoder.into_iter().filter(iced_x86::Instruction::is_call_near);
        targets.extend(near.map(|call| FileAddr::new(call.near_branch_target())));
    }
    targets
}

#[test]
fn stubs_of_the_linkage_table_are_gone_through() {
    for flags in [&["-Wl,-z,lazy"][..], &["-Wl,-z,lazy,-z,ibtplt", "-fcf-protection=full"]] {
        let path = fixture::c(C, flags);
        let (module, bytes) = (load(&path), std::fs::read(&path).unwrap());
        let stubs: Vec<FileAddr> = calls(&module, &bytes, "main")
            .into_iter()
            .filter(|target| module.trampoline(*target).is_some())
            .collect();
        assert!(stubs.len() >= 3, "{flags:?}: {stubs:?}");
        for stub in stubs {
            let Some(Trampoline::Plt { slot: Some(slot) }) = module.trampoline(stub) else {
                panic!("{stub:?}: {:?}", module.trampoline(stub));
            };
            // The slot is in writable data, and holds the way to the dynamic linker.
            let slot = FileAddr::new(stub.get().wrapping_add(slot.cast_unsigned()));
            assert!(module.offset_of_file_addr(slot).is_some(), "{slot:?}");
            let rule = module.frame_rule(stub).unwrap();
            assert_eq!(rule.cfa, Cfa::Register { register: RegisterName::Rsp, offset: 8 });
            assert_eq!(rule.return_address, Saved::AtCfa(-8));
        }
        assert_eq!(module.trampoline(entry_of(&module, "main")), None);
    }
}

#[test]
fn the_dynamic_linker_and_thunks_are_gone_through() {
    let linker = std::path::Path::new("/lib64/ld-linux-x86-64.so.2");
    if linker.exists() {
        let module = load(linker);
        assert_eq!(module.trampoline(entry_of(&module, "__tls_get_addr")), None);
        // Its entry is no exported function.
        assert_eq!(module.trampoline(module.entry()), Some(Trampoline::DynamicLinker));
    }
    let module = load(&fixture::cpp(CPP));
    let thunk = entry_of(&module, "_ZThn16_N4Both6secondEv");
    assert_eq!(module.trampoline(thunk), Some(Trampoline::Thunk));
}
