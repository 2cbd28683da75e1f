//! The types of the languages' libraries that are shown by their meaning. A new one is a line here, mostly.

/// How a type is shown. Paths are those of `walk.rs`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// Text.
    Text {
        /// The first byte.
        data: &'static str,
        /// How many bytes.
        len: &'static str,
    },
    /// Elements side by side.
    List {
        /// A pointer to the first.
        data: &'static str,
        /// How many.
        len: Len,
        /// How many there is room for.
        cap: Option<Len>,
        /// The generic parameter that says their type; what the pointer points to if it is empty.
        element: &'static str,
    },
    /// Elements in a ring: the first is at `head`.
    Ring {
        data: &'static str,
        head: &'static str,
        len: &'static str,
        cap: &'static str,
        element: &'static str,
    },
    /// One value with something around it.
    Wrapped {
        /// How it is called; nothing if only what is in it is shown.
        label: &'static str,
        /// What is in it.
        inner: &'static str,
        /// Numbers that are shown as well, and what is added to them.
        notes: &'static [(&'static str, &'static str, i64)],
    },
    /// A pointer to a value, which may be null.
    Owner {
        label: &'static str,
        /// The pointer.
        pointer: &'static str,
        /// The value in what it points to; all of it if empty.
        inner: &'static str,
        notes: &'static [(&'static str, &'static str, i64)],
    },
    /// A value that may not be there.
    Optional { engaged: &'static str, value: &'static str },
    /// A red-black tree of libstdc++.
    Tree { label: &'static str },
    /// A hash table of libstdc++: one list of nodes.
    Chain { label: &'static str },
    /// A hash table of hashbrown.
    Swiss { label: &'static str },
    /// A B-tree of Rust.
    BTree { label: &'static str },
    /// A list of libstdc++.
    Linked { label: &'static str },
    /// A queue in blocks of libstdc++.
    Deque,
    /// A tuple of libstdc++.
    StdTuple,
    /// A variant of libstdc++.
    StdVariant,
    /// A function object of libstdc++: what it calls.
    StdFunction,
}

/// A number of elements.
#[derive(Clone, Copy, Debug)]
pub(super) enum Len {
    /// Said by a field.
    Field(&'static str),
    /// Up to a pointer.
    End(&'static str),
}

/// Path of the type, and its shape.
pub(super) const TABLE: &[(&str, Shape)] = &[
    // Rust
    ("alloc::string::String", Shape::Text { data: "..pointer", len: "vec.len" }),
    ("std::ffi::os_str::OsString", Shape::Text { data: "..pointer", len: "..len" }),
    ("std::path::PathBuf", Shape::Text { data: "..pointer", len: "..len" }),
    (
        "alloc::vec::Vec",
        Shape::List {
            data: "buf..pointer",
            len: Len::Field("len"),
            cap: Some(Len::Field("buf..cap")),
            element: "T",
        },
    ),
    (
        "alloc::collections::vec_deque::VecDeque",
        Shape::Ring {
            data: "buf..pointer",
            head: "head",
            len: "len",
            cap: "buf..cap",
            element: "T",
        },
    ),
    ("std::collections::hash::map::HashMap", Shape::Swiss { label: "HashMap" }),
    ("std::collections::hash::set::HashSet", Shape::Swiss { label: "HashSet" }),
    ("hashbrown::map::HashMap", Shape::Swiss { label: "HashMap" }),
    ("hashbrown::set::HashSet", Shape::Swiss { label: "HashSet" }),
    ("alloc::collections::btree::map::BTreeMap", Shape::BTree { label: "BTreeMap" }),
    ("alloc::collections::btree::set::BTreeSet", Shape::BTree { label: "BTreeSet" }),
    (
        "alloc::rc::Rc",
        Shape::Owner { label: "Rc", pointer: "ptr..pointer", inner: "value", notes: RC_COUNTS },
    ),
    (
        "alloc::sync::Arc",
        Shape::Owner { label: "Arc", pointer: "ptr..pointer", inner: "data", notes: RC_COUNTS },
    ),
    ("core::cell::Cell", Shape::Wrapped { label: "Cell", inner: "value.value", notes: &[] }),
    ("core::cell::UnsafeCell", Shape::Wrapped { label: "", inner: "value", notes: &[] }),
    (
        "core::cell::RefCell",
        Shape::Wrapped {
            label: "RefCell",
            inner: "value.value",
            notes: &[("borrow", "borrow.value.value", 0)],
        },
    ),
    (
        "std::sync::poison::mutex::Mutex",
        Shape::Wrapped { label: "Mutex", inner: "data.value", notes: LOCK },
    ),
    (
        "std::sync::mutex::Mutex",
        Shape::Wrapped { label: "Mutex", inner: "data.value", notes: LOCK },
    ),
    (
        "std::sync::poison::rwlock::RwLock",
        Shape::Wrapped { label: "RwLock", inner: "data.value", notes: POISON },
    ),
    (
        "std::sync::rwlock::RwLock",
        Shape::Wrapped { label: "RwLock", inner: "data.value", notes: POISON },
    ),
    (
        "core::mem::manually_drop::ManuallyDrop",
        Shape::Wrapped { label: "", inner: "value", notes: &[] },
    ),
    (
        "core::mem::maybe_dangling::MaybeDangling",
        Shape::Wrapped { label: "", inner: "0", notes: &[] },
    ),
    ("core::num::nonzero::NonZero", Shape::Wrapped { label: "", inner: "0", notes: &[] }),
    ("core::num::wrapping::Wrapping", Shape::Wrapped { label: "", inner: "0", notes: &[] }),
    ("core::pin::Pin", Shape::Wrapped { label: "Pin", inner: "pointer|__pointer", notes: &[] }),
    ("core::sync::atomic::AtomicBool", ATOMIC),
    ("core::sync::atomic::AtomicU8", ATOMIC),
    ("core::sync::atomic::AtomicI8", ATOMIC),
    ("core::sync::atomic::AtomicU16", ATOMIC),
    ("core::sync::atomic::AtomicI16", ATOMIC),
    ("core::sync::atomic::AtomicU32", ATOMIC),
    ("core::sync::atomic::AtomicI32", ATOMIC),
    ("core::sync::atomic::AtomicU64", ATOMIC),
    ("core::sync::atomic::AtomicI64", ATOMIC),
    ("core::sync::atomic::AtomicUsize", ATOMIC),
    ("core::sync::atomic::AtomicIsize", ATOMIC),
    ("core::sync::atomic::AtomicPtr", Shape::Wrapped { label: "", inner: "p.value", notes: &[] }),
    ("core::sync::atomic::Atomic", ATOMIC),
    // C++ (libstdc++)
    // clang leaves what is around the pointer to the library's debug information, which may not be there: nothing
    // else is in it.
    (
        "std::basic_string",
        Shape::Text { data: "_M_dataplus._M_p|_M_dataplus", len: "_M_string_length" },
    ),
    ("std::basic_string_view", Shape::Text { data: "_M_str", len: "_M_len" }),
    (
        "std::vector",
        Shape::List {
            data: "_M_impl._M_start",
            len: Len::End("_M_impl._M_finish"),
            cap: Some(Len::End("_M_impl._M_end_of_storage")),
            element: "",
        },
    ),
    (
        "std::span",
        Shape::List {
            data: "_M_ptr",
            len: Len::Field(".._M_extent_value"),
            cap: None,
            element: "",
        },
    ),
    (
        "std::initializer_list",
        Shape::List { data: "_M_array", len: Len::Field("_M_len"), cap: None, element: "" },
    ),
    ("std::array", Shape::Wrapped { label: "", inner: "_M_elems", notes: &[] }),
    ("std::map", Shape::Tree { label: "map" }),
    ("std::multimap", Shape::Tree { label: "multimap" }),
    ("std::set", Shape::Tree { label: "set" }),
    ("std::multiset", Shape::Tree { label: "multiset" }),
    ("std::unordered_map", Shape::Chain { label: "unordered_map" }),
    ("std::unordered_multimap", Shape::Chain { label: "unordered_multimap" }),
    ("std::unordered_set", Shape::Chain { label: "unordered_set" }),
    ("std::unordered_multiset", Shape::Chain { label: "unordered_multiset" }),
    ("std::list", Shape::Linked { label: "list" }),
    ("std::deque", Shape::Deque),
    ("std::queue", Shape::Wrapped { label: "queue", inner: "c", notes: &[] }),
    ("std::stack", Shape::Wrapped { label: "stack", inner: "c", notes: &[] }),
    ("std::priority_queue", Shape::Wrapped { label: "priority_queue", inner: "c", notes: &[] }),
    (
        "std::optional",
        Shape::Optional {
            engaged: "_M_payload.._M_engaged",
            value: "_M_payload.._M_payload._M_value",
        },
    ),
    (
        "std::unique_ptr",
        Shape::Owner { label: "unique_ptr", pointer: "_M_t.._M_head_impl", inner: "", notes: &[] },
    ),
    (
        "std::shared_ptr",
        Shape::Owner { label: "shared_ptr", pointer: "_M_ptr", inner: "", notes: SHARED },
    ),
    (
        "std::weak_ptr",
        Shape::Owner { label: "weak_ptr", pointer: "_M_ptr", inner: "", notes: SHARED },
    ),
    (
        "std::reference_wrapper",
        Shape::Owner { label: "", pointer: "_M_data", inner: "", notes: &[] },
    ),
    (
        "std::atomic",
        Shape::Wrapped { label: "", inner: "_M_i|_M_base._M_i|_M_b._M_p|_M_fp", notes: &[] },
    ),
    ("std::__atomic_base", Shape::Wrapped { label: "", inner: "_M_i", notes: &[] }),
    ("std::tuple", Shape::StdTuple),
    ("std::variant", Shape::StdVariant),
    ("std::function", Shape::StdFunction),
];

const ATOMIC: Shape = Shape::Wrapped { label: "", inner: "v.value", notes: &[] };
/// The weak pointers that all strong ones hold together count as one.
const RC_COUNTS: &[(&str, &str, i64)] = &[("strong", "*.strong", 0), ("weak", "*.weak", -1)];
const LOCK: &[(&str, &str, i64)] =
    &[("locked", "inner.futex", 0), ("poisoned", "poison.failed", 0)];
const POISON: &[(&str, &str, i64)] = &[("poisoned", "poison.failed", 0)];
const SHARED: &[(&str, &str, i64)] = &[("use", "_M_refcount._M_pi*._M_use_count", 0)];

/// The shape of a type.
pub(super) fn shape_of(path: &str) -> Option<Shape> {
    TABLE.iter().find(|(name, _)| *name == path).map(|(_, shape)| *shape)
}
