//! ioctl(2), by request number. Only requests whose outputs were looked up are here: the direction
//! and size coded into a number are often wrong (`FS_IOC_GETFLAGS` says 8 bytes, the kernel writes
//! 4). Any other request is [`crate::Class::Unknown`].

use crate::call::{Output, Size, Special, Syscall, When, fixed, out};
use crate::commands::{Command, commands, pick};

/// `struct ifreq` (netdevice(7)), in bytes.
const IFREQ: Output = fixed(2, 40);
/// One `int`.
const INT: Output = fixed(2, 4);
/// One `long` or `u64`.
const LONG: Output = fixed(2, 8);

commands! { TABLE:
    // Terminals (ioctl_tty(2), asm-generic/ioctls.h).
    0x5401, "TCGETS".writes(&[fixed(2, 36)]);
    0x5402, "TCSETS";
    0x5403, "TCSETSW".may_block();
    0x5404, "TCSETSF".may_block();
    0x5405, "TCGETA".writes(&[fixed(2, 18)]);
    0x5406, "TCSETA";
    0x5407, "TCSETAW".may_block();
    0x5408, "TCSETAF".may_block();
    0x5409, "TCSBRK".may_block();
    0x540a, "TCXONC";
    0x540b, "TCFLSH";
    0x540c, "TIOCEXCL";
    0x540d, "TIOCNXCL";
    0x540e, "TIOCSCTTY";
    0x540f, "TIOCGPGRP".writes(&[INT]);
    0x5410, "TIOCSPGRP";
    0x5411, "TIOCOUTQ".writes(&[INT]);
    0x5412, "TIOCSTI";
    0x5413, "TIOCGWINSZ".writes(&[fixed(2, 8)]);
    0x5414, "TIOCSWINSZ";
    0x5415, "TIOCMGET".writes(&[INT]);
    0x5416, "TIOCMBIS";
    0x5417, "TIOCMBIC";
    0x5418, "TIOCMSET";
    0x5419, "TIOCGSOFTCAR".writes(&[INT]);
    0x541a, "TIOCSSOFTCAR";
    0x541b, "FIONREAD".writes(&[INT]);
    0x541d, "TIOCCONS";
    0x541e, "TIOCGSERIAL".writes(&[fixed(2, 72)]);
    0x541f, "TIOCSSERIAL";
    0x5420, "TIOCPKT";
    0x5421, "FIONBIO";
    0x5422, "TIOCNOTTY";
    0x5423, "TIOCSETD";
    0x5424, "TIOCGETD".writes(&[INT]);
    0x5425, "TCSBRKP".may_block();
    0x5427, "TIOCSBRK";
    0x5428, "TIOCCBRK";
    0x5429, "TIOCGSID".writes(&[INT]);
    0x802c_542a, "TCGETS2".writes(&[fixed(2, 44)]);
    0x402c_542b, "TCSETS2";
    0x402c_542c, "TCSETSW2".may_block();
    0x402c_542d, "TCSETSF2".may_block();
    0x542e, "TIOCGRS485".writes(&[fixed(2, 32)]);
    0x8004_5430, "TIOCGPTN".writes(&[INT]);
    0x4004_5431, "TIOCSPTLCK";
    0x8004_5432, "TIOCGDEV".writes(&[INT]);
    0x4004_5436, "TIOCSIG";
    0x5437, "TIOCVHANGUP";
    0x8004_5438, "TIOCGPKT".writes(&[INT]);
    0x8004_5439, "TIOCGPTLCK".writes(&[INT]);
    0x8004_5440, "TIOCGEXCL".writes(&[INT]);
    0x5441, "TIOCGPTPEER".changes_fds();
    0x5450, "FIONCLEX";
    0x5451, "FIOCLEX";
    0x5452, "FIOASYNC";
    0x545c, "TIOCMIWAIT".may_block();
    0x545d, "TIOCGICOUNT".writes(&[fixed(2, 80)]);
    0x5460, "FIOQSIZE".writes(&[LONG]);
    // Consoles (ioctl_console(2)).
    0x4b31, "KDGETLED".writes(&[fixed(2, 1)]);
    0x4b32, "KDSETLED";
    0x4b33, "KDGKBTYPE".writes(&[fixed(2, 1)]);
    0x4b3a, "KDSETMODE";
    0x4b3b, "KDGETMODE".writes(&[INT]);
    0x4b44, "KDGKBMODE".writes(&[INT]);
    0x4b45, "KDSKBMODE";
    0x4b64, "KDGKBLED".writes(&[fixed(2, 1)]);
    0x4b65, "KDSKBLED";
    0x5600, "VT_OPENQRY".writes(&[INT]);
    0x5601, "VT_GETMODE".writes(&[fixed(2, 8)]);
    0x5602, "VT_SETMODE";
    0x5603, "VT_GETSTATE".writes(&[fixed(2, 6)]);
    0x5605, "VT_RELDISP";
    0x5606, "VT_ACTIVATE";
    0x5607, "VT_WAITACTIVE".may_block();
    0x4600, "FBIOGET_VSCREENINFO".writes(&[fixed(2, 160)]);
    0x4602, "FBIOGET_FSCREENINFO".writes(&[fixed(2, 80)]);
    // Sockets and network interfaces (linux/sockios.h, netdevice(7)).
    0x8901, "FIOSETOWN";
    0x8902, "SIOCSPGRP";
    0x8903, "FIOGETOWN".writes(&[INT]);
    0x8904, "SIOCGPGRP".writes(&[INT]);
    0x8905, "SIOCATMARK".writes(&[INT]);
    0x8906, "SIOCGSTAMP".writes(&[fixed(2, 16)]);
    0x8907, "SIOCGSTAMPNS".writes(&[fixed(2, 16)]);
    0x8010_8906, "SIOCGSTAMP_NEW".writes(&[fixed(2, 16)]);
    0x8010_8907, "SIOCGSTAMPNS_NEW".writes(&[fixed(2, 16)]);
    0x894b, "SIOCOUTQNSD".writes(&[INT]);
    0x894c, "SIOCGSKNS".changes_fds();
    0x89e0, "SIOCUNIXFILE".changes_fds();
    0x8910, "SIOCGIFNAME".writes(&[IFREQ]);
    0x8912, "SIOCGIFCONF".writes(&[fixed(2, 4), out(2, Size::Special(Special::IfConf))]);
    0x8913, "SIOCGIFFLAGS".writes(&[IFREQ]);
    0x8914, "SIOCSIFFLAGS";
    0x8915, "SIOCGIFADDR".writes(&[IFREQ]);
    0x8916, "SIOCSIFADDR";
    0x8917, "SIOCGIFDSTADDR".writes(&[IFREQ]);
    0x8918, "SIOCSIFDSTADDR";
    0x8919, "SIOCGIFBRDADDR".writes(&[IFREQ]);
    0x891a, "SIOCSIFBRDADDR";
    0x891b, "SIOCGIFNETMASK".writes(&[IFREQ]);
    0x891c, "SIOCSIFNETMASK";
    0x891d, "SIOCGIFMETRIC".writes(&[IFREQ]);
    0x891e, "SIOCSIFMETRIC";
    0x8921, "SIOCGIFMTU".writes(&[IFREQ]);
    0x8922, "SIOCSIFMTU";
    0x8923, "SIOCSIFNAME";
    0x8924, "SIOCSIFHWADDR";
    0x8927, "SIOCGIFHWADDR".writes(&[IFREQ]);
    0x8929, "SIOCGIFSLAVE".writes(&[IFREQ]);
    0x8931, "SIOCADDMULTI";
    0x8932, "SIOCDELMULTI";
    0x8933, "SIOCGIFINDEX".writes(&[IFREQ]);
    0x8935, "SIOCGIFPFLAGS".writes(&[IFREQ]);
    0x8942, "SIOCGIFTXQLEN".writes(&[IFREQ]);
    0x8943, "SIOCSIFTXQLEN";
    0x8953, "SIOCDARP";
    0x8954, "SIOCGARP".writes(&[fixed(2, 68)]);
    0x8955, "SIOCSARP";
    0x8970, "SIOCGIFMAP".writes(&[IFREQ]);
    0x890b, "SIOCADDRT";
    0x890c, "SIOCDELRT";
    // The name that the kernel chose comes back.
    0x4004_54ca, "TUNSETIFF".writes(&[IFREQ]);
    0x4004_54cb, "TUNSETPERSIST";
    0x4004_54cc, "TUNSETOWNER";
    0x4004_54ce, "TUNSETGROUP";
    0x8004_54cf, "TUNGETFEATURES".writes(&[INT]);
    0x4004_54d0, "TUNSETOFFLOAD";
    0x8004_54d2, "TUNGETIFF".writes(&[IFREQ]);
    0x8004_54d3, "TUNGETSNDBUF".writes(&[INT]);
    0x4004_54d4, "TUNSETSNDBUF";
    0x8004_54d7, "TUNGETVNETHDRSZ".writes(&[INT]);
    0x4004_54d8, "TUNSETVNETHDRSZ";
    // Files and filesystems (linux/fs.h, ioctl_fs(2)).
    0x1, "FIBMAP".writes(&[INT]);
    0x2, "FIGETBSZ".writes(&[INT]);
    0x8008_6601, "FS_IOC_GETFLAGS".writes(&[INT]);
    0x4008_6602, "FS_IOC_SETFLAGS";
    0x8008_7601, "FS_IOC_GETVERSION".writes(&[INT]);
    0x4008_7602, "FS_IOC_SETVERSION";
    0x801c_581f, "FS_IOC_FSGETXATTR".writes(&[fixed(2, 28)]);
    0x401c_5820, "FS_IOC_FSSETXATTR";
    0x4004_9409, "FICLONE".may_block();
    0x4020_940d, "FICLONERANGE".may_block();
    // The header comes back also with EBADR: it says which flags were not understood.
    0xc020_660b, "FS_IOC_FIEMAP".writes(&[
        fixed(2, 32).when(When::Always),
        out(2, Size::Special(Special::Fiemap)),
    ]);
    0xc004_5877, "FIFREEZE".may_block();
    0xc004_5878, "FITHAW".may_block();
    0xc018_5879, "FITRIM".may_block().writes(&[fixed(2, 24)]);
    0x8100_9431, "FS_IOC_GETFSLABEL".writes(&[fixed(2, 256)]);
    0x4100_9432, "FS_IOC_SETFSLABEL";
    0x8011_1500, "FS_IOC_GETFSUUID".writes(&[fixed(2, 17)]);
    0x8081_1501, "FS_IOC_GETFSSYSFSPATH".writes(&[fixed(2, 129)]);
    // Disks (linux/fs.h, linux/hdreg.h, linux/loop.h).
    0x125d, "BLKROSET";
    0x125e, "BLKROGET".writes(&[INT]);
    0x125f, "BLKRRPART".may_block();
    0x1260, "BLKGETSIZE".writes(&[LONG]);
    0x1261, "BLKFLSBUF".may_block();
    0x1262, "BLKRASET";
    0x1263, "BLKRAGET".writes(&[LONG]);
    0x1264, "BLKFRASET";
    0x1265, "BLKFRAGET".writes(&[LONG]);
    0x1267, "BLKSECTGET".writes(&[fixed(2, 2)]);
    0x1268, "BLKSSZGET".writes(&[INT]);
    0x8008_1270, "BLKBSZGET".writes(&[INT]);
    0x4008_1271, "BLKBSZSET";
    0x8008_1272, "BLKGETSIZE64".writes(&[LONG]);
    0x1277, "BLKDISCARD".may_block();
    0x1278, "BLKIOMIN".writes(&[INT]);
    0x1279, "BLKIOOPT".writes(&[INT]);
    0x127a, "BLKALIGNOFF".writes(&[INT]);
    0x127b, "BLKPBSZGET".writes(&[INT]);
    0x127c, "BLKDISCARDZEROES".writes(&[INT]);
    0x127d, "BLKSECDISCARD".may_block();
    0x127e, "BLKROTATIONAL".writes(&[fixed(2, 2)]);
    0x127f, "BLKZEROOUT".may_block();
    0x8008_1280, "BLKGETDISKSEQ".writes(&[LONG]);
    0x301, "HDIO_GETGEO".writes(&[fixed(2, 16)]);
    0x4c00, "LOOP_SET_FD";
    0x4c01, "LOOP_CLR_FD";
    0x4c04, "LOOP_SET_STATUS64";
    0x4c05, "LOOP_GET_STATUS64".writes(&[fixed(2, 232)]);
    0x4c82, "LOOP_CTL_GET_FREE";
    // Clocks, randomness, timers, epoll, performance counters.
    0x8024_7008, "RTC_ALM_READ".writes(&[fixed(2, 36)]);
    0x8024_7009, "RTC_RD_TIME".writes(&[fixed(2, 36)]);
    0x8004_5200, "RNDGETENTCNT".writes(&[INT]);
    0x4004_5201, "RNDADDTOENTCNT";
    0x4008_5400, "TFD_IOC_SET_TICKS";
    0x4008_8a01, "EPIOCSPARAMS";
    0x8008_8a02, "EPIOCGPARAMS".writes(&[fixed(2, 8)]);
    0x2400, "PERF_EVENT_IOC_ENABLE";
    0x2401, "PERF_EVENT_IOC_DISABLE";
    0x2402, "PERF_EVENT_IOC_REFRESH";
    0x2403, "PERF_EVENT_IOC_RESET";
    0x4008_2404, "PERF_EVENT_IOC_PERIOD";
    0x2405, "PERF_EVENT_IOC_SET_OUTPUT";
    0x4008_2406, "PERF_EVENT_IOC_SET_FILTER";
    0x8008_2407, "PERF_EVENT_IOC_ID".writes(&[LONG]);
    0x4004_2408, "PERF_EVENT_IOC_SET_BPF";
    0x4004_2409, "PERF_EVENT_IOC_PAUSE_OUTPUT";
    // Namespaces and processes (ioctl_nsfs(2), linux/pidfd.h).
    0xb701, "NS_GET_USERNS".changes_fds();
    0xb702, "NS_GET_PARENT".changes_fds();
    0xb703, "NS_GET_NSTYPE";
    0xb704, "NS_GET_OWNER_UID".writes(&[INT]);
    0xff01, "PIDFD_GET_CGROUP_NAMESPACE".changes_fds();
    0xff02, "PIDFD_GET_IPC_NAMESPACE".changes_fds();
    0xff03, "PIDFD_GET_MNT_NAMESPACE".changes_fds();
    0xff04, "PIDFD_GET_NET_NAMESPACE".changes_fds();
    0xff05, "PIDFD_GET_PID_NAMESPACE".changes_fds();
    0xff06, "PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE".changes_fds();
    0xff07, "PIDFD_GET_TIME_NAMESPACE".changes_fds();
    0xff08, "PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE".changes_fds();
    0xff09, "PIDFD_GET_USER_NAMESPACE".changes_fds();
    0xff0a, "PIDFD_GET_UTS_NAMESPACE".changes_fds();
    // Input devices (linux/input.h, linux/hidraw.h) with a fixed size.
    0x8004_4501, "EVIOCGVERSION".writes(&[INT]);
    0x8008_4502, "EVIOCGID".writes(&[fixed(2, 8)]);
    0x8008_4503, "EVIOCGREP".writes(&[fixed(2, 8)]);
    0x4008_4503, "EVIOCSREP";
    0x8008_4504, "EVIOCGKEYCODE".writes(&[fixed(2, 8)]);
    0x4004_4590, "EVIOCGRAB";
    0x4004_4591, "EVIOCREVOKE";
    0x4004_45a0, "EVIOCSCLOCKID";
    0x8004_4801, "HIDIOCGRDESCSIZE".writes(&[INT]);
    0x8008_4803, "HIDIOCGRAWINFO".writes(&[fixed(2, 8)]);
}

