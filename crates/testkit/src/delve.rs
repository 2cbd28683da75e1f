//! Delve, with retake under the name rr on its `PATH`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::go;
use crate::require::{require, skip};
use crate::retake::{Ended, Retake, finish};

/// What Delve reads before it starts its rr backend, although that needs no performance counters here.
const PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";

/// Delve, and a home for retake.
#[derive(Debug)]
pub struct Delve {
    /// The command that Delve finds as rr.
    pub retake: Retake,
    /// What starts it, if not the system.
    launcher: Vec<String>,
}

impl Delve {
    /// Delve, if it is installed and would start its rr backend here.
    ///
    /// # Panics
    /// When there is no room for temporary files.
    pub fn find(test: &str, retake: impl Into<PathBuf>) -> Option<Self> {
        require(test, "dlv")?;
        let bin = retake.into();
        let retake = Retake::new(&bin);
        write(&retake.path("bin"), |path| {
            fs::create_dir(path)?;
            symlink(&bin, path.join("rr"))
        });
        let Some(launcher) = launcher(&retake) else {
            skip(test, &format!("{PARANOID} is above 1, and there is no namespace to hide that"));
            return None;
        };
        Some(Self { retake, launcher })
    }

    /// `dlv` with these arguments.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut words = self.launcher.iter().map(String::as_str).chain(["dlv"]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        // The same home and folder as those of retake.
        let template = self.retake.command::<&str>([]);
        for (name, value) in template.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Ok(toolchain) = go::of_delve() {
            let values = toolchain.command();
            let values = values.get_envs().filter_map(|(name, value)| Some((name, value?)));
            command.envs(values.filter(|(name, _)| *name == "GOCACHE" || *name == "GOPATH"));
        }
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .args(args)
            .env("PATH", format!("{}:{}:{path}", self.retake.path("bin").display(), go::OF_DELVE))
            // Its configuration, and no colors.
            .env("HOME", self.retake.path(""))
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("_RR_TRACE_DIR")
            .env("TERM", "dumb")
            .current_dir(self.retake.path(""))
            .stdin(Stdio::null());
        command
    }

    /// `dlv` at a terminal that reads its commands from a script.
    ///
    /// # Panics
    /// When the script cannot be written.
    pub fn script<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        script: &str,
    ) -> Ended {
        let file = self.retake.path("init");
        write(&file, |path| fs::write(path, format!("{script}\nexit\n")));
        let mut command = self.command(args);
        command.args(["--allow-non-terminal-interactive", "--init"]).arg(file);
        finish(command)
    }

    /// Records a program as rr does; its folder comes back.
    ///
    /// # Panics
    /// When it is not recorded.
    pub fn record(&self, name: &str, program: &Path) -> PathBuf {
        let dir = self.retake.path(name);
        let args = [OsStr::new("rr"), "record".as_ref(), "-o".as_ref(), dir.as_ref()];
        let mut command = self.retake.command(args);
        command.arg(program);
        let ended = finish(command);
        assert!(dir.join("recording.json").is_file(), "{}", ended.errors());
        dir
    }
}

#[track_caller]
fn write(path: &Path, how: impl FnOnce(&Path) -> std::io::Result<()>) {
    if let Err(error) = how(path) {
        panic!("failed to write {}: {error}", path.display());
    }
}

/// What starts a command where Delve finds a value that it accepts: no words, if it does anyway. `None`: there is
/// no way.
fn launcher(retake: &Retake) -> Option<Vec<String>> {
    let value = fs::read_to_string(PARANOID).ok().and_then(|text| text.trim().parse::<i32>().ok());
    if value.is_none_or(|value| value <= 1) {
        return Some(Vec::new());
    }
    let file = retake.path("paranoid");
    write(&file, |path| fs::write(path, "1\n"));
    let script = format!("mount --bind '{}' {PARANOID} && exec \"$@\"", file.display());
    // For root, and for others.
    [&["-m"][..], &["-Ur", "-m"]].into_iter().find_map(|flags| {
        let mut words = vec!["unshare"];
        words.extend(flags);
        words.extend(["sh", "-c", &script, "sh"]);
        let (first, rest) = words.split_first()?;
        let works = Command::new(first).args(rest).arg("true").stderr(Stdio::null()).status();
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        works.is_ok_and(|status| status.success()).then_some(words)
    })
}
