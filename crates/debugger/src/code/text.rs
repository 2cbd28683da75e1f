//! Modules for tests, written as text: `OFFSET FUNCTION FILE:LINE` a line, `+` after the function
//! where it begins. `OFFSET INLINED FILE:LINE FUNCTION FILE:LINE` is code that was inlined into
//! `FUNCTION` where the second line calls it. `OFFSET plt -` is a stub that is gone through, and
//! `OFFSET asm+ -` a function without lines. Frames are set up at the entry, with `rbp`.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

use regex::Regex;
use retake_model::{Addr, FileOffset, Registers};
use retake_symbols::SourceLocation;

use super::{
    CodeFile, CodeFrame, CodeModule, CodePlace, CodeReader, FrameRule, FunctionCode, InlinedCode,
    Loaded, RawFrame, SourceLine, Statement, Trampoline,
};

/// Reads modules that are written as text; frames follow the frame pointer.
#[derive(Clone, Copy, Debug)]
pub struct TextReader;

#[derive(Debug)]
struct TextModule(Vec<Line>);

#[derive(Debug)]
struct Line {
    entry: bool,
    place: CodePlace,
    /// The function that the place's is inlined into, and the call.
    inlined_in: Option<CodeFrame>,
}

impl Line {
    /// The name of the function that really has the code.
    fn function(&self) -> Option<&str> {
        let around = self.inlined_in.as_ref().and_then(|frame| frame.function.as_deref());
        around.or(self.place.function.as_deref())
    }
}

impl CodeReader for TextReader {
    fn parse(&self, file: CodeFile) -> Result<Box<dyn CodeModule>, String> {
        let bytes: &[u8] = (*file.bytes).as_ref();
        let text = std::str::from_utf8(bytes).map_err(|err| err.to_string())?;
        let lines = text.lines().map(|line| parse(line).ok_or_else(|| format!("bad: {line}")));
        let mut lines: Vec<Line> = lines.collect::<Result<_, _>>()?;
        lines.sort_by_key(|line| line.place.offset);
        Ok(Box::new(TextModule(lines)))
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
    let offset = FileOffset::new(u64::from_str_radix(words.next()?, 16).ok()?);
    let function = words.next()?;
    let entry = function.ends_with('+');
    let function = Some(function.trim_end_matches('+').to_owned());
    let source = source(words.next()?)?;
    let inlined_in = match words.next() {
        Some(around) => {
            let call = source_line(words.next()?)?;
            Some(CodeFrame { function: Some(around.to_owned()), source: Some(call) })
        }
        None => None,
    };
    Some(Line { entry, place: CodePlace { offset, function, source, indirect: false }, inlined_in })
}

/// `FILE:LINE`, or `-` where there is none.
fn source(word: &str) -> Option<Option<SourceLine>> {
    if word == "-" { Some(None) } else { source_line(word).map(Some) }
}

fn source_line(word: &str) -> Option<SourceLine> {
    let (file, line) = word.split_once(':')?;
    Some(SourceLine { file: file.to_owned(), line: line.parse().ok()? })
}

/// How far the last function goes on.
const LAST_LEN: u64 = 0x1000;

fn inlined_code(line: &Line, around: &CodeFrame, range: Range<FileOffset>) -> InlinedCode {
    let call = around.source.clone();
    InlinedCode {
        name: line.place.function.as_deref().map(Arc::from),
        parent: None,
        depth: 1,
        entry: range.start,
        ranges: vec![range],
        call: call.map(|call| SourceLocation { file: call.file, line: call.line, column: 0 }),
    }
}

impl TextModule {
    fn line_at(&self, offset: FileOffset) -> Option<&Line> {
        self.0.iter().rev().find(|line| line.place.offset <= offset)
    }

    /// Where the code of a line ends: at the next one.
    fn end_of(&self, index: usize) -> FileOffset {
        match (self.0.get(index + 1), self.0.get(index)) {
            (Some(next), _) => next.place.offset,
            (None, Some(line)) => FileOffset::new(line.place.offset.get() + LAST_LEN),
            (None, None) => FileOffset::default(),
        }
    }

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

    fn source_files(&self) -> Vec<String> {
        let sources = self.0.iter().filter_map(|line| line.place.source.as_ref());
        sources.map(|source| source.file.clone()).collect()
    }

    fn find_line(&self, file: &str, line: u32) -> Vec<CodePlace> {
        let fits = |source: &SourceLine| source.line == line && source.file.ends_with(file);
        let lines = self.0.iter().filter(|l| l.place.source.as_ref().is_some_and(fits));
        lines.map(|line| line.place.clone()).collect()
    }

    fn frames_at(&self, offset: FileOffset) -> Vec<CodeFrame> {
        let Some(line) = self.line_at(offset) else { return Vec::new() };
        let place = line.place.clone();
        let innermost = CodeFrame { function: place.function, source: place.source };
        std::iter::once(innermost).chain(line.inlined_in.clone()).collect()
    }

