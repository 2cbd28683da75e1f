//! The target description: XML that names the registers (gdb manual, appendix G).
//!
//! Delve reads registers only from included files, and only where the prefix of `xi:include` is not declared.
//! It takes `{` and `*` for its own: neither is in the text.

use super::{Feature, Layout, Register};

const HEAD: &str = "<?xml version=\"1.0\"?>\n<!DOCTYPE ";

/// Types that a file declares before its registers.
const VECTOR_TYPES: &str = r#"<vector id="v8bf16" type="bfloat16" count="8"/>
<vector id="v4f" type="ieee_single" count="4"/>
<vector id="v2d" type="ieee_double" count="2"/>
<vector id="v16i8" type="int8" count="16"/>
<vector id="v8i16" type="int16" count="8"/>
<vector id="v4i32" type="int32" count="4"/>
<vector id="v2i64" type="int64" count="2"/>
<union id="vec128">
<field name="v8_bfloat16" type="v8bf16"/>
<field name="v4_float" type="v4f"/>
<field name="v2_double" type="v2d"/>
<field name="v16_int8" type="v16i8"/>
<field name="v8_int16" type="v8i16"/>
<field name="v4_int32" type="v4i32"/>
<field name="v2_int64" type="v2i64"/>
<field name="uint128" type="uint128"/>
</union>
"#;

const FLAGS: [(&str, u32); 17] = [
    ("CF", 0),
    ("", 1),
    ("PF", 2),
    ("AF", 4),
    ("ZF", 6),
    ("SF", 7),
    ("TF", 8),
    ("IF", 9),
    ("DF", 10),
    ("OF", 11),
    ("NT", 14),
    ("RF", 16),
    ("VM", 17),
    ("AC", 18),
    ("VIF", 19),
    ("VIP", 20),
    ("ID", 21),
];

const SSE_FLAGS: [(&str, u32); 14] = [
    ("IE", 0),
    ("DE", 1),
    ("ZE", 2),
    ("OE", 3),
    ("UE", 4),
    ("PE", 5),
    ("DAZ", 6),
    ("IM", 7),
    ("DM", 8),
    ("ZM", 9),
    ("OM", 10),
    ("UM", 11),
    ("PM", 12),
    ("FZ", 15),
];

/// A file of the description; `None` if there is none of this name.
pub(crate) fn file(layout: &Layout, name: &str) -> Option<String> {
    if name == "target.xml" {
        return Some(target(layout));
    }
    layout.features.iter().find(|feature| feature.file == name).map(feature)
}

fn target(layout: &Layout) -> String {
    let include = |feature: &Feature| format!("<xi:include href=\"{}\"/>\n", feature.file);
    let includes: String = layout.features.iter().map(include).collect();
    format!(
        "{HEAD}target SYSTEM \"gdb-target.dtd\">\n<target>\n\
         <architecture>i386:x86-64</architecture>\n<osabi>GNU/Linux</osabi>\n{includes}</target>\n"
    )
}

fn feature(feature: &Feature) -> String {
    let Feature { name, registers, .. } = feature;
    let types = match feature.file {
        "64bit-core.xml" => flags("i386_eflags", &FLAGS),
        "64bit-sse.xml" => format!("{VECTOR_TYPES}{}", flags("i386_mxcsr", &SSE_FLAGS)),
        "64bit-avx512.xml" => {
            format!("{VECTOR_TYPES}<vector id=\"v2ui128\" type=\"uint128\" count=\"2\"/>\n")
        }
        _ => String::new(),
    };
    let registers: String = registers.iter().map(register).collect();
    format!(
        "{HEAD}feature SYSTEM \"gdb-target.dtd\">\n<feature name=\"{name}\">\n{types}{registers}</feature>\n"
    )
}

fn register(register: &Register) -> String {
    let Register { name, bytes, kind, group, .. } = register;
    let group = group.map(|group| format!(" group=\"{group}\"")).unwrap_or_default();
    format!("<reg name=\"{name}\" bitsize=\"{}\" type=\"{kind}\"{group}/>\n", bytes * 8)
}

fn flags(id: &str, all: &[(&str, u32)]) -> String {
    let field = |(name, bit): &(&str, u32)| {
        format!("<field name=\"{name}\" start=\"{bit}\" end=\"{bit}\"/>\n")
    };
    let fields: String = all.iter().map(field).collect();
    format!("<flags id=\"{id}\" size=\"4\">\n{fields}</flags>\n")
}
