//! Instructions that fault for the recorder: their results are recorded.

use retake_model::Registers;
use retake_ptrace::{Stopped, read_tsc};
use retake_recording::{EventKind, TrappedInstruction};
use retake_tracee::IN_ITS_PLACE;

use crate::error::RecordError;
use crate::hardware::Hardware;
use crate::session::Session;
use crate::tasks::Task;

impl Session {
    /// An instruction that is executed here, with the result recorded.
    pub(crate) fn trapped_instruction(
        &mut self,
        task: &mut Task,
        stopped: &mut Stopped,
        registers: &Registers,
    ) -> Result<Option<(EventKind, Registers)>, RecordError> {
        let mut code = [0; 3];
        if task.memory.read(registers.pc(), &mut code).is_err() {
            return Ok(None);
        }
        let site = self.world.space(task.space)?.random.at(registers.pc());
        if let Some(site) = site.filter(|_| code == IN_ITS_PLACE) {
            let after = site.executed(registers);
            stopped.set_registers(&after)?;
            return Ok(Some((EventKind::Instruction { instruction: site.instruction() }, after)));
        }
        self.hardware.trapped_instruction(task, stopped, registers, code)
    }
}

impl Hardware {
    /// rdtsc, rdtscp, cpuid.
    fn trapped_instruction(
        &mut self,
        task: &mut Task,
        stopped: &mut Stopped,
        registers: &Registers,
        code: [u8; 3],
    ) -> Result<Option<(EventKind, Registers)>, RecordError> {
        let (instruction, len) = match code {
            [0x0f, 0x31, _] => (TrappedInstruction::Rdtsc, 2),
            [0x0f, 0x01, 0xf9] => (TrappedInstruction::Rdtscp, 3),
            [0x0f, 0xa2, _] => {
                let topology = self.topology(task);
                let after = self.processor.executed(registers, topology);
                stopped.set_registers(&after)?;
                let instruction = TrappedInstruction::Cpuid;
                return Ok(Some((EventKind::Instruction { instruction }, after)));
            }
            _ => return Ok(None),
        };
        if task.counter_faults {
            // It is what the program asked for.
            return Ok(None);
        }
        let tsc = read_tsc();
        let mut after = Registers {
            rip: registers.rip + len,
            rax: tsc & 0xffff_ffff,
            rdx: tsc >> 32,
            ..*registers
        };
        if instruction == TrappedInstruction::Rdtscp {
            // As the kernel sets it (asm/segment.h, `vdso_encode_cpunode`).
            const NODE_SHIFT: u32 = 12;
            let cpu = task.told.cpu;
            after.rcx = u64::from(self.processors.node(cpu)) << NODE_SHIFT | cpu as u64;
        }
        stopped.set_registers(&after)?;
        Ok(Some((EventKind::Instruction { instruction }, after)))
    }
}