/// Requests of input devices that carry the caller's buffer size in their number.
const SIZED: Command =
    Command::new(0, "EVIOCG").writes(&[out(2, Size::RequestResult { request: 1 })]);

/// The row for this request.
pub(crate) fn resolve(call: Syscall, request: u64) -> Syscall {
    let request = request & 0xffff_ffff;
    match sized_name(request) {
        Some(name) => Command { name, ..SIZED }.apply(call),
        None => pick(call, TABLE, request),
    }
}

/// The name of an input-device request that returns how many bytes it wrote (`linux/input.h`):
/// direction read in bits 30 and 31, size in bits 16 to 29, type in 8 to 15, number in 0 to 7.
fn sized_name(request: u64) -> Option<&'static str> {
    let (direction, kind, number) = (request >> 30, request >> 8 & 0xff, request & 0xff);
    if direction != 2 {
        return None;
    }
    Some(match (kind, number) {
        (0x45, 0x06) => "EVIOCGNAME",
        (0x45, 0x07) => "EVIOCGPHYS",
        (0x45, 0x08) => "EVIOCGUNIQ",
        (0x45, 0x09) => "EVIOCGPROP",
        (0x45, 0x18) => "EVIOCGKEY",
        (0x45, 0x19) => "EVIOCGLED",
        (0x45, 0x1a) => "EVIOCGSND",
        (0x45, 0x1b) => "EVIOCGSW",
        (0x45, 0x20..=0x3f) => "EVIOCGBIT",
        (0x48, 0x04) => "HIDIOCGRAWNAME",
        (0x48, 0x05) => "HIDIOCGRAWPHYS",
        (0x48, 0x08) => "HIDIOCGRAWUNIQ",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_listed_once() {
        let mut values: Vec<_> = TABLE.iter().map(|c| c.value).collect();
        values.sort_unstable();
        assert!(values.windows(2).all(|w| w[0] < w[1]), "a request is listed twice");
    }

    #[test]
    fn sized_requests_are_decoded() {
        assert_eq!(sized_name(0x800a_4506), Some("EVIOCGNAME"));
        assert_eq!(sized_name(0x8004_4520), Some("EVIOCGBIT"));
        assert_eq!(sized_name(0x4004_4506), None);
        assert_eq!(sized_name(0x8004_4501), None);
    }
}
