//! Variables and types by name, over all units of a module.

use std::collections::BTreeMap;

use super::Info;
use super::types::{AliasForm, Encoding, Kind, Language, PointerForm, StructForm, Type, TypeId};
use crate::thread_keys;

/// How deep the name of a type is written.
const MAX_DEPTH: usize = 24;
/// Longer names are cut off: a function type may have any number of parameters.
const MAX_NAME: usize = 4096;

/// An index of names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    variables: BTreeMap<String, Vec<Found>>,
    types: BTreeMap<String, Vec<Found>>,
    constants: BTreeMap<String, Vec<Found>>,
}

/// An entry with a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) id: TypeId,
    declared_only: bool,
}

impl Info {
    fn names(&self) -> &Names {
        self.names.get_or_init(|| {
            let mut names = Names::default();
            let own = self.unit_starts().filter_map(|start| self.unit_at(start));
            for unit in own.chain(self.units_of_types()) {
                let outline = self.outline(&unit);
                let all = [
                    (&outline.variables, &mut names.variables),
                    (&outline.types, &mut names.types),
                    (&outline.constants, &mut names.constants),
                ];
                for (from, to) in all {
                    for named in from {
                        let found = Found { id: named.id, declared_only: named.declared_only };
                        // The variable of a `thread_local!` is known by what is around it.
                        let key = (named.name == thread_keys::VARIABLE)
                            .then(|| self.path_of(named.id).pop());
                        let name = key.flatten().unwrap_or_else(|| named.name.clone());
                        to.entry(name).or_default().push(found);
                    }
                }
            }
            names
        })
    }

    /// The variables outside of functions that a path means: the whole of it, or its last parts.
    pub(crate) fn variables_named(&self, path: &str) -> Vec<TypeId> {
        self.meant(&self.names().variables, path)
    }

    /// Variables outside of functions by their whole path, in order: so many at most.
    pub(crate) fn variable_names(
        &self,
        fits: &dyn Fn(&str) -> bool,
        most: usize,
    ) -> Vec<(String, TypeId)> {
        let mut found = Vec::new();
        for (name, all) in &self.names().variables {
            let defined = all.iter().filter(|found| !found.declared_only);
            for entry in defined {
                let path = self.path_of(entry.id);
                let path = if path.is_empty() { name.clone() } else { path.join("::") };
                if fits(&path) {
                    found.push((path, entry.id));
                }
                if found.len() >= most {
                    return found;
                }
            }
        }
        found
    }

    /// Types by their whole path, each name once.
    pub fn type_names(&self, fits: &dyn Fn(&str) -> bool) -> Vec<String> {
        let defined = |all: &Vec<Found>| all.iter().find(|found| !found.declared_only).copied();
        let all = self.names().types.iter().filter_map(|(name, all)| Some((name, defined(all)?)));
        let whole = all.map(|(name, found)| {
            let path = self.path_of(found.id);
            if path.is_empty() { name.clone() } else { path.join("::") }
        });
        whole.filter(|name| fits(name)).collect()
    }

    /// The enumerations that have a number of this name, and other entries that are one.
    pub(crate) fn constants_named(&self, path: &str) -> Vec<TypeId> {
        let all = &self.names().constants;
        let (around, last) = split_path(path);
        let whole = all.get(path).into_iter().flatten();
        let parts = all.get(last).into_iter().flatten().filter(|found| {
            // The numbers of an `enum` of C++ are beside it, those of an `enum class` in it.
            let own = self.path_of(found.id);
            let beside = own.get(..own.len().saturating_sub(1)).unwrap_or_default();
            own.ends_with(&around) || beside.ends_with(&around)
        });
        let found = if around.is_empty() { whole.collect() } else { parts.collect::<Vec<_>>() };
        found.into_iter().map(|found| found.id).collect()
    }

    /// All names of numbers, and their entries.
    pub(crate) fn all_constants(&self) -> impl Iterator<Item = (&str, TypeId)> {
        let all = self.names().constants.iter();
        all.flat_map(|(name, found)| found.iter().map(move |found| (name.as_str(), found.id)))
    }

    /// Whether a path means a variable outside of functions.
    pub fn has_variable(&self, path: &str) -> bool {
        !self.variables_named(path).is_empty()
    }

    /// The types that a path means.
    pub fn types_named(&self, path: &str) -> Vec<TypeId> {
        let plain = ["struct ", "class ", "union ", "enum "].into_iter();
        let path = plain.fold(path, |path, word| path.strip_prefix(word).unwrap_or(path));
        self.meant(&self.names().types, path)
    }

