//! The memory that holds translated code, as the translator reaches it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Memory that a task maps at the translator's room.
pub trait CacheMemory {
    /// Writes bytes at an offset in the room.
    ///
    /// # Errors
    /// When the memory is not there, or cannot be had.
    fn write(&mut self, offset: u32, bytes: &[u8]) -> io::Result<()>;

    /// Reads bytes at an offset in the room.
    ///
    /// # Errors
    /// When the memory is not there.
    fn read(&self, offset: u32, into: &mut [u8]) -> io::Result<()>;
}

/// A file that a task has mapped shared.
impl CacheMemory for File {
    fn write(&mut self, offset: u32, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset.into())
    }

    fn read(&self, offset: u32, into: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(into, offset.into())
    }
}
