//! Call frame information of a module: `.eh_frame` and `.debug_frame` (LSB 10.6, DWARF 5 §6.4).

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, DebugFrame, DebugFrameOffset, EhFrame, EhFrameOffset,
    EndianSlice, LittleEndian, RegisterRule, UnwindContext, UnwindExpression, UnwindSection,
    UnwindTableRow,
};
use retake_model::{FileAddr, RegisterName};

use crate::expression::{Form, FrameExpression, RETURN_ADDRESS, register_of};
use crate::frame_rule::{CALLEE_SAVED, Cfa, FrameKind, FrameRule, RuleSource, Saved};
use crate::module::Module;
use crate::sections::Slice;
use crate::unwind::FrameSections;

/// Of entries that overlap, so many are looked at.
const MAX_OVERLAPS: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Table {
    EhFrame,
    DebugFrame,
}

/// An entry and the code that it describes.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u64,
    end: u64,
    table: Table,
    offset: usize,
}

/// The entries of both tables, by address.
#[derive(Debug, Default)]
pub(crate) struct FrameTable(Vec<Entry>);

fn bases(sections: &FrameSections) -> BaseAddresses {
    let mut bases = BaseAddresses::default();
    if let Some((range, _)) = &sections.eh_frame {
        bases = bases.set_eh_frame(range.start);
    }
    if let Some(range) = &sections.text {
        bases = bases.set_text(range.start);
    }
    if let Some(range) = &sections.got {
        bases = bases.set_got(range.start);
    }
    bases
}

fn eh_frame(sections: &FrameSections) -> Option<EhFrame<Slice<'_>>> {
    let (_, bytes) = sections.eh_frame.as_ref()?;
    let mut section = EhFrame::from(EndianSlice::new(bytes, LittleEndian));
    section.set_address_size(8);
    Some(section)
}

fn debug_frame(sections: &FrameSections) -> Option<DebugFrame<Slice<'_>>> {
    let bytes = sections.debug_frame.as_ref()?;
    let mut section = DebugFrame::from(EndianSlice::new(bytes, LittleEndian));
    section.set_address_size(8);
    Some(section)
}

impl FrameTable {
    pub(crate) fn load(module: &Module) -> Self {
        let sections = module.frame_sections();
        let bases = bases(sections);
        let mut list = Vec::new();
        if let Some(section) = eh_frame(sections) {
            collect(module, &section, &bases, Table::EhFrame, &mut list);
        }
        if let Some(section) = debug_frame(sections) {
            collect(module, &section, &bases, Table::DebugFrame, &mut list);
        }
        list.sort_by_key(|entry| (entry.start, entry.table, entry.offset));
        Self(list)
    }

    /// The entry for `addr`; `.eh_frame` is asked before `.debug_frame`, as framehop does.
    fn entry(&self, addr: u64) -> Option<Entry> {
        let after = self.0.partition_point(|entry| entry.start <= addr);
        let before = self.0.get(..after)?.iter().rev().take(MAX_OVERLAPS);
        before.filter(|entry| addr < entry.end).min_by_key(|entry| entry.table).copied()
    }

    /// The code that is described by the same entry as `addr`.
    pub(crate) fn range_at(&self, addr: u64) -> Option<(u64, u64)> {
        self.entry(addr).map(|entry| (entry.start, entry.end))
    }

    /// The rule at `addr`.
    pub(crate) fn rule_at(&self, module: &Module, addr: u64) -> Option<FrameRule> {
        let entry = self.entry(addr)?;
        let sections = module.frame_sections();
        let bases = bases(sections);
        match entry.table {
            Table::EhFrame => rule(&eh_frame(sections)?, &bases, EhFrameOffset(entry.offset), addr),
            Table::DebugFrame => {
                rule(&debug_frame(sections)?, &bases, DebugFrameOffset(entry.offset), addr)
            }
        }
    }
}

