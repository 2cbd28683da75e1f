//! Names of functions, types and source files, and where libraries are.

use std::collections::BTreeSet;
use std::rc::Rc;

use regex::Regex;
use retake_execution::FileInfo;
use retake_model::{Backing, Protection};

use crate::answers::NamesView;
use crate::code::CodeModule;
use crate::location::{Location, compiled, is_system};
use crate::names::closest;
use crate::requests::{NamesOf, NamesRequest};
use crate::{Answer, DebugError, Debugger};

pub(super) fn list(debugger: &Debugger, request: &NamesRequest) -> Result<Answer, DebugError> {
    let pattern = compiled(request.pattern.as_deref().unwrap_or_default())?;
    let mut names = match request.of {
        NamesOf::Libraries => {
            let mut found = libraries(debugger)?;
            found.retain(|line| pattern.is_match(line));
            found
        }
        of => {
            let (system, own): (Vec<_>, Vec<_>) =
                debugger.execution.files().into_iter().partition(is_system);
            let mut found = names_in(debugger, &own, of, &pattern);
            // Those of the system are many: they are for whoever knows what to look for.
            if found.is_empty() && request.pattern.is_some() {
                found = names_in(debugger, &system, of, &pattern);
            }
            found.into_iter().collect()
        }
    };
    let total = names.len();
    names.truncate(request.most);
    Ok(Answer::Names(NamesView { total, names }))
}

/// The error of a function that is not there, with the one that may have been meant.
pub(super) fn suggesting(debugger: &Debugger, location: &Location, err: DebugError) -> DebugError {
    let (DebugError::NotFound(text), Location::Function(name)) = (&err, location) else {
        return err;
    };
    let files = debugger.execution.files();
    let own: Vec<FileInfo> = files.into_iter().filter(|info| !is_system(info)).collect();
    let Ok(any) = compiled("") else { return err };
    let names = names_in(debugger, &own, NamesOf::Functions, &any);
    // Of a path people mistype the last part, and leave out the others.
    let wanted = last_part(name);
    let around = name.strip_suffix(wanted).unwrap_or_default();
    let beside: Vec<&String> = names.iter().filter(|name| name.starts_with(around)).collect();
    let all: Vec<&String> = names.iter().collect();
    let meant = [beside, all].into_iter().find_map(|names| {
        let parts: BTreeSet<&str> = names.iter().map(|name| last_part(name)).collect();
        let part = closest(wanted, parts)?;
        names.into_iter().find(|name| last_part(name) == part)
    });
    match meant {
        Some(meant) => DebugError::NotFound(format!("{text}: did you mean {meant}?")),
        None => err,
    }
}

/// The last part of a path, without what is in brackets behind it.
fn last_part(name: &str) -> &str {
    let end = name.find(['<', '(']).filter(|end| *end > 0).unwrap_or(name.len());
    let path = name.get(..end).unwrap_or(name);
    path.rsplit("::").next().and_then(|part| part.rsplit('.').next()).unwrap_or(path)
}

fn module(debugger: &Debugger, info: &FileInfo) -> Option<Rc<dyn CodeModule>> {
    // Data files are mapped too.
    debugger.catalog.module(debugger.execution.as_ref(), info).ok()
}

fn names_in(
    debugger: &Debugger,
    files: &[FileInfo],
    of: NamesOf,
    pattern: &Regex,
) -> BTreeSet<String> {
    let modules = files.iter().filter_map(|info| module(debugger, info));
    let names = modules.flat_map(|module| match of {
        NamesOf::Functions => module.function_names(pattern),
        NamesOf::Types => {
            let info = module.values();
            info.map_or_else(Vec::new, |info| info.type_names(&|name| pattern.is_match(name)))
        }
        NamesOf::Sources => {
            module.source_files().into_iter().filter(|path| pattern.is_match(path)).collect()
        }
        NamesOf::Libraries => Vec::new(),
    });
    names.collect()
}

/// The files that the selected task has mapped as code, a line each.
fn libraries(debugger: &Debugger) -> Result<Vec<String>, DebugError> {
    let files = debugger.execution.files();
    let mut lines = Vec::new();
    for mapping in debugger.execution.mappings(debugger.task())? {
        let Backing::File { file, .. } = mapping.backing else { continue };
        let info = files.iter().find(|info| info.file == file);
        let (true, Some(info)) = (mapping.prot.allows(Protection::EXEC), info) else { continue };
        let (start, end) = (mapping.range.start(), mapping.range.end());
        let about = about(module(debugger, info).as_deref());
        lines.push(format!("{start}..{end}  {}  ({about})", info.path));
    }
    Ok(lines)
}

fn about(module: Option<&dyn CodeModule>) -> String {
    let Some(module) = module else { return "it cannot be read".to_owned() };
    match (module.values(), module.missing_files().len()) {
        (None, _) => "symbols only".to_owned(),
        (Some(_), 0) => "debug information".to_owned(),
        (Some(_), 1) => "debug information, but for one file that is not found".to_owned(),
        (Some(_), n) => format!("debug information, but for {n} files that are not found"),
    }
}
