//! Names of the flags that listings of calls are read for.

use std::fmt::Write as _;

/// A field of a flags argument: the bits, and the names of their values.
struct Flags {
    /// Calls that take them.
    calls: &'static [&'static str],
    /// The argument.
    arg: &'static str,
    /// A value of several bits that is one of these; the first where it is none of them.
    choice: Option<(u64, &'static [(u64, &'static str)])>,
    /// Single bits.
    bits: &'static [(u64, &'static str)],
}

const PROT: &[(u64, &str)] = &[(1, "PROT_READ"), (2, "PROT_WRITE"), (4, "PROT_EXEC")];

const AT: &[(u64, &str)] = &[
    (0x100, "AT_SYMLINK_NOFOLLOW"),
    (0x200, "AT_REMOVEDIR"),
    (0x400, "AT_SYMLINK_FOLLOW"),
    (0x800, "AT_NO_AUTOMOUNT"),
    (0x1000, "AT_EMPTY_PATH"),
];

const KNOWN: &[Flags] = &[
    Flags {
        calls: &["open", "openat"],
        arg: "flags",
        choice: Some((3, &[(0, "O_RDONLY"), (1, "O_WRONLY"), (2, "O_RDWR")])),
        bits: &[
            (0x40, "O_CREAT"),
            (0x80, "O_EXCL"),
            (0x100, "O_NOCTTY"),
            (0x200, "O_TRUNC"),
            (0x400, "O_APPEND"),
            (0x800, "O_NONBLOCK"),
            (0x10_1000, "O_SYNC"),
            (0x1000, "O_DSYNC"),
            (0x4000, "O_DIRECT"),
            (0x41_0000, "O_TMPFILE"),
            (0x1_0000, "O_DIRECTORY"),
            (0x2_0000, "O_NOFOLLOW"),
            (0x4_0000, "O_NOATIME"),
            (0x8_0000, "O_CLOEXEC"),
            (0x20_0000, "O_PATH"),
        ],
    },
    Flags {
        calls: &["pipe2", "dup3", "eventfd2", "epoll_create1", "inotify_init1", "accept4"],
        arg: "flags",
        choice: None,
        bits: &[(0x800, "O_NONBLOCK"), (0x4000, "O_DIRECT"), (0x8_0000, "O_CLOEXEC")],
    },
    Flags {
        calls: &["mmap", "mprotect", "pkey_mprotect"],
        arg: "prot",
        choice: Some((7, &[(0, "PROT_NONE")])),
        bits: PROT,
    },
    Flags {
        calls: &["mmap"],
        arg: "flags",
        choice: Some((3, &[(1, "MAP_SHARED"), (2, "MAP_PRIVATE"), (3, "MAP_SHARED_VALIDATE")])),
        bits: &[
            (0x10, "MAP_FIXED"),
            (0x20, "MAP_ANONYMOUS"),
            (0x40, "MAP_32BIT"),
            (0x100, "MAP_GROWSDOWN"),
            (0x800, "MAP_DENYWRITE"),
            (0x4000, "MAP_NORESERVE"),
            (0x8000, "MAP_POPULATE"),
            (0x2_0000, "MAP_STACK"),
            (0x4_0000, "MAP_HUGETLB"),
            (0x10_0000, "MAP_FIXED_NOREPLACE"),
        ],
    },
    Flags {
        calls: &["mremap"],
        arg: "flags",
        choice: None,
        bits: &[(1, "MREMAP_MAYMOVE"), (2, "MREMAP_FIXED"), (4, "MREMAP_DONTUNMAP")],
    },
    Flags {
        calls: &["newfstatat", "statx", "faccessat2", "unlinkat", "linkat", "execveat", "fchownat"],
        arg: "flags",
        choice: None,
        bits: AT,
    },
    Flags {
        calls: &["clone"],
        arg: "flags",
        choice: Some((0xff, &[(17, "SIGCHLD")])),
        bits: &[
            (0x100, "CLONE_VM"),
            (0x200, "CLONE_FS"),
            (0x400, "CLONE_FILES"),
            (0x800, "CLONE_SIGHAND"),
            (0x4000, "CLONE_VFORK"),
            (0x1_0000, "CLONE_THREAD"),
            (0x4_0000, "CLONE_SYSVSEM"),
            (0x8_0000, "CLONE_SETTLS"),
            (0x10_0000, "CLONE_PARENT_SETTID"),
            (0x20_0000, "CLONE_CHILD_CLEARTID"),
            (0x100_0000, "CLONE_CHILD_SETTID"),
        ],
    },
    Flags {
        calls: &["wait4", "waitid"],
        arg: "options",
        choice: None,
        bits: &[
            (1, "WNOHANG"),
            (2, "WUNTRACED"),
            (4, "WEXITED"),
            (8, "WCONTINUED"),
            (0x100_0000, "WNOWAIT"),
        ],
    },
    Flags {
        calls: &["lseek"],
        arg: "whence",
        choice: Some((u64::MAX, &[(0, "SEEK_SET"), (1, "SEEK_CUR"), (2, "SEEK_END")])),
        bits: &[],
    },
    Flags {
        calls: &["socket", "socketpair"],
        arg: "domain",
        choice: Some((
            u64::MAX,
            &[(1, "AF_UNIX"), (2, "AF_INET"), (10, "AF_INET6"), (16, "AF_NETLINK")],
        )),
        bits: &[],
    },
    Flags {
        calls: &["getrandom"],
        arg: "flags",
        choice: None,
        bits: &[(1, "GRND_NONBLOCK"), (2, "GRND_RANDOM"), (4, "GRND_INSECURE")],
    },
];

/// The value in names, `A|B|0x40` where one is missing; nothing where no name is known for it.
pub(super) fn named(call: &str, arg: &str, value: u64) -> Option<String> {
    let known = KNOWN.iter().find(|flags| flags.arg == arg && flags.calls.contains(&call))?;
    let (mut text, mut left) = (String::new(), value);
    if let Some((mask, names)) = known.choice
        && let Some((chosen, name)) = names.iter().find(|(chosen, _)| *chosen == value & mask)
    {
        text.push_str(name);
        left &= !chosen;
    }
    for (bits, name) in known.bits {
        if left & bits == *bits {
            left &= !bits;
            append(&mut text, name);
        }
    }
    if text.is_empty() {
        return None;
    }
    if left != 0 {
        let _ = write!(text, "|{left:#x}");
    }
    Some(text)
}

fn append(text: &mut String, name: &str) {
    if !text.is_empty() {
        text.push('|');
    }
    text.push_str(name);
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn what_has_no_name_stays_a_number() {
        assert_eq!(named("openat", "flags", 2 | 0x4000_0000).as_deref(), Some("O_RDWR|0x40000000"));
        assert_eq!(named("mprotect", "prot", 0).as_deref(), Some("PROT_NONE"));
        assert_eq!(named("mprotect", "prot", 5).as_deref(), Some("PROT_READ|PROT_EXEC"));
        assert_eq!(named("lseek", "whence", 9), None);
        assert_eq!(named("newfstatat", "flags", 0), None);
        assert_eq!(named("frob", "flags", 1), None);
    }
}
