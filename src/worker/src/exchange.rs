//! One request and its answer, as the objects that an application holds share it.
//!
//! The two halves of the slot are lent to the exchange and taken back at its end; an object that outlives its
//! request finds nothing, so it cannot touch the next one's. Each half has its lock, because applications may use
//! several threads. Lock order: receiver, then sender. No Python code runs under either.

use crate::link::{Link, LinkError, tell_protocol};
use crate::receiver::{Receiver, Source};
use crate::sender::Sender;
use crate::{ClientDisconnected, RequestTooLarge};
use krait_protocol::frame::BodyEnd;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a slot's conversation needs, between requests.
#[derive(Debug)]
pub(crate) struct Halves {
    pub(crate) receiver: Box<Receiver>,
    pub(crate) sender: Box<Sender>,
}

#[derive(Debug)]
pub(crate) struct Exchange {
    link: Arc<Link>,
    receiver: Mutex<Option<Box<Receiver>>>,
    sender: Mutex<Option<Box<Sender>>>,
}

type Guard<'a, T> = MutexGuard<'a, Option<Box<T>>>;

/// Locks without holding the interpreter while it waits. A panic under a lock leaves the slot broken at worst.
fn lock<'a, T: Send>(mutex: &'a Mutex<Option<Box<T>>>, py: Python<'_>) -> Guard<'a, T> {
    mutex.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
}

impl Exchange {
    pub(crate) fn new(link: Arc<Link>, halves: Halves) -> Self {
        Exchange {
            link,
            receiver: Mutex::new(Some(halves.receiver)),
            sender: Mutex::new(Some(halves.sender)),
        }
    }

    /// Takes the halves back: the request is over. Waits for another thread's read under way.
    pub(crate) fn close(&self, py: Python<'_>) -> Option<Halves> {
        let mut receiver = lock(&self.receiver, py);
        let mut sender = lock(&self.sender, py);
        Some(Halves { receiver: receiver.take()?, sender: sender.take()? })
    }

    /// Does something with the sending half; `None` when the request is over.
    ///
    /// While the child sends request body it may not read: what is on its way is received first, or both would
    /// wait for ever. A reader that leaves some of it in the socket looks whether someone is sending
    /// ([`Self::leave`]), and a sender looks for it under its lock, so one of them always notices.
    pub(crate) fn send<T>(&self, py: Python<'_>, act: impl FnOnce(&mut Sender) -> T) -> Option<T> {
        loop {
            let mut guard = lock(&self.sender, py);
            let sender = guard.as_mut()?;
            if !self.link.under_way() {
                return Some(act(sender));
            }
            drop(guard);
            let mut guard = lock(&self.receiver, py);
            let receiver = guard.as_mut()?;
            if py.detach(|| receiver.settle()).is_err() {
                self.link.set_under_way(false);
                self.link.shut_down();
            }
        }
    }

    fn leave(&self, py: Python<'_>, receiver: &mut Receiver) -> Result<(), LinkError> {
        if self.link.under_way() && self.sender.try_lock().is_err() {
            return py.detach(|| receiver.settle());
        }
        Ok(())
    }

    /// Does something with the receiving half, or raises `ValueError` when the request is over.
    pub(crate) fn receive<T>(&self, py: Python<'_>, act: impl FnOnce(&mut Receiver) -> T) -> PyResult<T> {
        let mut guard = lock(&self.receiver, py);
        guard.as_mut().map(|receiver| act(receiver)).ok_or_else(over)
    }

    /// Gets more of the request body: into `target` where that is large, else into the buffer, which must be empty.
    /// Returns how many bytes went into `target`, and whether the body goes on.
    pub(crate) fn more(&self, py: Python<'_>, target: &mut [u8], wanted: usize) -> PyResult<(usize, bool)> {
        loop {
            let mut guard = lock(&self.receiver, py);
            let receiver = guard.as_mut().ok_or_else(over)?;
            match self.try_more(py, receiver, target, wanted) {
                Ok(done) => return Ok(done),
                Err(LinkError::Interrupted) => {}
                Err(error) => {
                    drop(guard);
                    return Err(self.raise(error));
                }
            }
            drop(guard);
            py.check_signals()?;
        }
    }

    fn try_more(
        &self,
        py: Python<'_>,
        receiver: &mut Receiver,
        target: &mut [u8],
        wanted: usize,
    ) -> Result<(usize, bool), LinkError> {
        // Another thread may have filled it in between.
        if !receiver.buffered().is_empty() {
            return Ok((receiver.take(target), true));
        }
        if let Some(ask) = receiver.to_ask(wanted) {
            lock(&self.sender, py).as_mut().ok_or(LinkError::Gone)?.ask(py, ask)?;
            receiver.asked();
        }
        let direct = Receiver::is_direct(target.len());
        let count = py.detach(|| if direct { receiver.pull(&mut *target) } else { receiver.fill() })?;
        self.leave(py, receiver)?;
        match (count, receiver.source()) {
            (0, Source::Broken(BodyEnd::Aborted)) => Err(LinkError::Gone),
            (0, _) => Ok((0, false)),
            _ if direct => Ok((count, true)),
            _ => Ok((receiver.take(target), true)),
        }
    }

    /// The Python exception for a conversation that ended.
    pub(crate) fn raise(&self, error: LinkError) -> PyErr {
        match error {
            LinkError::Protocol(error) => {
                self.link.shut_down();
                tell_protocol(&error);
                ClientDisconnected::new_err("the conversation with httpd is broken")
            }
            LinkError::Gone | LinkError::Interrupted => {
                ClientDisconnected::new_err("the client went away before the request was complete")
            }
        }
    }
}

pub(crate) fn too_large() -> PyErr {
    RequestTooLarge::new_err("the request body is larger than the server allows")
}

fn over() -> PyErr {
    PyValueError::new_err("I/O operation on a finished request")
}
