//! Values as people write and read them.

use std::time::Duration;

use retake_recorder::MOST_CPUS;
use retake_recording::ExitStatus;

/// The shortest time between checkpoints that makes sense.
const SHORTEST: Duration = Duration::from_millis(1);

/// Reads a duration such as `1s`, `250ms`, `1.5s` or `2m`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds_per_unit = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err("write a number and a unit, such as 250ms, 1s or 2m".to_owned()),
    };
    let number: f64 =
        number.parse().map_err(|_| "write a number and a unit, such as 250ms, 1s or 2m")?;
    let duration = Duration::try_from_secs_f64(number * seconds_per_unit)
        .map_err(|_| "this is longer than any program runs")?;
    if duration < SHORTEST { Err("the shortest is 1ms".to_owned()) } else { Ok(duration) }
}

/// Reads a number of CPUs.
pub(crate) fn parse_cpus(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MOST_CPUS).contains(number));
    number.ok_or_else(|| format!("write a number from 1 to {MOST_CPUS}"))
}

/// `1.32 s`
pub(crate) fn duration(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

/// `1.3 MiB`
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths, so that no rounding gives "1024.0 KiB".
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = UNITS[0];
    for next in UNITS.iter().skip(1) {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// `1 event`, `2 events`
pub(crate) fn count(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// Nanoseconds since 1970 as `2026-11-24 03:43:10Z` (UTC: only the C library knows the local time).
pub(crate) fn time(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = retake_debugger::clock::date(days);
    let (h, m, s) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {h:02}:{m:02}:{s:02}Z")
}

/// A command as one could type it.
pub(crate) fn command(args: &[Vec<u8>]) -> String {
    let words: Vec<String> = args.iter().map(|arg| quoted(&String::from_utf8_lossy(arg))).collect();
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    // A line is a line: what would break it or the terminal is shown escaped.
    let shown: String = word
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect();
    format!("'{}'", shown.replace('\'', r"'\''"))
}

/// At most `width` characters.
pub(crate) fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// How a program ended: `exit 3`, `SIGSEGV`.
pub(crate) fn ended(status: ExitStatus) -> String {
    match status {
        ExitStatus::Exited(code) => format!("exit {code}"),
        ExitStatus::Killed(signal) => signal.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let read = |text| parse_duration(text).map(|d| d.as_millis());
        assert_eq!(read("1s"), Ok(1000));
        assert_eq!(read("250ms"), Ok(250));
        assert_eq!(read("1.5s"), Ok(1500));
        assert_eq!(read("2m"), Ok(120_000));
        for bad in ["", "0", "5", "0s", "0.1ms", "s", "-1s", "1x", "1 s", ".s", "1e99s", "1.2.3s"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        assert!(read(&format!("{}h", "9".repeat(60))).is_err());
    }

    #[test]
    fn numbers_of_cpus() {
        assert_eq!((parse_cpus("1"), parse_cpus("8192")), (Ok(1), Ok(8192)));
        for bad in ["", "0", "-1", "8193", "two"] {
            assert!(parse_cpus(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1024), "1.0 KiB");
        assert_eq!(size(1024 * 1024 - 1), "1023.9 KiB");
        assert_eq!(size(1 << 20), "1.0 MiB");
        assert_eq!(size(5 << 40), "5.0 TiB");
        assert_eq!(size(u64::MAX), "16777215.9 TiB");
    }

    #[test]
    fn times() {
        let at = |seconds: u64| time(seconds * 1_000_000_000);
        assert_eq!(at(0), "1970-01-01 00:00:00Z");
        assert_eq!(at(951_782_399), "2000-02-28 23:59:59Z");
        assert_eq!(at(951_782_400), "2000-02-29 00:00:00Z");
        assert_eq!(at(951_868_800), "2000-03-01 00:00:00Z");
        assert_eq!(at(1_798_761_599), "2026-12-31 23:59:59Z");
    }

    #[test]
    fn commands_are_quoted_where_a_shell_needs_it() {
        let of = |words: &[&str]| {
            command(&words.iter().map(|w| w.as_bytes().to_vec()).collect::<Vec<_>>())
        };
        assert_eq!(of(&["sh", "-c", "exit 3"]), "sh -c 'exit 3'");
        assert_eq!(of(&["echo", "", "it's", "a\nb"]), r"echo '' 'it'\''s' 'a\nb'");
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("abcdefg", 6), "abcde…");
        assert_eq!(count(1, "event"), "1 event");
        assert_eq!(count(0, "event"), "0 events");
    }
}
