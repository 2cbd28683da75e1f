//! What a stop shows besides where it is: its source line and the displays.

use retake_values::Limits;

use super::names::DebuggerNames;
use super::{frames, source};
use crate::answers::{DisplayView, StopView};
use crate::displays::Display;
use crate::expr::{self, Names};
use crate::{Answer, DebugError, Debugger, RequestControl};

/// Adds what every stop shows.
pub(super) fn complete(
    debugger: &mut Debugger,
    mut stop: StopView,
    control: &RequestControl,
) -> StopView {
    stop.frame = frames::selected(debugger);
    let place = stop.frame.as_ref().map_or(&stop.place, |frame| &frame.place);
    stop.line = place.source.as_ref().and_then(|line| source::line(debugger, line));
    stop.displays = displays(debugger, control);
    stop
}

/// All displays with their values here.
pub(super) fn displays(debugger: &mut Debugger, control: &RequestControl) -> Vec<DisplayView> {
    let all = debugger.displays.all().to_vec();
    all.into_iter().map(|display| view(debugger, display, control)).collect()
}

fn view(debugger: &mut Debugger, display: Display, control: &RequestControl) -> DisplayView {
    let Display { id, expression } = display;
    let mut names = DebuggerNames::new(debugger, control);
    let (value, problem) = match expr::evaluate_datum(expression.expr(), &mut names) {
        Ok(datum) => (Some(datum.shown(names.space(), Limits::default()).to_string()), None),
        Err(err) => (None, Some(err.to_string())),
    };
    DisplayView { id, expression, value, problem }
}

pub(super) fn display(
    debugger: &mut Debugger,
    expression: &expr::Expression,
    control: &RequestControl,
) -> Answer {
    let new = debugger.displays.add(expression.clone());
    Answer::Displays(vec![view(debugger, new, control)])
}

pub(super) fn clear_display(debugger: &mut Debugger, id: u32) -> Result<Answer, DebugError> {
    let Display { id, expression } = debugger.displays.remove(id)?;
    Ok(Answer::Displays(vec![DisplayView { id, expression, value: None, problem: None }]))
}
