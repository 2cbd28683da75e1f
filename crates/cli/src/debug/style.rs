//! How text looks on a terminal: colors, short paths, lines that fit, and where in the run this is.

use std::borrow::Cow;
use std::ffi::OsString;

/// Whether text has colors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colors {
    None,
    Ansi,
}

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const CYAN: &str = "\x1b[36m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

impl Colors {
    /// As the environment wants it (no-color.org).
    pub(super) fn wanted(no_color: Option<OsString>, term: Option<OsString>) -> Self {
        let refused = no_color.is_some_and(|value| !value.is_empty());
        if refused || term.is_none_or(|term| term == "dumb") { Self::None } else { Self::Ansi }
    }

    fn paint(self, color: &str, text: &str) -> String {
        match self {
            Self::None => text.to_owned(),
            Self::Ansi => format!("{color}{text}{PLAIN}"),
        }
    }

    /// The name of a command.
    pub(super) fn command(self, name: &str) -> String {
        self.paint(CYAN, name)
    }
}

/// A terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) colors: Colors,
    /// Characters in a line.
    pub(super) width: usize,
}

impl Style {
    /// A text as it is shown.
    pub(super) fn apply(self, text: &str) -> String {
        let lines: Vec<String> = text.lines().map(|line| self.line(line)).collect();
        lines.join("\n")
    }

    fn line(self, line: &str) -> String {
        let line = short_paths(line);
        // Source text is cut; all else is worth a second line.
        let is_source = line.starts_with("=>") || line.starts_with("    ");
        let line = if is_source { cut(&line, self.width) } else { line };
        if line.starts_with("=>") {
            return self.colors.paint(GREEN, &line);
        }
        if line.starts_with("failure: ") || line.starts_with("error: ") {
            return self.colors.paint(RED, &line);
        }
        line.into_owned()
    }

    /// `[=====>         ] 41.2 %`, as wide as there is room.
    pub(super) fn bar(self, per_mille: u32) -> String {
        let per_mille = per_mille.min(1000);
        let percent = format!("{}.{} %", per_mille / 10, per_mille % 10);
        let room = self.width.saturating_sub(percent.len() + 4).min(60);
        if room < 10 {
            return percent;
        }
        let done = room * usize::try_from(per_mille).unwrap_or(0) / 1000;
        let done = done.min(room - 1);
        let bar = format!("[{}>{}] {percent}", "=".repeat(done), " ".repeat(room - 1 - done));
        self.colors.paint(DIM, &bar)
    }
}

fn cut(line: &str, width: usize) -> Cow<'_, str> {
    match line.char_indices().nth(width) {
        Some(_) => {
            let kept: String = line.chars().take(width.saturating_sub(1)).collect();
            Cow::Owned(format!("{kept}…"))
        }
        None => Cow::Borrowed(line),
    }
}

/// Folders of runtimes and standard libraries, as far as they say nothing.
const LONG: [&str; 5] =
    ["/rustc/", "/.cargo/registry/src/", "/usr/lib/go-", "/usr/share/go-", "/.rustup/toolchains/"];

/// The line with `…` for the beginnings of such paths.
fn short_paths(line: &str) -> Cow<'_, str> {
    let Some(found) = LONG.iter().find(|long| line.contains(**long)) else {
        return Cow::Borrowed(line);
    };
    let Some(at) = line.find(found) else { return Cow::Borrowed(line) };
    let before = &line[..at];
    let start = before.rfind([' ', '(']).map_or(0, |space| space + 1);
    let after = &line[at + found.len()..];
    // The commit, registry or version is a folder of its own.
    let rest = after.split_once('/').map_or(after, |(_, rest)| rest);
    Cow::Owned(format!("{}…/{rest}", &line[..start]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_have_short_paths() {
        let short = short_paths("  1  0x1 in f at /rustc/abc123/library/std/src/panicking.rs:9");
        assert_eq!(short, "  1  0x1 in f at …/library/std/src/panicking.rs:9");
        let short =
            short_paths("x at /home/me/.cargo/registry/src/index-1/serde-1.0/src/lib.rs:3 y");
        assert_eq!(short, "x at …/serde-1.0/src/lib.rs:3 y");
        assert_eq!(short_paths("x at /home/me/a.c:3"), "x at /home/me/a.c:3");
    }

    #[test]
    fn colors_are_refused() {
        let term = || Some(OsString::from("xterm"));
        assert_eq!(Colors::wanted(None, term()), Colors::Ansi);
        assert_eq!(Colors::wanted(Some(OsString::new()), term()), Colors::Ansi);
        assert_eq!(Colors::wanted(Some("1".into()), term()), Colors::None);
        assert_eq!(Colors::wanted(None, Some("dumb".into())), Colors::None);
        assert_eq!(Colors::wanted(None, None), Colors::None);
    }

    #[test]
    fn a_bar_fits() {
        let style = Style { colors: Colors::None, width: 40 };
        for share in [0, 412, 999, 1000, 5000] {
            let bar = style.bar(share);
            assert!(bar.chars().count() <= 40, "{bar}");
        }
        assert_eq!(style.bar(500), "[===============>              ] 50.0 %");
        assert_eq!(Style { width: 12, ..style }.bar(500), "50.0 %");
    }

    #[test]
    fn source_is_cut_and_marked() {
        let style = Style { colors: Colors::Ansi, width: 12 };
        assert_eq!(style.apply("=>    48  assert!(x)"), format!("{GREEN}=>    48  a…{PLAIN}"));
        let plain = Style { colors: Colors::None, width: 12 };
        assert_eq!(plain.apply("1  a line that is no source"), "1  a line that is no source");
    }
}
