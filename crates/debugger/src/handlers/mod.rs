//! Doing what is asked: a family of requests a file, and one place that knows all of them.

mod bookmarks;
mod breakpoints;
mod calls;
mod catches;
mod convention;
mod disassembly;
mod expressions;
mod frames;
mod goroutines;
mod hits;
mod indirect;
mod listing;
mod looking;
mod moments;
mod moving;
mod names;
mod opening;
mod output;
mod source;
mod stops;
mod times;
mod trace;
mod values;
mod watches;

use crate::{Answer, DebugError, Debugger, Request, RequestControl};

pub(crate) use goroutines::parked;
pub(crate) use indirect::Chosen;
pub(crate) use moments::share_of_run;

/// Does what is asked.
pub(crate) fn answer(
    debugger: &mut Debugger,
    request: &Request,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    Ok(match dispatch(debugger, request, control)? {
        Answer::Stop(stop) => Answer::Stop(stops::complete(debugger, stop, control)),
        other => other,
    })
}

fn dispatch(
    debugger: &mut Debugger,
    request: &Request,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    match request {
        Request::Break(new) => breakpoints::set(debugger, new, control),
        Request::Condition(new) => breakpoints::condition(debugger, new),
        Request::HitCondition(new) => breakpoints::hit_condition(debugger, new),
        Request::ClearConditions { breakpoint } => {
            breakpoints::clear_conditions(debugger, *breakpoint)
        }
        Request::Catch(what) => catches::set(debugger, what),
        Request::Clear(which) => breakpoints::clear(debugger, which),
        Request::Breakpoints => Ok(breakpoints::list(debugger)),
        Request::Watch(new) => watches::set(debugger, new, control),
        Request::Watches => Ok(watches::list(debugger)),
        Request::ClearWatch { id } => watches::clear(debugger, *id),
        Request::Last(memory) => watches::last(debugger, memory, control),
        Request::Run { direction } => moving::run(debugger, *direction),
        Request::RunTo(to) => moving::run_to(debugger, to, control),
        Request::Step(step) => moving::step(debugger, step, control),
        Request::Seek(moment) => moving::seek(debugger, moment, control),
        Request::Hits { of, page } => hits::list(debugger, of, *page, control),
        Request::Trace(request) => trace::trace(debugger, request, control),
        Request::Stack { depth, detail } => {
            looking::stack(debugger, *depth, *detail).map(Answer::Stack)
        }
        Request::Threads => Ok(looking::threads(debugger)),
        Request::SelectThread { number } => looking::select(debugger, *number),
        Request::Goroutines => goroutines::list(debugger),
        Request::SelectGoroutine { id } => goroutines::select(debugger, *id),
        Request::Registers { names } => looking::registers(debugger, names),
        Request::Memory(range) => looking::memory(debugger, range, control),
        Request::Source(wanted) => source::show(debugger, wanted, control),
        Request::When => moments::when(debugger),
        Request::Checkpoints => Ok(moments::checkpoints(debugger)),
        Request::Evaluate(expression) => expressions::evaluate(debugger, expression, control),
        Request::Print(request) => values::print(debugger, request, control),
        Request::Variables(request) => values::variables(debugger, request),
        Request::WhatIs(request) => values::what_is(debugger, request, control),
        Request::Names(request) => listing::list(debugger, request),
        Request::HitValues(request) => trace::hit_values(debugger, request, control),
        Request::Assert(expression) => expressions::assert(debugger, expression, control),
        Request::ExpectOutput(text) => output::expect(debugger, text),
        Request::Output => output::show(debugger),
        Request::Events(request) => output::events(debugger, *request),
        Request::SelectFrame(choice) => frames::select(debugger, *choice),
        Request::Disassemble(request) => disassembly::show(debugger, request, control),
        Request::OnHit(new) => breakpoints::on_hit(debugger, new),
        Request::Handle(new) => catches::handle(debugger, *new),
        Request::Display(expression) => Ok(stops::display(debugger, expression, control)),
        Request::Displays => Ok(Answer::Displays(stops::displays(debugger, control))),
        Request::ClearDisplay { id } => stops::clear_display(debugger, *id),
        Request::Bookmark(new) => bookmarks::set(debugger, new),
        Request::Bookmarks => Ok(bookmarks::list(debugger)),
        Request::ClearBookmark { name } => bookmarks::clear(debugger, name),
        Request::Call(request) => calls::call(debugger, request, control),
        Request::Substitute(new) => {
            Ok(Answer::Substitutions(debugger.sources.substitute(new).to_vec()))
        }
        Request::Configure(new) => {
            debugger.settings.change(new);
            Ok(Answer::Settings(debugger.settings.clone()))
        }
    }
}
