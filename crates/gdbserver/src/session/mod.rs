//! Answers to one client.

mod auxv;
mod breakpoints;
mod diversion;
mod files;
mod hits;
mod memory;
mod movement;
mod process;
mod progress;
mod rr;
mod steps;
mod stops;
mod thread_local;
mod threads;
mod transfers;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use retake_execution::{Company, Execution, State};
use retake_model::{Position, TaskId, Tid};

use crate::error::ServeError;
use crate::link::Link;
use crate::packet::{Request, Resume};
use crate::registers::{Extended, Layout, ORIG_RAX};
use crate::server::{Ended, Facts, ServeOptions};
use breakpoints::Points;
use diversion::Tried;
use files::OpenFiles;
use process::Life;
use rr::Marks;
use stops::{Report, Why};

/// What comes of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// This is the answer.
    Reply(Vec<u8>),
    /// The client has had its answer.
    Answered,
    /// The client leaves, after this answer.
    Left(Option<Vec<u8>>, Ended),
}

/// What a client can do.
#[derive(Clone, Copy, Debug, Default)]
struct Client {
    /// It is gdb: it shows what it is sent as text.
    is_gdb: bool,
    /// Its ids of threads name the process.
    multiprocess: bool,
    /// It knows `swbreak` and `hwbreak`.
    swbreak: bool,
    hwbreak: bool,
    /// It follows a process into another program.
    execs: bool,
}

/// Threads that a client has chosen.
#[derive(Clone, Copy, Debug, Default)]
struct Chosen {
    look: Option<Tid>,
    step: Option<Tid>,
}

/// One client, and the recording that it moves through.
pub(crate) struct Session<'a> {
    execution: &'a mut dyn Execution,
    facts: &'a mut Facts,
    options: &'a ServeOptions,
    life: Life,
    layout: Layout,
    client: Client,
    chosen: Chosen,
    /// The last stop that was told of.
    stopped: Report,
    /// The next movement is answered where the program is: a client was just told of a new place.
    held: bool,
    /// The client has asked for the moment of the last stop: somebody is shown it.
    shown: bool,
    /// Where the stretch of a run began that an interrupt would end.
    stretch_began: Option<Position>,
    points: Points,
    /// Signals that are of no interest, in gdb's numbers; none are of interest where this is not said.
    passed: Option<BTreeSet<u8>>,
    files: OpenFiles,
    marks: Marks,
    tried: Tried,
    /// Who runs besides the thread that calls a function.
    company: Company,
}

/// The answer to what is well-formed and cannot be done.
const REFUSED: &[u8] = b"E01";

impl<'a> Session<'a> {
    /// Brings the program to where clients are to find it.
    pub(crate) fn new(
        execution: &'a mut dyn Execution,
        facts: &'a mut Facts,
        options: &'a ServeOptions,
    ) -> Result<Self, ServeError> {
        let life = Life::of(execution, facts, options)?;
        let task = execution.current_task();
        let vector = execution.vector_registers(task)?;
        let mut session = Self {
            layout: Layout::new(Extended::of(&vector, &facts.cpuid)),
            execution,
            facts,
            options,
            stopped: Report { task, why: Why::Trap },
            life,
            client: Client::default(),
            chosen: Chosen::default(),
            held: false,
            shown: true,
            stretch_began: None,
            points: Points::default(),
            passed: None,
            files: OpenFiles::default(),
            marks: Marks::default(),
            tried: Tried::default(),
            company: options.company,
        };
        session.restart()?;
        Ok(session)
    }

    /// The next client finds nothing of this one.
    pub(crate) fn renew(&mut self) -> Result<(), ServeError> {
        self.client = Client::default();
        self.chosen = Chosen::default();
        self.points = Points::default();
        self.passed = None;
        self.files = OpenFiles::default();
        self.marks = Marks::default();
        self.tried = Tried::default();
        self.company = self.options.company;
        self.held = false;
        self.restart()
    }

    fn restart(&mut self) -> Result<(), ServeError> {
        let start = self.options.start.unwrap_or(Position::START);
        self.go_to(start)?;
        Ok(())
    }

    /// Setting it ends what runs.
    pub(crate) fn interrupter(&self) -> Arc<AtomicBool> {
        self.execution.interrupter()
    }

