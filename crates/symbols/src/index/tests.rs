use retake_model::ContentHash;

use super::*;

const CONTENT: ContentHash = ContentHash::from_hash(7);

fn index() -> Index {
    let mut names = NameTable::default();
    let first = names.add("run", "_ZN6worker3runE");
    let second = names.add("main.(*Server).run", "");
    let third = names.add("rerun", "");
    let code = |name, start| Code { name, unit: Some(1), start, end: start + 9, inlined: false };
    Index {
        names,
        codes: vec![
            code(first, 0x10),
            Code { inlined: true, ..code(first, 0x20) },
            code(second, 0x30),
            Code { unit: None, ..code(third, 0x40) },
        ],
        units: vec![0, 0x55],
        ranges: vec![UnitRange { start: 0x10, end: 0x50, unit: 0x55 }],
        silent: vec![0],
        indirect: vec![0x40],
        files: vec![(file_hash("src/main.rs"), 1)],
    }
}

fn starts(index: &Index, name: &str) -> Vec<u64> {
    index.meant_by(&Asked::new(name)).iter().map(|(code, _)| code.start).collect()
}

#[test]
fn names_are_found_in_the_whole_text() {
    let index = index();
    assert_eq!(starts(&index, "run"), [0x10, 0x20, 0x30]);
    assert_eq!(starts(&index, "worker::run"), [0x10, 0x20]);
    assert_eq!(starts(&index, "Server.run"), [0x30]);
    assert_eq!(starts(&index, "rerun"), [0x40]);
    assert!(starts(&index, "un").is_empty());
    let all = index.matching(|name| name.contains("run"));
    assert_eq!(all.len(), 4);
    assert_eq!(index.units_with("main.rs"), [0x55]);
    assert!(index.units_with("lib.rs").is_empty());
}

#[test]
fn bytes_come_back_as_they_were() {
    let index = index();
    let bytes = index.to_bytes(CONTENT);
    assert_eq!(Index::from_bytes(&bytes, CONTENT), Some(index));
    assert_eq!(Index::from_bytes(&bytes, ContentHash::from_hash(8)), None);
}

#[test]
fn every_damage_is_seen() {
    let bytes = index().to_bytes(CONTENT);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert_eq!(Index::from_bytes(&damaged, CONTENT), None, "byte {at}");
        assert_eq!(Index::from_bytes(&bytes[..at], CONTENT), None, "cut at {at}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(Index::from_bytes(&longer, CONTENT), None);
}

/// Bytes with a right check over columns that do not fit together: as a program might write them that
/// only looks like retake.
#[test]
fn columns_that_do_not_fit_are_no_index() {
    let index = index();
    let mut fewer = index.to_bytes(CONTENT);
    let rest = fewer.split_off(40);
    for cut in 0..rest.len() {
        let rest = &rest[..cut];
        let check = xxhash_rust::xxh3::xxh3_64(rest).to_le_bytes();
        let whole = [&fewer[..32], &check, rest].concat();
        assert_eq!(Index::from_bytes(&whole, CONTENT), None, "cut at {cut}");
    }
}
