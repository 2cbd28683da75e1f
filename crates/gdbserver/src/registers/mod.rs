//! The registers, in rr's order, which is also that of the target description.
//!
//! Delve takes the order of the `g` packet from the order in the description, gdb from the numbers: so both are
//! the same here.

mod description;
mod x87;
mod xsave;

use retake_model::{RegisterName, Registers, VectorState};

pub(crate) use description::file;
pub(crate) use xsave::Extended;

/// Where a register's bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    General(RegisterName),
    X87(x87::Control),
    /// Bytes of the XSAVE area, from here on; zeroes where its component is not in use.
    Area(xsave::Component, usize),
}

/// One register.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Register {
    name: String,
    bytes: usize,
    /// Its type in the description.
    kind: &'static str,
    group: Option<&'static str>,
    source: Source,
}

/// A file of the target description, with its registers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Feature {
    file: &'static str,
    name: &'static str,
    registers: Vec<Register>,
}

/// Which registers there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    features: Vec<Feature>,
}

/// Its number.
pub(crate) const ORIG_RAX: usize = 57;

impl Layout {
    /// The registers of tasks with this extended state.
    pub(crate) fn new(extended: Extended) -> Self {
        let mut features = vec![core(), sse(), linux(), segments()];
        features.extend(extended.avx.then(avx));
        features.extend(extended.avx512.map(avx512));
        features.extend(extended.pkru.map(|at| Feature {
            file: "64bit-pkeys.xml",
            name: "org.gnu.gdb.i386.pkeys",
            registers: vec![area("pkru", 4, "uint32", xsave::Component::Pkru, at)],
        }));
        Self { features }
    }

    fn registers(&self) -> impl Iterator<Item = &Register> {
        self.features.iter().flat_map(|feature| &feature.registers)
    }

    /// All of them, as the `g` packet has them.
    pub(crate) fn values(&self, general: &Registers, vector: &VectorState) -> Vec<u8> {
        self.registers().flat_map(|register| register.value(general, vector)).collect()
    }

    /// One of them.
    pub(crate) fn value(
        &self,
        number: usize,
        general: &Registers,
        vector: &VectorState,
    ) -> Option<Vec<u8>> {
        Some(self.registers().nth(number)?.value(general, vector))
    }

    /// The general register of this number.
    pub(crate) fn general(&self, number: usize) -> Option<RegisterName> {
        match self.registers().nth(number)?.source {
            Source::General(name) => Some(name),
            Source::X87(_) | Source::Area(..) => None,
        }
    }
}

impl Register {
    fn value(&self, general: &Registers, vector: &VectorState) -> Vec<u8> {
        let mut value = match self.source {
            Source::General(name) => general.get(name).to_le_bytes().to_vec(),
            Source::X87(control) => x87::control(control, vector).to_le_bytes().to_vec(),
            Source::Area(component, at) => xsave::bytes(vector, component, at, self.bytes),
        };
        value.resize(self.bytes, 0);
        value
    }
}

fn general(name: RegisterName, bytes: usize, kind: &'static str) -> Register {
    let source = Source::General(name);
    Register { name: name.name().to_owned(), bytes, kind, group: None, source }
}

fn area(
    name: impl Into<String>,
    bytes: usize,
    kind: &'static str,
    component: xsave::Component,
    at: usize,
) -> Register {
    Register { name: name.into(), bytes, kind, group: None, source: Source::Area(component, at) }
}

fn core() -> Feature {
    use RegisterName as R;
    let whole = [
        R::Rax,
        R::Rbx,
        R::Rcx,
        R::Rdx,
        R::Rsi,
        R::Rdi,
        R::Rbp,
        R::Rsp,
        R::R8,
        R::R9,
        R::R10,
        R::R11,
        R::R12,
        R::R13,
        R::R14,
        R::R15,
    ];
    let kind = |name| if matches!(name, R::Rbp | R::Rsp) { "data_ptr" } else { "int64" };
    let mut registers: Vec<Register> =
        whole.into_iter().map(|name| general(name, 8, kind(name))).collect();
    registers.push(general(R::Rip, 8, "code_ptr"));
    registers.push(general(R::Eflags, 4, "i386_eflags"));
    let selectors = [R::Cs, R::Ss, R::Ds, R::Es, R::Fs, R::Gs];
    registers.extend(selectors.map(|name| general(name, 4, "int32")));
    registers.extend((0..8).map(|n| {
        area(format!("st{n}"), 10, "i387_ext", xsave::Component::X87, xsave::ST + 16 * n)
    }));
    registers.extend(x87::Control::ALL.map(|(control, name)| Register {
        name: name.to_owned(),
        bytes: 4,
        kind: "int",
        group: Some("float"),
        source: Source::X87(control),
    }));
    Feature { file: "64bit-core.xml", name: "org.gnu.gdb.i386.core", registers }
}

fn sse() -> Feature {
    use xsave::Component::Sse;
    let mut registers: Vec<Register> =
        (0..16).map(|n| area(format!("xmm{n}"), 16, "vec128", Sse, xsave::XMM + 16 * n)).collect();
    let mxcsr = area("mxcsr", 4, "i386_mxcsr", Sse, xsave::MXCSR);
    registers.push(Register { group: Some("vector"), ..mxcsr });
    Feature { file: "64bit-sse.xml", name: "org.gnu.gdb.i386.sse", registers }
}

fn linux() -> Feature {
    let orig_rax = general(RegisterName::OrigRax, 8, "int64");
    let registers = vec![Register { group: Some("system"), ..orig_rax }];
    Feature { file: "64bit-linux.xml", name: "org.gnu.gdb.i386.linux", registers }
}

fn segments() -> Feature {
    let bases = [RegisterName::FsBase, RegisterName::GsBase];
    let registers = bases.map(|name| general(name, 8, "int64")).to_vec();
    Feature { file: "64bit-segments.xml", name: "org.gnu.gdb.i386.segments", registers }
}

fn avx() -> Feature {
    let high = |n: usize| {
        area(format!("ymm{n}h"), 16, "uint128", xsave::Component::Avx, xsave::YMM_HIGH + 16 * n)
    };
    let registers = (0..16).map(high).collect();
    Feature { file: "64bit-avx.xml", name: "org.gnu.gdb.i386.avx", registers }
}

fn avx512(at: xsave::Avx512) -> Feature {
    use xsave::Component::{HighZmm, Masks, UpperZmm};
    let sixteen = 0..16_usize;
    // Registers 16 to 31 are whole in one component; of 0 to 15 the upper halves are in another.
    let whole = |n: usize| at.high_zmm + 64 * n;
    let mut registers: Vec<Register> = sixteen
        .clone()
        .map(|n| area(format!("xmm{}", n + 16), 16, "vec128", HighZmm, whole(n)))
        .collect();
    registers.extend(
        sixteen
            .clone()
            .map(|n| area(format!("ymm{}h", n + 16), 16, "uint128", HighZmm, whole(n) + 16)),
    );
    registers.extend((0..8).map(|n| area(format!("k{n}"), 8, "uint64", Masks, at.masks + 8 * n)));
    registers.extend(
        sixteen
            .clone()
            .map(|n| area(format!("zmm{n}h"), 32, "v2ui128", UpperZmm, at.upper_zmm + 32 * n)),
    );
    registers.extend(
        sixteen.map(|n| area(format!("zmm{}h", n + 16), 32, "v2ui128", HighZmm, whole(n) + 32)),
    );
    Feature { file: "64bit-avx512.xml", name: "org.gnu.gdb.i386.avx512", registers }
}

#[cfg(test)]
mod tests;