    fn meant(&self, names: &BTreeMap<String, Vec<Found>>, path: &str) -> Vec<TypeId> {
        let (around, last) = split_path(path);
        let mut found: Vec<Found> = names.get(path).cloned().unwrap_or_default();
        if found.is_empty() && !around.is_empty() {
            found = names.get(last).cloned().unwrap_or_default();
            found.retain(|found| {
                let path = self.path_of(found.id);
                let outer = path.get(..path.len().saturating_sub(1)).unwrap_or_default();
                outer.ends_with(&around)
            });
        }
        // A definition says more than that there is one somewhere.
        if found.iter().any(|found| !found.declared_only) {
            found.retain(|found| !found.declared_only);
        }
        found.into_iter().map(|found| found.id).collect()
    }

    /// The definition of a type that is only declared.
    pub(crate) fn definition_of(&self, id: TypeId) -> Option<TypeId> {
        let path = self.path_of(id);
        let named = self.names().types.get(path.last()?)?;
        let defined = named.iter().filter(|found| !found.declared_only);
        defined.map(|found| found.id).find(|other| self.path_of(*other) == path)
    }

    /// The name of a type as its language writes it.
    pub fn type_name(&self, id: TypeId) -> String {
        let mut out = String::new();
        self.write_name(id, &mut out, MAX_DEPTH);
        out
    }

    fn write_name(&self, id: TypeId, out: &mut String, left: usize) {
        if out.len() > MAX_NAME {
            return;
        }
        let Some(ty) = self.ty(id) else {
            out.push_str(if id == TypeId::VOID { "void" } else { "?" });
            return;
        };
        let Some(left) = left.checked_sub(1) else {
            out.push('?');
            return;
        };
        if let Some(name) = &ty.name {
            match ty.kind {
                Kind::Fields(_) | Kind::Enum { .. } if ty.language.has_namespaces() => {
                    out.push_str(&self.path_of(id).join("::"));
                }
                // In C the kind is a part of the name.
                Kind::Fields(ref fields) if ty.language == Language::C => {
                    let kind = if fields.form == StructForm::Union { "union" } else { "struct" };
                    out.push_str(&format!("{kind} {name}"));
                }
                Kind::Enum { .. } if ty.language == Language::C => {
                    out.push_str(&format!("enum {name}"));
                }
                _ => out.push_str(name),
            }
            return;
        }
        self.write_unnamed(&ty, out, left);
    }

    fn write_unnamed(&self, ty: &Type, out: &mut String, left: usize) {
        match &ty.kind {
            Kind::Void => out.push_str("void"),
            Kind::Base(_) => out.push('?'),
            Kind::Other(what) => out.push_str(what),
            Kind::Pointer { to, form } => {
                if ty.language == Language::Go {
                    out.push('*');
                    self.write_name(*to, out, left);
                    return;
                }
                if let Some(Type {
                    kind: Kind::Function { returns, parameters }, name: None, ..
                }) = self.ty(*to).as_deref()
                {
                    self.write_name(*returns, out, left);
                    out.push_str(" (*)");
                    self.write_parameters(parameters, out, left);
                    return;
                }
                self.write_name(*to, out, left);
                if let PointerForm::Member { of } = form {
                    out.push(' ');
                    self.write_name(*of, out, left);
                    out.push_str("::*");
                    return;
                }
                out.push_str(match form {
                    PointerForm::Pointer if out.ends_with('*') => "*",
                    PointerForm::Pointer => " *",
                    PointerForm::Reference => " &",
                    PointerForm::RvalueReference => " &&",
                    PointerForm::Member { .. } => " ::*",
                });
            }
            Kind::Array { element, count } => {
                let count = count.map(|count| count.to_string()).unwrap_or_default();
                if ty.language == Language::Go {
                    out.push_str(&format!("[{count}]"));
                    self.write_name(*element, out, left);
                } else if ty.language == Language::Rust {
                    out.push('[');
                    self.write_name(*element, out, left);
                    out.push_str(&format!("; {count}]"));
                } else {
                    // `int [2][3]`: the outer dimension comes first.
                    let mut inner = String::new();
                    self.write_name(*element, &mut inner, left);
                    match inner.find('[') {
                        Some(at) if inner.ends_with(']') => {
                            inner.insert_str(at, &format!("[{count}]"));
                            out.push_str(&inner);
                        }
                        _ => out.push_str(&format!("{inner} [{count}]")),
                    }
                }
            }
            Kind::Alias { to, form } => {
                let mut inner = String::new();
                self.write_name(*to, &mut inner, left);
                let word = match form {
                    AliasForm::Const => "const",
                    AliasForm::Volatile => "volatile",
                    AliasForm::Name | AliasForm::Other => "",
                };
                match (word, inner.ends_with('*')) {
                    ("", _) => out.push_str(&inner),
                    (word, true) => out.push_str(&format!("{inner} {word}")),
                    (word, false) => out.push_str(&format!("{word} {inner}")),
                }
            }
            Kind::Function { returns, parameters } => {
                self.write_name(*returns, out, left);
                out.push(' ');
                self.write_parameters(parameters, out, left);
            }
            Kind::Fields(fields) => out.push_str(match fields.form {
                StructForm::Struct | StructForm::Class => "struct {...}",
                StructForm::Union => "union {...}",
            }),
            Kind::Enum { .. } => out.push_str("enum {...}"),
        }
    }

