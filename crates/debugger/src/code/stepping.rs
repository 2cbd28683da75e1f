//! What stepping asks of code. The types are those of crate `symbols`; they are plain data, and
//! modules of other kinds fill them in as well.

pub use retake_symbols::{
    CallerFrame, Cfa, FrameKind, FrameRule, FunctionCode, InlinedCode, PcKind, RuleSource, Saved,
    Statement, Trampoline,
};
