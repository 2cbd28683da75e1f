//! `/proc/PID/maps`, as it was.

use retake_model::{Backing, Mapping, Protection};

use crate::session::Session;

impl Session<'_> {
    pub(super) fn maps(&mut self) -> Vec<u8> {
        let stack = self.executes().map(|exec| exec.stack);
        let mappings = self.state().mappings(self.looked_at()).unwrap_or_default();
        let files = self.execution.files();
        let line = |mapping: &Mapping| {
            let (offset, inode, name) = match mapping.backing {
                Backing::File { file, offset } => {
                    let path = files.iter().find(|info| info.file == file);
                    let path = path.map_or("", |info| info.path.as_str());
                    (offset.get(), u64::from(file.get()) + 1, path)
                }
                _ if stack.is_some_and(|stack| mapping.range.contains(stack)) => (0, 0, "[stack]"),
                _ => (0, 0, ""),
            };
            let shared = matches!(mapping.backing, Backing::Shared { .. });
            text(mapping, shared, offset, inode, name)
        };
        mappings.iter().map(line).collect::<String>().into_bytes()
    }
}

/// A line, in the columns of the kernel (proc(5)).
fn text(mapping: &Mapping, shared: bool, offset: u64, inode: u64, name: &str) -> String {
    let Mapping { range, prot, .. } = mapping;
    let bit = |bit, letter| if prot.allows(bit) { letter } else { '-' };
    let start = format!(
        "{:08x}-{:08x} {}{}{}{} {offset:08x} 00:{:02x} {inode} ",
        range.start().get(),
        range.end().get(),
        bit(Protection::READ, 'r'),
        bit(Protection::WRITE, 'w'),
        bit(Protection::EXEC, 'x'),
        if shared { 's' } else { 'p' },
        u8::from(inode > 0),
    );
    match name {
        "" => format!("{start}\n"),
        _ => format!("{start:<73}{name}\n"),
    }
}
