//! The replayed processes at one event of the recording.

use std::collections::BTreeMap;
use std::fs::File;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use retake_model::{Addr, EventIndex, FileId, SharedId, SpaceId, TaskId};
use retake_recording::{Event, ExitStatus, LocalSegment, Recording, Stream};
use retake_tracee::MappingTable;
use retake_tracee::fast::FastCode;
use retake_translator::Limits;

use crate::ahead::Ahead;
use crate::failure::Failure;
use crate::fresh::FreshTasks;
use crate::live::LiveTask;
use crate::search::Control;
use crate::sites::SiteTable;
use crate::thread::ReplayThread;
use crate::translated::{Caches, Count, Guards, Learned, Patience};
use crate::watch::Watch;
use crate::watched::Watched;

/// Takes what the program wrote to its standard streams.
pub type Sink<'a> = &'a mut dyn FnMut(Stream, &[u8]);

/// How tasks run between events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// Their own code, where it lies. Only places in the middle of code are looked for from the cache.
    #[default]
    Native,
    /// All code runs from the cache: a test of the translator.
    Translated(Variation),
}

/// How much the translator does at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variation {
    /// As always.
    #[default]
    Full,
    /// In a cache of 64 KiB.
    SmallCache,
    /// In blocks of one instruction.
    SingleInstructions,
    /// Without any shortcut.
    Plain,
}

impl Variation {
    pub(crate) fn limits(self) -> Limits {
        match self {
            Self::Full => Limits::default(),
            Self::SmallCache => Limits::small_cache(),
            Self::SingleInstructions => Limits::single_instructions(),
            Self::Plain => Limits::plain(),
        }
    }
}

/// All replayed tasks and address spaces at one event.
#[derive(Debug)]
pub struct Machine {
    pub(crate) recording: Recording,
    pub(crate) tasks: BTreeMap<TaskId, LiveTask>,
    pub(crate) spaces: BTreeMap<SpaceId, LiveSpace>,
    pub(crate) shared: BTreeMap<SharedId, File>,
    pub(crate) files: BTreeMap<FileId, File>,
    pub(crate) sites: SiteTable,
    pub(crate) caches: Caches,
    pub(crate) guards: Guards,
    pub(crate) pace: Pace,
    pub(crate) count: Count,
    /// Arrivals at breakpoints that count, up to the one to stop at; without it each is one to stop at.
    pub(crate) countdown: Option<u64>,
    pub(crate) watched: Watched,
    /// Of the place of the next event.
    pub(crate) learned: Option<Learned>,
    pub(crate) ahead: Ahead,
    /// Calls that were recorded without a stop may take effect many at once, up to this event.
    pub(crate) batch: Option<EventIndex>,
    /// How many of them at once.
    pub(crate) row: usize,
    /// Whether that is worth while.
    pub(crate) patience: Patience,
    /// The code that made them.
    pub(crate) fast_code: Option<Rc<FastCode>>,
    /// How many events have taken effect.
    pub(crate) done: EventIndex,
    /// Arrivals at each site since the last event.
    pub(crate) arrivals: BTreeMap<Addr, u64>,
    /// The running task stands at this site, which was reported.
    pub(crate) standing_at: Option<Addr>,
    /// When the running task is to pause, on the monotonic clock, if it runs from its cache.
    pub(crate) pause_at: Option<Duration>,
    pub(crate) root_status: Option<ExitStatus>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) control: Control,
    /// This machine's processor was found to do.
    pub(crate) processor_fits: bool,
    pub(crate) fresh: FreshTasks,
}

/// An address space of the replay.
#[derive(Clone, Debug, Default)]
pub(crate) struct LiveSpace {
    pub(crate) table: MappingTable,
    /// Segments of the program's own, by their number.
    pub(crate) segments: BTreeMap<u32, LocalSegment>,
}

impl Machine {
    /// A machine at the start of the recording: nothing has happened, no task exists. `thread` is the
    /// calling thread: its processes are started where that runs.
    pub(crate) fn at_start(recording: Recording, control: Control, thread: &ReplayThread) -> Self {
        let ahead = Ahead::new(recording.events(EventIndex::ZERO));
        let fast_code = FastCode::assemble().ok().map(|code| {
            Rc::new(match recording.manifest().fast_code {
                Some(places) => code.with_places(places),
                None => code,
            })
        });
        Self {
            recording,
            tasks: BTreeMap::new(),
            spaces: BTreeMap::new(),
            shared: BTreeMap::new(),
            files: BTreeMap::new(),
            sites: SiteTable::default(),
            caches: Caches::default(),
            guards: Guards::default(),
            pace: Pace::Native,
            count: Count::default(),
            countdown: None,
            watched: Watched::default(),
            learned: None,
            ahead,
            batch: None,
            row: 0,
            patience: Patience::default(),
            fast_code,
            done: EventIndex::ZERO,
            arrivals: BTreeMap::new(),
            standing_at: None,
            pause_at: None,
            root_status: None,
            watch: Arc::new(Watch::new(control.clone())),
            control,
            processor_fits: !thread.asks_for_processor(),
            fresh: FreshTasks::default(),
        }
    }

    /// The same, at another pace.
    #[must_use]
    pub(crate) fn at_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        if let Pace::Translated(variation) = pace {
            self.caches.limits = variation.limits();
        }
        self
    }

    /// How many events have taken effect.
    pub fn done(&self) -> EventIndex {
        self.done
    }

    /// The next event, if there is one.
    pub(crate) fn peek(&mut self) -> Result<Option<&(EventIndex, Event)>, Failure> {
        self.peek_at(0)
    }

    /// The event after the next `n`, if there is one.
    pub(crate) fn peek_at(&mut self, n: usize) -> Result<Option<&(EventIndex, Event)>, Failure> {
        Ok(self.ahead.peek(n)?)
    }

    pub(crate) fn task(&mut self, id: TaskId) -> Result<&mut LiveTask, Failure> {
        self.tasks
            .get_mut(&id)
            .ok_or_else(|| Failure::NotFound(format!("there is no task {id} here")))
    }

    pub(crate) fn space(&mut self, id: SpaceId) -> &mut LiveSpace {
        self.spaces.entry(id).or_default()
    }

    /// A task that sees the memory of `space`.
    pub(crate) fn task_in(&mut self, space: SpaceId) -> Option<&mut LiveTask> {
        self.tasks.values_mut().find(|task| task.space == space)
    }

    pub(crate) fn file(&mut self, id: FileId) -> Result<File, Failure> {
        if let Some(file) = self.files.get(&id) {
            return Ok(file.try_clone()?);
        }
        let file = self.recording.open_file(id)?;
        let copy = file.try_clone()?;
        self.files.insert(id, file);
        Ok(copy)
    }
}
