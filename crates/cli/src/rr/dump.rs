//! `rr dump`: what happened, a line each.

use std::ffi::OsString;
use std::process::ExitCode;
use std::str::FromStr;

use retake_model::EventIndex;
use retake_replayer::describe_event;

use super::traces::Traces;
use crate::failure::Failure;
use crate::output::Out;

/// Print the events of a trace
///
/// EVENTS is a number, two with a hyphen between them, or `end` for the last one; without any, all are
/// printed.
#[derive(Debug, clap::Args)]
pub(super) struct DumpArgs {
    /// Folder or name of the trace [default: the latest], and what of it
    #[arg(value_name = "TRACE|EVENTS")]
    words: Vec<OsString>,
}

/// Some of the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Span {
    /// From the one to the other, both included.
    Between(u64, u64),
    /// The last one.
    Last,
}

impl FromStr for Span {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "end" {
            return Ok(Self::Last);
        }
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        Ok(Self::Between(from.parse()?, to.parse()?))
    }
}

fn span(word: &OsString) -> Option<Span> {
    word.to_str()?.parse().ok()
}

impl DumpArgs {
    /// The trace and the events that are meant. What is not about events names the trace.
    fn parts(&self) -> Result<(Option<&OsString>, Vec<Span>), Failure> {
        let (trace, rest) = match self.words.split_first() {
            Some((first, rest)) if span(first).is_none() => (Some(first), rest),
            _ => (None, &self.words[..]),
        };
        let spans = rest.iter().map(|word| {
            let text = || format!("{} names no events: write N, N-M or end", word.display());
            span(word).ok_or_else(|| Failure::text(text()))
        });
        Ok((trace, spans.collect::<Result<_, _>>()?))
    }

    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let (trace, mut spans) = self.parts()?;
        let recording = Traces::find()?.open(trace.map(OsString::as_os_str))?;
        if spans.is_empty() {
            spans.push(Span::Between(0, u64::MAX));
        }
        let mut out = Out::new();
        for span in spans {
            let last = recording.event_count().get().saturating_sub(1);
            let (from, to) = match span {
                Span::Between(from, to) => (from, to.min(last)),
                Span::Last => (last, last),
            };
            if from > last {
                continue;
            }
            for event in recording.events(EventIndex::new(from)) {
                let (index, event) = event?;
                if index.get() > to {
                    break;
                }
                out.line(format_args!("{index}  {}", describe_event(&event)))?;
            }
        }
        out.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(words: &[&str]) -> Option<(Option<String>, Vec<Span>)> {
        let args = DumpArgs { words: words.iter().map(OsString::from).collect() };
        let (trace, spans) = args.parts().ok()?;
        Some((trace.and_then(|trace| trace.to_str().map(str::to_owned)), spans))
    }

    #[test]
    fn a_trace_comes_before_the_events() {
        let all = vec![Span::Between(3, 3), Span::Between(5, 9), Span::Last];
        assert_eq!(parts(&["x-1", "3", "5-9", "end"]), Some((Some("x-1".into()), all.clone())));
        assert_eq!(parts(&["3", "5-9", "end"]), Some((None, all)));
        assert_eq!(parts(&[]), Some((None, vec![])));
        assert_eq!(parts(&["3", "x-1"]), None);
    }
}
