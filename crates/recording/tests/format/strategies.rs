//! Arbitrary values of everything that a recording holds.

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use retake_model::{
    Addr, AddrRange, Backing, FileId, FileOffset, Mapping, PageAddr, Protection, Registers,
    SharedId, SigInfo, Signal, SpaceId, SyscallNo, TaskId, Tid, VectorState,
};
use retake_recording::{
    Cut, Delivery, Effect, End, Event, EventKind, ExitStatus, Fingerprint, Image, LocalSegment,
    Machine, Manifest, PageDigest, Stream, TaskState, TrappedInstruction, Where, page_id,
};

/// Numbers of all sizes: small ones are as frequent as those near the end of the range.
pub(crate) fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0_u32..64).prop_map(|(raw, shift)| raw >> shift)
}

pub(crate) fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..most)
}

pub(crate) fn addr() -> impl Strategy<Value = Addr> {
    number().prop_map(Addr::new)
}

pub(crate) fn page() -> impl Strategy<Value = PageAddr> {
    addr().prop_map(Addr::page)
}

pub(crate) fn range() -> impl Strategy<Value = AddrRange> {
    (number(), number())
        .prop_filter_map("in order", |(a, b)| AddrRange::new(Addr::new(a), Addr::new(b)))
}

fn space() -> impl Strategy<Value = SpaceId> {
    any::<u32>().prop_map(SpaceId::new)
}

fn shared() -> impl Strategy<Value = SharedId> {
    any::<u32>().prop_map(SharedId::new)
}

fn tid() -> impl Strategy<Value = Tid> {
    any::<i32>().prop_map(Tid::new)
}

/// Few of them: the same task comes again, and its registers are differences.
pub(crate) fn task() -> impl Strategy<Value = TaskId> {
    prop_oneof![4 => 0_u32..4, 1 => any::<u32>()].prop_map(TaskId::new)
}

fn signal() -> impl Strategy<Value = Signal> {
    (1_i64..=64).prop_map(|number| Signal::from_number(number).unwrap())
}

/// Most are zero, as in small differences.
pub(crate) fn registers() -> impl Strategy<Value = Registers> {
    vec(prop_oneof![3 => Just(0), 1 => number()], Registers::COUNT)
        .prop_map(|all| Registers::from_array(all.try_into().unwrap()))
}

fn vector() -> impl Strategy<Value = VectorState> {
    prop_oneof![bytes(64), Just(vec![7; 832])].prop_map(VectorState::from_bytes)
}

fn backing() -> impl Strategy<Value = Backing> {
    let offset = || number().prop_map(FileOffset::new);
    prop_oneof![
        Just(Backing::Anonymous),
        Just(Backing::Copied),
        (any::<u32>().prop_map(FileId::new), offset())
            .prop_map(|(file, offset)| Backing::File { file, offset }),
        (shared(), offset()).prop_map(|(shared, offset)| Backing::Shared { shared, offset }),
        (shared(), offset()).prop_map(|(shared, offset)| Backing::Private { shared, offset }),
    ]
}

fn mapping() -> impl Strategy<Value = Mapping> {
    (range(), 0_u64..8, backing(), any::<bool>()).prop_map(|(range, prot, backing, grows_down)| {
        Mapping { range, prot: Protection::from_bits(prot), backing, grows_down }
    })
}

/// Mappings as an address space has them: whole pages, in ascending order, apart from each other.
pub(crate) fn mappings() -> impl Strategy<Value = Vec<Mapping>> {
    vec((1_u32..4, 1_u32..9, mapping()), 0..5).prop_map(|list| {
        let mut at = 0;
        let place = |(gap, pages, mapping): (u32, u32, Mapping)| {
            let start = at + gap * 4096;
            at = start + pages * 4096;
            Mapping { range: AddrRange::low(start, pages * 4096), ..mapping }
        };
        list.into_iter().map(place).collect()
    })
}

pub(crate) fn segment() -> impl Strategy<Value = LocalSegment> {
    any::<(u8, [u8; 16])>().prop_map(|(function, descriptor)| LocalSegment { function, descriptor })
}

