//! What a script can call.

use anyhow::anyhow;
use serde_json::Value as Json;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneType;

use crate::host::{self, Shown};

/// Delve's functions, as far as they mean the same for a recording.
#[starlark_module]
pub(crate) fn of_delve(builder: &mut GlobalsBuilder) {
    /// Runs a command and shows its answer.
    fn dlv_command(line: &str) -> anyhow::Result<NoneType> {
        host::line(line, Shown::Yes)?;
        Ok(NoneType)
    }

    /// Moves: `continue`, `rewind`, `next`, `step`, `stepOut`, `stepInstruction`.
    fn raw_command<'v>(name: &str, eval: &mut Evaluator<'v, '_, '_>) -> anyhow::Result<Value<'v>> {
        let line = match name {
            "stepOut" => "stepout",
            "stepInstruction" => "step-instruction",
            "nextInstruction" => "next-instruction",
            "reverseNext" => "rev next",
            "reverseStep" => "rev step",
            "reverseStepOut" => "rev stepout",
            other => other,
        };
        let data = host::line(line, Shown::No)?;
        Ok(eval.heap().alloc(data))
    }

    /// Sets a breakpoint: a location as text, or Delve's `{"FunctionName", "File", "Line", "Addr",
    /// "Cond", "Name"}`.
    fn create_breakpoint<'v>(
        at: Value<'v>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> anyhow::Result<Value<'v>> {
        let line = format!("break {}", location(&at.to_json_value()?)?);
        let data = host::line(&line, Shown::No)?;
        Ok(eval.heap().alloc(first(data)))
    }

    /// Removes a breakpoint.
    fn clear_breakpoint<'v>(
        id: i32,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> anyhow::Result<Value<'v>> {
        let data = host::line(&format!("clear {id}"), Shown::No)?;
        Ok(eval.heap().alloc(first(data)))
    }

    /// All breakpoints.
    fn breakpoints<'v>(eval: &mut Evaluator<'v, '_, '_>) -> anyhow::Result<Value<'v>> {
        let data = host::line("breakpoints", Shown::No)?;
        Ok(eval.heap().alloc(data))
    }

    /// Gives this moment a name.
    fn checkpoint<'v>(
        #[starlark(default = "")] name: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> anyhow::Result<Value<'v>> {
        let data = host::line(format!("bookmark {name}").trim(), Shown::No)?;
        Ok(eval.heap().alloc(first(data)))
    }

    /// All moments with names.
    fn checkpoints<'v>(eval: &mut Evaluator<'v, '_, '_>) -> anyhow::Result<Value<'v>> {
        let data = host::line("bookmarks", Shown::No)?;
        Ok(eval.heap().alloc(data))
    }

    /// Takes the name of a moment away.
    fn clear_checkpoint(name: &str) -> anyhow::Result<NoneType> {
        host::line(&format!("clear-bookmark {name}"), Shown::No)?;
        Ok(NoneType)
    }

    /// The frames of the selected thread.
    fn stacktrace<'v>(
        #[starlark(default = -1)] thread: i32,
        #[starlark(default = 50)] depth: i32,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> anyhow::Result<Value<'v>> {
        let line = match thread {
            ..0 => format!("stack {depth}"),
            _ => format!("thread {thread} stack {depth}"),
        };
        let data = host::line(&line, Shown::No)?;
        Ok(eval.heap().alloc(data))
    }

    /// The threads that live here.
    fn threads<'v>(eval: &mut Evaluator<'v, '_, '_>) -> anyhow::Result<Value<'v>> {
        let data = host::line("threads", Shown::No)?;
        Ok(eval.heap().alloc(data))
    }

    /// The registers of the selected thread.
    fn registers<'v>(eval: &mut Evaluator<'v, '_, '_>) -> anyhow::Result<Value<'v>> {
        let data = host::line("regs", Shown::No)?;
        Ok(eval.heap().alloc(data))
    }

    /// The value of an expression: `eval(EXPRESSION)`, or `eval(SCOPE, EXPRESSION)` as in Delve, where
    /// the scope is None or the number of a frame.
    fn eval<'v>(
        first: Value<'v>,
        #[starlark(default = NoneType)] second: Value<'v>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> anyhow::Result<Value<'v>> {
        let (scope, expression) = match second.unpack_str() {
            Some(expression) => (first.unpack_i32(), expression),
            None => (None, first.unpack_str().ok_or_else(|| anyhow!("an expression is a text"))?),
        };
        let line = match scope {
            Some(frame) => format!("frame {frame} print {expression}"),
            None => format!("print {expression}"),
        };
        let data = host::line(&line, Shown::No)?;
        Ok(eval.heap().alloc(data))
    }

    /// Memory, as integers of `size` bytes in hexadecimal.
    fn examine_memory<'v>(
        address: Value<'v>,
        length: i32,
        #[starlark(default = 1)] size: i32,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> anyhow::Result<Value<'v>> {
        let address = address.to_str();
        let line = format!("examinemem -size {size} -count {length} {address}");
        let data = host::line(&line, Shown::No)?;
        Ok(eval.heap().alloc(data))
    }

    /// The machine code of a function, or of the one that runs.
    fn disassemble<'v>(
        #[starlark(default = "")] at: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> anyhow::Result<Value<'v>> {
        let data = host::line(format!("disassemble {at}").trim(), Shown::No)?;
        Ok(eval.heap().alloc(data))
    }

    /// The current moment.
    fn state<'v>(eval: &mut Evaluator<'v, '_, '_>) -> anyhow::Result<Value<'v>> {
        let data = host::line("when", Shown::No)?;
        Ok(eval.heap().alloc(data))
    }

    /// Goes to the start, a bookmark or an event.
    fn restart<'v>(
        #[starlark(default = "")] to: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> anyhow::Result<Value<'v>> {
        let data = host::line(format!("restart {to}").trim(), Shown::No)?;
        Ok(eval.heap().alloc(data))
    }

    /// Whether this is a recording.
    fn recorded() -> anyhow::Result<bool> {
        Ok(true)
    }

    /// Fails: a recording does not change.
    fn set_expr<'v>(#[starlark(args)] _args: Value<'v>) -> anyhow::Result<NoneType> {
        host::line("set", Shown::No)?;
        Ok(NoneType)
    }

    /// The text of a file.
    fn read_file(path: &str) -> anyhow::Result<String> {
        std::fs::read_to_string(path).map_err(|err| anyhow!("failed to read {path}: {err}"))
    }

    /// Writes a file.
    fn write_file(path: &str, text: &str) -> anyhow::Result<NoneType> {
        std::fs::write(path, text).map_err(|err| anyhow!("failed to write {path}: {err}"))?;
        Ok(NoneType)
    }
}