    fn function_code(&self, offset: FileOffset) -> Option<Arc<FunctionCode>> {
        let name = self.line_at(offset)?.function()?;
        let mut code = FunctionCode {
            name: Some(Arc::from(name)),
            entry: FileOffset::default(),
            stop_at: FileOffset::default(),
            ranges: Vec::new(),
            inlined: Vec::new(),
            statements: Vec::new(),
        };
        let mut inlined_here: Option<&Line> = None;
        for (index, line) in self.0.iter().enumerate() {
            let range = line.place.offset..self.end_of(index);
            if line.function() != Some(name) {
                continue;
            }
            if line.entry {
                (code.entry, code.stop_at) = (range.start, range.start);
            }
            let last_range = code.ranges.last_mut().filter(|last| last.end == range.start);
            let goes_on = last_range.is_some();
            match last_range {
                Some(last) => last.end = range.end,
                None => code.ranges.push(range.clone()),
            }
            let inlined = line.inlined_in.as_ref().map(|around| {
                let same = |last: &Line| {
                    last.inlined_in == line.inlined_in && last.place.function == line.place.function
                };
                match code.inlined.last_mut().filter(|_| goes_on && inlined_here.is_some_and(same))
                {
                    Some(last) => last.ranges.push(range.clone()),
                    None => code.inlined.push(inlined_code(line, around, range.clone())),
                }
                code.inlined.len() - 1
            });
            inlined_here = line.inlined_in.is_some().then_some(line);
            let Some(source) = &line.place.source else { continue };
            let is_same = |last: &&mut Statement| {
                goes_on
                    && (&*last.file, last.line, last.inlined)
                        == (&*source.file, source.line, inlined)
            };
            match code.statements.last_mut().filter(is_same) {
                Some(last) => last.again.push(range.start),
                None => code.statements.push(Statement {
                    offset: range.start,
                    again: Vec::new(),
                    file: Arc::from(source.file.as_str()),
                    line: source.line,
                    inlined,
                }),
            }
        }
        Some(Arc::new(code))
    }

    fn frame_rule(&self, offset: FileOffset) -> Option<FrameRule> {
        self.line_at(offset).map(|_| FrameRule::frame_pointer())
    }

    fn trampoline(&self, offset: FileOffset) -> Option<Trampoline> {
        let is_stub = self.line_at(offset)?.place.function.as_deref() == Some("plt");
        is_stub.then_some(Trampoline::Plt { slot: None })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use retake_execution::NoFiles;

    use super::*;
    use crate::code::PcKind;

    const TEXT: &str = "\
        0 main+ app.c:1\n4 main app.c:2\n8 main app.c:2\n10 small app.c:30 main app.c:3\n\
        14 small app.c:31 main app.c:3\n18 main app.c:3\n20 plt -\n30 asm+ -\n40 work+ app.c:10\n\
        50 main app.c:5\n";

    fn at(offset: u64) -> FileOffset {
        FileOffset::new(offset)
    }

    fn module() -> Box<dyn CodeModule> {
        let path = "text".into();
        let (bytes, kept) = (Arc::new(TEXT), Arc::new(NoFiles));
        TextReader.parse(CodeFile { path, bytes, hash: None, kept }).unwrap()
    }

    #[test]
    fn functions_of_text() {
        let module = module();
        let main = module.function_code(at(0x14)).unwrap();
        assert_eq!(main.ranges, [at(0)..at(0x20), at(0x50)..at(0x1050)]);
        let rows = |s: &Statement| (s.offset.get(), s.line, s.inlined, s.again.len());
        let expected = [
            (0, 1, None, 0),
            (4, 2, None, 1),
            (0x10, 30, Some(0), 0),
            (0x14, 31, Some(0), 0),
            (0x18, 3, None, 0),
            (0x50, 5, None, 0),
        ];
        assert_eq!(main.statements.iter().map(rows).collect::<Vec<_>>(), expected);
        assert_eq!((main.depth_at(at(0x16)), main.depth_at(at(0x18))), (1, 0));
        assert_eq!(module.frames_at(at(0x14)).len(), 2);
        assert!(module.has_lines(at(0x40)) && !module.has_lines(at(0x30)));
        assert_eq!(module.stop_of_call(at(0x40)).unwrap().offset, at(0x40));
        assert_eq!(module.stop_of_call(at(0x30)), None);
        assert!(module.trampoline(at(0x24)).is_some() && module.trampoline(at(0x30)).is_none());
    }

    #[test]
    fn callers_of_text() {
        let registers = Registers { rip: 0x40, rsp: 0x100, rbp: 0x110, ..Registers::default() };
        let mut read = |addr: Addr| Some(addr.get() + 1);
        let frame = module().caller_frame(at(0x40), PcKind::Exact, &registers, &mut read).unwrap();
        let found = frame.registers;
        assert_eq!((found.rip, found.rsp, found.rbp), (0x119, 0x120, 0x111));
        assert_eq!((frame.inner_cfa, frame.pc), (Addr::new(0x120), PcKind::Return));
    }
}
