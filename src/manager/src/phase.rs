//! A worker's life as a table: in which phase what happens leads where. Pure; the doing is in `worker`.

/// Where a worker is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Asked for, not ready yet.
    Starting,
    /// Its slots are offered.
    Serving,
    /// No new requests; the leased slots finish.
    Draining,
    /// As `Draining`, but a request ran past its deadline: at the end it is not asked but told to go.
    Condemned,
    /// Asked to stop, with no request left.
    Stopping,
    /// Was sent SIGTERM.
    Terminating,
    /// Was sent SIGKILL.
    Killing,
}

/// What happens to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// It says it is ready.
    Ready,
    /// It is not needed any more.
    Drain,
    /// A request ran past its deadline.
    Runaway,
    /// It broke the protocol or lost a request: not to be trusted any more.
    Broken,
    /// No child holds one of its slots.
    Unleased,
    /// The phase's time is over.
    Timeout,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Offer its slots.
    Offer,
    /// Take its slots out of service.
    Close,
    /// Ask it to stop.
    Stop,
    /// Send SIGTERM.
    Terminate,
    /// Send SIGKILL.
    Kill,
}

/// Where an event leads and what is to be done; `None` where it means nothing in this phase.
pub(crate) fn next(phase: Phase, event: Event) -> Option<(Phase, &'static [Act])> {
    use Phase::*;
    Some(match (phase, event) {
        (Starting, Event::Ready) => (Serving, &[Act::Offer]),
        (Starting, Event::Drain | Event::Broken | Event::Timeout) => (Terminating, &[Act::Terminate]),

        (Serving, Event::Drain) => (Draining, &[Act::Close]),
        (Serving, Event::Runaway) => (Condemned, &[Act::Close]),
        (Serving, Event::Broken) => (Terminating, &[Act::Close, Act::Terminate]),

        (Draining, Event::Unleased) => (Stopping, &[Act::Stop]),
        (Draining, Event::Runaway) => (Condemned, &[]),
        (Condemned, Event::Unleased) => (Terminating, &[Act::Terminate]),
        (Draining | Condemned | Stopping, Event::Broken | Event::Timeout) => (Terminating, &[Act::Terminate]),

        (Terminating, Event::Timeout) => (Killing, &[Act::Kill]),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PHASES: [Phase; 7] = [
        Phase::Starting,
        Phase::Serving,
        Phase::Draining,
        Phase::Condemned,
        Phase::Stopping,
        Phase::Terminating,
        Phase::Killing,
    ];
    const EVENTS: [Event; 6] =
        [Event::Ready, Event::Drain, Event::Runaway, Event::Broken, Event::Unleased, Event::Timeout];

    fn order(phase: Phase) -> usize {
        PHASES.iter().position(|other| *other == phase).unwrap()
    }

    #[test]
    fn life_only_goes_forward() {
        for phase in PHASES {
            for event in EVENTS {
                if let Some((after, _)) = next(phase, event) {
                    assert!(order(after) > order(phase), "{phase:?} {event:?} {after:?}");
                }
            }
        }
    }

    #[test]
    fn every_end_has_a_deadline_until_the_kill() {
        for phase in PHASES {
            let (mut now, mut steps) = (phase, 0);
            if phase == Phase::Serving {
                now = next(now, Event::Drain).unwrap().0;
            }
            while now != Phase::Killing {
                now = next(now, Event::Timeout).unwrap().0;
                steps += 1;
            }
            assert!(steps <= 2);
        }
    }

    #[test]
    fn leaving_quietly() {
        assert_eq!(next(Phase::Serving, Event::Drain), Some((Phase::Draining, &[Act::Close][..])));
        assert_eq!(next(Phase::Draining, Event::Unleased), Some((Phase::Stopping, &[Act::Stop][..])));
        assert_eq!(next(Phase::Serving, Event::Unleased), None);
    }

    #[test]
    fn a_runaway_is_told_to_go_when_its_siblings_are_done() {
        assert_eq!(next(Phase::Serving, Event::Runaway), Some((Phase::Condemned, &[Act::Close][..])));
        assert_eq!(
            next(Phase::Condemned, Event::Unleased),
            Some((Phase::Terminating, &[Act::Terminate][..]))
        );
    }

    proptest! {
        #[test]
        fn slots_are_offered_once_and_never_after_they_were_closed(
            events in proptest::collection::vec(0..EVENTS.len(), 0..40)
        ) {
            let (mut phase, mut offered, mut closed) = (Phase::Starting, 0, false);
            for event in events {
                if let Some((after, acts)) = next(phase, EVENTS[event]) {
                    phase = after;
                    for act in acts {
                        prop_assert!(!(closed && *act == Act::Offer));
                        offered += usize::from(*act == Act::Offer);
                        closed |= *act == Act::Close;
                    }
                }
            }
            prop_assert!(offered <= 1);
            prop_assert!(offered == 0 || closed || phase == Phase::Serving);
        }
    }
}
