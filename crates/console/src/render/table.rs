//! Hits as tables for other programs: CSV (RFC 4180), or a JSON object a line.

use retake_debugger::{HitView, PlaceView, TraceLine, TraceView};
use serde::Serialize;

use crate::asked::TableForm;
use crate::output::HitsView;

/// A row for each hit, with what expressions were there.
pub(crate) fn values(view: &TraceView, form: TableForm) -> Vec<String> {
    match form {
        TableForm::Json => view.lines.iter().map(json).collect(),
        TableForm::Csv => {
            let expressions = view.lines.first().into_iter().flat_map(|line| &line.values);
            let names = expressions.map(|value| value.expression.to_string());
            let head = head().into_iter().chain(names).collect::<Vec<_>>();
            std::iter::once(row(&head)).chain(view.lines.iter().map(value_row)).collect()
        }
    }
}

/// A row for each hit.
pub(crate) fn hits(view: &HitsView, form: TableForm) -> Vec<String> {
    match form {
        TableForm::Json => view.hits.iter().map(json).collect(),
        TableForm::Csv => {
            std::iter::once(row(&head())).chain(view.hits.iter().map(hit_row)).collect()
        }
    }
}

fn head() -> Vec<String> {
    ["n", "position", "thread", "function", "source"].map(str::to_owned).into()
}

fn json<T: Serialize>(line: &T) -> String {
    serde_json::to_string(line).unwrap_or_else(|err| super::failed(&err))
}

fn begin(n: u64, position: &str, task: &str, place: &PlaceView) -> Vec<String> {
    let function = place.function.clone().unwrap_or_default();
    let source = place.source.as_ref().map(ToString::to_string).unwrap_or_default();
    vec![n.to_string(), position.to_owned(), task.to_owned(), function, source]
}

fn value_row(line: &TraceLine) -> String {
    let (position, task) = (line.position.to_string(), line.task.to_string());
    let mut cells = begin(line.n, &position, &task, &line.place);
    cells.extend(line.values.iter().map(|value| {
        // What has no value has a sentence in the other form; here its cell is empty.
        value.value.clone().unwrap_or_default()
    }));
    row(&cells)
}

fn hit_row(hit: &HitView) -> String {
    let n = u64::try_from(hit.n).unwrap_or(u64::MAX);
    row(&begin(n, &hit.position.to_string(), &hit.task.to_string(), &hit.place))
}

fn row(cells: &[String]) -> String {
    let quoted = |cell: &String| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.clone(),
    };
    cells.iter().map(quoted).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let cells = ["plain", "a, b", "say \"x\"", ""].map(str::to_owned);
        assert_eq!(row(&cells), r#"plain,"a, b","say ""x""","#);
    }
}
