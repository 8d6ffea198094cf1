//! A slot's word: 64 bits that change together.
//!
//! | bits | field |
//! |---|---|
//! | 0..3 | [`State`] |
//! | 3 | drain: the manager wants the slot back at the end of the lease |
//! | 8..32 | owner: the leasing child's number plus one, 0 where there is none |
//! | 32..64 | generation: grows with every new socketpair |

/// A httpd child's number, given by the manager; at most [`crate::layout::MAX_CHILDREN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChildId(pub u32);

/// What a slot is doing. Children move slots only out of `Idle` and out of their own `Leased`; every other move is
/// the manager's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// No worker is behind it.
    Free = 0,
    /// A worker waits for a request.
    Idle = 1,
    /// A child's request is on it.
    Leased = 2,
    /// Its socketpair is of no more use; the manager makes a new one.
    Broken = 3,
    /// The manager holds it: its worker is on the way out.
    Closed = 4,
}

/// A slot's word, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// What the slot is doing.
    pub state: State,
    /// Whether the manager wants it back.
    pub drain: bool,
    /// Who leases it.
    pub owner: Option<ChildId>,
    /// Which socketpair it is.
    pub generation: u32,
}

const OWNER_SHIFT: u32 = 8;
const OWNER_MASK: u64 = 0xff_ffff;
const DRAIN: u64 = 1 << 3;

impl Word {
    /// A word without owner or drain flag.
    #[must_use]
    pub const fn new(state: State, generation: u32) -> Word {
        Word { state, drain: false, owner: None, generation }
    }

    /// The word of a lease.
    #[must_use]
    pub const fn leased(owner: ChildId, generation: u32) -> Word {
        Word { state: State::Leased, drain: false, owner: Some(owner), generation }
    }

    /// The 64 bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        let owner = match self.owner {
            Some(child) => (child.0 as u64 + 1) & OWNER_MASK,
            None => 0,
        };
        self.state as u64
            | if self.drain { DRAIN } else { 0 }
            | owner << OWNER_SHIFT
            | (self.generation as u64) << 32
    }

    /// Takes any 64 bits apart. An unknown state reads as `Broken`: the manager then repairs it.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Word {
        let state = match bits & 7 {
            0 => State::Free,
            1 => State::Idle,
            2 => State::Leased,
            4 => State::Closed,
            _ => State::Broken,
        };
        let owner = match bits >> OWNER_SHIFT & OWNER_MASK {
            0 => None,
            number => {
                #[expect(clippy::cast_possible_truncation, reason = "24 bits")]
                let number = number as u32;
                Some(ChildId(number - 1))
            }
        };
        let generation = (bits >> 32) as u32;
        Word { state, drain: bits & DRAIN != 0, owner, generation }
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_reads_back() {
        for word in [
            Word::new(State::Idle, u32::MAX),
            Word::leased(ChildId(0), 7),
            Word { drain: true, ..Word::leased(ChildId(4095), 1) },
        ] {
            assert_eq!(Word::from_bits(word.bits()), word);
        }
        assert_eq!(Word::new(State::Free, 0).bits(), 0, "fresh memory must read as free slots");
        assert_eq!(Word::from_bits(7).state, State::Broken);
    }
}
