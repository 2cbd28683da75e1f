//! Numbers and characters as text.

use super::NumberFormat;

pub(super) fn character(number: i128) -> Option<String> {
    let c = char::from_u32(u32::try_from(number).ok()?)?;
    Some(match c {
        '\0' => "'\\000'".to_owned(),
        '\n' => "'\\n'".to_owned(),
        '\t' => "'\\t'".to_owned(),
        '\r' => "'\\r'".to_owned(),
        '\'' => "'\\''".to_owned(),
        '\\' => "'\\\\'".to_owned(),
        c if c.is_control() => format!("'\\{:03o}'", u32::from(c)),
        c => format!("'{c}'"),
    })
}

/// The shortest text that reads back as the same number.
pub(super) fn float_text(number: f64, single: bool) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "it was an f32 before")]
    let text = if single { format!("{}", number as f32) } else { format!("{number}") };
    match number.abs() {
        size if number == 0.0 || (1e-5..1e16).contains(&size) || !number.is_finite() => text,
        _ if single => {
            #[expect(clippy::cast_possible_truncation, reason = "it was an f32 before")]
            let number = number as f32;
            format!("{number:e}")
        }
        _ => format!("{number:e}"),
    }
}

pub(super) fn formatted(format: NumberFormat, number: i128, size: u64) -> String {
    let unused = 128_u32.saturating_sub(u32::try_from(size.min(16)).unwrap_or(16) * 8);
    let bits = (number.cast_unsigned() << unused) >> unused;
    match format {
        NumberFormat::Natural | NumberFormat::Dec => number.to_string(),
        NumberFormat::Hex => format!("{bits:#x}"),
        NumberFormat::Oct => format!("0{bits:o}"),
        NumberFormat::Bin => format!("{bits:#b}"),
    }
}
