//! Sockets (`man 2 socket`, `recvmsg`, …).

use crate::Errno;
use crate::call::{Count, Size, When, calls, fixed, out};

calls! {
    SOCKET socket(domain: Int, kind: Flags, protocol: Int).changes_fds();
    // The numbers are written before there are sockets, which may not come to be.
    SOCKETPAIR socketpair(domain: Int, kind: Flags, protocol: Int, fds: Ptr)
        .writes(&[fixed(3, 8).when(When::Always)]).changes_fds();
    BIND bind(fd: Fd, addr: Ptr, addrlen: Int);
    LISTEN listen(fd: Fd, backlog: Int);
    CONNECT connect(fd: Fd, addr: Ptr, addrlen: Int).may_block();
    SHUTDOWN shutdown(fd: Fd, how: Int);
    ACCEPT accept(fd: Fd, addr: Ptr, addrlen: Ptr).may_block().changes_fds()
        .writes(&[
            out(1, Size::LenWord { arg: 2 }),
            out(2, Size::FixedUnlessNull { bytes: 4, arg: 1 }),
        ]);
    ACCEPT4 accept4(fd: Fd, addr: Ptr, addrlen: Ptr, flags: Flags).may_block().changes_fds()
        .writes(&[
            out(1, Size::LenWord { arg: 2 }),
            out(2, Size::FixedUnlessNull { bytes: 4, arg: 1 }),
        ]);
    SENDTO sendto(fd: Fd, buf: Ptr, len: Size, flags: Flags, addr: Ptr, addrlen: Int).may_block();
    SENDMSG sendmsg(fd: Fd, msg: Ptr, flags: Flags).may_block();
    SENDMMSG sendmmsg(fd: Fd, msgs: Ptr, count: Int, flags: Flags).may_block()
        .writes(&[out(1, Size::Fields { count: Count::Result { cap: 2 }, stride: 64, at: 56, len: 4 })]);
    RECVFROM recvfrom(fd: Fd, buf: Ptr, len: Size, flags: Flags, addr: Ptr, addrlen: Ptr)
        .may_block()
        .writes(&[
            out(1, Size::Result { cap: 2 }),
            out(4, Size::LenWord { arg: 5 }),
            out(5, Size::FixedUnlessNull { bytes: 4, arg: 4 }),
        ]);
    // SCM_RIGHTS installs descriptors.
    RECVMSG recvmsg(fd: Fd, msg: Ptr, flags: Flags).may_block().changes_fds()
        .writes(&[out(1, Size::Msghdr)]);
    RECVMMSG recvmmsg(fd: Fd, msgs: Ptr, count: Int, flags: Flags, timeout: Ptr)
        .may_block().changes_fds()
        .writes(&[
            out(1, Size::Mmsghdr { count: 2 }),
            fixed(4, 16).when(When::Positive),
        ]);
    GETSOCKNAME getsockname(fd: Fd, addr: Ptr, addrlen: Ptr)
        .writes(&[out(1, Size::LenWord { arg: 2 }), fixed(2, 4)]);
    GETPEERNAME getpeername(fd: Fd, addr: Ptr, addrlen: Ptr)
        .writes(&[out(1, Size::LenWord { arg: 2 }), fixed(2, 4)]);
    SETSOCKOPT setsockopt(fd: Fd, level: Int, name: Int, value: Ptr, len: Int);
    // The length comes back also when the buffer was too short (SO_PEERSEC, SO_PEERGROUPS).
    GETSOCKOPT getsockopt(fd: Fd, level: Int, name: Int, value: Ptr, len: Ptr)
        .writes(&[
            out(3, Size::LenWord { arg: 4 }),
            fixed(4, 4).when(When::SuccessOr(Errno::ERANGE)),
        ]);
}
