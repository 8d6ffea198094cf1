use super::*;
use crate::pool::{Claim, Released, Waited};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

fn ledger() -> Ledger {
    let fd = Scoreboard::create().unwrap();
    Ledger::adopt(Scoreboard::map(fd.as_fd()).unwrap()).0
}

fn lease(ledger: &Ledger, app: AppRef, child: ChildId) -> crate::pool::Lease {
    match ledger.board().pool(app).unwrap().claim(child) {
        Claim::Leased(lease) => lease,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_slot_is_leased_and_comes_back() {
    let mut ledger = ledger();
    let child = ledger.add_child(1).unwrap();
    let app = ledger.open_app(2, 10).unwrap();
    let pool = ledger.board().pool(app).unwrap();
    assert_eq!(pool.claim(child), Claim::Busy);
    let slots = ledger.slots(app);
    assert_eq!(ledger.offer(app, slots.start), Some(1));
    let lease = lease(&ledger, app, child);
    assert_eq!((lease.index, lease.generation), (0, 1));
    assert_eq!(pool.claim(child), Claim::Busy);
    assert_eq!(ledger.offer(app, slots.start), None, "a leased slot is not offered");
    assert_eq!(pool.release(child, &lease), Released::Idle);
    assert!(ledger.has_idle(app));
}

#[test]
fn a_lease_that_the_manager_wants_back_is_drained() {
    let mut ledger = ledger();
    let child = ledger.add_child(1).unwrap();
    let app = ledger.open_app(1, 1).unwrap();
    let slot = ledger.slots(app).start;
    ledger.offer(app, slot).unwrap();
    let lease = lease(&ledger, app, child);
    assert_eq!(ledger.close(app, slot), Some(State::Leased));
    assert_eq!(ledger.board().pool(app).unwrap().release(child, &lease), Released::Drained);
    assert_eq!(ledger.word(slot).state, State::Closed);
    assert_eq!(ledger.offer(app, slot), Some(2));
}

#[test]
fn a_freed_lease_is_lost_and_does_no_harm() {
    let mut ledger = ledger();
    let child = ledger.add_child(1).unwrap();
    let app = ledger.open_app(1, 1).unwrap();
    let slot = ledger.slots(app).start;
    ledger.offer(app, slot).unwrap();
    let old = lease(&ledger, app, child);
    ledger.free(app, slot);
    ledger.offer(app, slot).unwrap();
    assert_eq!(ledger.board().pool(app).unwrap().release(child, &old), Released::Lost);
    assert_eq!(ledger.word(slot), Word::new(State::Idle, 2));
}

#[test]
fn a_dead_childs_slots_and_places_come_back() {
    let mut ledger = ledger();
    let (dead, alive) = (ledger.add_child(1).unwrap(), ledger.add_child(2).unwrap());
    let app = ledger.open_app(2, 1).unwrap();
    for slot in ledger.slots(app) {
        ledger.offer(app, slot).unwrap();
    }
    let _lost = lease(&ledger, app, dead);
    let kept = lease(&ledger, app, alive);
    let _place = ledger.board().pool(app).unwrap().enter(dead).unwrap();
    assert!(ledger.board().pool(app).unwrap().enter(alive).is_none());
    assert_eq!(ledger.remove_child(dead), vec![ledger.slots(app).start]);
    assert!(!ledger.is_waiting(app));
    assert_eq!(ledger.add_child(3), Some(dead), "the number is free again");
    assert_eq!(ledger.board().pool(app).unwrap().release(alive, &kept), Released::Idle);
}

#[test]
fn a_handle_of_an_earlier_application_gets_nothing() {
    let mut ledger = ledger();
    let child = ledger.add_child(1).unwrap();
    let old = ledger.open_app(1, 1).unwrap();
    ledger.offer(old, ledger.slots(old).start).unwrap();
    let held = lease(&ledger, old, child);
    ledger.close_app(old);
    assert_eq!(ledger.board().pool(old).unwrap().claim(child), Claim::Gone);
    let other = ledger.open_app(1, 1).unwrap();
    assert_ne!(ledger.slots(other), 0..1, "the range is still held by a lease");
    let deadline = Instant::now() + Duration::from_secs(5);
    let pool = ledger.board().pool(old).unwrap();
    assert_eq!(pool.wait(child, deadline, || {}), Waited::Gone);
    assert_eq!(pool.release(child, &held), Released::Drained);
    let third = ledger.open_app(1, 1).unwrap();
    assert_eq!(ledger.slots(third), 0..1);
    assert_eq!(ledger.board().pool(old).unwrap().claim(child), Claim::Gone);
}

#[test]
fn waiting_ends_with_a_slot_a_failure_or_the_deadline() {
    let mut ledger = ledger();
    let child = ledger.add_child(1).unwrap();
    let app = ledger.open_app(1, 1).unwrap();
    let pool = ledger.board().pool(app).unwrap();
    let soon = || Instant::now() + Duration::from_millis(5);
    let later = || Instant::now() + Duration::from_secs(20);
    assert_eq!(pool.wait(child, soon(), || {}), Waited::TimedOut);
    assert!(!pool.is_waiting());
    let slot = ledger.slots(app).start;
    let got = pool.wait(child, later(), || {
        ledger.offer(app, slot);
    });
    assert!(matches!(got, Waited::Leased(_)), "{got:?}");
    let waited = pool.wait(child, later(), || ledger.set_state(app, AppState::Failed, 9));
    assert_eq!((waited, pool.retry_at_ms()), (Waited::Failed, 9));
    let _place = pool.enter(child).unwrap();
    assert_eq!(pool.wait(child, later(), || {}), Waited::QueueFull);
}

#[test]
fn demand_is_told_once_until_it_is_heard() {
    let mut ledger = ledger();
    let app = ledger.open_app(1, 1).unwrap();
    let pool = ledger.board().pool(app).unwrap();
    assert!(pool.may_tell_demand());
    assert!(!pool.may_tell_demand());
    assert!(!ledger.hear_demand(app));
    assert!(pool.may_tell_demand());
}

#[test]
fn a_new_manager_takes_over_what_the_old_one_left() {
    let fd = Scoreboard::create().unwrap();
    let map = || Scoreboard::map(fd.as_fd()).unwrap();
    let (mut first, _) = Ledger::adopt(map());
    let child = first.add_child(77).unwrap();
    let app = first.open_app(2, 3).unwrap();
    for slot in first.slots(app) {
        first.offer(app, slot).unwrap();
    }
    let held = lease(&first, app, child);
    let children_view = map();
    let held_pool = children_view.pool(app).unwrap();
    drop(first);
    let (mut second, found) = Ledger::adopt(map());
    assert_eq!(found, vec![(child, 77)]);
    assert_eq!(children_view.pool(app).unwrap().claim(child), Claim::Gone);
    assert_eq!(second.word(1).state, State::Free);
    let fresh = second.open_app(2, 3).unwrap();
    assert_eq!(second.slots(fresh), 1..3, "slot 0 is still leased");
    assert_eq!(held_pool.release(child, &held), Released::Drained);
    assert_ne!(second.add_child(78), Some(child));
}

#[test]
fn nonsense_in_the_memory_stays_inside_it() {
    let mut ledger = ledger();
    let app = ledger.open_app(1, 1).unwrap();
    let shared = &ledger.board().layout().apps[0];
    shared.first_slot.store(u32::MAX, Ordering::Relaxed);
    assert!(ledger.board().pool(app).is_none());
    shared.first_slot.store(0, Ordering::Relaxed);
    shared.places.store(u32::MAX, Ordering::Relaxed);
    assert!(ledger.board().pool(app).is_none());
    ledger.board().layout().words[0].store(u64::MAX, Ordering::Relaxed);
    assert_eq!(ledger.word(0).state, State::Broken);
    assert!(ledger.offer(app, 0).is_some(), "the manager goes by its own numbers");
    assert!(ledger.board().pool(AppRef { index: u32::MAX, generation: 0 }).is_none());
}

#[test]
fn gaps_are_found() {
    let all = |_| true;
    assert_eq!(first_fit(&[], 4, 10, all), Some(0..4));
    assert_eq!(first_fit(&[0..4, 6..8], 2, 10, all), Some(4..6));
    assert_eq!(first_fit(&[0..4, 6..8], 3, 10, all), None);
    assert_eq!(first_fit(&[0..4, 9..9], 3, 10, |slot| slot != 5), Some(6..9));
}
