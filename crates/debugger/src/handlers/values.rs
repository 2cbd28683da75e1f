//! Values of variables and expressions at the current moment.

use retake_values::{Kind, Limits, NumberFormat, Role, show};

use super::names::DebuggerNames;
use crate::answers::{TypeField, TypeView, VariableView};
use crate::expr::{self, Datum, Names};
use crate::location::compiled;
use crate::requests::{NumberText, PrintRequest, VariablesRequest, Which};
use crate::variables::{FrameScope, TaskMemory};
use crate::{Answer, DebugError, Debugger, RequestControl};

/// Variables outside of functions that are shown at once.
const MAX_GLOBALS: usize = 1000;

/// What a request says of how values are shown.
fn limits(request: &PrintRequest) -> Limits {
    let format = match request.numbers {
        NumberText::Natural => NumberFormat::Natural,
        NumberText::Dec => NumberFormat::Dec,
        NumberText::Hex => NumberFormat::Hex,
        NumberText::Oct => NumberFormat::Oct,
        NumberText::Bin => NumberFormat::Bin,
    };
    let mut limits = Limits { format, ..Limits::default() };
    if let Some(page) = request.page {
        limits.from = u64::try_from(page.from).unwrap_or(u64::MAX);
        let items = page.limit.map_or(1 << 16, |limit| u64::try_from(limit).unwrap_or(u64::MAX));
        limits.items = items;
        limits.text = limits.text.max(items);
        limits.total =
            limits.total.max(usize::try_from(items).unwrap_or(usize::MAX).saturating_mul(4));
    }
    limits
}

pub(super) fn print(
    debugger: &mut Debugger,
    request: &PrintRequest,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    let mut names = DebuggerNames::in_frame(debugger, control, request.frame);
    let datum = expr::evaluate_datum(request.expression.expr(), &mut names)?;
    match datum {
        Datum::Number(number) if request.numbers == NumberText::Natural => {
            Ok(Answer::Value(number))
        }
        datum => Ok(Answer::Shown(datum.shown(names.space(), limits(request)))),
    }
}

pub(super) fn what_is(
    debugger: &mut Debugger,
    request: &PrintRequest,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    let mut names = DebuggerNames::in_frame(debugger, control, request.frame);
    let plain = |name: &str| TypeView { name: name.to_owned(), size: None, fields: Vec::new() };
    let view = match expr::evaluate_datum(request.expression.expr(), &mut names)? {
        Datum::Number(_) => plain("integer"),
        Datum::Float(_) => plain("float"),
        Datum::Text(_) => plain("text"),
        vector @ (Datum::Vector(_) | Datum::Lanes(_)) => {
            plain(&vector.shown(names.space(), Limits::default()).ty)
        }
        Datum::Items { ty, .. } => plain(&format!("several of {ty}")),
        Datum::Value(value) => {
            let fields = match value.kind() {
                Kind::Fields(fields) => fields
                    .members
                    .iter()
                    .map(|member| TypeField {
                        name: member.name.as_deref().map(str::to_owned),
                        ty: value.info().type_name(member.ty),
                    })
                    .collect(),
                _ => Vec::new(),
            };
            TypeView { name: value.type_name(), size: value.size(), fields }
        }
    };
    Ok(Answer::Type(view))
}

pub(super) fn variables(
    debugger: &Debugger,
    request: &VariablesRequest,
) -> Result<Answer, DebugError> {
    let pattern = request.pattern.as_deref().map(compiled).transpose()?;
    let fits = |name: &str| pattern.as_ref().is_none_or(|pattern| pattern.is_match(name));
    let task = debugger.task();
    let scope = FrameScope::of(debugger, task, request.frame.unwrap_or(debugger.frame))?;
    if let Some(why) = scope.nothing_known() {
        return Err(DebugError::NotFound(format!("no variables are known here: {why}")));
    }
    let memory = TaskMemory::new(debugger.execution.as_ref(), &debugger.catalog, scope.task());
    if request.which == Which::Globals {
        let Some(info) = scope.info() else { return Ok(Answer::Variables(Vec::new())) };
        let found = scope.at(&memory).all_globals(info, &fits, MAX_GLOBALS);
        let view = |(name, value): (String, retake_values::Value)| VariableView {
            name,
            role: None,
            shadowed: false,
            line: None,
            value: show(&value, &memory, Limits::default()),
        };
        return Ok(Answer::Variables(found.into_iter().map(view).collect()));
    }
    let wanted = |role: Role| match request.which {
        Which::Arguments => role != Role::Local,
        Which::Locals | Which::Globals => role == Role::Local,
    };
    let mut views = views(&scope, &memory);
    views.retain(|view| view.role.is_some_and(wanted) && fits(&view.name));
    Ok(Answer::Variables(views))
}

/// The variables of a frame.
pub(super) fn of_frame(
    debugger: &Debugger,
    number: usize,
) -> Result<Vec<VariableView>, DebugError> {
    let task = debugger.task();
    let scope = FrameScope::of(debugger, task, number)?;
    let memory = TaskMemory::new(debugger.execution.as_ref(), &debugger.catalog, task);
    Ok(views(&scope, &memory))
}

fn views(scope: &FrameScope, memory: &TaskMemory<'_>) -> Vec<VariableView> {
    let view = |seen: crate::variables::Seen<'_>| VariableView {
        name: seen.variable.name.clone(),
        role: Some(seen.variable.role),
        shadowed: seen.is_shadowed,
        line: seen.variable.line,
        value: show(&seen.value, memory, Limits::default()),
    };
    let mut views: Vec<VariableView> = scope.variables(memory).into_iter().map(view).collect();
    // Arguments first, then outer variables before inner ones, as they stand in the source.
    views.sort_by_key(|view| (view.role == Some(Role::Local), view.line));
    views
}
