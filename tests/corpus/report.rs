//! What came of each program, and the page made of it.

use std::fmt::Write;
use std::time::Duration;

/// What came of a program.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// Recorded, replayed and verified.
    Good,
    /// It is not there.
    Skipped(String),
    /// What went wrong, and the message.
    Failed {
        /// The step.
        step: &'static str,
        /// What retake or the comparison says.
        message: String,
    },
    /// It went wrong for a known reason.
    Limited {
        /// The reason.
        why: String,
        /// The step.
        step: &'static str,
        /// What retake or the comparison says.
        message: String,
    },
}

impl Verdict {
    /// Whether something went wrong.
    pub(crate) fn is_bad(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The program.
    pub(crate) name: String,
    /// Its package.
    pub(crate) package: String,
    /// Events recorded.
    pub(crate) events: Option<u64>,
    /// Fastest native run.
    pub(crate) native: Option<Duration>,
    /// The recorded run.
    pub(crate) recorded: Option<Duration>,
    /// What came of it.
    pub(crate) verdict: Verdict,
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format!("{:.2}", time.as_secs_f64()))
}

/// The beginning of a message, as a cell of a table.
fn shortened(message: &str) -> String {
    let first: Vec<&str> = message.lines().take(6).map(str::trim).collect();
    let text: String = first.join(" / ").chars().take(400).collect();
    text.replace('|', "\\|")
}

impl Row {
    fn overhead(&self) -> Option<f64> {
        Some(self.recorded?.as_secs_f64() / self.native?.as_secs_f64().max(0.001))
    }

    /// Its result in a word or a sentence.
    fn result(&self) -> String {
        match &self.verdict {
            Verdict::Good => "verified".to_owned(),
            Verdict::Skipped(why) => format!("skipped: {why}"),
            Verdict::Failed { step, message } => format!("**{step}**: {}", shortened(message)),
            Verdict::Limited { why, step, message } => {
                format!("known limit: {why}; {step}: {}", shortened(message))
            }
        }
    }

    /// For the terminal.
    pub(crate) fn line(&self) -> String {
        let events = self.events.unwrap_or(0);
        let (native, recorded) = (seconds(self.native), seconds(self.recorded));
        let result = self.result();
        format!("{:<28} {events:>8} events {native:>6}s {recorded:>6}s  {result}", self.name)
    }
}

/// The page `docs/corpus.md`.
pub(crate) fn page(rows: &[Row]) -> String {
    let count = |what: fn(&Verdict) -> bool| rows.iter().filter(|row| what(&row.verdict)).count();
    let good = count(|verdict| matches!(verdict, Verdict::Good));
    let skipped = count(|verdict| matches!(verdict, Verdict::Skipped(_)));
    let failed = count(Verdict::is_bad);
    let limited = count(|verdict| matches!(verdict, Verdict::Limited { .. }));
    let events: u64 = rows.iter().filter_map(|row| row.events).sum();
    let mut overheads: Vec<f64> = rows.iter().filter_map(Row::overhead).collect();
    overheads.sort_by(f64::total_cmp);
    let median = overheads.get(overheads.len() / 2).copied().unwrap_or_default();
    let mut page = String::new();
    let _ = write!(
        page,
        "# The corpus\n\n\
        Programs of a Debian system, each run natively, recorded, replayed and verified. Output and exit\n\
        status of the recorded run are those of a native run (where that does not vary), those of the\n\
        replay are the recorded ones, and `retake verify` compares all state at every checkpoint.\n\
        Written by `cargo test --release -p retake-cli --test corpus -- --ignored --nocapture`; the programs are\n\
        in `tests/corpus/programs`.\n\n\
        **{good} verified, {failed} failed, {limited} at known limits, {skipped} not installed**, {events} events; median overhead {median:.1}x.\n\
        Times are of one run on a shared machine (native: the fastest of two); those of servers include their load.\n\n\
        | program | package | events | native s | recorded s | overhead | result |\n\
        | --- | --- | ---: | ---: | ---: | ---: | --- |\n"
    );
    for row in rows {
        let events = row.events.map_or_else(|| "-".to_owned(), |events| events.to_string());
        let overhead =
            row.overhead().map_or_else(|| "-".to_owned(), |times| format!("{times:.1}x"));
        let _ = writeln!(
            page,
            "| {} | {} | {events} | {} | {} | {overhead} | {} |",
            row.name,
            row.package,
            seconds(row.native),
            seconds(row.recorded),
            row.result()
        );
    }
    page
}
