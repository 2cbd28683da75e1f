//! Indexes that are kept between sessions.

use std::fmt;
use std::sync::Arc;

use retake_model::ContentHash;
use xxhash_rust::xxh3::xxh3_128;

use super::Index;
use crate::module::Module;

/// Indexes of modules with less debug information than this are built in a moment, and not kept.
const WORTH_KEEPING: usize = 4 << 20;

/// Build ids have 20 bytes, or 32; the name of a file is made of them.
const MAX_ID: usize = 32;

/// Where indexes are kept: a folder, as a rule. What it returns may be damaged, and is checked then.
pub trait IndexStore: fmt::Debug + Send + Sync {
    /// What was kept under a name; none if there is nothing.
    fn load(&self, name: &str) -> Option<Vec<u8>>;

    /// Keeps bytes under a name, if that can be done. Whoever loads sees all of them or none.
    fn save(&self, name: &str, bytes: &[u8]);
}

/// Where the index of a module comes from.
#[derive(Clone, Debug)]
pub(crate) struct IndexSource {
    pub(crate) store: Arc<dyn IndexStore>,
    /// The hash of the module's file, if somebody knows it.
    pub(crate) content: Option<ContentHash>,
}

fn hash_of(bytes: &[u8]) -> ContentHash {
    ContentHash::from_hash(xxh3_128(bytes))
}

/// The hash of a module's file, and of the one that has its debug information.
fn content_of(module: &Module, known: Option<ContentHash>) -> ContentHash {
    let own = known.unwrap_or_else(|| hash_of(module.elf().bytes().as_slice()));
    match module.debug_elf() {
        None => own,
        Some(debug) => {
            let both =
                [own, hash_of(debug.bytes().as_slice())].map(|hash| hash.hash().to_le_bytes());
            hash_of(both.as_flattened())
        }
    }
}

impl Index {
    /// The index of a module: the kept one, or a new one, which is kept then.
    pub(crate) fn of(module: &Module, source: Option<&IndexSource>) -> Self {
        // With units in other files it spares opening those, too.
        let worth = module.sections().size() >= WORTH_KEEPING || !module.skeletons().is_empty();
        let Some(source) = source.filter(|_| worth) else { return Self::build(module) };
        let content = content_of(module, source.content);
        let name = match module.build_id() {
            Some(id) => id.iter().take(MAX_ID).map(|byte| format!("{byte:02x}")).collect(),
            None => format!("content-{content}"),
        };
        let kept = source.store.load(&name);
        if let Some(index) = kept.and_then(|bytes| Self::from_bytes(&bytes, content)) {
            return index;
        }
        let index = Self::build(module);
        // What is missing may be there the next time. What is there now is named by the module's own bytes.
        if module.skeletons().missing().is_empty() && module.missing_shared_file().is_none() {
            source.store.save(&name, &index.to_bytes(content));
        }
        index
    }
}