/// Ids of pages that nobody stores: events only name them.
fn named<T: std::fmt::Debug>(
    key: impl Strategy<Value = T>,
) -> impl Strategy<Value = Vec<(T, retake_model::PageId)>> {
    vec((key, any::<u8>().prop_map(|fill| page_id(&[fill; 4096]))), 0..4)
}

/// Effects that are not about another space.
fn own_effect() -> impl Strategy<Value = Effect> {
    let image = (space(), mappings(), named(page()), bytes(40))
        .prop_map(|(space, mappings, pages, path)| Image { space, mappings, pages, path });
    let stream =
        option::of(any::<bool>().prop_map(|out| if out { Stream::Stdout } else { Stream::Stderr }));
    prop_oneof![
        (addr(), bytes(300)).prop_map(|(addr, bytes)| Effect::Write { addr, bytes }),
        (space(), addr(), bytes(40)).prop_map(|(space, addr, bytes)| Effect::ForeignWrite {
            space,
            addr,
            bytes
        }),
        mapping().prop_map(|mapping| Effect::Map { mapping }),
        range().prop_map(|range| Effect::Unmap { range }),
        (range(), 0_u64..8)
            .prop_map(|(range, prot)| Effect::Protect { range, prot: Protection::from_bits(prot) }),
        (range(), range(), any::<bool>()).prop_map(|(from, to, keep)| Effect::Move {
            from,
            to,
            keep
        }),
        range().prop_map(|range| Effect::Discard { range }),
        (shared(), number(), named(number())).prop_map(|(shared, len, pages)| Effect::NewShared {
            shared,
            len,
            pages
        }),
        (shared(), number()).prop_map(|(shared, len)| Effect::ResizeShared { shared, len }),
        (shared(), number(), bytes(40)).prop_map(|(shared, offset, bytes)| Effect::SharedWrite {
            shared,
            offset,
            bytes
        }),
        (task(), tid(), tid(), space(), registers()).prop_map(
            |(child, tid, pid, space, registers)| Effect::Spawn {
                child,
                tid,
                pid,
                space,
                registers
            }
        ),
        image.prop_map(|image| Effect::Exec { image: Box::new(image) }),
        vector().prop_map(|state| Effect::Vector { state }),
        bytes(16).prop_map(|name| Effect::Name { name }),
        (stream, addr(), number(), any::<u64>())
            .prop_map(|(stream, addr, len, hash)| Effect::Output { stream, addr, len, hash }),
        (shared(), number(), number()).prop_map(|(shared, offset, len)| Effect::ZeroShared {
            shared,
            offset,
            len
        }),
        segment().prop_map(|segment| Effect::Segment { segment }),
    ]
}

pub(crate) fn effect() -> impl Strategy<Value = Effect> {
    let other = (space(), own_effect())
        .prop_map(|(space, effect)| Effect::In { space, effect: Box::new(effect) });
    prop_oneof![8 => own_effect(), 1 => other]
}

fn place() -> impl Strategy<Value = Where> {
    let digest = (btree_set(page(), 0..4), any::<u128>())
        .prop_map(|(pages, hash)| PageDigest { pages: pages.into_iter().collect(), hash });
    let probes = vec((addr(), any::<u64>()), 0..4);
    let fingerprint = (vector(), option::of(addr()), probes, option::of(digest))
        .prop_map(|(vector, watch, probes, pages)| Fingerprint { vector, watch, probes, pages });
    prop_oneof![
        Just(Where::Located),
        fingerprint.prop_map(|fingerprint| Where::MidCode(Box::new(fingerprint))),
    ]
}

fn delivery() -> impl Strategy<Value = Delivery> {
    prop_oneof![
        Just(Delivery::Handler),
        Just(Delivery::Ignored),
        any::<bool>().prop_map(|core| Delivery::Fatal { core }),
        Just(Delivery::Stop),
    ]
}

pub(crate) fn status() -> impl Strategy<Value = ExitStatus> {
    prop_oneof![any::<u8>().prop_map(ExitStatus::Exited), signal().prop_map(ExitStatus::Killed)]
}

