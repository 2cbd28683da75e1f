//! Debug information in a file of its own (gdb manual, "Debugging Information in Separate Files").

use crate::bytes::SharedBytes;
use crate::elf::Elf;
use crate::error::ModuleError;
use crate::module::Module;
use crate::sections::DebugSections;

/// The polynomial of `.gnu_debuglink`'s CRC-32, reflected.
const POLYNOMIAL: u32 = 0xedb8_8320;

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u32;
    while byte < 256 {
        let (mut value, mut bit) = (byte, 0);
        while bit < 8 {
            value = if value & 1 == 0 { value >> 1 } else { (value >> 1) ^ POLYNOMIAL };
            bit += 1;
        }
        table[byte as usize] = value;
        byte += 1;
    }
    table
};

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let index = (crc ^ u32::from(*byte)).to_le_bytes()[0];
        (crc >> 8) ^ TABLE[usize::from(index)]
    };
    !bytes.iter().fold(u32::MAX, step)
}

impl Module {
    /// Takes debug information and symbols from another file, which was split off from this one.
    ///
    /// # Errors
    /// When it was not, or has no debug information.
    pub fn attach_debug_file(&mut self, bytes: SharedBytes) -> Result<(), ModuleError> {
        let same_link =
            || self.debug_link().is_some_and(|link| crc32(bytes.as_slice()) == link.crc);
        let debug = Elf::parse(bytes.clone())?;
        let same_build = match (self.build_id(), debug.build_id.as_deref()) {
            (Some(own), Some(other)) => own == other,
            _ => same_link(),
        };
        if !same_build {
            return Err(ModuleError::OtherBuild);
        }
        if !DebugSections::load(&debug).has_info() {
            return Err(ModuleError::NoDebugInfo);
        }
        self.use_debug_file(debug);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_crc() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }
}
