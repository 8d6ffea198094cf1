//! A stand-in for a httpd child: a view of the scoreboard, a channel, and requests.

use crate::httpd::{PATIENCE, send};
use krait_config::AppSpec;
use krait_protocol::control::{self, ChildToManager, ManagerToChild, ReturnReason};
use krait_protocol::frame::{self, Kind};
use krait_protocol::request::{Body, RequestWriter};
use krait_scoreboard::Scoreboard;
use krait_scoreboard::memory::AppRef;
use krait_scoreboard::pool::{Lease, Waited};
use krait_scoreboard::word::ChildId;
use krait_sys::socket;
use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

pub(crate) struct HttpdChild {
    pub(crate) channel: OwnedFd,
    pub(crate) board: Scoreboard,
    pub(crate) id: ChildId,
}

/// A leased slot with its socket.
pub(crate) struct Leased {
    pub(crate) app: AppRef,
    pub(crate) lease: Lease,
    pub(crate) slot: u32,
    pub(crate) socket: OwnedFd,
}

impl HttpdChild {
    pub(crate) fn tell(&self, message: &ChildToManager) {
        send(&self.channel, message, &[]);
    }

    pub(crate) fn ask(&self, message: &ChildToManager) -> (ManagerToChild, Vec<OwnedFd>) {
        self.tell(message);
        let mut buffer = vec![0; 1 << 17];
        let got = socket::receive_packet(self.channel.as_fd(), &mut buffer, true).unwrap();
        assert!(got.length > 0, "the manager has closed the channel");
        (control::decode(&buffer[..got.length]).unwrap(), got.descriptors)
    }

    /// Whether the manager has ended the conversation.
    pub(crate) fn is_cut_off(&self) -> bool {
        socket::receive_packet(self.channel.as_fd(), &mut [0; 64], true).is_ok_and(|got| got.length == 0)
    }

    pub(crate) fn resolve(&self, spec: &AppSpec) -> Result<AppRef, String> {
        match self.ask(&ChildToManager::Resolve(spec.encode().unwrap())).0 {
            ManagerToChild::Resolved { app, generation, .. } => Ok(AppRef { index: app, generation }),
            ManagerToChild::Refused { reason } => Err(reason),
            other => panic!("{other:?}"),
        }
    }

    /// Leases a slot, waiting for it as a request does.
    pub(crate) fn lease(&self, app: AppRef) -> Result<Leased, Waited> {
        self.lease_within(app, PATIENCE)
    }

    pub(crate) fn lease_within(&self, app: AppRef, time: Duration) -> Result<Leased, Waited> {
        loop {
            let pool = self.board.pool(app).unwrap();
            let demand = || {
                if pool.may_tell_demand() {
                    self.tell(&ChildToManager::Demand { app: app.index, generation: app.generation });
                }
            };
            let lease = match pool.wait(self.id, Instant::now() + time, demand) {
                Waited::Leased(lease) => lease,
                other => return Err(other),
            };
            let slot = pool.slot_number(&lease);
            self.board.note_start(slot, krait_sys::clock::monotonic_ms());
            match self.ask(&ChildToManager::FetchSlot { slot, generation: lease.generation }) {
                (ManagerToChild::Slot, mut fds) => {
                    return Ok(Leased { app, lease, slot, socket: fds.pop().unwrap() });
                }
                (ManagerToChild::SlotGone, _) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) fn release(&self, leased: &Leased) {
        self.board.note_end(leased.slot, krait_sys::clock::monotonic_ms());
        let pool = self.board.pool(leased.app).unwrap();
        if pool.release(self.id, &leased.lease) == krait_scoreboard::pool::Released::Drained {
            self.returned(leased, ReturnReason::Drained);
        }
    }

    /// Gives a lease back as broken.
    pub(crate) fn spoil(&self, leased: &Leased, reason: ReturnReason) {
        let _ = self.board.pool(leased.app).unwrap().spoil(self.id, &leased.lease);
        self.returned(leased, reason);
    }

    fn returned(&self, leased: &Leased, reason: ReturnReason) {
        let (slot, generation) = (leased.slot, leased.lease.generation);
        self.tell(&ChildToManager::Returned { slot, generation, reason });
    }

    /// A request for a path, and the body of its answer.
    pub(crate) fn get(&self, app: AppRef, path: &str) -> String {
        let leased = self.lease(app).unwrap();
        leased.request(path);
        let body = leased.answer().unwrap();
        self.release(&leased);
        body
    }
}

impl Leased {
    pub(crate) fn request(&self, path: &str) {
        let mut out = Vec::new();
        let mut writer = RequestWriter::new(&mut out, 1, 0);
        for (name, value) in [
            ("REQUEST_METHOD", "GET"),
            ("SCRIPT_NAME", ""),
            ("PATH_INFO", path),
            ("QUERY_STRING", ""),
            ("SERVER_NAME", "localhost"),
            ("SERVER_PORT", "80"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
        ] {
            writer.variable(name.as_bytes(), value.as_bytes()).unwrap();
        }
        writer.finish(Body::None).unwrap();
        socket::send(self.socket.as_fd(), &[IoSlice::new(&out)], &[], true).unwrap();
    }

    /// The body of the answer; `None` where the worker went away.
    pub(crate) fn answer(&self) -> Option<String> {
        let (mut bytes, mut body) = (Vec::new(), Vec::new());
        let limit = Instant::now() + PATIENCE;
        while Instant::now() < limit {
            let mut buffer = [0; 1 << 16];
            match socket::receive(self.socket.as_fd(), &mut buffer, true) {
                Ok(got) if got.length == 0 => return None,
                Ok(got) => bytes.extend_from_slice(&buffer[..got.length]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                Err(_) => return None,
            }
            while let Some((header, payload, used)) = frame::split(&bytes).unwrap() {
                match header.kind {
                    Kind::Data => body.extend_from_slice(payload),
                    Kind::End => return Some(String::from_utf8(body).unwrap()),
                    _ => {}
                }
                bytes.drain(..used);
            }
        }
        panic!("no answer");
    }
}
