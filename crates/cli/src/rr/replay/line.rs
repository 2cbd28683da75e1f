//! The line that tells a debugger where to connect. Delve reads it from standard error, people copy it.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// How a debugger is connected: the arguments of gdb.
#[derive(Clone, Debug)]
pub(super) struct Line {
    address: SocketAddr,
    executable: PathBuf,
}

impl Line {
    pub(super) fn new(address: SocketAddr, executable: PathBuf) -> Self {
        Self { address, executable }
    }

    /// The options. A packet that moves through the recording may take long to be answered.
    fn options(&self) -> [OsString; 6] {
        let target = format!("target extended-remote {}", self.address);
        ["-l", "10000", "-ex", "set sysroot /", "-ex", &target].map(OsString::from)
    }

    /// Says it. Nothing can be done where that fails.
    pub(super) fn print(&self) {
        let _ = write!(io::stderr(), "Launch gdb with\n  {self}\n");
    }
}

/// `gdb` and each argument between single quotes, but for a plain path: two spaces before it make the line that Delve
/// looks for.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("gdb")?;
        for option in self.options() {
            write!(f, " {}", quoted(&option))?;
        }
        let path = self.executable.as_os_str();
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(byte);
        match path.as_bytes().iter().all(is_plain) {
            true => write!(f, " {}", path.display()),
            false => write!(f, " {}", quoted(path)),
        }
    }
}

/// Between single quotes, as Delve reads it: within them a backslash stands before a quote and before a
/// backslash.
fn quoted(text: &OsStr) -> String {
    let text = text.to_string_lossy().replace('\\', "\\\\").replace('\'', "\\'");
    format!("'{text}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str) -> String {
        Line::new(SocketAddr::from(([127, 0, 0, 1], 4034)), path.into()).to_string()
    }

    #[test]
    fn delve_finds_address_and_path() {
        assert_eq!(
            line("/tmp/x-1/a.out"),
            "gdb '-l' '10000' '-ex' 'set sysroot /' '-ex' 'target extended-remote 127.0.0.1:4034' /tmp/x-1/a.out"
        );
        assert!(line("/tmp/a b").ends_with(" '/tmp/a b'"));
        assert!(line("/tmp/it's").ends_with(r" '/tmp/it\'s'"));
    }
}
