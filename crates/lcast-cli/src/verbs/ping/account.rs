//! The account of several questions to the same nodes.

use std::collections::BTreeMap;

use lcast_proto::question::report::{
    Class, EmptyNode, FailedNode, RefusedNode, Reply, Report, UnheardNode,
};

/// What became of each node over all questions: a node ends in the worst class that it had.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// How many questions it is of.
    pub(super) times: u32,
    nodes: BTreeMap<String, Fate>,
    /// What is told of the questions, not of nodes: sums, and the newest of what is no sum.
    whole: Report,
}

/// What became of one node.
#[derive(Debug)]
struct Fate {
    /// The questions that expected it.
    sent: u32,
    worst: Ended,
}

/// How a node ended, with what its class tells of it.
#[derive(Clone, Debug)]
enum Ended {
    Answered,
    Empty(EmptyNode),
    Error(FailedNode),
    Refused(RefusedNode),
    Late(UnheardNode),
    Missing(UnheardNode),
}

impl Account {
    /// Adds the account of one more question, and who replied to it.
    pub(super) fn add<'a>(&mut self, report: Report, replies: impl Iterator<Item = &'a Reply>) {
        let Report { empty, error, refused, late, missing, .. } = report;
        let answered = replies.filter(|it| it.outcome.class() == Class::Answered);
        answered.for_each(|it| self.note(it.node.clone(), Ended::Answered));
        empty.into_iter().for_each(|it| self.note(it.node.clone(), Ended::Empty(it)));
        error.into_iter().for_each(|it| self.note(it.node.clone(), Ended::Error(it)));
        refused.into_iter().for_each(|it| self.note(it.node.clone(), Ended::Refused(it)));
        late.into_iter().for_each(|it| self.note(it.node.clone(), Ended::Late(it)));
        missing.into_iter().for_each(|it| self.note(it.node.clone(), Ended::Missing(it)));
        self.times += 1;
        let whole = &mut self.whole;
        whole.alive = report.alive;
        whole.rounds += report.rounds;
        whole.questions_sent += report.questions_sent;
        whole.elapsed += report.elapsed;
        whole.heard |= report.heard;
        whole.sent |= report.sent;
    }

    fn note(&mut self, node: String, ended: Ended) {
        let fate = self.nodes.entry(node).or_insert(Fate { sent: 0, worst: Ended::Answered });
        fate.sent += 1;
        if ended.class() >= fate.worst.class() {
            fate.worst = ended;
        }
    }

    /// How many questions expected this node.
    pub(super) fn sent(&self, node: &str) -> u32 {
        self.nodes.get(node).map_or(0, |it| it.sent)
    }

    /// One report of all: answered is who answered every time.
    pub(super) fn report(&self) -> Report {
        let mut report = self.whole.clone();
        for fate in self.nodes.values() {
            report.expected += 1;
            match fate.worst.clone() {
                Ended::Answered => report.answered += 1,
                Ended::Empty(it) => report.empty.push(it),
                Ended::Error(it) => report.error.push(it),
                Ended::Refused(it) => report.refused.push(it),
                Ended::Late(it) => report.late.push(it),
                Ended::Missing(it) => report.missing.push(it),
            }
        }
        report
    }
}

impl Ended {
    fn class(&self) -> Class {
        match self {
            Self::Answered => Class::Answered,
            Self::Empty(_) => Class::Empty,
            Self::Error(_) => Class::Error,
            Self::Refused(_) => Class::Refused,
            Self::Late(_) => Class::Late,
            Self::Missing(_) => Class::Missing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::{report, values};

    fn account(questions: &[([u32; 6], &[&str])]) -> Account {
        let mut account = Account::default();
        for (counts, answered) in questions {
            let replies: Vec<Reply> = answered.iter().map(|it| values(it, &[])).collect();
            account.add(report(*counts), replies.iter());
        }
        account
    }

    /// The names of a report are its class and a number: `missing1`.
    #[test]
    fn a_node_ends_in_the_worst_class_that_it_had() {
        let account = account(&[
            ([1, 0, 0, 0, 0, 1], &["web1"]),
            ([2, 0, 0, 0, 0, 0], &["web1", "missing1"]),
            ([1, 1, 0, 0, 1, 0], &["web1"]),
        ]);
        let report = account.report();
        let missing: Vec<&str> = report.missing.iter().map(|it| it.node.as_str()).collect();
        assert_eq!((report.expected, report.answered, &missing[..]), (4, 1, &["missing1"][..]));
        assert_eq!((report.empty.len(), report.late.len()), (1, 1));
        assert_eq!((report.rounds, report.questions_sent), (6, 6));
        let sent = ["web1", "missing1", "late1", "other"].map(|it| account.sent(it));
        assert_eq!((account.times, sent), (3, [3, 2, 1, 0]));
    }

    #[test]
    fn what_went_out_or_came_once_did_so() {
        let mut account = Account::default();
        for (sent, heard) in [(true, true), (false, false)] {
            let told = Report { sent, heard, ..report([0, 0, 0, 0, 0, 1]) };
            account.add(told, std::iter::empty());
        }
        let report = account.report();
        assert!(report.sent && report.heard, "{report:?}");
    }
}
