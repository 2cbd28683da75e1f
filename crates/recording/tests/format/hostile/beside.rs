//! Files that lie beside the journal: kept places, what is remembered in the store, the number of the recorder.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use retake_model::{CheckpointIndex, EventIndex, PageAddr, SpaceId, TaskId};
use retake_recording::{
    Checkpoint, FileEntry, FileKey, KeptPlace, Manifest, NoteSubject, RecordingWriter, SpaceState,
    live,
};
use retake_testkit::hostile::{Random, Reader, mutate};
use xxhash_rust::xxh3::xxh3_64;
use zstd::bulk::Compressor;

use super::corpus::{Note, Values, noted};
use super::frames::{bomb, with_window};
use crate::folder::Folder;
use crate::strategies::{mappings, page, registers, task_state};

const PLACE_HEAD: usize = 24;

/// Kept places.
pub(crate) struct Places {
    folder: Folder,
    whole: Vec<u8>,
    plain: Vec<u8>,
    packer: Compressor<'static>,
}

impl Places {
    pub(crate) fn new() -> Self {
        let (folder, mut values) = (Folder::new(), Values::new());
        let pages: Vec<PageAddr> = values.next(vec(page(), 3));
        let space = SpaceState {
            space: SpaceId::new(1),
            mappings: values.next(mappings()),
            cleared: Vec::new(),
            pages: Vec::new(),
        };
        let place = KeptPlace {
            recording: "one".to_owned(),
            state: Checkpoint {
                index: CheckpointIndex::new(0),
                event: EventIndex::new(9),
                run_time_ns: 7,
                complete: true,
                current: TaskId::new(1),
                tasks: values.next(vec(task_state(), 2)),
                spaces: vec![space],
                shared: Vec::new(),
                segments: Vec::new(),
            },
            runner: Some((TaskId::new(1), values.next(registers()))),
            branches: Some(300),
            standing_at: None,
            contents: vec![5; pages.len() * 4096],
            pages: pages.into_iter().map(|page| (SpaceId::new(1), page)).collect(),
            shared: Vec::new(),
        };
        place.write(&folder.path("place")).unwrap();
        let whole = fs::read(folder.path("place")).unwrap();
        let plain = zstd::bulk::decompress(&whole[PLACE_HEAD..], 1 << 20).unwrap();
        Self { folder, whole, plain, packer: Compressor::new(1).unwrap() }
    }

    fn packed(&self, len: usize, packed: &[u8]) -> Vec<u8> {
        let parts: [&[u8]; 4] =
            [&self.whole[..8], &(len as u64).to_le_bytes(), &xxh3_64(packed).to_le_bytes(), packed];
        parts.concat()
    }
}

impl Reader for Places {
    fn change(&mut self, random: &mut Random) {
        let mut plain = self.plain.clone();
        let bytes = match random.below(8) {
            0 => {
                let mut bytes = self.whole.clone();
                mutate(&mut bytes, random);
                bytes
            }
            1 => self.packed(usize::MAX >> random.below(64), &self.whole[PLACE_HEAD..]),
            2 => self.packed(plain.len(), &bomb(random.below(1 << 14))),
            3 => {
                let log = 10 + u8::try_from(random.below(22)).unwrap();
                self.packed(plain.len(), &with_window(&plain, log))
            }
            4 => {
                let mut packed = self.whole[PLACE_HEAD..].to_vec();
                mutate(&mut packed, random);
                self.packed(plain.len(), &packed)
            }
            _ => {
                mutate(&mut plain, random);
                let packed = self.packer.compress(&plain).unwrap();
                self.packed(plain.len(), &packed)
            }
        };
        fs::write(self.folder.path("place"), bytes).unwrap();
    }

    fn read(&mut self) -> bool {
        let place = KeptPlace::read(&self.folder.path("place"), "one");
        place.is_some_and(|place| !format!("{:?}", place.state).is_empty())
    }
}

/// What is remembered in the store about files: notes, and which files belong to another.
pub(crate) struct Remembered {
    _folder: Folder,
    writer: RecordingWriter,
    key: FileKey,
    entry: FileEntry,
    files: Vec<(PathBuf, Vec<u8>)>,
    at: usize,
}

impl Remembered {
    pub(crate) fn new() -> Self {
        let folder = Folder::new();
        let mut writer = folder.writer(Manifest::default());
        let source = folder.path("source");
        fs::write(&source, "source").unwrap();
        let source_key = FileKey::of(&source.metadata().unwrap());
        writer.add_file(b"source", &File::open(&source).unwrap(), source_key, None).unwrap();
        let entry = writer.kept_files().remove(0);
        let key = FileKey { dev: 1, ino: 2, size: 3, mtime_ns: 4, ctime_ns: 5 };
        noted(&writer, key);
        let absent = [folder.path("absent"), folder.path("other")];
        writer.remember_beside(&entry, &absent, &[PathBuf::from("/a"), PathBuf::from("/b")]);
        let keys = fs::read_dir(folder.path("store/keys")).unwrap();
        let is_text = |path: &Path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with("beside-") || name.starts_with("random-")
        };
        let paths = keys.map(|entry| entry.unwrap().path()).filter(|path| is_text(path));
        let mut files: Vec<_> = paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        files.sort();
        assert_eq!(files.len(), 2);
        Self { _folder: folder, writer, key, entry, files, at: 0 }
    }
}

impl Reader for Remembered {
    fn change(&mut self, random: &mut Random) {
        let (path, text) = &self.files[self.at];
        fs::write(path, text).unwrap();
        self.at = random.below(2);
        let (path, text) = &self.files[self.at];
        let mut text = text.clone();
        mutate(&mut text, random);
        fs::write(path, text).unwrap();
    }

    fn read(&mut self) -> bool {
        let note: Option<Note> = self.writer.noted(self.key, NoteSubject::RandomInstructions);
        let beside = self.writer.beside(&self.entry);
        note.is_some() && beside.is_some()
    }
}

/// The file with the recorder's number.
pub(crate) struct Recorder {
    folder: Folder,
    file: File,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        let folder = Folder::new();
        let file = File::create_new(folder.path("recorder")).unwrap();
        file.lock().unwrap();
        file.write_all_at(b"4242\n", 0).unwrap();
        Self { folder, file }
    }
}

impl Reader for Recorder {
    fn change(&mut self, random: &mut Random) {
        let mut text = b"4242\n".to_vec();
        mutate(&mut text, random);
        self.file.set_len(0).unwrap();
        self.file.write_all_at(&text, 0).unwrap();
    }

    fn read(&mut self) -> bool {
        let number = live::recorder_of(&self.folder.path(""));
        assert!(number.is_none_or(|number| number.get() > 1));
        number.is_some()
    }
}
