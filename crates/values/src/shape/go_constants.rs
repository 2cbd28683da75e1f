//! Names of numbers in Go: the constants that were declared with a type of the program's.

use std::collections::BTreeMap;

use crate::dwarf::{Info, Language, TypeId};
use crate::value::Value;
use crate::variables::number_of;

/// The constants of each type, by their numbers.
pub(crate) type Constants = BTreeMap<TypeId, Vec<(i128, String)>>;

/// `Green (1)`, or `Read|Write (3)` where each constant is a bit; none if the type has no such constants.
pub(super) fn named(value: &Value, number: i128) -> Option<String> {
    let info = value.info();
    let (own, ty) = (value.type_id(), value.plain().1?);
    let is_own = |name: &str| name.contains('.') && !name.starts_with("C.");
    if ty.language != Language::Go || !is_own(&value.type_name()) {
        return None;
    }
    let constants = info.go_constants.get_or_init(|| constants_of(info)).get(&own)?;
    let exact = constants.iter().find(|(constant, _)| *constant == number);
    if let Some((_, name)) = exact {
        return Some(format!("{name} ({number})"));
    }
    let (mut left, mut names) = (number, Vec::new());
    for (constant, name) in constants.iter().filter(|(constant, _)| constant.count_ones() == 1) {
        if left & constant != 0 {
            left &= !constant;
            names.push(name.as_str());
        }
    }
    (left == 0 && !names.is_empty()).then(|| format!("{} ({number})", names.join("|")))
}

fn constants_of(info: &Info) -> Constants {
    let mut all = Constants::new();
    for (name, id) in info.all_constants() {
        let Some((ty, number)) = number_of(info, id) else { continue };
        let short = name.rsplit('.').next().unwrap_or(name);
        all.entry(ty).or_default().push((number, short.to_owned()));
    }
    // Two names of one number: the first of the alphabet, wherever the linker put them.
    all.values_mut().for_each(|constants| constants.sort_unstable());
    all
}
