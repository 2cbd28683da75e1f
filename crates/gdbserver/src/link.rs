//! The connection to one client. A thread of its own reads from it, so that an interrupt, or the end of the
//! connection, is seen while something runs.

mod running;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::framing::{Decoder, Frame, encode};
pub(crate) use running::{Run, Running};

/// Packets that wait at most; a client that sends more waits itself.
const WAITING: usize = 16;
/// A client that says nothing at first is none.
const FIRST_WORD: Duration = Duration::from_secs(10);
/// A client that takes nothing for so long is gone.
const WRITING: Duration = Duration::from_secs(60);

/// The connection.
#[derive(Debug)]
pub(crate) struct Link {
    packets: Receiver<Vec<u8>>,
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

/// Says something to the client from another thread.
#[derive(Debug)]
pub(crate) struct Voice(Arc<Shared>);

impl Voice {
    /// Sends a packet if something runs of which the client waits to hear.
    pub(crate) fn send_while_running(&self, payload: &[u8]) {
        self.0.running.while_going(|| self.0.send(payload));
    }
}

/// What both threads use.
#[derive(Debug)]
struct Shared {
    stream: TcpStream,
    /// The last frame that was sent; held while writing.
    last: Mutex<Vec<u8>>,
    acks: AtomicBool,
    running: Running,
}

impl Link {
    /// Begins to read. `interrupt` ends what runs.
    pub(crate) fn new(stream: TcpStream, interrupt: Arc<AtomicBool>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(FIRST_WORD))?;
        stream.set_write_timeout(Some(WRITING))?;
        let shared = Arc::new(Shared {
            stream,
            last: Mutex::default(),
            acks: AtomicBool::new(true),
            running: Running::new(interrupt),
        });
        let (sender, packets) = sync_channel(WAITING);
        let reading = Arc::clone(&shared);
        let reader = std::thread::Builder::new()
            .name("gdb client".to_owned())
            .spawn(move || reading.read(&sender))?;
        Ok(Self { packets, shared, reader: Some(reader) })
    }

    /// The next packet; none when the client is gone.
    pub(crate) fn next(&self) -> Option<Vec<u8>> {
        self.packets.recv().ok()
    }

    /// Sends a packet.
    pub(crate) fn send(&self, payload: &[u8]) {
        self.shared.send(payload);
    }

    /// No packet is acknowledged from here on.
    pub(crate) fn stop_acks(&self) {
        self.shared.acks.store(false, Ordering::SeqCst);
    }

    /// For another thread that says something.
    pub(crate) fn voice(&self) -> Voice {
        Voice(Arc::clone(&self.shared))
    }

    /// What the reader shares with what runs.
    pub(crate) fn running(&self) -> &Running {
        &self.shared.running
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = self.shared.stream.shutdown(Shutdown::Both);
        // The reader may wait for room.
        while self.packets.recv().is_ok() {}
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        self.shared.running.clear();
    }
}

impl Shared {
    fn send(&self, payload: &[u8]) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = encode(payload);
        self.write(&last);
    }

    /// A client that takes nothing more is gone: the reader sees that too.
    fn write(&self, bytes: &[u8]) {
        if (&self.stream).write_all(bytes).is_err() {
            let _ = self.stream.shutdown(Shutdown::Both);
        }
    }

    fn read(&self, packets: &SyncSender<Vec<u8>>) {
        let mut decoder = Decoder::default();
        let mut buffer = [0; 4096];
        'connected: loop {
            let got = match (&self.stream).read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(got) => got,
            };
            for &byte in buffer.iter().take(got) {
                let goes_on = match decoder.take(byte) {
                    Ok(frame) => frame.is_none_or(|frame| self.handle(frame, packets)),
                    Err(_) => false,
                };
                if !goes_on {
                    break 'connected;
                }
            }
        }
        // Nobody waits for the end of what runs.
        self.running.abandon();
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Whether the client goes on.
    fn handle(&self, frame: Frame, packets: &SyncSender<Vec<u8>>) -> bool {
        let acks = self.acks.load(Ordering::SeqCst);
        match frame {
            Frame::Packet(packet) => {
                if acks {
                    self.write(b"+");
                }
                let _ = self.stream.set_read_timeout(None);
                self.running.expect();
                return packets.send(packet).is_ok();
            }
            Frame::Broken if acks => self.write(b"-"),
            Frame::Nack if acks => {
                let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
                self.write(&last);
            }
            Frame::Interrupt => {
                if let Some(reply) = self.running.interrupt() {
                    self.send(&reply);
                }
            }
            Frame::Broken | Frame::Nack | Frame::Ack => {}
        }
        true
    }
}
