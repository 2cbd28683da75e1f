//! The structures of readv(2) and recvmsg(2), read field by field.

use retake_model::Addr;

use crate::memory::{ReadMemory, read_u32, read_u64};

/// `UIO_MAXIOV`: the kernel takes no longer arrays of iovecs or messages.
pub(crate) const IOV_MAX: u64 = 1024;
/// `struct iovec`, in bytes.
pub(crate) const IOVEC: u64 = 16;
/// `struct msghdr`, in bytes.
pub(crate) const MSGHDR: u64 = 56;
/// `struct mmsghdr`, in bytes: a msghdr, a `u32` length, padding.
pub(crate) const MMSGHDR: u64 = 64;
/// `msg_namelen` in `struct msghdr`.
pub(crate) const NAME_LEN_AT: u64 = 8;
/// `msg_iov` in `struct msghdr`.
pub(crate) const IOV_AT: u64 = 16;
/// `msg_control` in `struct msghdr`.
pub(crate) const CONTROL_AT: u64 = 32;
/// `msg_controllen` in `struct msghdr`.
pub(crate) const CONTROL_LEN_AT: u64 = 40;
/// `msg_flags` in `struct msghdr`.
pub(crate) const FLAGS_AT: u64 = 48;

/// One buffer of a scattered read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Iovec {
    pub(crate) base: Addr,
    pub(crate) len: u64,
}

/// Element `n` of the array.
pub(crate) fn read_iovec(mem: &dyn ReadMemory, array: Addr, n: u64) -> Option<Iovec> {
    let at = array.checked_add(n.checked_mul(IOVEC)?)?;
    let base = read_u64(mem, at)?;
    let len = read_u64(mem, at.checked_add(8)?)?;
    Some(Iovec { base: Addr::new(base), len })
}

/// The buffers of an array of `struct iovec`: address and length of each, up to the first that cannot
/// be read. The kernel takes no array of more than 1024.
pub fn read_iovecs(
    mem: &dyn ReadMemory,
    array: Addr,
    count: u64,
) -> impl Iterator<Item = (Addr, u64)> {
    let one = move |n| read_iovec(mem, array, n).map(|iovec| (iovec.base, iovec.len));
    (0..count.min(IOV_MAX)).map_while(one)
}

/// The pointers and lengths of a `struct msghdr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) name: Addr,
    pub(crate) name_len: u32,
    pub(crate) iov: Addr,
    pub(crate) iov_count: u64,
    pub(crate) control: Addr,
    pub(crate) control_len: u64,
}

impl Header {
    pub(crate) fn read(mem: &dyn ReadMemory, at: Addr) -> Option<Self> {
        let field = |offset| at.checked_add(offset).and_then(|a| read_u64(mem, a));
        Some(Self {
            name: Addr::new(field(0)?),
            name_len: read_u32(mem, at.checked_add(NAME_LEN_AT)?)?,
            iov: Addr::new(field(IOV_AT)?),
            iov_count: field(24)?,
            control: Addr::new(field(CONTROL_AT)?),
            control_len: field(CONTROL_LEN_AT)?,
        })
    }
}
