//! A start as a journey of named, timed steps.

use krait_protocol::start::{StartFailure, Step};
use std::time::{Duration, Instant};

/// More steps than this are not noted: a hostile zygote could tell of steps for ever.
const MAX_NOTED: usize = 16;

#[derive(Debug)]
pub(crate) struct Journey {
    began: Instant,
    steps: Vec<(Step, Instant)>,
    current: Step,
}

impl Journey {
    pub(crate) fn begin(now: Instant) -> Journey {
        Journey { began: now, steps: vec![(Step::Spawn, now)], current: Step::Spawn }
    }

    /// The next step begins.
    pub(crate) fn enter(&mut self, step: Step, now: Instant) {
        self.current = step;
        if self.steps.len() < MAX_NOTED && self.steps.last().is_none_or(|(last, _)| *last != step) {
            self.steps.push((step, now));
        }
    }

    pub(crate) fn step(&self) -> Step {
        self.current
    }

    pub(crate) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    /// How long each step took, for people: `spawn 3 ms, boot 41 ms, import 9 ms so far`.
    pub(crate) fn story(&self, now: Instant) -> String {
        let ends = self.steps.iter().skip(1).map(|(_, begin)| *begin).chain([now]);
        let parts: Vec<String> = self
            .steps
            .iter()
            .zip(ends)
            .map(|((step, begin), end)| {
                format!("{} {} ms", step.word(), end.saturating_duration_since(*begin).as_millis())
            })
            .collect();
        format!("{} so far", parts.join(", "))
    }

    /// The failure of a start that took too long.
    pub(crate) fn overdue(&self, now: Instant, tail: &str) -> StartFailure {
        let word = self.current.word();
        let seconds = self.elapsed(now).as_secs_f64();
        let advice = match self.current {
            Step::Import => "look at what the module does when it is imported, or raise KraitStartTimeout",
            _ => "look at the load of the server, or raise KraitStartTimeout",
        };
        let detail = [&self.story(now), tail].join("\n");
        StartFailure::new(
            self.current,
            format!("still in step {word} after {seconds:.0} s"),
            advice,
            detail.trim_end(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hanging_step_is_named() {
        let begin = Instant::now();
        let mut journey = Journey::begin(begin);
        journey.enter(Step::Boot, begin + Duration::from_millis(3));
        journey.enter(Step::Import, begin + Duration::from_millis(44));
        let failure = journey.overdue(begin + Duration::from_secs(60), "last words");
        assert_eq!(failure.step, Step::Import);
        assert_eq!(failure.summary, "still in step import after 60 s");
        assert_eq!(failure.detail, "spawn 3 ms, boot 41 ms, import 59956 ms so far\nlast words");
    }

    #[test]
    fn endless_steps_cost_nothing() {
        let mut journey = Journey::begin(Instant::now());
        for _ in 0..1000 {
            journey.enter(Step::Boot, Instant::now());
            journey.enter(Step::Import, Instant::now());
        }
        assert!(journey.steps.len() <= MAX_NOTED);
        assert_eq!(journey.step(), Step::Import);
    }
}
