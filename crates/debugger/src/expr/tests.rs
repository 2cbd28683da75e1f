use retake_model::Addr;

use super::{Names, evaluate, parse};
use crate::DebugError;

struct Fixed;

impl Names for Fixed {
    fn value(&mut self, name: &str) -> Result<i128, DebugError> {
        match name {
            "event" => Ok(5),
            "rsp" => Ok(0x1000),
            "rax" => Ok(i128::from(u64::MAX)),
            _ => Err(DebugError::NotFound(name.to_owned())),
        }
    }

    fn hits(&mut self, breakpoint: i128) -> Result<i128, DebugError> {
        Ok(breakpoint * 10)
    }

    fn read(&mut self, addr: Addr, out: &mut [u8]) -> Result<(), DebugError> {
        if addr == Addr::new(0x1008) {
            out.fill(0xff);
            return Ok(());
        }
        Err(DebugError::NotFound(addr.to_string()))
    }
}

#[track_caller]
fn check(text: &str, expected: i128) {
    let value = evaluate(&parse(text).unwrap(), &mut Fixed).unwrap();
    assert_eq!(value, expected, "{text}");
}

#[test]
fn operators_bind_as_in_go() {
    check("6 & 3 == 2", 1);
    check("1 | 2 ^ 3", 0);
    check("1 + 2 << 3", 17);
    check("-7 / 2 * 10 + -7 % 4", -33);
    check("^0 & 0xff", 0xff);
    check("1 << 100 >> 98", 4);
    check("-1 >> 200", -1);
    check("1 + 2 * 3", 7);
    check("(1 + 2) * 3", 9);
    check("10 - 3 - 2", 5);
    check("1 + 1 == 2 && 3 < 2 || 1", 1);
    check("!0 + 1", 2);
    check("-3 + 0x10", 13);
    check("2*-3", -6);
}

#[test]
fn names_memory_and_casts() {
    check("$hits(1) == 10", 1);
    check("$hits(1+1)", 20);
    check("$event >= 5", 1);
    check("*(u32)($rsp+8)", 0xffff_ffff);
    check("*(i32)($rsp+8)", -1);
    check("*(u64)0x1008 == $rax", 1);
    check("(i64)$rax == -1", 1);
    check("(u8)0x1234", 0x34);
}

#[test]
fn the_right_side_is_not_looked_at_in_vain() {
    check("0 && *(u8)0", 0);
    check("1 || $nothing", 1);
}

#[test]
fn errors_say_where() {
    let error = |text: &str| parse(text).unwrap_err().to_string();
    assert_eq!(error("1 +"), "bad expression: something is missing at column 4");
    assert_eq!(error("1 2"), "bad expression: an operator is missing at column 3");
    assert_eq!(error("(1"), "bad expression: ) is missing at column 3");
    assert_eq!(error("0xg"), "bad expression: \"0xg\" is not a number at column 1");
    assert_eq!(error("1 @"), "bad expression: unexpected '@' at column 3");
    assert!(error("rax == 1").contains("$rax"));
    assert!(error("*$rsp").contains("type is missing"));
    assert!(error(&"(".repeat(4000)).contains("too deeply"));
    assert!(error(&"1+".repeat(4000)).contains("too long"));
    assert!(error(&"-".repeat(4000)).contains("too deeply"));
}

#[test]
fn errors_of_values() {
    let error = |text: &str| evaluate(&parse(text).unwrap(), &mut Fixed).unwrap_err().to_string();
    assert_eq!(error("*(u8)(0-1)"), "-1 is not an address");
    let huge = format!("1{}", " * 0xffffffffffffffff".repeat(3));
    assert_eq!(error(&huge), "the value of the expression is too large");
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[ 0-9a-z$()*+!=<>&|-]{0,40}") {
        if let Ok(expr) = parse(&text) {
            let _ = evaluate(&expr, &mut Fixed);
        }
    }
}
