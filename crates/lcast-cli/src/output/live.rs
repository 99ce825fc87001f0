//! What a watch prints: a table drawn in place for people, lines when piped.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use lcast::{ChangedValue, LeaveReason, WatchItem};
use lcast_proto::question::report::{Outcome, Reply, ReplyValue, Report};
use lcast_proto::select::Pattern;
use serde_json::{Value as Json, json};

use super::table::{Screen, Table};
use super::{Format, Output, human, replies, report};
use crate::failure::Failure;
use crate::text::sanitise;
use crate::{json, place};

/// Most lines drawn on a terminal that does not say how many it has.
const ROWS_MAX: usize = 1000;

/// Events kept for one document at the end; the command asks for as many lines at most.
const EVENTS_MAX: u64 = 1_000_000;

/// Prints one watch.
pub(crate) struct Live {
    output: Output,
    order: Vec<Pattern>,
    lines_left: Option<u64>,
    /// What each node holds, for the table.
    held: BTreeMap<String, BTreeMap<String, ReplyValue>>,
    /// What became of nodes that are not in the table.
    left: BTreeMap<String, LeaveReason>,
    /// Items that came too fast: what the table shows may be old.
    lost: u64,
    events: Vec<Json>,
    drawn: Drawn,
    stale: bool,
    said_something: bool,
    account_told: bool,
}

impl Live {
    /// The longest count.
    pub(crate) const COUNT_MAX: u64 = EVENTS_MAX;

    /// A printer for one watch, of so many lines if that is said.
    pub(crate) fn new(output: Output, order: Vec<Pattern>, count: Option<u64>) -> Self {
        Self {
            output,
            order,
            lines_left: count,
            held: BTreeMap::new(),
            left: BTreeMap::new(),
            lost: 0,
            events: Vec::new(),
            drawn: Drawn::default(),
            stale: false,
            said_something: false,
            account_told: false,
        }
    }

    /// Whether all lines are printed.
    pub(crate) fn is_done(&self) -> bool {
        self.lines_left == Some(0)
    }

    /// Whether a node has said anything.
    pub(crate) fn said_something(&self) -> bool {
        self.said_something
    }

    /// Whether the table wants to be drawn.
    pub(crate) fn is_stale(&self) -> bool {
        self.stale
    }

    /// Takes what the watch says.
    pub(crate) fn take(&mut self, item: WatchItem) -> Result<(), Failure> {
        self.said_something |= matches!(
            item,
            WatchItem::Reply(_) | WatchItem::Entered { .. } | WatchItem::Changed { .. }
        );
        if self.output.format != Format::Text {
            return self.take_json(&item);
        }
        if self.output.terminal() {
            // Those that a pipe would be given: the table has no lines of its own.
            self.count(lines(&item).len() as u64);
            self.keep(item);
            return Ok(());
        }
        for line in lines(&item) {
            if self.is_done() {
                return Ok(());
            }
            self.output.text(&(line + "\n"))?;
            self.count(1);
        }
        Ok(())
    }

    fn count(&mut self, lines: u64) {
        self.lines_left = self.lines_left.map(|left| left.saturating_sub(lines));
    }

    fn take_json(&mut self, item: &WatchItem) -> Result<(), Failure> {
        let Some((kind, object)) = object(item) else { return Ok(()) };
        self.count(1);
        if self.output.format == Format::JsonLines {
            return self.output.json_line(kind, object);
        }
        let mut event = serde_json::Map::from_iter([("kind".to_owned(), Json::from(kind))]);
        if let Json::Object(object) = object {
            event.extend(object);
        }
        self.events.push(Json::Object(event));
        Ok(())
    }

    /// Keeps what is to be drawn.
    fn keep(&mut self, item: WatchItem) {
        self.stale = true;
        match item {
            WatchItem::Reply(Reply { node, outcome: Outcome::Values(values), .. })
            | WatchItem::Entered { node, values } => {
                self.left.remove(&node);
                let values = values.into_iter().map(|it| (it.name.clone(), it)).collect();
                self.held.insert(node, values);
            }
            WatchItem::Changed { node, values, removed } => {
                let held = self.held.entry(node).or_default();
                held.extend(values.into_iter().map(|it| (it.value.name.clone(), it.value)));
                removed.iter().for_each(|name| drop(held.remove(name)));
            }
            WatchItem::Left { node, reason } => {
                self.held.remove(&node);
                if !matches!(reason, LeaveReason::NoMatch | LeaveReason::Undefined) {
                    self.left.insert(node, reason);
                }
            }
            WatchItem::Overflow(lost) => self.lost = self.lost.saturating_add(lost),
            _ => {}
        }
    }

