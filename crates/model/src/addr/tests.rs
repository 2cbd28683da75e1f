use super::*;

#[test]
fn arithmetic_at_the_edge_is_a_value() {
    assert_eq!(Addr::new(u64::MAX).checked_add(1), None);
    assert_eq!(Addr::new(0).checked_sub(1), None);
    assert_eq!(AddrRange::with_len(Addr::new(u64::MAX), 2), None);
    assert_eq!(AddrRange::new(Addr::new(2), Addr::new(1)), None);
}

#[test]
fn ranges_are_half_open() {
    let range = AddrRange::with_len(Addr::new(0x1000), 0x1000).unwrap();
    assert!(range.contains(Addr::new(0x1000)));
    assert!(!range.contains(Addr::new(0x2000)));
    let next = AddrRange::with_len(Addr::new(0x2000), 1).unwrap();
    assert!(!range.overlaps(next));
    assert_eq!(range.intersection(next), None);
}

#[test]
fn pages_cover_every_touched_page() {
    let range = AddrRange::new(Addr::new(0x1fff), Addr::new(0x3001)).unwrap();
    let pages: Vec<u64> = range.pages().map(|p| p.addr().get()).collect();
    assert_eq!(pages, [0x1000, 0x2000, 0x3000]);
    let empty = AddrRange::with_len(Addr::new(0x1800), 0).unwrap();
    assert_eq!(empty.pages().count(), 0);
}
