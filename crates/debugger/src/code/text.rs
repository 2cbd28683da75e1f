//! Modules for tests, written as text: `OFFSET FUNCTION FILE:LINE` a line, `+` after the function
//! where it begins.

use std::any::Any;

use regex::Regex;
use retake_execution::FileBytes;
use retake_model::{Addr, FileOffset, Registers};

use super::{CodeFrame, CodeModule, CodePlace, CodeReader, Loaded, RawFrame, SourceLine};

/// Reads modules that are written as text; frames follow the frame pointer.
#[derive(Clone, Copy, Debug)]
pub struct TextReader;

#[derive(Debug)]
struct TextModule(Vec<Line>);

#[derive(Debug)]
struct Line {
    entry: bool,
    place: CodePlace,
}

impl CodeReader for TextReader {
    fn parse(&self, bytes: FileBytes) -> Result<Box<dyn CodeModule>, String> {
        let bytes: &[u8] = (*bytes).as_ref();
        let text = std::str::from_utf8(bytes).map_err(|err| err.to_string())?;
        let lines = text.lines().map(|line| parse(line).ok_or_else(|| format!("bad: {line}")));
        Ok(Box::new(TextModule(lines.collect::<Result<_, _>>()?)))
    }

    fn unwind(
        &self,
        _loaded: &[Loaded<'_>],
        registers: &Registers,
        read: &mut dyn FnMut(Addr) -> Option<u64>,
        max: usize,
    ) -> Vec<RawFrame> {
        let first = RawFrame { pc: registers.pc(), lookup: registers.pc(), sp: registers.sp() };
        let mut frames = vec![first];
        let mut frame = registers.rbp;
        while frame != 0 && frames.len() < max {
            let Some(pc) = read(Addr::new(frame + 8)) else {
                break;
            };
            let (pc, sp) = (Addr::new(pc), Addr::new(frame + 16));
            frames.push(RawFrame { pc, lookup: Addr::new(pc.get() - 1), sp });
            frame = read(Addr::new(frame)).unwrap_or(0);
        }
        frames
    }
}

fn parse(line: &str) -> Option<Line> {
    let mut words = line.split_whitespace();
    let offset = u64::from_str_radix(words.next()?, 16).ok()?;
    let function = words.next()?;
    let (file, line) = words.next()?.split_once(':')?;
    let entry = function.ends_with('+');
    let function = Some(function.trim_end_matches('+').to_owned());
    let source = Some(SourceLine { file: file.to_owned(), line: line.parse().ok()? });
    Some(Line { entry, place: CodePlace { offset: FileOffset::new(offset), function, source } })
}

impl TextModule {
    fn entries(&self, wanted: impl Fn(&str) -> bool) -> Vec<CodePlace> {
        let lines = self.0.iter().filter(|line| line.entry);
        let lines = lines.filter(|line| line.place.function.as_deref().is_some_and(&wanted));
        lines.map(|line| line.place.clone()).collect()
    }
}

impl CodeModule for TextModule {
    fn find_functions(&self, name: &str) -> Vec<CodePlace> {
        self.entries(|function| function == name)
    }

    fn functions_matching(&self, pattern: &Regex) -> Vec<CodePlace> {
        self.entries(|function| pattern.is_match(function))
    }

    fn find_line(&self, file: &str, line: u32) -> Vec<CodePlace> {
        let fits = |source: &SourceLine| source.line == line && source.file.ends_with(file);
        let lines = self.0.iter().filter(|l| l.place.source.as_ref().is_some_and(fits));
        lines.map(|line| line.place.clone()).collect()
    }

    fn frames_at(&self, offset: FileOffset) -> Vec<CodeFrame> {
        let line = self.0.iter().rev().find(|line| line.place.offset <= offset);
        let frame = |line: &Line| CodeFrame {
            function: line.place.function.clone(),
            source: line.place.source.clone(),
        };
        line.map(frame).into_iter().collect()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