    fn write_parameters(&self, parameters: &[TypeId], out: &mut String, left: usize) {
        out.push('(');
        for (index, parameter) in parameters.iter().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            self.write_name(*parameter, out, left);
        }
        if parameters.is_empty() {
            out.push_str("void");
        }
        out.push(')');
    }

    /// A type that points to another one.
    pub fn pointer_to(&self, to: TypeId) -> TypeId {
        let language = self.ty(to).map_or(Language::C, |ty| ty.language);
        self.types.pointer(to, language)
    }

    /// An array of a type.
    pub fn array_of(&self, element: TypeId, count: u64) -> TypeId {
        let language = self.ty(element).map_or(Language::C, |ty| ty.language);
        self.types.array(element, Some(count), language)
    }

    /// A number of the machine by a name that one of the languages has for it.
    pub fn number_named(&self, name: &str) -> Option<TypeId> {
        let (encoding, size) = match name {
            "i8" | "int8" | "int8_t" | "signed char" => (Encoding::Signed, 1),
            "i16" | "int16" | "int16_t" | "short" => (Encoding::Signed, 2),
            "i32" | "int32" | "int32_t" | "rune" => (Encoding::Signed, 4),
            "i64" | "int64" | "int64_t" | "isize" | "ssize_t" | "long long" | "long" => {
                (Encoding::Signed, 8)
            }
            "i128" => (Encoding::Signed, 16),
            "u8" | "uint8" | "uint8_t" | "byte" | "unsigned char" => (Encoding::Unsigned, 1),
            "u16" | "uint16" | "uint16_t" | "unsigned short" => (Encoding::Unsigned, 2),
            "u32" | "uint32" | "uint32_t" | "unsigned int" | "unsigned" => (Encoding::Unsigned, 4),
            "u64" | "uint64" | "uint64_t" | "usize" | "size_t" | "uintptr" | "uint"
            | "unsigned long" | "unsigned long long" => (Encoding::Unsigned, 8),
            "u128" => (Encoding::Unsigned, 16),
            "bool" => (Encoding::Bool, 1),
            "char" => (Encoding::Char { signed: true }, 1),
            "int" => (Encoding::Signed, 4),
            "f32" | "float" | "float32" => (Encoding::Float, 4),
            "f64" | "double" | "float64" => (Encoding::Float, 8),
            _ => return None,
        };
        Some(self.types.base(name, encoding, size))
    }
}

/// What is around a name, outermost first, and the name.
fn split_path(path: &str) -> (Vec<String>, &str) {
    let (mut depth, mut parts, mut start) = (0_usize, Vec::new(), 0);
    let bytes = path.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'<' | b'(' => depth += 1,
            b'>' | b')' => depth = depth.saturating_sub(1),
            b':' if depth == 0 && bytes.get(at + 1) == Some(&b':') => {
                parts.push(path.get(start..at).unwrap_or_default().to_owned());
                start = at + 2;
                at += 1;
            }
            _ => {}
        }
        at += 1;
    }
    (parts, path.get(start..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_between_their_parts() {
        assert_eq!(split_path("x"), (vec![], "x"));
        assert_eq!(split_path("a::b::x"), (vec!["a".to_owned(), "b".to_owned()], "x"));
        assert_eq!(split_path("a<b::c>::x"), (vec!["a<b::c>".to_owned()], "x"));
    }
}
