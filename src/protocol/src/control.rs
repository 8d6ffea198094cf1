//! Control messages: one message is one `SOCK_SEQPACKET` packet, encoded with postcard. Descriptors ride along as
//! `SCM_RIGHTS` where a message says so, in the order it names them.

use crate::ProtocolError;
use crate::limits::MAX_CONTROL_BYTES;
use crate::start::{AppPlan, Identity, StartFailure, Step};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// From the httpd parent to the manager. Only the parent's own process id (kernel-checked credentials) may send
/// `Policy`, `Prestart` and `PolicyEnd`; httpd children may send `Child`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParentToManager {
    /// Starts a new policy; descriptors: the scoreboard's memfd, the error log. Answered by nothing.
    Policy(Policy),
    /// An application that server configuration asks to run at once (minimum of processes above 0): an encoded
    /// `AppSpec` (crate `krait-config`).
    Prestart(Vec<u8>),
    /// The policy is complete: it is in force from now on, and applications no longer wanted drain.
    PolicyEnd,
    /// A new httpd child; descriptor: the manager's end of its control channel.
    Child,
}

/// What the parent allows, read from server configuration only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// [`crate::limits::VERSION`] of the sender.
    pub version: u16,
    /// Grows with every configuration that httpd reads.
    pub generation: u64,
    /// Process id of the httpd parent.
    pub parent_pid: u32,
    /// Whom applications may run as; empty: nobody is switched, all run as the manager's user.
    pub identities: Vec<Identity>,
}

/// From an httpd child to the manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChildToManager {
    /// First message; answered by `Welcome`.
    Hello {
        /// [`crate::limits::VERSION`] of the sender.
        version: u16,
    },
    /// Which entry of the scoreboard serves this encoded `AppSpec`? Answered by `Resolved` or `Refused`.
    Resolve(Vec<u8>),
    /// The descriptor of a slot; answered by `Slot` (with it) or `SlotGone`.
    FetchSlot {
        /// Index in the scoreboard.
        slot: u32,
        /// Generation the child leased.
        generation: u32,
    },
    /// A slot came back other than idle (state `Broken` or `Closed` in the scoreboard). No answer.
    Returned {
        /// Index in the scoreboard.
        slot: u32,
        /// Generation the child leased.
        generation: u32,
        /// Why.
        reason: ReturnReason,
    },
    /// A request waits and no slot is idle. No answer.
    Demand {
        /// Index in the scoreboard.
        app: u32,
        /// The entry's generation.
        generation: u32,
    },
}

/// Why a child gave a slot back in another state than idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReturnReason {
    /// The manager had asked for it (drain flag).
    Drained,
    /// The client went away; the worker is probably well.
    Aborted,
    /// The worker closed its end: it is dead or dying.
    WorkerGone,
    /// The worker broke the protocol.
    Protocol,
    /// The request passed its deadline; the worker is still busy with it and must be ended.
    Deadline,
}

/// From the manager to an httpd child, one per question, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ManagerToChild {
    /// The child's index in the scoreboard.
    Welcome {
        /// Owner number for leases.
        child: u32,
    },
    /// The application's place in the scoreboard; its state there says whether it is starting, ready or failed.
    Resolved {
        /// Index in the scoreboard.
        app: u32,
        /// The entry's generation.
        generation: u32,
        /// Whether a start is under way, so that a failure which shows later is that start's.
        starting: bool,
    },
    /// The application may not run, or there is no room for it.
    Refused {
        /// One line for the error log: object, cause, next step.
        reason: String,
    },
    /// Descriptor: the module's end of the slot.
    Slot,
    /// The slot has another generation by now.
    SlotGone,
}

/// From the manager to a zygote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ManagerToZygote {
    /// First message: what to load.
    Boot(AppPlan),
    /// Fork a worker. Descriptors: its control channel, then one per slot.
    Fork {
        /// The manager's number for it.
        worker: u32,
    },
    /// End: no worker of it is left or it is not needed any more.
    Stop,
}

/// From a zygote to the manager. The plain form of [`StartFailure`] is accepted in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ZygoteToManager {
    /// A step of the start begins (for the journey's timing and to name the step that hangs).
    Step(Step),
    /// Ready to fork.
    Ready {
        /// Whether the application is imported already.
        preloaded: bool,
    },
    /// Importing left several threads, so forking would be unsafe: start again with `preload` false.
    Threaded {
        /// How many threads there are.
        threads: u32,
    },
    /// A worker was forked.
    Forked {
        /// The manager's number for it.
        worker: u32,
        /// Its process id, to be checked against the credentials of the worker's own messages.
        pid: u32,
    },
    /// A worker ended.
    Exited {
        /// The manager's number for it.
        worker: u32,
        /// Wait status as `waitpid(2)` gives it.
        status: i32,
    },
    /// The start failed; the zygote exits.
    Failed(StartFailure),
}

/// From the manager to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ManagerToWorker {
    /// A new pair for a broken slot; descriptor: the worker's end.
    Slot {
        /// Which of the worker's slots, from 0.
        index: u32,
    },
    /// Finish what runs, then exit. The slots' sockets are shut down as well.
    Stop,
}

/// From a worker to the manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkerToManager {
    /// The worker waits for requests on all its slots.
    Ready,
    /// Importing failed (`preload` false); the worker exits.
    Failed(StartFailure),
}

/// Encodes a control message.
///
/// # Errors
/// `TooLarge` beyond [`MAX_CONTROL_BYTES`].
pub fn encode<M: Serialize>(message: &M) -> Result<Vec<u8>, ProtocolError> {
    let bytes = postcard::to_stdvec(message).map_err(|_| ProtocolError::Control)?;
    if bytes.len() > MAX_CONTROL_BYTES {
        return Err(ProtocolError::TooLarge {
            what: "control message",
            size: bytes.len(),
            limit: MAX_CONTROL_BYTES,
        });
    }
    Ok(bytes)
}

/// Decodes a control message; it must fill the packet.
///
/// # Errors
/// `TooLarge`, `Trailing`, or `Control` where it cannot be read.
pub fn decode<M: DeserializeOwned>(packet: &[u8]) -> Result<M, ProtocolError> {
    if packet.len() > MAX_CONTROL_BYTES {
        return Err(ProtocolError::TooLarge {
            what: "control message",
            size: packet.len(),
            limit: MAX_CONTROL_BYTES,
        });
    }
    match postcard::take_from_bytes(packet) {
        Ok((message, [])) => Ok(message),
        Ok((_, rest)) => Err(ProtocolError::Trailing(rest.len())),
        Err(_) => Err(ProtocolError::Control),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_reads_back_and_must_fill_its_packet() {
        let message = ChildToManager::FetchSlot { slot: 3, generation: 9 };
        let mut bytes = encode(&message).unwrap();
        assert_eq!(decode::<ChildToManager>(&bytes), Ok(message));
        bytes.push(0);
        assert_eq!(decode::<ChildToManager>(&bytes), Err(ProtocolError::Trailing(1)));
    }

    #[test]
    fn no_message_of_a_zygote_looks_like_the_plain_form() {
        let longest = encode(&ZygoteToManager::Failed(StartFailure::new(Step::Boot, "", "", ""))).unwrap();
        assert!(longest[0] < b'!');
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(decode::<ParentToManager>(&bytes));
            drop(decode::<ChildToManager>(&bytes));
            drop(decode::<ZygoteToManager>(&bytes));
            drop(decode::<WorkerToManager>(&bytes));
        }
    }
}
