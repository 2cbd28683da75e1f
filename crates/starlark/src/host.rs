//! The console, as functions of a script reach it.
//!
//! A script runs on a thread of its own and sends what it wants to the thread of the debugger, which alone may
//! use that. So nothing of the console has to live as long as the values of a script.

use std::cell::RefCell;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::anyhow;
use retake_console::{Console, Output, ScriptStep};
use serde_json::Value;
use starlark::PrintHandler;

/// What a script wants.
enum Wanted {
    /// A line to be run; its answer is shown, or not.
    Line(String, Shown),
    /// A request that no line says.
    Request(Value),
    /// Something to be shown.
    Print(String),
}

/// Whether an answer is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Yes,
    No,
}

struct Call {
    wanted: Wanted,
    reply: Sender<Result<Value, String>>,
}

thread_local! {
    /// To the thread of the debugger, on the thread of a script.
    static LINK: RefCell<Option<Sender<Call>>> = const { RefCell::new(None) };
}

/// Runs a script, and serves it; what it has done is put into `done`.
pub(crate) fn serve(
    console: &mut Console,
    done: &mut Vec<ScriptStep>,
    script: impl FnOnce() -> anyhow::Result<()> + Send,
) -> anyhow::Result<()> {
    let (to, calls) = channel();
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            LINK.set(Some(to));
            let result = script();
            // The end of it ends the service.
            LINK.set(None);
            result
        });
        answer(console, done, &calls);
        thread.join().unwrap_or_else(|_| Err(anyhow!("the script's interpreter failed")))
    })
}

fn answer(console: &mut Console, done: &mut Vec<ScriptStep>, calls: &Receiver<Call>) {
    let interrupt = console.debugger().interrupter();
    for Call { wanted, reply } in calls {
        let result = match wanted {
            // A request would forget that somebody wants an end.
            _ if interrupt.load(Ordering::SeqCst) => Err("interrupted".to_owned()),
            Wanted::Print(text) => {
                done.push(step("print", Output::Said(text)));
                Ok(Value::Null)
            }
            Wanted::Line(line, shown) => match console.execute(&line) {
                Ok(output) => {
                    let data = data_of(&output);
                    if shown == Shown::Yes {
                        done.push(step(&line, output));
                    }
                    data
                }
                Err(err) => Err(format!("{line}: {err}")),
            },
            Wanted::Request(request) => ask(console, request),
        };
        // A script that has ended meanwhile needs no answer.
        let _ = reply.send(result);
    }
}

fn step(command: &str, output: Output) -> ScriptStep {
    ScriptStep { line: 0, command: command.to_owned(), output }
}

fn ask(console: &mut Console, request: Value) -> Result<Value, String> {
    let request = serde_json::from_value(request);
    let request = request.map_err(|err| format!("this is no request: {err}"))?;
    let answer = console.ask(&request).map_err(|err| err.to_string())?;
    serde_json::to_value(answer).map_err(|err| err.to_string())
}

/// What JSON has as the data of an answer.
fn data_of(output: &Output) -> Result<Value, String> {
    match serde_json::to_value(output).map_err(|err| err.to_string())? {
        Value::Object(mut object) => Ok(object.remove("data").unwrap_or(Value::Null)),
        other => Ok(other),
    }
}

fn send(wanted: Wanted) -> anyhow::Result<Value> {
    let to = LINK.with_borrow(Clone::clone);
    let to = to.ok_or_else(|| anyhow!("this script runs without a debugger"))?;
    let (reply, answer) = channel();
    to.send(Call { wanted, reply }).map_err(|_| anyhow!("the debugger is gone"))?;
    let answer = answer.recv().map_err(|_| anyhow!("the debugger is gone"))?;
    answer.map_err(|problem| anyhow!(problem))
}

/// Runs a line, and gives the data of its answer.
pub(crate) fn line(line: &str, shown: Shown) -> anyhow::Result<Value> {
    send(Wanted::Line(line.to_owned(), shown))
}

/// Asks for something that is no line.
pub(crate) fn request(request: Value) -> anyhow::Result<Value> {
    send(Wanted::Request(request))
}

/// Shows what a script prints.
pub(crate) struct Printer;

impl PrintHandler for Printer {
    fn println(&self, text: &str) -> starlark::Result<()> {
        send(Wanted::Print(text.to_owned())).map(|_| ()).map_err(starlark::Error::new_other)
    }
}
