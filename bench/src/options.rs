//! What is to be run.

use std::time::{Duration, Instant};

use anyhow::bail;

pub(crate) const USAGE: &str = "\
Measures Librecast beside its peers on this machine

usage: bench/run [ask|watch] [--quick] [--counts N,N...] [--only NAME,NAME...]

  ask              one question to many responders, by every system
  watch            from a change to its display
  (neither)        both, and writes docs/benchmarks.md and the table of speed in README.md
  --quick          in small: fewer responders, blocks and questions
  --counts N,...   with so many responders
  --only NAME,...  only systems whose names begin so; for a part
";

/// The parts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Ask,
    Watch,
    Everything,
}

/// How much of everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) part: Part,
    pub(crate) quick: bool,
    /// The numbers of responders.
    pub(crate) counts: Vec<usize>,
    /// Beginnings of the names of systems, in lower case; none means all.
    pub(crate) only: Vec<String>,
    /// Fresh fleets of each system and number.
    pub(crate) blocks: usize,
    /// Warm questions of a block.
    pub(crate) questions_max: usize,
    /// Whole commands of a block.
    pub(crate) commands_max: usize,
    /// Questions of a block whose packets are counted.
    pub(crate) counted_max: usize,
    /// For how long each of these goes on; at least once.
    pub(crate) turns_time: Duration,
    /// How many agents change a variable once a second, and for how long in each block.
    pub(crate) watched: usize,
    pub(crate) watch_time: Duration,
}

impl Plan {
    fn full() -> Self {
        Self {
            part: Part::Everything,
            quick: false,
            counts: vec![1, 10, 100, 500],
            only: Vec::new(),
            blocks: 5,
            questions_max: 100,
            commands_max: 5,
            counted_max: 9,
            turns_time: Duration::from_millis(1500),
            watched: 100,
            watch_time: Duration::from_secs(8),
        }
    }

    fn quick() -> Self {
        Self {
            quick: true,
            counts: vec![1, 10],
            blocks: 2,
            questions_max: 10,
            commands_max: 1,
            counted_max: 3,
            watched: 10,
            watch_time: Duration::from_secs(2),
            ..Self::full()
        }
    }

    /// The plan that the words of a command line ask for; none for a call for help.
    pub(crate) fn read(words: &[String]) -> anyhow::Result<Option<Self>> {
        if words.iter().any(|word| word == "--help" || word == "-h") {
            return Ok(None);
        }
        let quick = words.iter().any(|word| word == "--quick");
        let mut plan = if quick { Self::quick() } else { Self::full() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut list = || words.next().map(|list| list.split(',')).into_iter().flatten();
            match word.as_str() {
                "ask" => plan.part = Part::Ask,
                "watch" => plan.part = Part::Watch,
                "--quick" => {}
                "--only" => plan.only = list().map(str::to_lowercase).collect(),
                "--counts" => plan.counts = list().map(str::parse).collect::<Result<_, _>>()?,
                _ => bail!("no such word: '{word}'\n\n{USAGE}"),
            }
        }
        if plan.counts.is_empty() || plan.counts.contains(&0) {
            bail!("--counts takes numbers from 1: --counts 10,100");
        }
        if plan.part == Part::Everything && (plan.counts != plan.defaults() || plan.is_part()) {
            bail!("--counts and --only are for a part: bench/run ask ...");
        }
        if plan.part == Part::Watch && (plan.counts != plan.defaults() || plan.is_part()) {
            bail!("--counts and --only are for asking: bench/run ask ...");
        }
        Ok(Some(plan))
    }

    /// Turns that end after `max` of them, or when their time is over.
    pub(crate) fn turns(&self, max: usize) -> Turns {
        Turns { left: max, first: true, begin: Instant::now(), time: self.turns_time }
    }

    /// Whether a system is to be measured.
    pub(crate) fn takes(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        !self.is_part() || self.only.iter().any(|beginning| name.starts_with(beginning))
    }

    fn is_part(&self) -> bool {
        !self.only.is_empty()
    }

    fn defaults(&self) -> Vec<usize> {
        if self.quick { Self::quick().counts } else { Self::full().counts }
    }
}

/// How often something is done.
pub(crate) struct Turns {
    left: usize,
    first: bool,
    begin: Instant,
    time: Duration,
}

impl Turns {
    /// Whether it is done once more.
    pub(crate) fn another(&mut self) -> bool {
        let another = self.left > 0 && (self.first || self.begin.elapsed() < self.time);
        self.left = self.left.saturating_sub(1);
        self.first = false;
        another
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> anyhow::Result<Option<Plan>> {
        Plan::read(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn plans() {
        assert_eq!(read("").expect("a plan"), Some(Plan::full()));
        assert_eq!(read("--quick").expect("a plan"), Some(Plan::quick()));
        assert_eq!(read("--quick --help").expect("help"), None);
        let plan = read("ask --counts 3,50 --only librecast,NA --quick").expect("a plan");
        let plan = plan.expect("a plan");
        assert_eq!((plan.part, plan.counts.as_slice()), (Part::Ask, &[3, 50][..]));
        assert!(plan.takes("NATS") && plan.takes("Librecast") && !plan.takes("zenoh, mesh"));
        assert!(Plan::full().takes("zenoh, mesh"));
    }

    #[test]
    fn turns_end() {
        let count = |max, time| {
            let mut plan = Plan::full();
            plan.turns_time = time;
            let mut turns = plan.turns(max);
            std::iter::from_fn(|| turns.another().then_some(())).count()
        };
        assert_eq!(count(3, Duration::MAX), 3);
        assert_eq!(count(3, Duration::ZERO), 1);
        assert_eq!(count(0, Duration::MAX), 0);
    }

    #[test]
    fn mistakes() {
        let counts = ["ask --counts", "ask --counts x", "ask --counts 0", "--counts 3"];
        for words in ["asks", "--only nats"].iter().chain(&counts) {
            assert!(read(words).is_err(), "{words}");
        }
    }
}
