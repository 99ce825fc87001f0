//! Asking, and following a question to its end: what `get`, `set`, `vars` and `ping` share.

use std::sync::Arc;

use lcast_proto::endpoint::NodeView;
use lcast_proto::keys::Kind;
use lcast_proto::question::report::{Reply, Report};
use lcast_proto::question::{Ask, Deadline, Verb};
use lcast_proto::variable::Schema;

use super::suggest::{self, Sought};
use crate::args::target::Target;
use crate::args::{Everywhere, QuestionArgs};
use crate::backend::{Answer, Session};
use crate::exit::{Exit, Rules};
use crate::failure::Failure;
use crate::output::Output;
use crate::place::{self, Place};
use crate::signals::Signals;

/// What came of a question.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The account.
    pub(crate) report: Report,
    /// Definitions by node, when they were asked for.
    pub(crate) schemas: Vec<(String, Arc<Schema>)>,
    /// Whether the user interrupted it.
    pub(crate) interrupted: bool,
}

/// The credential to ask with. Kept apart from the session, so that what is wrong with the command
/// line is told before anything is opened.
pub(crate) fn place(everywhere: &Everywhere) -> Result<Place, Failure> {
    place::resolve(everywhere, lcast::home::Purpose::Ask)
}

/// The question that the options describe.
pub(crate) fn describe(verb: Verb, target: Target, question: &QuestionArgs) -> Ask {
    let Target { selector, only, expect } = target;
    Ask { selector, only, expect, deadline: deadline(question), ..Ask::new(verb) }
}

/// One second, three while answers come in; `--timeout` bounds the whole question instead.
fn deadline(question: &QuestionArgs) -> Deadline {
    match question.timeout {
        None => Deadline::default(),
        Some(timeout) => Deadline::after(timeout),
    }
}

/// Asks, hands each reply on as it comes, and gives the account. An interrupt ends the question
/// with what has arrived; a second one ends the program.
pub(crate) async fn ask(
    session: &Session,
    signals: &mut Signals,
    ask: Ask,
    mut take: impl FnMut(Reply) -> Result<(), Failure>,
) -> Result<Asked, Failure> {
    let mut question = session.ask(ask).await?;
    let mut interrupted = false;
    loop {
        tokio::select! {
            answer = question.next() => match answer? {
                Answer::Reply(reply) => take(reply)?,
                Answer::End(report, schemas) => return Ok(Asked { report, schemas, interrupted }),
            },
            () = signals.next() => {
                if interrupted {
                    return Err(self::interrupted());
                }
                interrupted = true;
                question.cancel();
            }
        }
    }
}

/// The end of a command that is interrupted with nothing to show.
pub(crate) fn interrupted() -> Failure {
    Failure::new(Exit::Interrupted, "interrupted")
}

/// The exit code of a report.
pub(crate) fn judge(asked: &Asked, question: &QuestionArgs, output: Output) -> Exit {
    if let Some(objection) = question.require.objection(&asked.report) {
        output.note(&objection);
    }
    let rules = Rules {
        require: question.require,
        fail_empty: question.fail_empty,
        interrupted: asked.interrupted,
    };
    Exit::of(&asked.report, rules)
}

/// How many agents a question without a target would expect. [QST-10]
pub(super) fn agents_expected(nodes: &[NodeView]) -> usize {
    nodes.iter().filter(|it| it.kind == Kind::Agent && it.expired.is_none()).count()
}

/// Tells which names of the target no member has, and whose certificate has ended: these nodes are
/// not expected, so that the report is silent about them.
pub(crate) async fn tell_unasked(session: &Session, target: &Target, output: Output) {
    let notes = target.unasked(&session.realm, &session.nodes().await);
    notes.iter().for_each(|note| output.note(note));
}

/// Tells which of the missing speak all the same, with a credential that was forgotten.
async fn tell_forgotten(report: &Report, session: &Session, output: Output) {
    let Some(facts) = session.facts().await.filter(|_| !report.missing.is_empty()) else { return };
    let is_missing = |name: &str| report.missing.iter().any(|it| it.node == name);
    for speaker in facts.forgotten.iter().filter(|it| is_missing(&it.name)) {
        output.note(&format!(
            "'{}' speaks, but with a credential that was forgotten; see 'librecast doctor'",
            speaker.name
        ));
    }
}

/// Ends a command that asked for these: says who of the target is not expected, what an unlucky end
/// may come from, and which names are likely meant.
pub(crate) async fn close(
    session: Session,
    signals: &mut Signals,
    exit: Exit,
    asked: &Asked,
    sought: Sought<'_>,
    output: Output,
) {
    tell_unasked(&session, sought.target, output).await;
    explain(exit, &asked.report, &session, output).await;
    suggest::unknown_names(&session, signals, asked, sought, output).await;
    session.close().await;
}

/// Tells what an unlucky end may come from, and what to do about it.
pub(crate) async fn explain(exit: Exit, report: &Report, session: &Session, output: Output) {
    tell_forgotten(report, session, output).await;
    let realm = session.realm.as_str();
    let local = realm == lcast::home::LOCAL;
    if exit == Exit::Nobody && !session.seen.is_empty() {
        // Another realm was passed over: that one is in question, not the one taken instead.
        session.seen.iter().for_each(|seen| output.note(&seen.to_string()));
        output.note(&format!("so realm '{realm}' was asked, and none of its agents answered"));
        return;
    }
    match exit {
        Exit::Nobody if report.expected == 0 => {
            let is_agent = |it: &NodeView| it.kind == Kind::Agent;
            let message = match (session.nodes().await.iter().any(is_agent), local) {
                (true, _) => "none of its agents is meant by this; see 'librecast nodes'",
                (false, true) => "it has no agent yet; start one with 'librecast agent'",
                (false, false) => "it has no agents yet; make credentials with 'realm issue'",
            };
            output.note(&format!("realm '{realm}': {message}"));
        }
        Exit::Nobody if !report.heard => {
            let all = agents_expected(&session.nodes().await);
            if (report.expected as usize) < all {
                output.note(&format!(
                    "this asked only {} of the {all} agents of realm '{realm}', and heard none of \
                     them; 'librecast nodes' shows who is there",
                    report.expected
                ));
                return;
            }
            let start = if local {
                "start one on this host with 'librecast agent'"
            } else {
                "check that agents run; 'librecast doctor' looks for what keeps them off"
            };
            output.note(&format!("no agent of realm '{realm}' was heard; {start}"));
        }
        Exit::Unsendable => output.note(&format!(
            "no interface that realm '{realm}' may use could send; 'librecast doctor' names it and \
             the command that mends it"
        )),
        Exit::Success | Exit::Internal | Exit::Usage | Exit::Incomplete => {}
        Exit::Nobody | Exit::Refused | Exit::Interrupted => {}
    }
}
