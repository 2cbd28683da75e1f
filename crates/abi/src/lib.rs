//! System calls and signals as data: for each call of x86-64 Linux which memory the kernel writes
//! and how much, whether it may wait, and who does what for it at record and at replay.
//!
//! Principal types: [`Syscall`] (a row of the table), [`Class`], [`Output`], [`Errno`];
//! [`resolve`] gives the row that holds for one call, its sub-command included. [`capture_before`]
//! at the entry and [`outputs`] at the exit turn a row into the ranges to record; [`redirect`] and
//! [`copy_back`] keep the outputs of waiting calls away from other tasks.
//!
//! The caller supplies the arguments, the result, and a [`ReadMemory`] over the stopped task.
//!
//! This crate does no I/O, makes no system call, keeps no state between calls, and knows neither
//! what a descriptor refers to nor whether it is in non-blocking mode.

mod before;
mod call;
mod calls;
mod commands;
pub mod consts;
mod convention;
mod errno;
mod format;
mod memory;
mod messages;
pub mod nr;
mod outputs;
mod readable;
mod redirect;
mod resolve;
mod signal;
mod table;
#[cfg(test)]
mod tests;

pub use before::{Before, capture_before};
pub use call::{
    Arg, ArgKind, Blocks, Class, Count, FdEffect, MemoryCall, Output, SignalCall, Size, Special,
    Syscall, TaskCall, ThreadCall, When,
};
pub use convention::{Convention, args_of, i386_args, number_of_i386, table_of};
pub use errno::Errno;
pub use format::{format_call, format_result};
pub use memory::ReadMemory;
pub use messages::read_iovecs;
pub use outputs::outputs;
pub use readable::readable_call;
pub use redirect::{Piece, Placed, Pointer, Redirect, copy_back, possible_outputs, redirect};
pub use signal::{DefaultAction, TemporaryMask, default_action, temporary_mask};
pub use table::{all, lookup, resolve};