fn kind() -> impl Strategy<Value = EventKind> {
    use TrappedInstruction::{Cpuid, Rdrand, Rdseed, Rdtsc, Rdtscp};
    let call = || any::<u32>().prop_map(SyscallNo::new);
    let info = (vec(any::<u8>(), SigInfo::SIZE))
        .prop_map(|bytes| SigInfo::from_bytes(bytes.try_into().unwrap()));
    let instruction = proptest::sample::select(vec![Rdtsc, Rdtscp, Cpuid, Rdrand, Rdseed]);
    prop_oneof![
        call().prop_map(|no| EventKind::Syscall { no }),
        call().prop_map(|no| EventKind::SyscallEnter { no }),
        call().prop_map(|no| EventKind::SyscallExit { no }),
        Just(EventKind::Restart),
        instruction.prop_map(|instruction| EventKind::Instruction { instruction }),
        (info, delivery(), place()).prop_map(|(info, delivery, at)| EventKind::Signal {
            info,
            delivery,
            at
        }),
        place().prop_map(|at| EventKind::Preempt { at }),
        (status(), place()).prop_map(|(status, at)| EventKind::Exit { status, at }),
    ]
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    (task(), kind(), registers(), registers(), vec(effect(), 0..4)).prop_map(
        |(task, kind, before, after, effects)| Event { task, kind, before, after, effects },
    )
}

pub(crate) fn task_state() -> impl Strategy<Value = TaskState> {
    let numbers = (task(), tid(), tid(), space(), bytes(16));
    let call = option::of(any::<u32>().prop_map(SyscallNo::new));
    (numbers, registers(), vector(), call, any::<u64>()).prop_map(
        |((task, tid, pid, space, name), registers, vector, in_syscall, signal_mask)| TaskState {
            task,
            tid,
            pid,
            space,
            name,
            registers,
            vector,
            in_syscall,
            signal_mask,
        },
    )
}

fn machine() -> impl Strategy<Value = Machine> {
    (
        any::<String>(),
        vec(any::<[u32; 6]>(), 0..4),
        option::of(any::<usize>()),
        any::<(u32, bool)>(),
    )
        .prop_map(|(kernel, cpuid, cpu, (xsave_size, cpuid_trapped))| Machine {
            kernel,
            cpuid,
            cpu,
            xsave_size,
            cpuid_trapped,
        })
}

/// How a recording ended; the writer says what it has.
pub(crate) fn end() -> impl Strategy<Value = End> {
    let cut = proptest::sample::select(vec![
        None,
        Some(Cut::Deadlock),
        Some(Cut::TimeLimit),
        Some(Cut::Request),
    ]);
    // From a second on everything is synced, which takes long.
    (status(), cut, 0_u64..1_000_000_000).prop_map(|(status, cut, wall_ns)| End {
        status,
        cut,
        events: 0,
        checkpoints: 0,
        wall_ns,
    })
}

pub(crate) fn manifest() -> impl Strategy<Value = Manifest> {
    let lists = (vec(bytes(20), 0..4), bytes(40), vec(bytes(20), 0..4), bytes(40));
    let texts = (any::<String>(), any::<String>(), any::<String>(), vec(any::<String>(), 0..3));
    let refused = btree_map(any::<String>(), any::<String>(), 0..3);
    let options = (
        option::of(any::<i32>()),
        option::of(any::<u64>()),
        option::of(any::<usize>()),
        option::of([addr(), addr(), addr()]),
    );
    (any::<u64>(), lists, texts, refused, options, machine()).prop_map(
        |(started_ns, lists, texts, refused, options, machine)| {
            let (command, program, env, cwd) = lists;
            let (format, tool, id, warnings) = texts;
            let (root_tid, chaos_seed, cpus, fast_code) = options;
            Manifest {
                format,
                tool,
                id,
                started_ns,
                command,
                program,
                env,
                root_tid,
                cwd,
                machine,
                warnings,
                refused,
                chaos_seed,
                cpus,
                fast_code,
                end: None,
            }
        },
    )
}
