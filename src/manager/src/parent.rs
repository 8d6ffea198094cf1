//! The channel with the httpd parent: policies and new children.

use crate::channel::{self, Incoming, Packet};
use crate::policy::Policy;
use krait_protocol::control::{self, ParentToManager};
use krait_protocol::limits::VERSION;
use std::os::fd::{AsFd, OwnedFd};

/// What came over the channel, checked.
#[derive(Debug)]
pub(crate) enum Told {
    /// A new policy begins; it comes with scoreboard and error log.
    Begin { scoreboard: OwnedFd, error_log: OwnedFd },
    /// The policy is complete.
    InForce(Policy),
    /// A new child's channel, and who sent it.
    Child { fd: OwnedFd, pid: u32 },
    /// Something of no consequence.
    Nothing,
    /// Something that is not accepted, and why.
    Refused(String),
    /// The parent is of another version.
    Foreign(String),
    /// Nothing more is there now.
    Empty,
    /// Nobody holds the other end any more.
    Closed,
}

/// Our end of the channel, and the policy that is being received.
#[derive(Debug)]
pub(crate) struct Parent {
    fd: OwnedFd,
    pid: u32,
    coming: Option<Policy>,
}

impl Parent {
    pub(crate) fn new(fd: OwnedFd, pid: u32) -> Parent {
        Parent { fd, pid, coming: None }
    }

    pub(crate) fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Takes one message.
    pub(crate) fn receive(&mut self) -> Told {
        match channel::receive(self.fd.as_fd()) {
            Incoming::Empty => Told::Empty,
            Incoming::Closed => Told::Closed,
            Incoming::Oversized => Told::Refused("an oversized message".to_owned()),
            Incoming::Packet(packet) => self.read(packet),
        }
    }

    fn read(&mut self, packet: Packet) -> Told {
        let Packet { bytes, descriptors, sender } = packet;
        let sender = sender.map_or(0, |sender| sender.pid);
        let from_parent = sender == self.pid;
        let message: ParentToManager = match control::decode(&bytes) {
            Ok(message) => message,
            Err(error) if from_parent => {
                return Told::Foreign(format!("a message of the httpd parent cannot be read: {error}"));
            }
            Err(error) => return Told::Refused(format!("a message of process {sender}: {error}")),
        };
        if !from_parent && !matches!(message, ParentToManager::Child) {
            return Told::Refused(format!(
                "a policy that process {sender} sent, which is not the httpd parent"
            ));
        }
        match message {
            ParentToManager::Policy(policy) => self.begin(policy, descriptors),
            ParentToManager::Prestart(spec) => {
                match self.coming.as_mut().map(|coming| coming.add_prestart(spec)) {
                    Some(true) => Told::Nothing,
                    Some(false) => {
                        Told::Refused("an application to start at once: there are too many".to_owned())
                    }
                    None => Told::Refused("an application to start at once, outside a policy".to_owned()),
                }
            }
            ParentToManager::PolicyEnd => match self.coming.take() {
                Some(policy) => Told::InForce(policy),
                None => Told::Refused("the end of a policy that did not begin".to_owned()),
            },
            ParentToManager::Child => match <[OwnedFd; 1]>::try_from(descriptors) {
                Ok([fd]) => Told::Child { fd, pid: sender },
                Err(_) => Told::Refused(format!("a new child {sender} without its channel")),
            },
        }
    }

    fn begin(&mut self, policy: control::Policy, descriptors: Vec<OwnedFd>) -> Told {
        if policy.version != VERSION {
            return Told::Foreign(format!(
                "httpd speaks version {} and kraitd version {VERSION}",
                policy.version
            ));
        }
        if policy.parent_pid != self.pid {
            return Told::Refused(format!("a policy of process {}, not of our parent", policy.parent_pid));
        }
        let Ok([scoreboard, error_log]) = <[OwnedFd; 2]>::try_from(descriptors) else {
            return Told::Refused("a policy without scoreboard and error log".to_owned());
        };
        self.coming = Some(Policy::new(policy));
        Told::Begin { scoreboard, error_log }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use krait_sys::{descriptor, socket};

    fn pair() -> (OwnedFd, Parent) {
        let (theirs, ours) = socket::packet_pair().unwrap();
        socket::ask_credentials(ours.as_fd()).unwrap();
        (theirs, Parent::new(ours, std::process::id()))
    }

    fn policy(version: u16, parent_pid: u32) -> ParentToManager {
        ParentToManager::Policy(control::Policy { version, generation: 1, parent_pid, identities: vec![] })
    }

    #[test]
    fn a_policy_comes_in_parts() {
        let (theirs, mut parent) = pair();
        let send = |message: &ParentToManager, count: usize| {
            let (end, _other) = descriptor::pipe().unwrap();
            channel::send(theirs.as_fd(), message, &vec![end.as_fd(); count]).unwrap();
        };
        send(&ParentToManager::PolicyEnd, 0);
        assert!(matches!(parent.receive(), Told::Refused(_)));
        send(&policy(VERSION, std::process::id()), 2);
        assert!(matches!(parent.receive(), Told::Begin { .. }));
        send(&ParentToManager::Prestart(vec![1]), 0);
        assert!(matches!(parent.receive(), Told::Nothing));
        send(&ParentToManager::PolicyEnd, 0);
        assert!(matches!(parent.receive(), Told::InForce(policy) if policy.prestarts == [[1]]));
        send(&ParentToManager::Child, 1);
        assert!(matches!(parent.receive(), Told::Child { pid, .. } if pid == std::process::id()));
        send(&ParentToManager::Child, 2);
        assert!(matches!(parent.receive(), Told::Refused(_)));
        assert!(matches!(parent.receive(), Told::Empty));
        drop(theirs);
        assert!(matches!(parent.receive(), Told::Closed));
    }

    #[test]
    fn who_is_not_the_parent_makes_no_policy() {
        let (theirs, ours) = socket::packet_pair().unwrap();
        socket::ask_credentials(ours.as_fd()).unwrap();
        let mut parent = Parent::new(ours, std::process::id() + 1);
        channel::send(theirs.as_fd(), &policy(VERSION, std::process::id() + 1), &[]).unwrap();
        assert!(matches!(parent.receive(), Told::Refused(why) if why.contains("not the httpd parent")));
    }

    #[test]
    fn another_version_is_foreign() {
        let (theirs, mut parent) = pair();
        channel::send(theirs.as_fd(), &policy(VERSION + 1, std::process::id()), &[]).unwrap();
        assert!(matches!(parent.receive(), Told::Foreign(_)));
    }
}
