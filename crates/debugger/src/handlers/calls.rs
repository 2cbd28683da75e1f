//! Calling functions of the program, in a copy of it that is thrown away.

use retake_execution::{Company, Diverted, Go};

use super::convention::Convention;
use super::{disassembly, names, output};
use crate::answers::{CalledView, PrintedView};
use crate::expr;
use crate::location::Location;
use crate::requests::{CallRequest, CallThreads};
use crate::{Answer, DebugError, Debugger, RequestControl};

use super::names::DebuggerNames;

/// A function that is called may come through the place it returns to so often before it does.
const PASSES: u32 = 10_000;

pub(super) fn call(
    debugger: &mut Debugger,
    request: &CallRequest,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    let function = match &request.function {
        Location::Address(address) => names::address(debugger, address, control)?,
        location => disassembly::entry_of(debugger, location)?,
    };
    let task = debugger.task();
    let before = debugger.execution.program_registers(task)?;
    let convention = Convention::at(debugger, function);
    let why = match (convention, Convention::at(debugger, before.pc())) {
        (Convention::Go, Convention::Go) | (Convention::SystemV, _) => None,
        (Convention::Go, _) => Some(
            "this thread does not run code of Go here, and so has no goroutine to call it: go to a line of a \
             function of Go first",
        ),
        (Convention::Assembly, Convention::Go) => {
            Some("it is written in assembly, which in Go takes arguments on the stack")
        }
        (Convention::Assembly, _) => None,
    };
    if let Some(why) = why {
        return Err(failed(request, why.to_owned()));
    }
    if request.arguments.len() > convention.arguments() {
        let most = convention.arguments();
        let what = format!("{most} arguments at most are passed: those that go in registers");
        return Err(DebugError::NotFound(what));
    }
    let mut arguments = Vec::new();
    for argument in &request.arguments {
        let mut names = DebuggerNames::new(debugger, control);
        let value = expr::evaluate(argument.expr(), &mut names)?;
        arguments.push(word(value).ok_or_else(|| {
            DebugError::NotFound(format!("{argument} is {value}, which does not fit in 64 bits"))
        })?);
    }
    let mut copy = debugger.execution.divert()?;
    copy.keep_company(match request.threads {
        CallThreads::Alone => Company::Alone,
        CallThreads::All => Company::Others,
    });
    let mut registers = convention.prepared(&before, &arguments);
    let (back, expected) = (before.pc(), registers.sp());
    registers.rsp = registers.rsp.wrapping_sub(8);
    registers.rip = function.get();
    copy.write_memory(task, registers.sp(), &back.get().to_le_bytes())?;
    copy.set_registers(task, &registers)?;
    for _ in 0..PASSES {
        match copy.run(task, Go::On, &[back])? {
            Diverted::Breakpoint(_) => {}
            Diverted::Stepped => continue,
            Diverted::Signal(signal) => {
                let pc = copy.registers(task)?.pc();
                return Err(failed(request, format!("it gets {signal} at {pc}")));
            }
            Diverted::Over(why) => return Err(failed(request, why)),
        }
        let registers = copy.registers(task)?;
        if registers.sp() != expected {
            // Another call of the same function came by.
            continue;
        }
        let printed = copy.take_output().into_iter().map(|(stream, bytes)| PrintedView {
            event: None,
            stream: output::stream(stream),
            text: String::from_utf8_lossy(&bytes).into_owned(),
        });
        let value = format!("{:#x}", registers.rax);
        return Ok(Answer::Called(CalledView { value, output: printed.collect() }));
    }
    Err(failed(request, "it does not return".to_owned()))
}

/// 64 bits of a value, signed or not.
fn word(value: i128) -> Option<u64> {
    u64::try_from(value).ok().or_else(|| i64::try_from(value).ok().map(i64::cast_unsigned))
}

fn failed(request: &CallRequest, why: String) -> DebugError {
    DebugError::Call { function: request.function.to_string(), why }
}