    /// Draws the table over the last one, as many of its rows as the terminal has.
    pub(crate) fn draw(&mut self) -> Result<(), Failure> {
        self.stale = false;
        let table = replies::held(&self.held, &self.order, room(self.output.size().1));
        self.drawn.draw(table, &self.remarks(), self.output)
    }

    /// What is said below the table: who has left, and whether the table may be wrong.
    fn remarks(&self) -> String {
        let left = self.left.iter().map(|(node, why)| sanitise(&gone(node, *why)) + "\n");
        let mut remarks: String = left.collect();
        if self.lost > 0 {
            let _ = writeln!(remarks, "overflow: {} lost, values may be old", self.lost);
        }
        remarks
    }

    /// The terminal has another size.
    pub(crate) fn resized(&mut self) {
        self.stale = self.output.terminal() && self.drawn.is_there();
    }

    /// Takes the table off the terminal, for lines that others print; it comes back below them.
    pub(crate) fn step_aside(&mut self) -> Result<(), Failure> {
        if !self.drawn.is_there() {
            return Ok(());
        }
        self.stale = true;
        self.drawn.clear(self.output)
    }

    /// Prints what is left, and the report.
    pub(crate) fn finish(mut self, account: &Report) -> Result<(), Failure> {
        match self.output.format {
            Format::JsonLines => self.output.json_line("report", json::report(account))?,
            Format::Json => {
                let events = std::mem::take(&mut self.events);
                self.output.json(&json!({ "events": events, "report": json::report(account) }))?;
            }
            Format::Text if self.output.terminal() => self.draw()?,
            Format::Text => {}
        }
        self.tell_account(account);
        Ok(())
    }

    /// Says who is in the watch and who is not; once, as the account does not change.
    pub(crate) fn tell_account(&mut self, account: &Report) {
        if !std::mem::replace(&mut self.account_told, true) {
            report::lines(account, place::wall()).iter().for_each(|line| self.output.note(line));
        }
    }
}

/// A text on a terminal that is drawn again over itself.
#[derive(Debug, Default)]
pub(crate) struct Drawn {
    /// Lines that the next drawing goes over.
    rows: usize,
    /// The columns and lines that the terminal had then.
    size: (Option<u16>, Option<u16>),
}

impl Drawn {
    /// Draws a table and remarks over the last ones, as many of their lines as the terminal has.
    pub(crate) fn draw(
        &mut self,
        mut table: Table,
        remarks: &str,
        output: Output,
    ) -> Result<(), Failure> {
        let size = output.size();
        let room = room(size.1);
        let left_out = table.keep(room);
        let screen = output.screen.map(|screen| Screen { width: size.0, ..screen });
        let text = table.render(screen) + remarks;
        let rows = fitting(&text, left_out, room);
        let rows: Vec<&str> = rows.iter().map(AsRef::as_ref).collect();
        let drawing = over(self.rows, self.size != size) + &unwrapped(&rows);
        (self.rows, self.size) = (rows.len(), size);
        output.text(&drawing)
    }

    /// Whether there is something on the terminal.
    pub(crate) fn is_there(&self) -> bool {
        self.rows > 0
    }

    /// Takes it off the terminal.
    pub(crate) fn clear(&mut self, output: Output) -> Result<(), Failure> {
        let resized = self.size != output.size();
        output.text(&over(std::mem::take(&mut self.rows), resized))
    }
}

/// How many lines a terminal of this height has for a drawing: the last is the cursor's.
fn room(height: Option<u16>) -> usize {
    height.map_or(ROWS_MAX, |it| usize::from(it).max(3) - 1)
}

/// As many lines of a text as there is room for, and how many more there are: these and those that
/// were left out before.
fn fitting(text: &str, left_out: usize, room: usize) -> Vec<Cow<'_, str>> {
    let mut rows: Vec<Cow<'_, str>> = text.lines().map(Cow::from).collect();
    if left_out > 0 || rows.len() > room {
        let all = rows.len() + left_out;
        rows.truncate(room - 1);
        rows.push(format!("... and {} more", all - rows.len()).into());
    }
    rows
}

