//! Names that somebody may have meant.

/// The name that differs least from a word, if it is like it.
pub fn closest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.into_iter().map(|name| (distance(word, name), name));
    let most = word.chars().count().div_ceil(3);
    near.filter(|(distance, _)| *distance <= most).min().map(|(_, name)| name)
}

/// How many letters are to be changed, added or removed.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (n, a) in (1..).zip(from.chars()) {
        let mut next = vec![n];
        for ((b, above), diagonal) in to.iter().zip(row.iter().skip(1)).zip(&row) {
            let left = next.last().copied().unwrap_or(n);
            let changed = diagonal + usize::from(a != *b);
            next.push(changed.min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood() {
        let names = ["read", "write", "openat", "rt_sigaction"];
        assert_eq!(closest("wirte", names), Some("write"));
        assert_eq!(closest("open", names), Some("openat"));
        assert_eq!(closest("raed", names), Some("read"));
        assert_eq!(closest("sigaction", names), Some("rt_sigaction"));
        assert_eq!(closest("frobnicate", names), None);
        assert_eq!((distance("", "abc"), distance("abc", "abc")), (3, 0));
    }
}
