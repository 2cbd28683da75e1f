//! The rows, one file a family.

mod files;
mod memory;

use crate::call::Syscall;

/// All families.
pub(crate) const FAMILIES: &[&[Syscall]] = &[files::ROWS, memory::ROWS];
