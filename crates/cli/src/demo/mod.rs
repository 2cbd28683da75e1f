//! The demo: a program that fails in some runs only is recorded until it fails, and that run is
//! followed back from its panic to the cause, through the death of the debugger.
//!
//! Everything is done by the commands that users have, in child processes; what the story claims is
//! checked, and the demo fails where it does not hold.

mod attempts;
mod debugger;
mod program;
mod race;

use std::fmt::Display;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::Command;

use retake_console::Output;
use retake_recording::{Recording, disk_usage};

use crate::failure::Failure;
use crate::home::Home;
use crate::output::Out;
use crate::text;
use debugger::DebugChild;
use program::{Program, line_of};
use race::Race;

/// Tells the whole story.
pub(crate) fn run(attempts: NonZeroU32) -> Result<(), Failure> {
    let home = Home::find()?;
    home.create()?;
    say(
        "1. A program that fails now and then: two booths sell the 15 seats of a show, 16 are wanted",
    )?;
    let program = Program::build(&home)?;

    say("\n2. Record it until it fails")?;
    say("   $ retake hunt ./booths")?;
    let dir = attempts::until_panic(&home, &program.path(), attempts)?;
    // The recording stands alone.
    drop(program);
    let name = home.name_of(&dir);
    say(format_args!(
        "   kept as recording {name}: {}, {}. The recordings of the other runs are deleted, and",
        text::count(Recording::open(&dir)?.event_count().get(), "event"),
        text::size(disk_usage(&dir)),
    ))?;
    say("   so is the program: a recording stands alone.")?;

    say("\n3. Go from the panic back to the cause; the debugger is killed on the way")?;
    let before = to_the_last_sale(&dir, &name)?;
    on_after_the_kill(&dir, &name, &before)?;

    say(format_args!("\nThe recording is in {}", dir.display()))?;
    let this = std::env::args_os().next().unwrap_or_else(|| "retake".into());
    say(format_args!("Open it with: {} debug {name}", Path::new(&this).display()))
}

/// The first session, up to its death. Gives what the debugger was at.
fn to_the_last_sale(dir: &Path, name: &str) -> Result<Whereabouts, Failure> {
    let mut debug = DebugChild::start(dir, name, &[])?;
    say("# Where does it panic, and who called that?")?;
    debug.run("break rust_panic")?;
    let stop = debug.run("continue")?;
    let at_panic = match &stop {
        Output::Stop(stop) => !stop.view.breakpoints.is_empty(),
        _ => false,
    };
    holds(at_panic, "the panic is found")?;
    let Output::Stack(frames) = debug.run("stack 9")? else { return Err(unexpected("stack")) };
    let is_close = |name: &String| name.ends_with("booths::close");
    let closing = frames.iter().any(|frame| frame.place.function.iter().any(is_close));
    holds(closing, "booths::close panics")?;
    debug.run("list")?;
    say("\n# Too many seats were sold. Every sale there was, and back to the last one:")?;
    debug.run(&format!("break booths.rs:{}", line_of("take")?))?;
    let Output::Hits(hits) = debug.run("hits 2")? else { return Err(unexpected("hits")) };
    holds(hits.count > 1, "seats are sold more than once")?;
    debug.run("rewind")?;
    debug.run("stack 3")?;
    say("\n# rdi is the address of the number of seats that are left, rsi how many are taken:")?;
    debug.run("examinemem -fmt dec -size 8 $rdi")?;
    debug.run("regs rdi rsi")?;
    debug.run("assert *(i64)$rdi < $rsi")?;
    say("\n# More than are left. Where are we?")?;
    let before = Whereabouts::ask(&mut debug)?;
    say("\n# Here the debugger dies.")?;
    debug.kill()?;
    Ok(before)
}

/// The second session: it goes on where the first was killed.
fn on_after_the_kill(dir: &Path, name: &str, before: &Whereabouts) -> Result<(), Failure> {
    let mut debug = DebugChild::start(dir, name, &["--resume"])?;
    let after = Whereabouts::ask(&mut debug)?;
    if after != *before {
        let text = format!("after the kill the debugger is at {after:?}, before it at {before:?}");
        return Err(Failure::text(text));
    }
    say(
        "\n# The same moment, the same registers, the same breakpoints. The sale before this one:",
    )?;
    debug.run("rewind")?;
    debug.run("examinemem -fmt dec -size 8 $rdi")?;
    debug.run("regs rsi")?;
    say("\n# And when had `sell` found enough seats? Breakpoint 3 is the line after that check:")?;
    debug.run(&format!("break booths.rs:{}", line_of("pay")?))?;
    let Output::Hits(hits) = debug.run("hits 2 3")? else { return Err(unexpected("hits")) };
    let race = Race::find(&hits.hits).ok_or_else(|| Failure::text("no race was found"))?;
    say(format_args!("\n{race}"))?;
    debug.exit()
}

/// What must be the same after a crash of the debugger.
#[derive(Debug, PartialEq, Eq)]
struct Whereabouts {
    when: Output,
    registers: Output,
    breakpoints: Output,
}

impl Whereabouts {
    fn ask(debug: &mut DebugChild) -> Result<Self, Failure> {
        Ok(Self {
            when: debug.run("when")?,
            registers: debug.run("regs rip rsp rdi rsi")?,
            breakpoints: debug.run("breakpoints")?,
        })
    }
}

/// Fails unless what the story claims is so.
fn holds(so: bool, claim: &str) -> Result<(), Failure> {
    if so { Ok(()) } else { Err(Failure::text(format!("this should be so and is not: {claim}"))) }
}

fn unexpected(command: &str) -> Failure {
    Failure::text(format!("{command} has an answer of another kind"))
}

/// This program, to be run with other arguments.
fn command() -> Result<Command, Failure> {
    let this = std::env::current_exe();
    let this = this.map_err(|err| Failure::text(format!("failed to find retake itself: {err}")))?;
    Ok(Command::new(this))
}

/// Prints a line at once: the story goes on for a while.
fn say(text: impl Display) -> Result<(), Failure> {
    let mut out = Out::new();
    out.line(text)?;
    out.finish()
}