/// Goes back over so many lines and clears them; all of a terminal that has been resized, since its
/// lines may have been wrapped anew. The cursor need not be in the first column: `^C` moves it.
fn over(drawn: usize, resized: bool) -> String {
    match drawn {
        0 => String::new(),
        _ if resized => "\x1b[H\x1b[J".to_owned(),
        drawn => format!("\r\x1b[{drawn}A\x1b[J"),
    }
}

/// Rows of which the terminal shows as much as fits its width: a row that is wrapped would be two.
/// Wrapping is on again when this is written, whatever happens next.
fn unwrapped(rows: &[&str]) -> String {
    format!("\x1b[?7l{}\n\x1b[?7h", rows.join("\n"))
}

/// What became of a node that is not in the watch any more.
fn gone(node: &str, why: LeaveReason) -> String {
    match why {
        LeaveReason::Left => format!("{node} has left"),
        LeaveReason::Restarted => format!("{node} was restarted"),
        LeaveReason::TooMany => format!("{node} has more values than a watch holds"),
        LeaveReason::Failed => format!("{node} cannot answer any more"),
        LeaveReason::NoMatch
        | LeaveReason::Undefined
        | LeaveReason::Gone
        | LeaveReason::Forgotten => format!("{node} is {}", why.as_str()),
    }
}

/// An item as an object with its kind; none for those that say nothing.
fn object(item: &WatchItem) -> Option<(&'static str, Json)> {
    match item {
        WatchItem::Reply(reply) => Some(("reply", json::reply(reply)?)),
        WatchItem::Entered { node, values } => {
            Some(("enter", json!({ "node": node, "variables": json::variables(values) })))
        }
        WatchItem::Changed { node, values, removed } => {
            let mut object = json!({ "node": node, "variables": json::changed(values) });
            if !removed.is_empty() {
                object["removed"] = json!(removed);
            }
            Some(("change", object))
        }
        WatchItem::Left { node, reason } => {
            Some(("leave", json!({ "node": node, "reason": reason.as_str() })))
        }
        WatchItem::Overflow(lost) => Some(("overflow", json!({ "lost": lost }))),
        _ => None,
    }
}

