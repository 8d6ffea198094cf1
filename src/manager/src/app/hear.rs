//! Reading the channels of zygotes and workers: so much a turn, and all that is left of one that has ended.

use super::App;
use crate::channel::{Incoming, PACKETS_PER_TURN};
use crate::core::{Core, Now};

/// How a turn of reading ended.
pub(super) enum Turn {
    Empty,
    More,
    Closed,
}

impl App {
    /// A zygote's channel is readable.
    pub(crate) fn hear_zygote(&mut self, core: &mut Core, number: u32, now: Now) {
        match self.take_from_zygote(core, number, now) {
            Turn::Empty => {}
            Turn::More => {
                if let Some(zygote) = self.zygotes.get(&number) {
                    core.sources.again(zygote.channel.token());
                }
            }
            Turn::Closed => self.zygote_gone(core, number),
        }
    }

    /// What a zygote said before it ended: the news of its end may come first.
    pub(super) fn take_from_zygote(&mut self, core: &mut Core, number: u32, now: Now) -> Turn {
        for _ in 0..PACKETS_PER_TURN {
            let Some(zygote) = self.zygotes.get(&number).filter(|zygote| !zygote.closed) else {
                return Turn::Empty;
            };
            match zygote.channel.receive() {
                Incoming::Packet(packet) => self.zygote_says(core, number, &packet, now),
                Incoming::Oversized => self.break_zygote(core, number, "an oversized message", now),
                Incoming::Closed => return Turn::Closed,
                Incoming::Empty => return Turn::Empty,
            }
        }
        Turn::More
    }

    /// A worker's channel is readable.
    pub(crate) fn hear_worker(&mut self, core: &mut Core, number: u32, now: Now) {
        match self.take_from_worker(core, number, now) {
            Turn::Empty => {}
            Turn::More => {
                if let Some(worker) = self.workers.get(&number) {
                    core.sources.again(worker.channel.token());
                }
            }
            Turn::Closed => self.worker_gone(core, number, now),
        }
    }

    /// What a worker said before it ended.
    pub(super) fn take_from_worker(&mut self, core: &mut Core, number: u32, now: Now) -> Turn {
        for _ in 0..PACKETS_PER_TURN {
            let Some(worker) = self.workers.get(&number).filter(|worker| worker.gone.is_none()) else {
                return Turn::Empty;
            };
            match worker.channel.receive() {
                Incoming::Packet(packet) => self.worker_says(core, number, &packet, now),
                Incoming::Oversized => self.break_worker(core, number, "an oversized message", now),
                Incoming::Closed => return Turn::Closed,
                Incoming::Empty => return Turn::Empty,
            }
        }
        Turn::More
    }
}