/// Our own.
#[starlark_module]
pub(crate) fn own(builder: &mut GlobalsBuilder) {
    /// Runs any command, and returns the data of its answer as docs/json.md describes it.
    fn command<'v>(line: &str, eval: &mut Evaluator<'v, '_, '_>) -> anyhow::Result<Value<'v>> {
        Ok(eval.heap().alloc(host::line(line, Shown::No)?))
    }

    /// Asks the debugger for something: a request as journals have it, `{"stack": {"depth": 3}}`.
    fn request<'v>(
        request: Value<'v>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> anyhow::Result<Value<'v>> {
        let answer = host::request(request.to_json_value()?)?;
        Ok(eval.heap().alloc(answer))
    }
}

/// The only one of a list.
fn first(data: Json) -> Json {
    match data {
        Json::Array(mut all) if all.len() == 1 => all.remove(0),
        other => other,
    }
}

/// What `break` is given for a breakpoint of Delve's.
fn location(at: &Json) -> anyhow::Result<String> {
    if let Json::String(text) = at {
        return Ok(text.clone());
    }
    let text = |key: &str| at.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
    let place = match (text("FunctionName"), text("File"), at.get("Addr").and_then(Json::as_u64)) {
        (Some(function), _, _) => function.to_owned(),
        (None, Some(file), _) => {
            let line = at.get("Line").and_then(Json::as_u64);
            format!("{file}:{}", line.ok_or_else(|| anyhow!("File needs a Line"))?)
        }
        (None, None, Some(address)) => format!("*{address:#x}"),
        (None, None, None) => {
            return Err(anyhow!("a breakpoint needs FunctionName, File and Line, or Addr"));
        }
    };
    let name = text("Name").map(|name| format!("{name} ")).unwrap_or_default();
    let condition = text("Cond").map(|condition| format!(" if {condition}")).unwrap_or_default();
    Ok(format!("{name}{place}{condition}"))
}