/// An item as lines for a pipe: node, variable, value, unit; or node and what became of it.
fn lines(item: &WatchItem) -> Vec<String> {
    let line = |node: &str, it: &ReplyValue| {
        let value = human::value(&it.value, &it.unit, false);
        let cells = [node, &it.name, &value, &it.unit].map(sanitise);
        cells.join("\t")
    };
    let word = |node: &str, word: &str| vec![format!("{}\t{word}", sanitise(node))];
    match item {
        WatchItem::Reply(reply) => match &reply.outcome {
            Outcome::Values(values) => values.iter().map(|it| line(&reply.node, it)).collect(),
            Outcome::Error(failure) => {
                word(&reply.node, &sanitise(&format!("error: {}", failure.message)))
            }
            Outcome::Refused(refusal) => {
                word(&reply.node, &sanitise(&format!("refused: {}", refusal.message)))
            }
            Outcome::Empty(_) | Outcome::Set(_) => Vec::new(),
        },
        WatchItem::Entered { node, values } => {
            let mut lines = word(node, "enter");
            lines.extend(values.iter().map(|it| line(node, it)));
            lines
        }
        WatchItem::Changed { node, values, removed } => {
            let changed = values.iter().map(|ChangedValue { value, skipped }| match skipped {
                0 => line(node, value),
                skipped => format!("{}\t({skipped} skipped)", line(node, value)),
            });
            let gone = removed.iter().map(|name| [node, name, "-"].map(sanitise).join("\t"));
            changed.chain(gone).collect()
        }
        WatchItem::Left { node, reason } => word(node, &format!("leave: {}", reason.as_str())),
        WatchItem::Overflow(lost) => vec![format!("-\toverflow: {lost} lost")],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use lcast_proto::question::report;
    use lcast_proto::value::Value;

    use super::*;
    use crate::output::tests::values;

    fn changed(number: i64, skipped: u64) -> WatchItem {
        let reply = values("web1", &[("app.x s", Value::Int(number))]);
        let Outcome::Values(values) = reply.outcome else { panic!() };
        let values = values.into_iter().map(|value| ChangedValue { value, skipped }).collect();
        WatchItem::Changed { node: reply.node, values, removed: Vec::new() }
    }

    #[test]
    fn lines_tell_node_variable_value_and_unit() {
        assert_eq!(lines(&changed(7, 0)), ["web1\tapp.x\t7\ts"]);
        assert_eq!(lines(&changed(7, 2)), ["web1\tapp.x\t7\ts\t(2 skipped)"]);
        let left = WatchItem::Left { node: "web1".to_owned(), reason: LeaveReason::Gone };
        assert_eq!(lines(&left), ["web1\tleave: gone"]);
        let failed = |outcome| {
            lines(&WatchItem::Reply(Reply { node: "web1".to_owned(), outcome, by_multicast: true }))
        };
        let message = || "no".to_owned();
        let error = report::Failure { code: report::ErrorCode::Limit, message: message() };
        assert_eq!(failed(Outcome::Error(error)), ["web1\terror: no"]);
        let refusal = report::Refusal { reason: report::RefusalReason::Busy, message: message() };
        assert_eq!(failed(Outcome::Refused(refusal)), ["web1\trefused: no"]);
        assert_eq!(lines(&WatchItem::Overflow(12)), ["-\toverflow: 12 lost"]);
        let (node, removed) = ("web1".to_owned(), vec!["app.x".to_owned()]);
        let removed = WatchItem::Changed { node, values: Vec::new(), removed };
        assert_eq!(lines(&removed), ["web1\tapp.x\t-"]);
        let entered = WatchItem::Entered { node: "a\x1b[1m".to_owned(), values: Vec::new() };
        assert!(!lines(&entered)[0].contains('\x1b'));
    }

    #[test]
    fn objects_say_what_was_skipped_and_removed() {
        let (kind, object) = object(&changed(7, 2)).unwrap();
        assert_eq!(kind, "change");
        assert_eq!(object["variables"]["app.x"]["skipped"], 2);
        assert!(object.get("removed").is_none());
        let item = WatchItem::Overflow(3);
        assert_eq!(super::object(&item).unwrap(), ("overflow", json!({ "lost": 3 })));
    }

    #[test]
    fn a_table_is_drawn_over_the_last_one() {
        assert_eq!(over(0, false), "");
        assert_eq!(over(3, false), "\r\x1b[3A\x1b[J");
        assert_eq!(over(3, true), "\x1b[H\x1b[J");
        let rows = ["a", "b"];
        assert_eq!(unwrapped(&rows), "\x1b[?7la\nb\n\x1b[?7h");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        for (left_out, room, expected) in [
            (0, 3, "a b c"),
            (0, 2, "a ... and 2 more"),
            (1, 4, "a b c ... and 1 more"),
            (1, 3, "a b ... and 2 more"),
            (9, 3, "a b ... and 10 more"),
        ] {
            assert_eq!(fitting("a\nb\nc\n", left_out, room).join(" "), expected);
        }
    }

    /// On a terminal as well: the table goes on with what it has.
    #[test]
    fn an_overflow_is_shown_below_the_table() {
        let screen = Some(Screen { width: None, color: false });
        let mut live =
            Live::new(Output { format: Format::Text, screen, quiet: true }, vec![], None);
        live.take(changed(7, 0)).unwrap();
        assert_eq!(live.remarks(), "");
        live.take(WatchItem::Overflow(3)).unwrap();
        live.take(WatchItem::Overflow(2)).unwrap();
        assert_eq!(live.remarks(), "overflow: 5 lost, values may be old\n");
    }

    /// A value is a line on a terminal too, and `enter` is another.
    #[test]
    fn a_count_means_the_same_on_a_terminal_and_in_a_pipe() {
        let Outcome::Values(two) =
            values("web1", &[("app.x s", Value::Int(1)), ("app.y", Value::Int(2))]).outcome
        else {
            panic!()
        };
        let entered = || WatchItem::Entered { node: "web1".to_owned(), values: two.clone() };
        let screen = Some(Screen { width: None, color: false });
        let output = Output { format: Format::Text, screen, quiet: true };
        for count in 1..=5 {
            let mut live = Live::new(output, Vec::new(), Some(count));
            live.take(entered()).unwrap();
            assert_eq!(live.is_done(), count <= 3, "{count}");
            live.take(WatchItem::Report(Report::default())).unwrap();
            live.take(changed(7, 2)).unwrap();
            assert_eq!(live.is_done(), count <= 4, "{count}");
        }
    }

    #[test]
    fn a_count_ends_it() {
        let output = Output { format: Format::Json, screen: None, quiet: true };
        let mut live = Live::new(output, Vec::new(), Some(2));
        for number in 0..2 {
            assert!(!live.is_done());
            live.take(changed(number, 0)).unwrap();
        }
        assert!(live.is_done());
    }
}
