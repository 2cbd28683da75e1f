//! Checkpoints, and the pages that they name. What is to be read is worked out here once more, page by page.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use retake_model::{
    Addr, AddrRange, Backing, CheckpointIndex, EventIndex, Mapping, PageAddr, PageId, Protection,
    SharedId, SpaceId, TaskId,
};
use retake_recording::{
    CheckpointDraft, LocalSegment, Manifest, PageBatch, PagePool, PageSource, Recording,
    SharedDraft, SpaceDraft, TaskState, page_id,
};

use crate::folder::Folder;
use crate::strategies::{event, number, segment, task, task_state};

/// Pages of a space at most.
const PAGES: u64 = 12;

/// Pages by their number, each full of one byte.
type Fills = BTreeMap<u64, u8>;

#[derive(Clone, Debug)]
struct Space {
    /// What is mapped, in pages.
    mapped: (u64, u64),
    cleared: Vec<(u64, u64)>,
    pages: Fills,
    /// Which of them the background thread reads: one in so many.
    later: usize,
}

#[derive(Clone, Debug)]
struct Object {
    complete: bool,
    pages: Fills,
}

/// What a checkpoint is made of.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    spaces: BTreeMap<u32, Space>,
    shared: BTreeMap<u32, Object>,
    tasks: Vec<TaskState>,
    current: TaskId,
    run_time_ns: u64,
    segments: Vec<(SpaceId, LocalSegment)>,
}

/// What spaces and objects hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Held {
    spaces: BTreeMap<u32, Fills>,
    shared: BTreeMap<u32, Fills>,
}

fn fills() -> impl Strategy<Value = Fills> {
    btree_map(0..PAGES, 0_u8..5, 0..6)
}

fn part() -> impl Strategy<Value = (u64, u64)> {
    (0..PAGES, 0..PAGES).prop_map(|(a, b)| (a.min(b), a.max(b) + 1))
}

fn space() -> impl Strategy<Value = Space> {
    (part(), vec(part(), 0..2), fills(), 1_usize..4).prop_map(
        |(mapped, cleared, mut pages, later)| {
            pages.retain(|page, _| (mapped.0..mapped.1).contains(page));
            Space { mapped, cleared, pages, later }
        },
    )
}

pub(crate) fn moment() -> impl Strategy<Value = Moment> {
    let object = (any::<bool>(), fills()).prop_map(|(complete, pages)| Object { complete, pages });
    let segments = vec((any::<u32>().prop_map(SpaceId::new), segment()), 0..3);
    let memory = (btree_map(0_u32..3, space(), 0..3), btree_map(0_u32..2, object, 0..2));
    (memory, vec(task_state(), 0..3), task(), number(), segments).prop_map(
        |((spaces, shared), tasks, current, run_time_ns, segments)| Moment {
            spaces,
            shared,
            tasks,
            current,
            run_time_ns,
            segments,
        },
    )
}

impl Held {
    /// What is held after a moment.
    fn after(&self, moment: &Moment) -> Self {
        let mut next = Self::default();
        for (id, Space { mapped, cleared, pages, .. }) in &moment.spaces {
            let mut all = self.spaces.get(id).cloned().unwrap_or_default();
            let is_in = |page: &u64, (start, end): &(u64, u64)| start <= page && page < end;
            all.retain(|page, _| {
                is_in(page, mapped) && !cleared.iter().any(|one| is_in(page, one))
            });
            all.extend(pages);
            next.spaces.insert(*id, all);
        }
        for (id, Object { complete, pages }) in &moment.shared {
            let mut all = self.shared.get(id).cloned().unwrap_or_default();
            if *complete {
                // Those that are not listed are zero.
                all.values_mut().for_each(|fill| *fill = 0);
            }
            all.extend(pages);
            next.shared.insert(*id, all);
        }
        next
    }
}

fn page(number: u64) -> PageAddr {
    Addr::new(number * 4096).page()
}

fn range((start, end): (u64, u64)) -> AddrRange {
    AddrRange::new(page(start).addr(), page(end).addr()).unwrap()
}

fn mapping(pages: (u64, u64)) -> Mapping {
    let (prot, backing) = (Protection::READ, Backing::Anonymous);
    Mapping { range: range(pages), prot, backing, grows_down: false }
}

fn batch<'a>(pool: &PagePool, pages: impl Iterator<Item = (&'a u64, &'a u8)>) -> PageBatch {
    let mut batch = pool.batch();
    for (number, fill) in pages {
        batch.push(page(*number), &[*fill; 4096]);
    }
    batch
}

/// Gives pages one by one.
#[derive(Debug)]
struct OneByOne(Vec<(u64, u8)>);

impl PageSource for OneByOne {
    fn read(&mut self, batch: &mut PageBatch) -> io::Result<bool> {
        if self.0.is_empty() {
            return Ok(false);
        }
        let (number, fill) = self.0.remove(0);
        batch.push(page(number), &[fill; 4096]);
        Ok(true)
    }
}

