//! Times of day, as a program's clock says them and as people write them. Always UTC: a recording does not
//! say what the program took for local time.

use std::fmt;
use std::str::FromStr;

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400 * SECOND;

/// A moment on a clock: of some day, or of any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockTime {
    /// A time of day, in nanoseconds since midnight.
    OfDay(u64),
    /// Nanoseconds since 1970.
    Absolute(u64),
}

/// A text that is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time: write 03:12:44.5 or 2026-11-30T03:12:44.5, in UTC")]
pub struct ClockTimeError(String);

impl ClockTime {
    /// Whether a clock that says `ns` since 1970 is at this time or later, on the day of `first`.
    pub(crate) fn is_reached(self, ns: u64, first: u64) -> bool {
        ns >= self.on_the_day_of(first)
    }

    /// Nanoseconds since 1970: on the day of `first`, or on the next where it lies before that.
    fn on_the_day_of(self, first: u64) -> u64 {
        match self {
            Self::Absolute(ns) => ns,
            Self::OfDay(ns) => {
                let at = first - first % DAY + ns;
                // Half a day back is before the run, not at the end of it.
                if at + DAY / 2 < first { at + DAY } else { at }
            }
        }
    }
}

impl FromStr for ClockTime {
    type Err = ClockTimeError;

    fn from_str(text: &str) -> Result<Self, ClockTimeError> {
        let bad = || ClockTimeError(text.to_owned());
        let (date, time) = match text.split_once(['T', ' ']) {
            Some((date, time)) => (Some(date), time),
            None => (None, text),
        };
        let of_day = time_of_day(time.trim_end_matches('Z')).ok_or_else(bad)?;
        let Some(date) = date else { return Ok(Self::OfDay(of_day)) };
        let days = days(date).ok_or_else(bad)?;
        days.checked_mul(DAY).map(|day| Self::Absolute(day + of_day)).ok_or_else(bad)
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_day = match self {
            Self::OfDay(ns) => *ns,
            Self::Absolute(ns) => {
                let (year, month, day) = date(ns / DAY);
                write!(f, "{year:04}-{month:02}-{day:02}T")?;
                ns % DAY
            }
        };
        let (seconds, ns) = (of_day / SECOND, of_day % SECOND);
        write!(f, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        if ns == 0 { Ok(()) } else { f.write_str(format!(".{ns:09}").trim_end_matches('0')) }
    }
}

/// `HH:MM[:SS[.FRACTION]]` in nanoseconds.
fn time_of_day(text: &str) -> Option<u64> {
    let mut parts = text.split(':');
    let hours = two_digits(parts.next()?, 24)?;
    let minutes = two_digits(parts.next()?, 60)?;
    let (seconds, fraction) = match parts.next() {
        None => (0, 0),
        Some(seconds) => match seconds.split_once('.') {
            None => (two_digits(seconds, 60)?, 0),
            Some((seconds, digits)) => (two_digits(seconds, 60)?, fraction(digits)?),
        },
    };
    parts.next().is_none().then_some(((hours * 60 + minutes) * 60 + seconds) * SECOND + fraction)
}

fn two_digits(text: &str, below: u64) -> Option<u64> {
    let digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?.filter(|number| *number < below)
}

/// Digits after the point of a second, in nanoseconds.
pub(crate) fn fraction(digits: &str) -> Option<u64> {
    if digits.is_empty() || digits.len() > 9 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{digits:0<9}").parse().ok()
}

/// `YYYY-MM-DD` as days since 1970.
fn days(text: &str) -> Option<u64> {
    let mut parts = text.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some()
        || !(1970..=9999).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
    {
        return None;
    }
    // Years that begin in March, so that the leap day comes last.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + of_year;
    days.checked_sub(DAYS_TO_1970)
}

/// From 1 March of year 0 to 1 January of 1970.
const DAYS_TO_1970: u64 = 719_468;

/// Year, month and day of a day since 1970.
pub fn date(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    let days = days + DAYS_TO_1970;
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, wanted: ClockTime) {
        assert_eq!(text.parse(), Ok(wanted));
        assert_eq!(wanted.to_string(), text);
    }

    #[test]
    fn times_are_read_and_written() {
        check("03:12:44.5", ClockTime::OfDay(11_564_500_000_000));
        check("2024-02-29T00:00:00", ClockTime::Absolute(1_709_164_800 * SECOND));
        check("1970-01-01T23:59:59.000000001", ClockTime::Absolute(86_399 * SECOND + 1));
        check("2026-12-31T00:00:00", ClockTime::Absolute(1_798_675_200 * SECOND));
        assert_eq!("3:12".parse(), Ok(ClockTime::OfDay(192 * 60 * SECOND)));
        for bad in
            ["", "3", "25:00", "1:60", "1:2:3:4", "1:2:3.", "1:2:3.x", "2024-13-01T1:2", "-1:2"]
        {
            assert_eq!(bad.parse::<ClockTime>(), Err(ClockTimeError(bad.to_owned())), "{bad}");
        }
    }

    #[test]
    fn a_time_of_day_is_of_the_day_of_the_run() {
        let noon = 100 * DAY + DAY / 2;
        let at = |hours: u64| ClockTime::OfDay(hours * 3600 * SECOND);
        assert!(at(11).is_reached(noon, noon));
        assert!(!at(13).is_reached(noon, noon));
        // A run that goes on after midnight.
        let late = 100 * DAY + 23 * 3600 * SECOND;
        assert!(!at(1).is_reached(late, late));
        assert!(at(1).is_reached(101 * DAY + 3600 * SECOND, late));
    }
}
