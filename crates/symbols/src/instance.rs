//! Instances of generic functions in Rust's older mangling, which names the parameters and not what they are:
//! `q::Boxed<T>::get`. The debug information has `get<u8>`, in a type `Boxed<u8>`.

use crate::demangle::demangle;

/// A name with the type around it, as it is kept: `Boxed<u8>::get<u8>`.
pub(crate) fn joined(owner: &str, name: &str) -> String {
    format!("{owner}::{name}")
}

/// Whether a linkage name is of that mangling (rustc-demangle, `legacy.rs`): the last part is a hash.
pub(crate) fn is_older(linkage: &str) -> bool {
    let hash = linkage.strip_prefix("_ZN").and_then(|rest| rest.strip_suffix('E'));
    let hash = hash.and_then(|rest| Some(rest.rsplit_once("17h")?.1));
    hash.is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The readable name of an instance; none if there is nothing to add to what the linkage name says.
pub(crate) fn named(name: &str, linkage: &str) -> Option<String> {
    if !name.contains('<') || !is_older(linkage) {
        return None;
    }
    let readable = demangle(linkage)?;
    let (owner, own) = match before_last(name) {
        Some((owner, own)) => (Some(owner), own),
        None => (None, name),
    };
    let (around, last) = before_last(&readable)?;
    let (plain, arguments) = own.split_once('<')?;
    // Closures and the like have names of the compiler's.
    if last != plain {
        return None;
    }
    match owner {
        // What is behind the method are the arguments of the type as well.
        Some(owner) => {
            let (outer, ty) = match before_last(around) {
                Some((outer, ty)) => (format!("{outer}::"), ty),
                None => (String::new(), around),
            };
            let base = |ty: &str| ty.split('<').next().map(str::to_owned);
            (ty.contains('<') && base(ty) == base(owner)).then(|| format!("{outer}{owner}::{last}"))
        }
        None if around.contains('<') => None,
        None => Some(format!("{readable}::<{arguments}")),
    }
}

/// What is before the last part of a path, and that part.
fn before_last(path: &str) -> Option<(&str, &str)> {
    let (mut depth, mut found) = (0_usize, None);
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            b'<' | b'(' | b'[' | b'{' => depth += 1,
            b'>' if at > 0 && path.as_bytes().get(at - 1) == Some(&b'-') => {}
            b'>' | b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 && path.as_bytes().get(at + 1) == Some(&b':') => found = Some(at),
            _ => {}
        }
    }
    let at = found?;
    Some((path.get(..at)?, path.get(at + 2..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_have_their_types() {
        let get = "_ZN1q14Boxed$LT$T$GT$3get17h3da554d4afe35832E";
        assert_eq!(demangle(get).unwrap(), "q::Boxed<T>::get");
        assert_eq!(named("Boxed<u8>::get<u8>", get).unwrap(), "q::Boxed<u8>::get");
        assert_eq!(named("Other<u8>::get<u8>", get), None);
        // Without the type around it nobody knows which of the arguments are whose.
        assert_eq!(named("get<u8>", get), None);
        assert_eq!(named("Boxed<u8>::set<u8>", get), None);
        let generic = "_ZN1q7generic17h3da554d4afe35832E";
        assert_eq!(named("generic<alloc::vec::Vec<u8>>", generic).unwrap(), {
            "q::generic::<alloc::vec::Vec<u8>>"
        });
        assert_eq!(named("generic", generic), None);
        assert_eq!(named("run<int>", "_ZN2ns3runEv"), None);
    }
}