fn collect<'a, S: UnwindSection<Slice<'a>>>(
    module: &Module,
    section: &S,
    bases: &BaseAddresses,
    table: Table,
    list: &mut Vec<Entry>,
) {
    let mut entries = section.entries(bases);
    // One damaged entry does not hide those behind it; damaged lengths end the list.
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else { continue };
        let Ok(fde) = partial.parse(S::cie_from_offset) else { continue };
        let start = fde.initial_address();
        let Some(end) = start.checked_add(fde.len()).filter(|end| *end > start) else { continue };
        if module.elf().is_code(start) {
            list.push(Entry { start, end, table, offset: fde.offset() });
        }
    }
}

fn rule<'a, S: UnwindSection<Slice<'a>>>(
    section: &S,
    bases: &BaseAddresses,
    offset: S::Offset,
    addr: u64,
) -> Option<FrameRule> {
    let fde = section.fde_from_offset(bases, offset, S::cie_from_offset).ok()?;
    let mut context = UnwindContext::new();
    let row = fde.unwind_info_for_address(section, bases, &mut context, addr).ok()?;
    let bytes = |expression: &UnwindExpression<usize>| {
        let expression = expression.get(section).ok()?;
        Some(FrameExpression::new(expression.0.slice()))
    };
    let cfa = match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => {
            Cfa::Register { register: register_of(*register)?, offset: *offset }
        }
        CfaRule::Expression(expression) => {
            let expression = bytes(expression)?;
            match expression.form(addr) {
                Some(Form::Register(register, offset)) => Cfa::Register { register, offset },
                Some(Form::Memory(register, offset)) => Cfa::Memory { register, offset },
                Some(Form::Constant(_)) | None => Cfa::Expression(expression),
            }
        }
    };
    let saved = |rule: &RegisterRule<usize>| match rule {
        RegisterRule::SameValue => Saved::Same,
        RegisterRule::Offset(offset) => Saved::AtCfa(*offset),
        RegisterRule::ValOffset(offset) => Saved::Value(*offset),
        RegisterRule::Register(register) => {
            register_of(*register).map_or(Saved::Lost, Saved::Register)
        }
        RegisterRule::Expression(expression) => {
            let Some(expression) = bytes(expression) else { return Saved::Lost };
            match expression.form(addr) {
                Some(Form::Register(register, offset)) => Saved::Memory { register, offset },
                _ => Saved::AtExpression(expression),
            }
        }
        RegisterRule::ValExpression(expression) => {
            bytes(expression).map_or(Saved::Lost, Saved::ValueExpression)
        }
        _ => Saved::Lost,
    };
    Some(FrameRule {
        cfa,
        return_address: saved(&row.register(RETURN_ADDRESS)),
        registers: registers(row, saved),
        kind: if fde.is_signal_trampoline() { FrameKind::Signal } else { FrameKind::Called },
        source: RuleSource::CallFrameInfo,
    })
}

fn registers(
    row: &UnwindTableRow<usize>,
    saved: impl Fn(&RegisterRule<usize>) -> Saved,
) -> Vec<(RegisterName, Saved)> {
    let mut list: Vec<(RegisterName, Saved)> = row
        .registers()
        .filter(|(register, _)| *register != RETURN_ADDRESS)
        .filter_map(|(register, rule)| Some((register_of(*register)?, saved(rule))))
        .collect();
    // Nothing is said of a callee-saved register that the function has not touched.
    for name in CALLEE_SAVED {
        if list.iter().all(|(register, _)| *register != name) {
            list.push((name, Saved::Same));
        }
    }
    list.sort_by_key(|(register, _)| *register);
    list
}

impl Module {
    /// How the caller's frame is found when the instruction at `addr` is about to run. Code without
    /// call frame information is judged by its instructions; `None` where there is no code.
    pub fn frame_rule(&self, addr: FileAddr) -> Option<FrameRule> {
        if !self.elf().is_code(addr.get()) {
            return None;
        }
        self.frame_table().rule_at(self, addr.get()).or_else(|| self.guessed_rule(addr.get()))
    }
}
