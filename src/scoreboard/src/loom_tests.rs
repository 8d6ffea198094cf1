//! Every interleaving of a few threads on one application, explored by loom. A sleeper that nobody wakes is a
//! deadlock, which loom reports; `Event::wait` never times out here.

use super::*;
use crate::event::Event;
use loom::sync::Arc;
use loom::thread;

const FAR: Duration = Duration::from_secs(3600);

struct Board {
    app: App,
    words: Vec<AtomicU64>,
    places: Vec<AtomicU32>,
}

impl Board {
    fn new(idle: usize, places: usize) -> Arc<Board> {
        Arc::new(Board {
            app: App {
                generation: AtomicU32::new(1),
                state: AtomicU32::new(AppState::Ready as u32),
                first_slot: AtomicU32::new(0),
                slots: AtomicU32::new(0),
                first_place: AtomicU32::new(0),
                places: AtomicU32::new(0),
                demand: AtomicU32::new(0),
                event: Event::new(),
                retry_at_ms: AtomicU64::new(0),
                waiting: std::array::from_fn(|_| AtomicU64::new(0)),
            },
            words: (0..idle).map(|_| AtomicU64::new(Word::new(State::Idle, 1).bits())).collect(),
            places: (0..places).map(|_| AtomicU32::new(0)).collect(),
        })
    }

    fn pool(&self) -> Pool<'_> {
        Pool { app: &self.app, first_slot: 0, words: &self.words, places: &self.places, generation: 1 }
    }

    fn word(&self, index: usize) -> Word {
        Word::from_bits(self.words[index].load(Ordering::SeqCst))
    }
}

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

/// Serves one request from the idle slot or the queue.
fn request(board: &Board, child: ChildId) {
    let pool = board.pool();
    let lease = match pool.claim(child) {
        Claim::Leased(lease) => lease,
        Claim::Gone => return,
        Claim::Busy => match pool.wait(child, Instant::now() + FAR, || {}) {
            Waited::Leased(lease) => lease,
            Waited::Gone => return,
            other => panic!("{other:?}"),
        },
    };
    assert_eq!(board.word(lease.index).owner, Some(child), "two owners of one slot");
    pool.release(child, &lease);
}

#[test]
fn two_requests_share_one_slot_and_none_is_forgotten() {
    model(|| {
        let board = Board::new(1, 2);
        let other = board.clone();
        let thread = thread::spawn(move || request(&other, ChildId(1)));
        request(&board, ChildId(0));
        thread.join().unwrap();
        assert_eq!(board.word(0), Word::new(State::Idle, 1));
        assert!(!board.pool().is_waiting());
    });
}

#[test]
fn three_requests_share_one_slot() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let board = Board::new(1, 3);
        let threads: Vec<_> = (1..3)
            .map(|child| {
                let board = board.clone();
                thread::spawn(move || request(&board, ChildId(child)))
            })
            .collect();
        request(&board, ChildId(0));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(board.word(0), Word::new(State::Idle, 1));
    });
}

#[test]
fn a_new_slot_reaches_who_waits() {
    model(|| {
        let board = Board::new(1, 1);
        board.words[0].store(Word::new(State::Free, 1).bits(), Ordering::SeqCst);
        let other = board.clone();
        let thread = thread::spawn(move || request(&other, ChildId(1)));
        assert_eq!(board.pool().offer(0), Some(2));
        thread.join().unwrap();
        assert_eq!(board.word(0), Word::new(State::Idle, 2));
    });
}

#[test]
fn a_failure_reaches_who_waits() {
    model(|| {
        let board = Board::new(0, 1);
        let other = board.clone();
        let thread = thread::spawn(move || other.pool().wait(ChildId(1), Instant::now() + FAR, || {}));
        board.app.state.store(AppState::Failed as u32, Ordering::SeqCst);
        board.app.event.notify_all();
        assert_eq!(thread.join().unwrap(), Waited::Failed);
    });
}

/// Where a child may die: it has done so many of its steps, the rest never happens.
#[test]
fn what_a_dead_child_held_comes_back_to_who_waits() {
    for steps in 0..3 {
        model(move || {
            let board = Board::new(1, 2);
            let dying = board.clone();
            let dead = thread::spawn(move || {
                let pool = dying.pool();
                let Claim::Leased(lease) = pool.claim(ChildId(0)) else { return };
                if steps == 1 {
                    // Given back, but the one who waits was not told.
                    let idle = Word::new(State::Idle, lease.generation).bits();
                    dying.words[lease.index].store(idle, Ordering::SeqCst);
                } else if steps == 2 {
                    // It also had taken a place in the queue and not yet shown it.
                    dying.places[0].compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst).ok();
                }
            });
            let waiting = board.clone();
            let waiter = thread::spawn(move || {
                if let Claim::Leased(lease) = waiting.pool().claim(ChildId(1)) {
                    waiting.pool().release(ChildId(1), &lease);
                } else {
                    request(&waiting, ChildId(1));
                }
            });
            dead.join().unwrap();
            for slot in board.pool().reclaim(ChildId(0)) {
                board.pool().offer(slot);
            }
            waiter.join().unwrap();
            assert_eq!(board.word(0).state, State::Idle);
            assert!(!board.pool().is_waiting());
            assert!(board.places.iter().all(|place| place.load(Ordering::SeqCst) == 0));
        });
    }
}

#[test]
fn closing_meets_a_lease_at_any_moment() {
    model(|| {
        let board = Board::new(1, 1);
        let other = board.clone();
        let thread = thread::spawn(move || match other.pool().claim(ChildId(1)) {
            Claim::Leased(lease) => Some(other.pool().release(ChildId(1), &lease)),
            _ => None,
        });
        let closed = board.pool().close(0);
        let released = thread.join().unwrap();
        assert_eq!(board.word(0).state, State::Closed);
        assert_eq!(
            closed == Some(State::Leased),
            released == Some(Released::Drained),
            "who tells the manager?"
        );
    });
}

#[test]
fn an_entry_that_changes_hands_leases_nothing_to_an_old_handle() {
    model(|| {
        let board = Board::new(1, 1);
        let other = board.clone();
        let thread = thread::spawn(move || other.pool().claim(ChildId(1)));
        board.app.generation.store(2, Ordering::SeqCst);
        let closed = board.pool().close(0);
        match thread.join().unwrap() {
            // Leased before the entry changed hands: the manager sees the lease and leaves the slot alone.
            Claim::Leased(_) => assert_eq!(closed, Some(State::Leased)),
            Claim::Busy | Claim::Gone => {}
        }
    });
}
