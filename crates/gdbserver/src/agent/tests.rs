use proptest::prelude::*;
use retake_model::{Addr, Judged, Registers, VectorState};
use retake_testkit::fake::{FakeBuilder, FakeExecution};

use super::*;
use crate::registers::Extended;

fn layout() -> Layout {
    Layout::new(Extended::of(&VectorState::from_bytes(vec![]), &[]))
}

/// rax is 7, rbx is minus 2, and eight bytes at 0x1000 are `f0 ff ff ff 05 00 00 00`.
fn program() -> FakeExecution {
    use retake_model::RegisterName::{Rax, Rbx};
    let fake = FakeBuilder::new().map_data(1, 0x1000, 0x1000).set(Rax, 7);
    let fake = fake.set(Rbx, 2_u64.wrapping_neg());
    fake.write(0x1000, [0xf0, 0xff, 0xff, 0xff, 5, 0, 0, 0]).build()
}

struct Now<'a> {
    program: &'a FakeExecution,
    registers: Registers,
}

impl Judged for Now<'_> {
    fn task(&self) -> TaskId {
        self.program.current_task()
    }

    fn registers(&self) -> &Registers {
        &self.registers
    }

    fn read(&self, addr: Addr, out: &mut [u8]) -> bool {
        self.program.read_memory(self.task(), addr, out).is_ok()
    }
}

/// What a condition comes to when it is interpreted, and what its predicate comes to.
fn both(code: &[u8]) -> (bool, Option<bool>) {
    let (layout, program) = (layout(), program());
    let task = program.current_task();
    let condition = Condition::new(&[code.to_vec()], &layout).expect("there is one");
    let registers = program.registers(task).expect("there are some");
    let now = Now { program: &program, registers };
    let translated =
        condition.predicate().map(|predicate| predicate.evaluate(&now).unwrap_or(true));
    (condition.holds(task, &program, &layout), translated)
}

#[test]
fn conditions_of_gdb() {
    let all: [(&[u8], bool); 8] = [
        // $rax == 7
        (&[0x26, 0, 0, 0x22, 7, 0x13, 0x27], true),
        // (int) $rbx < 0
        (&[0x26, 0, 1, 0x16, 32, 0x22, 0, 0x14, 0x27], true),
        // *(int *) 0x1000 == -16
        (
            &[0x23, 0x10, 0, 0x19, 0x16, 32, 0x22, 16, 0x22, 0, 0x2b, 0x03, 0x16, 64, 0x13, 0x27],
            true,
        ),
        // *(unsigned *) 0x1000 < 7
        (&[0x23, 0x10, 0, 0x19, 0x22, 7, 0x15, 0x27], false),
        // ! (*(unsigned char *) 0x1004 == 5)
        (&[0x23, 0x10, 4, 0x17, 0x22, 5, 0x13, 0x0e, 0x27], false),
        // $rax == 7 && *(unsigned char *) 0x1004 == 5, with its jumps
        (
            &[
                0x26, 0, 0, 0x22, 7, 0x13, 0x0e, 0x20, 0, 20, 0x23, 0x10, 4, 0x17, 0x22, 5, 0x13,
                0x21, 0, 22, 0x22, 0, 0x27,
            ],
            true,
        ),
        // $rax * 4 == 28
        (&[0x26, 0, 0, 0x22, 2, 0x09, 0x22, 28, 0x13, 0x27], true),
        // Memory that is not there counts.
        (&[0x22, 1, 0x1a, 0x27], true),
    ];
    for (code, expected) in all {
        assert_eq!(both(code), (expected, Some(expected)), "{code:x?}");
    }
}

#[test]
fn what_predicates_cannot_say_is_interpreted() {
    // $rax / -1 == 3 with signs, $rax / $rax == 3, and 1 / 0, which has no value.
    assert_eq!(both(&[0x26, 0, 0, 0x22, 0xff, 0x16, 8, 0x05, 0x22, 3, 0x13, 0x27]), (false, None));
    assert_eq!(both(&[0x26, 0, 0, 0x28, 0x06, 0x22, 3, 0x13, 0x27]), (false, None));
    // By other numbers predicates say it: $rax / 2 == 3, $rax % 4 == 3, $rax >> 1 == 3, with signs and without.
    for divides in [0x05, 0x06] {
        assert_eq!(both(&[0x26, 0, 0, 0x22, 2, divides, 0x22, 3, 0x13, 0x27]), (true, Some(true)));
    }
    for remains in [0x07, 0x08] {
        assert_eq!(both(&[0x26, 0, 0, 0x22, 4, remains, 0x22, 3, 0x13, 0x27]), (true, Some(true)));
    }
    for shifts in [0x0a, 0x0b] {
        assert_eq!(both(&[0x26, 0, 0, 0x22, 1, shifts, 0x22, 3, 0x13, 0x27]), (true, Some(true)));
    }
    assert_eq!(both(&[0x22, 1, 0x22, 0, 0x06, 0x27]), (true, None));
    // A loop without an end.
    assert_eq!(both(&[0x21, 0, 0]), (true, None));
    assert_eq!(both(&[]), (true, None));
}

/// There is nothing at `$rbx`: that is an error, whoever uses what is read there.
#[test]
fn reads_that_nobody_uses() {
    // Left on the stack; taken off it; in a way that is gone if `$rax` is not zero.
    for code in [
        &[0x26, 0, 1, 0x17, 0x22, 0, 0x27][..],
        &[0x22, 0, 0x26, 0, 1, 0x17, 0x29, 0x27],
        &[0x26, 0, 0, 0x20, 0, 8, 0x22, 0, 0x26, 0, 1, 0x17, 0x22, 0, 0x27],
    ] {
        let (interpreted, translated) = both(code);
        assert_eq!((interpreted, translated), (true, None), "{code:x?}");
    }
}

#[test]
fn one_of_several_is_enough() {
    let layout = layout();
    let (no, yes) = (vec![0x22, 0, 0x27], vec![0x22, 1, 0x27]);
    let program = program();
    let holds = |codes: &[Vec<u8>]| {
        let condition = Condition::new(codes, &layout).expect("there is one");
        condition.holds(program.current_task(), &program, &layout)
    };
    assert!(holds(&[no.clone(), yes]));
    assert!(!holds(&[no.clone(), no]));
    assert_eq!(Condition::new(&[], &layout), None);
}

/// Instructions that expressions are made of, and a few that they are not.
fn instruction() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (2_u8..0x17).prop_filter("has an operand", |op| *op != 0x16).prop_map(|op| vec![op]),
        (0x17_u8..0x1b).prop_map(|op| vec![0x23, 0x10, 0, op]),
        (0_u8..20).prop_map(|value| vec![0x22, value]),
        (0_u8..4).prop_map(|number| vec![0x26, 0, number]),
        (1_u8..65).prop_map(|bits| vec![0x16, bits]),
        (1_u8..65).prop_map(|bits| vec![0x2a, bits]),
        (0_u8..60).prop_map(|to| vec![0x20, 0, to]),
        Just(vec![0x28]),
        Just(vec![0x2b]),
    ]
}

proptest! {
    #[test]
    fn both_ways_agree(parts in proptest::collection::vec(instruction(), 0..24)) {
        let mut code = vec![0x22, 3, 0x26, 0, 0, 0x26, 0, 1];
        code.extend(parts.concat());
        code.push(0x27);
        let (interpreted, translated) = both(&code);
        if let Some(translated) = translated {
            prop_assert_eq!(interpreted, translated, "{:x?}", code);
        }
    }

    #[test]
    fn any_bytes_have_an_end(code: Vec<u8>) {
        let _ = both(&code);
    }
}
