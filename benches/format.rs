//! The recording format by itself: what the recorder's background thread and the replayer do to bytes.
//!
//! `cargo bench -p retake-cli --bench format`. The pages are half random and half repetitive, as heaps
//! are; the events are those of a program that reads a pipe.

#![expect(clippy::expect_used, reason = "a bench fails by panicking")]
#![expect(missing_docs, reason = "criterion's macros make functions")]

use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use retake_model::{Addr, EventIndex, PageAddr, PageId, Registers, SyscallNo, TaskId};
use retake_recording::{
    EffectBuffer, End, EventKind, ExitStatus, Manifest, PageBatch, PagePool, Recording,
    RecordingWriter, WriterOptions, page_id,
};
use tempfile::TempDir;

const PAGE: usize = 4096;
const PAGES: usize = 4096;
const EVENTS: u64 = 100_000;

fn fill(page: &mut [u8], seed: u64) {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for (n, word) in page.chunks_exact_mut(8).enumerate() {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        let value = if n % 2 == 0 { x } else { n as u64 };
        word.copy_from_slice(&value.to_le_bytes());
    }
}

fn batch(pool: &PagePool) -> PageBatch {
    let mut batch = pool.batch();
    let mut page = [0; PAGE];
    for n in 0..PAGES as u64 {
        fill(&mut page, n + 1);
        batch.push(Addr::new(0x10_0000 + n * PAGE as u64).page(), &page);
    }
    batch
}

fn writer(dir: &Path) -> RecordingWriter {
    let format = retake_recording::FORMAT_VERSION.to_string();
    let manifest = Manifest { format, ..Manifest::default() };
    let options = WriterOptions { store: dir.join("store"), on_thread_start: None };
    RecordingWriter::create(&dir.join("recording"), manifest, options).expect("it can be made")
}

fn finish(writer: RecordingWriter) {
    let end =
        End { status: ExitStatus::Exited(0), cut: None, events: 0, checkpoints: 0, wall_ns: 0 };
    writer.finish(end).expect("it can be finished");
}

fn append(writer: &mut RecordingWriter) {
    let mut effects = EffectBuffer::new();
    let mut registers = Registers { rip: 0x40_1000, rsp: 0x7fff_0000, ..Registers::default() };
    for n in 0..EVENTS {
        let entry = Registers { rdi: 3, rsi: 0x60_0000 + n % 512, rdx: 64, ..registers };
        registers = Registers { rax: 64, rcx: 0x40_1002, ..entry };
        effects.clear();
        effects.write_with(Addr::new(entry.rsi), 64, |out| {
            out.fill(n.to_le_bytes()[0]);
            out.len()
        });
        let kind = EventKind::Syscall { no: SyscallNo::new(0) };
        writer.append(TaskId::new(0), &kind, &entry, &registers, &effects).expect("appended");
    }
}

fn pages(c: &mut Criterion) {
    let pool = PagePool::default();
    let mut group = c.benchmark_group("pages");
    group.throughput(Throughput::Bytes((PAGES * PAGE) as u64));
    let contents = batch(&pool);
    group.bench_function("hash", |b| {
        b.iter(|| {
            contents.pages().map(|(_, page)| page_id(page)).fold(0, |sum, id| sum ^ id.hash())
        })
    });
    group.sample_size(10);
    group.bench_function("store", |b| {
        b.iter_custom(|rounds| {
            let mut took = Duration::ZERO;
            for _ in 0..rounds {
                let folder = TempDir::new().expect("a folder");
                let mut writer = writer(folder.path());
                let contents = batch(&pool);
                let started = Instant::now();
                writer.store_image_pages(contents);
                writer.flush().expect("written");
                took += started.elapsed();
                finish(writer);
            }
            took
        })
    });
    let folder = TempDir::new().expect("a folder");
    let mut writer = writer(folder.path());
    let listed: Vec<(PageAddr, PageId)> = writer.store_image_pages(contents);
    finish(writer);
    let recording = Recording::open(&folder.path().join("recording")).expect("it can be read");
    let ids: Vec<PageId> = listed.into_iter().map(|(_, id)| id).collect();
    group.bench_function("read", |b| {
        b.iter(|| {
            let count = AtomicUsize::new(0);
            let take = |found: &[(usize, &[u8])]| {
                count.fetch_add(black_box(found).len(), Ordering::Relaxed);
            };
            recording.read_pages(&ids, &take).expect("read");
            count
        })
    });
    group.finish();
}

fn journal(c: &mut Criterion) {
    let mut group = c.benchmark_group("journal");
    group.throughput(Throughput::Elements(EVENTS)).sample_size(10);
    let folder = || {
        let folder = TempDir::new().expect("a folder");
        let writer = writer(folder.path());
        (folder, writer)
    };
    group.bench_function("append", |b| {
        b.iter_batched(
            folder,
            |(folder, mut writer)| {
                append(&mut writer);
                (folder, writer)
            },
            BatchSize::PerIteration,
        )
    });
    let (folder, mut writer) = folder();
    append(&mut writer);
    finish(writer);
    let recording = Recording::open(&folder.path().join("recording")).expect("it can be read");
    group.bench_function("read", |b| {
        b.iter(|| recording.events(EventIndex::ZERO).filter(Result::is_ok).count())
    });
    group.finish();
}

criterion_group!(benches, pages, journal);
criterion_main!(benches);
