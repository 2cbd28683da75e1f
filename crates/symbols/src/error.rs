//! Why bytes are no module.

/// Why a file cannot be used as a module.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleError {
    /// The ELF structure is damaged.
    #[error("failed to parse the elf file")]
    Elf(#[source] object::Error),
    /// It is an ELF file, but not x86-64 code that can be loaded.
    #[error("failed to use the elf file as a module: {what} is {found}")]
    NotLoadable {
        /// The header's field.
        what: &'static str,
        /// Its value.
        found: u64,
    },
    /// The debug file was not made for this module.
    #[error("failed to attach the debug file: its build id is not the module's")]
    OtherBuild,
    /// The debug file has no debug information in it.
    #[error("failed to attach the debug file: it has no debug information")]
    NoDebugInfo,
}
