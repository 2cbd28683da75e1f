//! Linkage names as people write them.

use std::fmt;

use cpp_demangle::{DemangleOptions, DemangleWrite, ParseOptions, Symbol};

/// Longer linkage names are shown as they are.
const MAX_MANGLED: usize = 16 << 10;
/// Longer readable names are given up: substitutions can make them grow without bound.
const MAX_READABLE: usize = 64 << 10;
const MAX_DEPTH: u32 = 192;

/// The readable form of a C++ (Itanium ABI) or Rust (legacy or v0) linkage name; Rust hashes are
/// left out. `None` if it is neither.
pub fn demangle(linkage_name: &str) -> Option<String> {
    if linkage_name.len() > MAX_MANGLED {
        return None;
    }
    if !(linkage_name.starts_with("_Z") || linkage_name.starts_with("_R")) {
        return None;
    }
    if let Ok(rust) = rustc_demangle::try_demangle(linkage_name) {
        return Some(format!("{rust:#}"));
    }
    let options = ParseOptions::default().recursion_limit(MAX_DEPTH);
    let symbol = Symbol::new_with_options(linkage_name, &options).ok()?;
    let mut out = Bounded(String::new());
    let options = DemangleOptions::new().recursion_limit(MAX_DEPTH);
    symbol.structured_demangle(&mut out, &options).ok()?;
    Some(out.0)
}

/// Text that refuses to grow past a limit.
struct Bounded(String);

impl DemangleWrite for Bounded {
    fn write_string(&mut self, text: &str) -> fmt::Result {
        if self.0.len().saturating_add(text.len()) > MAX_READABLE {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}
