//! Calling functions of the program, in a copy of it that is thrown away.

use retake_execution::{Diversion, Diverted, Go};
use retake_model::{Addr, Registers, TaskId};

use super::{disassembly, names, output};
use crate::answers::{CalledView, PrintedView};
use crate::expr;
use crate::location::Location;
use crate::requests::CallRequest;
use crate::{Answer, DebugError, Debugger, RequestControl};

use super::names::DebuggerNames;

/// Below the stack pointer a function may keep things (System V ABI, "red zone").
const RED_ZONE: u64 = 128;
/// The registers of the first arguments hold so many (System V ABI).
const ARGUMENTS: usize = 6;
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
    if request.arguments.len() > ARGUMENTS {
        let what = format!("{ARGUMENTS} arguments at most are passed: those that go in registers");
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
    let task = debugger.task();
    let before = debugger.execution.program_registers(task)?;
    let mut copy = debugger.execution.divert()?;
    let expected = prepare(copy.as_mut(), task, &before, function, &arguments)?;
    let back = before.pc();
    let name = &request.function;
    let failed = |why: String| DebugError::Call { function: name.to_string(), why };
    for _ in 0..PASSES {
        match copy.run(task, Go::On, &[back])? {
            Diverted::Breakpoint(_) => {}
            Diverted::Stepped => continue,
            Diverted::Signal(signal) => {
                let pc = copy.registers(task)?.pc();
                return Err(failed(format!("it gets {signal} at {pc}")));
            }
            Diverted::Over(why) => return Err(failed(why)),
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
    Err(failed("it does not return".to_owned()))
}

/// 64 bits of a value, signed or not.
fn word(value: i128) -> Option<u64> {
    u64::try_from(value).ok().or_else(|| i64::try_from(value).ok().map(i64::cast_unsigned))
}

/// Makes a task call a function; says where its stack pointer is once that has returned.
fn prepare(
    copy: &mut dyn Diversion,
    task: TaskId,
    before: &Registers,
    function: Addr,
    arguments: &[u64],
) -> Result<Addr, DebugError> {
    let mut registers = *before;
    let places = [
        &mut registers.rdi,
        &mut registers.rsi,
        &mut registers.rdx,
        &mut registers.rcx,
        &mut registers.r8,
        &mut registers.r9,
    ];
    for (place, value) in places.into_iter().zip(arguments) {
        *place = *value;
    }
    // 16 bytes are the stack's alignment at a call (System V ABI).
    let after = before.rsp.wrapping_sub(RED_ZONE) & !15;
    let at = after.wrapping_sub(8);
    copy.write_memory(task, Addr::new(at), &before.rip.to_le_bytes())?;
    registers.rsp = at;
    registers.rip = function.get();
    // The number of vector registers that hold arguments.
    registers.rax = 0;
    // No system call is to be made again.
    registers.orig_rax = u64::MAX;
    copy.set_registers(task, &registers)?;
    Ok(Addr::new(after))
}
