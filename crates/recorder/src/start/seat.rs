//! The CPU that a recording is made on: one that no other recording has, as long as there is one.
//!
//! A program and its tracer share a CPU. Two recordings on one would take twice as long while another is idle.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use retake_ptrace::{allowed_cpus, current_cpu};

/// A CPU, kept from other recordings of this network namespace until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) cpu: usize,
    /// A name that only one process has (unix(7), abstract sockets), and none when that has ended.
    _name: Option<UnixListener>,
}

fn take(cpu: usize) -> Option<UnixListener> {
    let address = SocketAddr::from_abstract_name(format!("retake-cpu-{cpu}")).ok()?;
    UnixListener::bind_addr(&address).ok()
}

/// The CPUs from one on, with those before it behind the last.
fn from(cpu: usize, allowed: &[usize]) -> impl Iterator<Item = usize> {
    let (before, others): (Vec<_>, Vec<_>) =
        allowed.iter().copied().filter(|other| *other != cpu).partition(|other| *other < cpu);
    std::iter::once(cpu).chain(others).chain(before)
}

impl Seat {
    /// The CPU that was asked for, or else the present one: the kernel takes an idle one for a new process. Where
    /// another recording has that, one that none has.
    pub(crate) fn choose(asked: Option<usize>) -> Self {
        if let Some(cpu) = asked {
            return Self { cpu, _name: take(cpu) };
        }
        let present = current_cpu();
        from(present, allowed_cpus())
            .find_map(|cpu| take(cpu).map(|name| Self { cpu, _name: Some(name) }))
            .unwrap_or(Self { cpu: present, _name: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_ones_come_first() {
        assert_eq!(from(4, &[0, 2, 4, 6]).collect::<Vec<_>>(), [4, 6, 0, 2]);
        assert_eq!(from(3, &[3]).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn two_have_different_ones() {
        let (one, other) = (Seat::choose(None), Seat::choose(None));
        assert!(one.cpu != other.cpu || other._name.is_none());
    }

    #[test]
    fn nobody_has_a_cpu_that_is_taken() {
        // No machine has so many.
        let cpu = 1_000_000 + std::process::id() as usize;
        let seat = Seat::choose(Some(cpu));
        assert!(take(cpu).is_none() && take(cpu + (1 << 30)).is_some());
        drop(seat);
        assert!(take(cpu).is_some());
    }
}