    /// Answers a request.
    pub(crate) fn answer(&mut self, request: &Request, link: &Link) -> Outcome {
        if request.moves() && !self.calls_a_function() || request.leaves_call() {
            self.end_diversion();
        }
        let reply = match request {
            Request::Supported(features) => self.supported(features),
            Request::NoAcks | Request::Extended | Request::KillProcess | Request::Symbols => ok(),
            Request::MustReplyEmpty => {
                self.client.is_gdb = true;
                Vec::new()
            }
            Request::Unknown => Vec::new(),
            Request::Malformed => REFUSED.to_vec(),
            // Not attached: who leaves kills.
            Request::Attached => b"0".to_vec(),
            Request::WhyStopped => self.told(),
            Request::CurrentThread => self.current_thread(),
            Request::FirstThreads => self.thread_list(),
            Request::MoreThreads => b"l".to_vec(),
            Request::ThreadText(thread) => self.thread_text(*thread),
            Request::IsAlive(thread) => self.is_alive(*thread),
            Request::SetThread(usage, thread) => self.set_thread(*usage, *thread),
            Request::ThreadLocal(thread, offset, map) => self.thread_local(*thread, *offset, *map),
            Request::Registers => self.registers(),
            Request::Register(number) => self.register(*number),
            // gdb says so after a restart: no call is to be made again. None is.
            Request::SetRegister(ORIG_RAX, _) => ok(),
            Request::SetRegister(number, value) => self.set_register(*number, value),
            Request::SetRegisters(values) => self.set_registers(values),
            Request::Memory(addr, len) => self.memory(*addr, *len),
            Request::SetMemory(addr, bytes) => self.set_memory(*addr, bytes),
            Request::SetSignal => self.end_call(),
            Request::Search(addr, len, pattern) => return self.search(*addr, *len, pattern, link),
            Request::Insert(point) => self.insert(point),
            Request::Remove(point) => self.remove(point),
            Request::CanResume => b"vCont;c;C;s;S;".to_vec(),
            Request::Resume(resume) if self.calls_a_function() => {
                return self.run_diverted(*resume, link);
            }
            Request::Resume(Resume::Continue) => return self.go_on(link),
            Request::Resume(Resume::Step(thread)) => return self.step(*thread, link),
            Request::ContinueBack => return self.go_back(link),
            Request::StepBack => return self.step_back(link),
            Request::PassSignals(numbers) => {
                self.passed = Some(numbers.iter().copied().collect());
                ok()
            }
            Request::Run(place) => self.run_again(place),
            Request::Kill => return Outcome::Left(None, Ended::Killed),
            Request::Detach => return Outcome::Left(Some(ok()), Ended::Detached),
            Request::Transfer(transfer) => self.transfer(transfer),
            Request::File(request) => self.file(request),
            Request::Rr(command) if command.name == "retake-hits" => {
                return self.hits(command, link);
            }
            Request::Rr(command) => self.rr(command),
        };
        Outcome::Reply(reply)
    }

    fn supported(&mut self, features: &[String]) -> Vec<u8> {
        let has = |name: &str| features.iter().any(|feature| feature == name);
        self.client.multiprocess = has("multiprocess+");
        self.client.swbreak = has("swbreak+");
        self.client.hwbreak = has("hwbreak+");
        self.client.execs = has("exec-events+");
        let size = crate::framing::MOST;
        let ours = "QStartNoAckMode+;qXfer:features:read+;qXfer:auxv:read+;qXfer:exec-file:read+;\
                    qXfer:siginfo:read+;qXfer:siginfo:write+;multiprocess+;swbreak+;hwbreak+;vContSupported+;QPassSignals+;ConditionalBreakpoints+;exec-events+;\
                    ReverseContinue+;ReverseStep+";
        format!("PacketSize={size:x};{ours}").into_bytes()
    }

    fn position(&self) -> Position {
        self.execution.position()
    }

    fn state(&self) -> &dyn State {
        self.tried.state().unwrap_or_else(|| self.execution.state())
    }

    /// The task that a client looks at.
    fn looked_at(&self) -> TaskId {
        self.chosen.look.and_then(|tid| self.task_of(tid)).unwrap_or(self.stopped.task)
    }
}

fn ok() -> Vec<u8> {
    b"OK".to_vec()
}
