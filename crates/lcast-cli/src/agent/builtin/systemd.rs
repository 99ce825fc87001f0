//! systemd and its units, from what `systemctl show` prints.
//!
//! Asking costs two processes and some milliseconds of systemd, so it is done in the background: at
//! most every thirty seconds on demand, and every minute anyhow, so that no answer is from
//! yesterday. Without systemd the variables are absent.

use std::collections::{BTreeMap, BTreeSet};

use lcast_proto::time::Timestamp;
use lcast_proto::value::Value;

use super::limited::{Extent, Limited};
use super::sampler::Output;
use crate::agent::Change;

/// What was seen of systemd before.
#[derive(Debug, Default)]
pub struct SystemdUnits {
    known: BTreeSet<String>,
    limited: Limited,
}

/// The variable of units.
const MAP: &str = "systemd.unit";

/// Most units shown.
const UNITS_MAX: usize = 1024;

/// Units that people ask about; devices, scopes and slices only make noise.
const KINDS: [&str; 8] =
    ["*.service", "*.socket", "*.timer", "*.target", "*.mount", "*.automount", "*.swap", "*.path"];

impl SystemdUnits {
    /// The two commands whose output [`SystemdUnits::read`] takes. Times are printed in UTC.
    pub fn commands() -> [Vec<String>; 2] {
        let show = ["env", "TZ=UTC", "systemctl", "show", "--no-pager"];
        let properties = "Id,ActiveState,SubState,StateChangeTimestamp,NRestarts";
        let units = format!("--property={properties}");
        let texts = |more: &[&str]| show.iter().chain(more).map(|&it| it.to_owned()).collect();
        let mut table: Vec<&str> = vec![&units];
        table.extend(KINDS);
        [texts(&["--property=SystemState"]), texts(&table)]
    }

    /// The changes that the output of the commands makes. Empty output changes nothing.
    pub fn read(&mut self, manager: &str, table: &str) -> Vec<Change> {
        let mut output = Output::default();
        let state = manager.lines().find_map(|line| line.strip_prefix("SystemState="));
        output.put_some("systemd.state", state);
        if table.trim().is_empty() {
            return output.into_changes();
        }
        let mut present = BTreeSet::new();
        let (mut failed, mut left_out) = (BTreeSet::new(), BTreeSet::new());
        for block in table.split("\n\n") {
            let fields: BTreeMap<&str, &str> =
                block.lines().filter_map(|line| line.split_once('=')).collect();
            let Some(id) = fields.get("Id").filter(|id| !id.is_empty()) else { continue };
            if fields.get("ActiveState") == Some(&"failed") {
                failed.insert((*id).to_owned());
            }
            if present.len() < UNITS_MAX || present.contains(*id) {
                unit(id, &fields, &mut output);
                present.insert((*id).to_owned());
            } else {
                left_out.insert(*id);
            }
        }
        let (shown, all) = (present.len(), present.len() + left_out.len());
        let way_out = "the others are in no variable, but systemd.failed has all that failed";
        self.limited.tell(&Extent { map: MAP, shown, all, way_out }, &mut output);
        let failed = failed.into_iter().map(Value::Text).collect();
        output.put("systemd.failed", Value::List(failed));
        output.retire(MAP, &mut self.known, present);
        output.into_changes()
    }
}

fn unit(id: &str, fields: &BTreeMap<&str, &str>, output: &mut Output) {
    for (rest, field) in [("active", "ActiveState"), ("sub", "SubState")] {
        if let Some(text) = fields.get(field) {
            output.put_at(MAP, id, rest, *text);
        }
    }
    if let Some(since) = fields.get("StateChangeTimestamp").and_then(|text| time(text)) {
        output.put_at(MAP, id, "since", since);
    }
    if let Some(restarts) = fields.get("NRestarts").and_then(|text| text.parse::<i64>().ok()) {
        output.put_at(MAP, id, "restarts", restarts);
    }
}

/// Reads `Sun 2026-11-22 10:00:00 UTC`.
fn time(text: &str) -> Option<Timestamp> {
    let mut words = text.split(' ').skip(1);
    let (date, time) = (words.next()?, words.next()?);
    (words.next()? == "UTC").then(|| format!("{date}T{time}Z").parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(changes: Vec<Change>) -> Vec<String> {
        let show = |change| match change {
            Change::Update(update) => format!("{} = {:?}", update.name, update.value),
            other => format!("{other:?}"),
        };
        changes.into_iter().map(show).collect()
    }

    #[test]
    fn units_are_read_and_gone_ones_removed() {
        let mut units = SystemdUnits::default();
        let table = "Id=ssh.service\nActiveState=active\nSubState=running\n\
                     StateChangeTimestamp=Sun 2026-11-22 10:00:00 UTC\nNRestarts=2\n\n\
                     Id=bad.service\nActiveState=failed\nSubState=failed\n\
                     StateChangeTimestamp=\nNRestarts=0\n\n\
                     Id=-.mount\nActiveState=active\nSubState=mounted\n\
                     StateChangeTimestamp=n/a\n";
        let first = show(units.read("SystemState=degraded\n", table));
        assert_eq!(
            first,
            [
                "systemd.state = Text(\"degraded\")",
                "systemd.unit[\"ssh.service\"].active = Text(\"active\")",
                "systemd.unit[\"ssh.service\"].sub = Text(\"running\")",
                "systemd.unit[\"ssh.service\"].since = Timestamp(Timestamp(1795341600000))",
                "systemd.unit[\"ssh.service\"].restarts = Int(2)",
                "systemd.unit[\"bad.service\"].active = Text(\"failed\")",
                "systemd.unit[\"bad.service\"].sub = Text(\"failed\")",
                "systemd.unit[\"bad.service\"].restarts = Int(0)",
                "systemd.unit[\"-.mount\"].active = Text(\"active\")",
                "systemd.unit[\"-.mount\"].sub = Text(\"mounted\")",
                "systemd.failed = List([Text(\"bad.service\")])",
            ]
        );
        let second = show(units.read("", "Id=-.mount\nActiveState=active\n"));
        assert_eq!(second[0], "systemd.unit[\"-.mount\"].active = Text(\"active\")");
        assert_eq!(second[1], "systemd.failed = List([])");
        assert_eq!(second.len(), 4);
        assert!(units.read("", "").is_empty());
        assert!(!units.known.is_empty());
    }

    #[test]
    fn units_are_limited() {
        let block = |index: usize| format!("Id=u{index}.service\nActiveState=failed\n\n");
        let table: String = (0..=UNITS_MAX).map(block).collect();
        let mut units = SystemdUnits::default();
        units.read("", &table);
        assert_eq!(units.known.len(), UNITS_MAX);
    }

    #[test]
    fn units_beyond_the_limit_are_left_out_and_that_is_told() {
        let block = |index: usize| format!("Id=u{index:04}.service\nActiveState=active\n");
        let error = "librecast.variable[\"systemd.unit\"].error = ";
        for (count, told) in [(UNITS_MAX, None), (UNITS_MAX + 1, Some("only 1024 of 1025 are"))] {
            let table: Vec<String> = (0..count).map(block).collect();
            let shown = show(SystemdUnits::default().read("", &table.join("\n")));
            let units = shown.iter().filter(|line| line.starts_with("systemd.unit["));
            assert_eq!(units.count(), UNITS_MAX);
            let line = shown.iter().find_map(|line| line.strip_prefix(error));
            assert_eq!(line.is_some(), told.is_some(), "{line:?}");
            assert!(told.is_none_or(|part| line.is_some_and(|it| it.contains(part))), "{line:?}");
        }
    }
}
