//! Values as people see them: trees of numbers, texts, lists and fields.
//!
//! [`show`] makes a [`Shown`] of a value. Which types of the languages' libraries are shown by their meaning is data: `table.rs`.

mod apply;
mod dynamic;
mod elements;
mod enums;
mod go;
mod go_constants;
mod go_interfaces;
mod go_maps;
mod goroutines;
mod maps;
mod runtime_types;
mod show;
mod shown;
mod table;
mod text;
mod walk;

pub use elements::{Key, entry_of, held_in, item_of, length_of, payload_of, text_of};
pub(crate) use go_constants::Constants;
pub use goroutines::{Goroutine, GoroutineStatus, SavedRegisters, goroutines};
pub use show::{Limits, NumberFormat, show};
pub use shown::{Field, Node, Shown, Style};
pub(crate) use walk::{plain_path, walk};
