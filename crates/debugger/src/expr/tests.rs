use retake_model::Addr;

use super::{Expr, Names, Part, evaluate, parse};
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
    assert_eq!(error("p."), "bad expression: the name of a field is missing at column 3");
    assert_eq!(error("a[1"), "bad expression: ] is missing at column 4");
    assert_eq!(error("x == \"a"), "bad expression: \" is missing at the end at column 6");
    assert!(error(&"(".repeat(4000)).contains("too deeply"));
    assert!(error(&"1+".repeat(4000)).contains("too long"));
    assert!(error(&"-".repeat(4000)).contains("too deeply"));
}

#[test]
fn variables_are_read_as_people_write_them() {
    let same = |left: &str, right: &str| {
        // Columns differ.
        let plain = |text: &str| {
            let text = format!("{:?}", parse(text).unwrap());
            regex::Regex::new("column: [0-9]+").unwrap().replace_all(&text, "").into_owned()
        };
        assert_eq!(plain(left), plain(right), "{left} and {right}");
    };
    same("p->x.y", "(*p).x.y");
    same("a[1 + 2]", "a[(1+2)]");
    same("&a[2] == p", "(&(a[2])) == p");
    same("-a.b * 2", "(-(a.b)) * 2");
    same("t.0.1", "(t.0).1");
    same("(struct node *)p", "(struct  node*) p");
    same("'a'", "97");
    same("0b101 + 0o17 + 1_000", "5 + 15 + 1000");
    let is_cast = |text: &str| matches!(parse(text).unwrap(), Expr::Part { part: Part::As(_), .. });
    assert!(is_cast("(T *)p") && is_cast("(a.T)(x)") && is_cast("x.(T)"));
    assert!(!is_cast("(a) * b") && !is_cast("(a) - b") && !is_cast("(a)[1]"));
    let size = |text: &str| match parse(text).unwrap() {
        Expr::Size { of, ty } => (of.is_some(), ty),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(size("sizeof(struct node)"), (false, Some("struct node".to_owned())));
    assert_eq!(size("sizeof(struct node **)"), (false, Some("struct node **".to_owned())));
    assert_eq!(size("sizeof(T)"), (true, Some("T".to_owned())));
    assert_eq!(size("sizeof(*p)"), (true, Some("*p".to_owned())));
    assert_eq!(size("sizeof(a[1])"), (true, None));
    assert_eq!(size("sizeof x"), (true, None));
    assert_eq!(size("unsafe.Sizeof(x.y)"), (true, Some("x.y".to_owned())));
    assert!(parse("sizeof()").is_err() && parse("sizeof(a b +)").is_err());
    for text in [
        "a::b::c",
        "sizeof(x) * 2",
        "m[\"key\"]",
        "a[1:]",
        "a[:2]",
        "a[1..2]",
        "len(x) > 3.5",
        "s == \"x\"",
    ] {
        parse(text).unwrap();
    }
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
    fn no_text_panics(text in "[ 0-9a-z$()*+!=<>&|.:\"'\\[\\]-]{0,40}") {
        if let Ok(expr) = parse(&text) {
            let _ = evaluate(&expr, &mut Fixed);
        }
    }
}
