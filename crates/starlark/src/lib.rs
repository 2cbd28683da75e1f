//! Starlark scripts over the console: `source FILE.star`.
//!
//! Principal type: [`Starlark`], which a console is given as its [`ScriptRunner`]. A script is run from top
//! to bottom, and then its function `main`, if it has one; whoever interrupts the debugger ends it before its
//! next statement. [`functions`] has what it can call: requests as
//! functions that return values, with Delve's names where they mean the same, and two of our own,
//! `command(LINE)` and `request(REQUEST)`, that give everything else.
//!
//! A script reads and writes only the files that it names, and runs no other program. What it prints
//! and the commands that it runs are the answer of `source`. This crate never prints.

mod functions;
mod host;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use retake_console::{Console, ScriptRunner, ScriptStep};
use starlark::codemap::FileSpanRef;
use starlark::environment::{GlobalsBuilder, LibraryExtension, Module};
use starlark::eval::{BeforeStmtFuncDyn, Evaluator};
use starlark::syntax::{AstModule, Dialect};

use host::Printer;

/// Runs Starlark scripts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Starlark;

impl ScriptRunner for Starlark {
    fn extension(&self) -> &'static str {
        "star"
    }

    fn run(
        &self,
        console: &mut Console,
        path: &str,
        text: &str,
        done: &mut Vec<ScriptStep>,
    ) -> Result<(), String> {
        let interrupt = console.debugger().interrupter();
        let result = host::serve(console, done, || run(path, text, interrupt));
        result.map_err(|err| readable(&format!("{err:#}")))
    }
}

fn run(path: &str, text: &str, interrupt: Arc<AtomicBool>) -> anyhow::Result<()> {
    let fail = |err: starlark::Error| err.into_anyhow();
    let dialect = Dialect { enable_f_strings: true, ..Dialect::Extended };
    let program = AstModule::parse(path, text.to_owned(), &dialect).map_err(fail)?;
    let extensions = [
        LibraryExtension::Json,
        LibraryExtension::Map,
        LibraryExtension::Filter,
        LibraryExtension::Print,
    ];
    let globals = GlobalsBuilder::extended_by(&extensions).with(functions::of_delve);
    let globals = globals.with(functions::own).build();
    let module = Module::new();
    let mut evaluator = Evaluator::new(&module);
    evaluator.set_print_handler(&Printer);
    // The interpreter has no other way to be ended from outside than what debuggers of scripts use.
    let watch: Box<dyn BeforeStmtFuncDyn<'_, '_>> = Box::new(Interruptible(interrupt));
    evaluator.before_stmt_for_dap(watch.into());
    evaluator.eval_module(program, &globals).map_err(fail)?;
    if let Some(main) = module.get("main") {
        evaluator.eval_function(main, &[], &[]).map_err(fail)?;
    }
    Ok(())
}

/// An error with the lines of the script that it is about, which may be endless.
fn readable(text: &str) -> String {
    const WIDEST: usize = 160;
    let lines = text.lines().map(|line| match line.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Ends a script before its next statement once somebody wants that.
struct Interruptible(Arc<AtomicBool>);

impl<'a, 'e: 'a> BeforeStmtFuncDyn<'a, 'e> for Interruptible {
    fn call<'v>(
        &mut self,
        _at: FileSpanRef<'_>,
        _evaluator: &mut Evaluator<'v, 'a, 'e>,
    ) -> starlark::Result<()> {
        if self.0.load(Ordering::SeqCst) {
            return Err(starlark::Error::new_other(anyhow::anyhow!("interrupted")));
        }
        Ok(())
    }
}
