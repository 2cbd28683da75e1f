use std::sync::OnceLock;

use proptest::prelude::*;
use retake_model::{Addr, FileAddr, Registers};
use retake_symbols::{Module, PcKind, SharedBytes};
use retake_testkit::fixture;

use crate::support::{C, entry_of, load};

/// Asks everything at one address.
fn ask(module: &Module, addr: FileAddr) {
    let registers = Registers { rip: addr.get(), rsp: 0x1000, rbp: 0x1010, ..Registers::default() };
    if let Some(code) = module.function_code(addr) {
        for statement in &code.statements {
            let _ = code.chain(statement.inlined).count();
        }
    }
    let _ = module.frame_rule(addr);
    let _ = (module.has_lines(addr), module.is_in_prologue(addr), module.trampoline(addr));
    let _ = module.stop_of_call(addr);
    for kind in [PcKind::Exact, PcKind::Return] {
        let mut read = |at: Addr| Some(at.get().wrapping_mul(3));
        let _ = module.caller_frame(addr, kind, &registers, &mut read);
        let _ = module.caller_frame(addr, kind, &registers, &mut |_| None);
    }
}

struct Program {
    bytes: Vec<u8>,
    /// Addresses in functions.
    places: Vec<FileAddr>,
    /// Where tables and DWARF are: offset and length.
    tables: Vec<(usize, usize)>,
}

fn program() -> &'static Program {
    static PROGRAM: OnceLock<Program> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        use object::{Object, ObjectSection};
        let path = fixture::c(C, &["-O2", "-Wl,-z,lazy"]);
        let module = load(&path);
        let mut places: Vec<FileAddr> =
            ["main", "uses_inlined", "has_cold_part", "aligned", "many", "_start"]
                .map(|name| entry_of(&module, name))
                .into();
        places.extend(places.clone().iter().map(|addr| FileAddr::new(addr.get() + 9)));
        let bytes = std::fs::read(&path).unwrap();
        let file = object::File::parse(&*bytes).unwrap();
        let wanted = |name: &str| {
            name.starts_with(".debug") || [".eh_frame", ".plt", ".symtab"].contains(&name)
        };
        let tables: Vec<(usize, usize)> = file
            .sections()
            .filter(|section| section.name().is_ok_and(wanted))
            .filter_map(|section| section.file_range())
            .map(|(at, size)| (usize::try_from(at).unwrap(), usize::try_from(size).unwrap()))
            .collect();
        assert!(tables.len() > 6);
        Program { bytes, places, tables }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Damaged tables give another answer or none.
    #[test]
    fn damaged_tables_are_survived(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u32>(), any::<u8>()), 1..40),
    ) {
        let Program { bytes, places, tables } = program();
        let mut bytes = bytes.clone();
        for (table, at, value) in damage {
            let (start, size) = tables[table.index(tables.len())];
            bytes[start + at as usize % size] = value;
        }
        if let Ok(module) = Module::parse(SharedBytes::new(bytes)) {
            for place in places {
                ask(&module, *place);
            }
        }
    }

    /// So do a file's first bytes.
    #[test]
    fn cut_files_are_survived(at in any::<prop::sample::Index>()) {
        let Program { bytes, places, .. } = program();
        let bytes = bytes[..at.index(bytes.len())].to_vec();
        if let Ok(module) = Module::parse(SharedBytes::new(bytes)) {
            for place in places {
                ask(&module, *place);
            }
        }
    }
}
