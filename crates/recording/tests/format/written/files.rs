//! Kept files, and what is remembered of files.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use retake_recording::{FileKey, Manifest, NoteSubject};

use crate::folder::Folder;
use crate::strategies::bytes;

/// From this length on files are kept with holes.
const LARGE: u64 = 64 << 20;

fn key_of(path: &Path) -> FileKey {
    FileKey::of(&fs::metadata(path).unwrap())
}

/// A key of a file that was not changed just now.
fn old_key() -> impl Strategy<Value = FileKey> {
    (any::<(u64, u64, u64)>(), any::<i64>(), 0_i64..1 << 60).prop_map(
        |((dev, ino, size), mtime_ns, ctime_ns)| FileKey { dev, ino, size, mtime_ns, ctime_ns },
    )
}

/// Bytes of a path, without zero.
fn path() -> impl Strategy<Value = Vec<u8>> {
    vec(1_u8..=255, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn files_and_those_beside_them(files in vec((path(), bytes(5000), any::<bool>()), 1..5)) {
        let folder = Folder::new();
        let mut writer = folder.writer(Manifest::default());
        let (mut kept, mut beside) = (Vec::new(), Vec::new());
        for (n, (path, bytes, is_beside)) in files.iter().enumerate() {
            let source = folder.path(&format!("source-{n}"));
            fs::write(&source, bytes).unwrap();
            let (file, key) = (File::open(&source).unwrap(), key_of(&source));
            if *is_beside {
                writer.add_beside(path, &file, key).unwrap();
                beside.push((path, bytes, key.mtime_ns));
            } else {
                let file = writer.add_file(path, &file, key, None).unwrap();
                prop_assert_eq!(file.part, None);
                kept.push((path, bytes, file.id));
            }
        }
        let recording = folder.finish(writer);
        prop_assert_eq!(recording.files().len(), kept.len());
        for (entry, (path, bytes, id)) in recording.files().iter().zip(kept) {
            prop_assert_eq!((entry.id, &entry.path, entry.len), (id, path, bytes.len() as u64));
            let map = recording.map_file(id).unwrap();
            prop_assert_eq!(map.as_ref(), &bytes[..]);
            prop_assert_eq!(&fs::read(recording.file_path(entry)).unwrap(), bytes);
        }
        prop_assert_eq!(recording.beside().len(), beside.len());
        for (file, (path, bytes, modified_ns)) in recording.beside().iter().zip(beside) {
            prop_assert_eq!((&file.path, file.len), (path, bytes.len() as u64));
            prop_assert_eq!(file.modified_ns, modified_ns);
            let map = recording.map_beside(file).unwrap();
            prop_assert_eq!(map.as_ref(), &bytes[..]);
        }
    }

    #[test]
    fn notes(key in old_key(), other in old_key(), numbers in vec(any::<(u64, u8)>(), 0..9)) {
        prop_assume!(key != other);
        let folder = Folder::new();
        let writer = folder.writer(Manifest::default());
        let (random, clock) = (NoteSubject::RandomInstructions, NoteSubject::ClockInstructions);
        writer.note(key, random, &numbers);
        prop_assert_eq!(writer.noted(key, random), Some(numbers));
        prop_assert_eq!(writer.noted::<Vec<(u64, u8)>>(key, clock), None);
        prop_assert_eq!(writer.noted::<Vec<(u64, u8)>>(other, random), None);
    }

    #[test]
    fn files_that_belong_to_others(
        found in vec(path(), 0..4), absent in vec("[a-z]{1,9}", 0..4), contents in bytes(50),
    ) {
        let folder = Folder::new();
        let mut writer = folder.writer(Manifest::default());
        let source = folder.path("source");
        fs::write(&source, contents).unwrap();
        writer.add_file(b"source", &File::open(&source).unwrap(), key_of(&source), None).unwrap();
        let entry = writer.kept_files().remove(0);
        let looked: Vec<PathBuf> =
            absent.iter().map(|name| folder.path(&format!("absent-{name}"))).collect();
        let found: Vec<PathBuf> = found.iter().map(|path| OsStr::from_bytes(path).into()).collect();
        prop_assert_eq!(writer.beside(&entry), None);
        writer.remember_beside(&entry, &looked, &found);
        prop_assert_eq!(writer.beside(&entry), Some(found));
        if let Some(path) = looked.first() {
            fs::write(path, "there").unwrap();
            prop_assert_eq!(writer.beside(&entry), None);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Of a large file at least what is mapped is kept, and what is not kept is zero.
    #[test]
    fn large_files(
        more in 1_u64..10_000,
        data in btree_set(0_u64..60, 0..8),
        mapped in vec((0_u64..60, 1_u64..8), 1..6),
    ) {
        let folder = Folder::new();
        let (source, len) = (folder.path("source"), LARGE + more);
        let file = File::options().read(true).write(true).create_new(true).open(&source).unwrap();
        file.set_len(len).unwrap();
        for number in &data {
            file.write_all_at(&[u8::try_from(*number).unwrap() + 1; 4096], number * 4096).unwrap();
        }
        let key = key_of(&source);
        let mut writer = folder.writer(Manifest::default());
        let mut parts = Vec::new();
        for (start, pages) in &mapped {
            let wanted = start * 4096..(start + pages) * 4096;
            let kept = writer.add_file(b"source", &file, key, Some(wanted.clone())).unwrap();
            let part = kept.part.unwrap();
            prop_assert!(part.start <= wanted.start && wanted.end <= part.end);
            parts.push((kept.id, part));
        }
        let recording = folder.finish(writer);
        for (id, part) in parts {
            let kept = recording.open_file(id).unwrap();
            prop_assert_eq!(kept.metadata().unwrap().len(), len);
            for number in 0..80 {
                let is_kept = data.contains(&number) && part.contains(&(number * 4096));
                let fill = if is_kept { u8::try_from(number).unwrap() + 1 } else { 0 };
                let mut page = [1; 4096];
                kept.read_exact_at(&mut page, number * 4096).unwrap();
                prop_assert_eq!(page, [fill; 4096], "page {}", number);
            }
        }
    }
}
