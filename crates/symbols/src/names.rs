//! Function names, as compilers write them and as people ask for them.

use crate::demangle::demangle;

/// The name of a function in the forms it can be asked by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FunctionName {
    /// For people: `worker::run`, `ns::Class::method(int)`, `main.worker`.
    pub(crate) readable: String,
    /// As the linker knows it, if that is something else.
    pub(crate) linkage: Option<String>,
}

impl FunctionName {
    /// From a symbol's name.
    pub(crate) fn from_symbol(symbol: &str) -> Self {
        match demangle(symbol) {
            Some(readable) => Self { readable, linkage: Some(symbol.to_owned()) },
            None => Self { readable: symbol.to_owned(), linkage: None },
        }
    }

    /// From what DWARF says: `DW_AT_name` and `DW_AT_linkage_name`.
    pub(crate) fn from_dwarf(name: Option<&str>, linkage: Option<&str>) -> Option<Self> {
        match (name, linkage) {
            (_, Some(linkage)) if demangle(linkage).is_some() => Some(Self::from_symbol(linkage)),
            (Some(name), linkage) => Some(Self {
                readable: name.to_owned(),
                linkage: linkage.filter(|linkage| *linkage != name).map(str::to_owned),
            }),
            (None, linkage) => linkage.map(Self::from_symbol),
        }
    }

    /// Whether this is the function that somebody means by `wanted`: the whole name, or its last
    /// parts, with or without parameters and template arguments.
    pub(crate) fn is_meant_by(&self, wanted: &str) -> bool {
        if self.readable == wanted || self.linkage.as_deref() == Some(wanted) {
            return true;
        }
        let plain = plain(&self.readable);
        let asked = plain_query(wanted);
        if plain == asked {
            return true;
        }
        // `run` means `worker::run` and `Worker.run` too, but not `rerun`. A bare `main` is common
        // as the last part of other names: only whole words count.
        plain.strip_suffix(&asked).is_some_and(|head| head.ends_with("::"))
            || (!asked.contains('.') && go_method(&plain) == Some(asked.as_str()))
    }
}

/// The last part of a Go method or function of a package other than `main` is asked for with its
/// package; functions of `main` are asked for by their bare name too.
fn go_method(plain: &str) -> Option<&str> {
    plain.strip_prefix("main.").filter(|rest| *rest != "main")
}

/// `ns::Class<int>::method<T>(int) const` as `ns::Class::method`.
fn plain(readable: &str) -> String {
    // Rust: `<T as Trait>::method` keeps its last part.
    let cut = strip_parameters(readable);
    strip_angles(cut)
}

fn plain_query(wanted: &str) -> String {
    strip_angles(strip_parameters(wanted))
}

/// Cuts the parameter list of a C++ name off.
fn strip_parameters(name: &str) -> &str {
    if name.starts_with("(anonymous") || name.contains("{{closure}}") {
        return name;
    }
    match name.find('(') {
        // Go: `main.(*Server).run`.
        Some(at) if at > 0 && !name[..at].ends_with('.') && !name[..at].ends_with("::") => {
            &name[..at]
        }
        _ => name,
    }
}

fn strip_angles(name: &str) -> String {
    let mut depth = 0_usize;
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '<' => depth += 1,
            '>' if depth > 0 => depth -= 1,
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    // `operator<` and the like leave nothing sensible: better the name as it is.
    if depth > 0 || out.is_empty() {
        name.to_owned()
    } else {
        out.replace("::::", "::").trim_end_matches("::").to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(name: &str, wanted: &str) -> bool {
        FunctionName { readable: name.to_owned(), linkage: None }.is_meant_by(wanted)
    }

    #[test]
    fn last_parts_are_enough() {
        assert!(meant("my_crate::worker::run", "run"));
        assert!(meant("my_crate::worker::run", "worker::run"));
        assert!(meant("ns::Class<int>::method(int, char) const", "Class::method"));
        assert!(meant("ns::Class<int>::method(int)", "ns::Class<int>::method"));
        assert!(meant("my_crate::generic::<u32>", "generic"));
        assert!(meant("main.worker", "worker"));
        assert!(meant("main.(*Server).run", "main.(*Server).run"));
        assert!(!meant("my_crate::worker::rerun", "run"));
        assert!(!meant("runtime.worker", "worker"));
    }

    #[test]
    fn linkage_names_and_plain_names() {
        let name = FunctionName::from_dwarf(Some("run"), Some("_ZN2ns3runEv"));
        let name = name.unwrap();
        assert_eq!(name.readable, "ns::run()");
        assert!(name.is_meant_by("_ZN2ns3runEv") && name.is_meant_by("run"));
        assert_eq!(FunctionName::from_dwarf(None, None), None);
    }
}
