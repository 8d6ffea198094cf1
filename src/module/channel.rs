//! The child's control channel with the manager: questions with one answer each, and notices.
//!
//! The channel is made by the child, which posts the manager's end over the channel that it inherited from the
//! parent. When the manager dies, the channel ends; the next question makes a new one, which the next manager finds.

use krait_protocol::control::{self, ChildToManager, ManagerToChild, ParentToManager};
use krait_protocol::limits;
use krait_scoreboard::word::ChildId;
use krait_sys::socket;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the manager may take for an answer. It never waits for anybody itself, so this is generous.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a question is asked of managers that die over it.
const MOST_TRIES: u32 = 3;
/// After a channel could not be made, others do not try for this long: each try holds its threads.
const PAUSE: Duration = Duration::from_secs(1);

/// A connected channel and the number that the manager gave us on it.
#[derive(Debug)]
struct Connection {
    end: OwnedFd,
    child: ChildId,
}

/// The channel; shared by the child's threads, one question at a time.
#[derive(Debug)]
pub(crate) struct Channel {
    /// `Err`: why httpd has no manager.
    parent_end: Result<BorrowedFd<'static>, &'static str>,
    connection: Mutex<State>,
    /// The child's number while connected, so that requests need not take the lock; [`NOBODY`] otherwise.
    child: AtomicU32,
}

const NOBODY: u32 = u32::MAX;

#[derive(Debug, Default)]
struct State {
    connection: Option<Connection>,
    /// Until when not to try, and why.
    pause: Option<(Instant, String)>,
}

impl Channel {
    pub(crate) fn new(parent_end: Result<BorrowedFd<'static>, &'static str>) -> Self {
        Channel { parent_end, connection: Mutex::default(), child: AtomicU32::new(NOBODY) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Our number with the present manager.
    pub(crate) fn child(&self) -> io::Result<ChildId> {
        match self.child.load(Ordering::Acquire) {
            NOBODY => {
                let mut guard = self.lock();
                Ok(self.connected(&mut guard)?.child)
            }
            known => Ok(ChildId(known)),
        }
    }

    fn disconnect(&self, state: &mut State) {
        self.child.store(NOBODY, Ordering::Release);
        state.connection = None;
    }

    /// Asks and waits for the answer. A manager that dies meanwhile is followed by another, which is asked again.
    pub(crate) fn ask(&self, question: &ChildToManager) -> io::Result<(ManagerToChild, Option<OwnedFd>)> {
        let packet = control::encode(question).map_err(io::Error::other)?;
        let mut state = self.lock();
        let mut tries = 0;
        loop {
            tries += 1;
            let result =
                self.connected(&mut state).and_then(|connection| exchange(connection.end.as_fd(), &packet));
            match result {
                Err(error) => {
                    // What might still come would answer the wrong question.
                    self.disconnect(&mut state);
                    if !has_ended(&error) || tries >= MOST_TRIES {
                        return Err(error);
                    }
                }
                answer => return answer,
            }
        }
    }

    /// Tells the manager something, if there is one.
    pub(crate) fn tell(&self, notice: &ChildToManager) {
        let Ok(packet) = control::encode(notice) else { return };
        let mut guard = self.lock();
        if let Some(connection) = guard.connection.as_ref() {
            let sent = socket::send(connection.end.as_fd(), &[IoSlice::new(&packet)], &[], false);
            if sent.is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock) {
                self.disconnect(&mut guard);
            }
        }
    }

    fn connected<'g>(&self, state: &'g mut State) -> io::Result<&'g Connection> {
        if state.connection.is_none() {
            if let Some((until, why)) = &state.pause
                && Instant::now() < *until
            {
                return Err(io::Error::other(why.clone()));
            }
            match self.connect() {
                Ok(connection) => {
                    self.child.store(connection.child.0, Ordering::Release);
                    state.connection = Some(connection);
                }
                Err(error) if has_ended(&error) => return Err(error),
                Err(error) => {
                    state.pause = Some((Instant::now() + PAUSE, error.to_string()));
                    return Err(error);
                }
            }
        }
        state.connection.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn connect(&self) -> io::Result<Connection> {
        let parent_end = self.parent_end.map_err(io::Error::other)?;
        let (ours, theirs) = socket::packet_pair()?;
        socket::set_timeouts(ours.as_fd(), ANSWER_TIMEOUT, ANSWER_TIMEOUT)?;
        socket::ask_credentials(theirs.as_fd())?;
        let packet = control::encode(&ParentToManager::Child).map_err(io::Error::other)?;
        socket::send(parent_end, &[IoSlice::new(&packet)], &[theirs.as_fd()], false)?;
        drop(theirs);
        let hello =
            control::encode(&ChildToManager::Hello { version: limits::VERSION }).map_err(io::Error::other)?;
        match exchange(ours.as_fd(), &hello)? {
            (ManagerToChild::Welcome { child }, _) => Ok(Connection { end: ours, child: ChildId(child) }),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Whether the other end went away, as opposed to being silent.
fn has_ended(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

fn exchange(end: BorrowedFd<'_>, packet: &[u8]) -> io::Result<(ManagerToChild, Option<OwnedFd>)> {
    socket::send(end, &[IoSlice::new(packet)], &[], true)?;
    let mut buffer = vec![0; limits::MAX_CONTROL_BYTES];
    let received = loop {
        match socket::receive(end, &mut buffer, true) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    let packet = buffer.get(..received.length).filter(|packet| !packet.is_empty() && !received.truncated);
    let answer = control::decode(packet.ok_or(io::ErrorKind::UnexpectedEof)?).map_err(io::Error::other)?;
    Ok((answer, received.descriptors.into_iter().next()))
}