pub(crate) fn draft(event: EventIndex, moment: &Moment, pool: &PagePool) -> CheckpointDraft {
    let space = |(id, space): (&u32, &Space)| {
        let is_later = |n: usize| n % space.later == 1;
        let later = space.pages.iter().enumerate().filter(|(n, _)| is_later(*n));
        let later: Vec<_> = later.map(|(_, (number, fill))| (*number, *fill)).collect();
        let now = space.pages.iter().enumerate().filter(|(n, _)| !is_later(*n));
        SpaceDraft {
            space: SpaceId::new(*id),
            mappings: vec![mapping(space.mapped)],
            cleared: space.cleared.iter().copied().map(range).collect(),
            pages: batch(pool, now.map(|(_, page)| page)),
            later: (!later.is_empty()).then(|| Box::new(OneByOne(later)) as Box<dyn PageSource>),
        }
    };
    let shared = |(id, object): (&u32, &Object)| SharedDraft {
        shared: SharedId::new(*id),
        len: PAGES * 4096,
        complete: object.complete,
        pages: batch(pool, object.pages.iter()),
    };
    CheckpointDraft {
        event,
        run_time_ns: moment.run_time_ns,
        current: moment.current,
        tasks: moment.tasks.clone(),
        spaces: moment.spaces.iter().map(space).collect(),
        shared: moment.shared.iter().map(shared).collect(),
        segments: moment.segments.clone(),
    }
}

/// The byte that each page is full of.
fn read_fills(recording: &Recording, pages: impl Iterator<Item = (u64, PageId)>) -> Fills {
    let (numbers, ids): (Vec<u64>, Vec<PageId>) = pages.unzip();
    let read = Mutex::new(Fills::new());
    let take = |found: &[(usize, &[u8])]| {
        for (n, bytes) in found {
            assert_eq!(page_id(bytes), ids[*n]);
            assert!(bytes.iter().all(|byte| byte == &bytes[0]) && bytes.len() == 4096);
            assert_eq!(read.lock().unwrap().insert(numbers[*n], bytes[0]), None, "read once");
        }
    };
    recording.read_pages(&ids, &take).unwrap();
    read.into_inner().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn checkpoints(moments in vec((vec(event(), 0..2), moment()), 1..20)) {
        let folder = Folder::new();
        let mut writer = folder.writer(Manifest::default());
        let pool = writer.pool().clone();
        let mut wanted = vec![];
        for (events, moment) in &moments {
            for event in events {
                writer.append_event(event).unwrap();
            }
            let event = writer.event_count();
            writer.add_checkpoint(draft(event, moment, &pool));
            let before: Held = wanted.last().map(|(_, _, held): &(_, _, Held)| held.clone()).unwrap_or_default();
            wanted.push((event, moment, before.after(moment)));
        }
        // One whose pages are still to be read is left out at the end.
        writer.flush().unwrap();
        let recording = folder.finish(writer);
        prop_assert_eq!(recording.checkpoints().len(), wanted.len());
        for ((n, (event, moment, held)), summary) in (0..).zip(&wanted).zip(recording.checkpoints()) {
            prop_assert_eq!((summary.index, summary.event), (CheckpointIndex::new(n), *event));
            prop_assert_eq!((summary.tasks, summary.run_time_ns), (moment.tasks.len(), moment.run_time_ns));
            let read = recording.checkpoint(summary.index).unwrap();
            prop_assert!(read.complete);
            prop_assert_eq!((read.index, read.event), (summary.index, summary.event));
            prop_assert_eq!((&read.tasks, read.current), (&moment.tasks, moment.current));
            prop_assert_eq!((&read.segments, read.run_time_ns), (&moment.segments, moment.run_time_ns));
            let mut found = Held::default();
            for state in read.spaces {
                prop_assert_eq!(&state.mappings, &[mapping(moment.spaces[&state.space.get()].mapped)]);
                let pages = state.pages.iter().map(|(at, id)| (at.addr().get() / 4096, *id));
                found.spaces.insert(state.space.get(), read_fills(&recording, pages));
            }
            for state in read.shared {
                prop_assert_eq!(state.len, PAGES * 4096);
                found.shared.insert(state.shared.get(), read_fills(&recording, state.pages.into_iter()));
            }
            prop_assert_eq!(&found, held, "checkpoint {}", n);
        }
        for (event, _, _) in &wanted {
            let nearest = (0..).zip(&wanted).filter(|(_, (at, ..))| at <= event).map(|(n, _)| n).last();
            prop_assert_eq!(recording.nearest_checkpoint(*event).map(CheckpointIndex::get), nearest);
        }
    }

    /// Each distinct page is stored once, whatever frames they come to lie in.
    #[test]
    fn pages(batches in vec(vec((0_u64..1000, any::<u16>()), 1..90), 1..4)) {
        let folder = Folder::new();
        let mut writer = folder.writer(Manifest::default());
        let mut stored = BTreeMap::new();
        for pages in &batches {
            let mut batch = writer.pool().batch();
            let bytes: Vec<Vec<u8>> =
                pages.iter().map(|(_, word)| word.to_le_bytes().repeat(2048)).collect();
            for ((number, _), bytes) in pages.iter().zip(&bytes) {
                batch.push(page(*number), bytes);
            }
            let listed = writer.store_image_pages(batch);
            prop_assert_eq!(listed.len(), pages.len());
            for (((number, _), (at, id)), bytes) in pages.iter().zip(listed).zip(bytes) {
                prop_assert_eq!((page(*number), page_id(&bytes)), (at, id));
                stored.insert(id, bytes);
            }
        }
        let recording = folder.finish(writer);
        prop_assert_eq!(recording.page_count(), stored.len());
        for (id, bytes) in &stored {
            prop_assert!(recording.has_page(*id));
            prop_assert_eq!(&recording.read_page(*id).unwrap()[..], &bytes[..]);
        }
    }
}
