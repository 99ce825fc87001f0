//! Which nodes: the options that are the same for every verb that reaches nodes.

use std::collections::BTreeSet;
use std::io::Read;

use clap::Args;
use lcast_proto::endpoint::NodeView;
use lcast_proto::keys::{Kind, NodeName};
use lcast_proto::select::{Glob, Predicate, Selector, label};

use crate::failure::Failure;
use crate::text::{named, sanitise};

/// The options; all together: and. None: every agent of the realm.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which nodes")]
pub(crate) struct TargetArgs {
    /// Only nodes whose name matches, at most 64 globs with commas between; `*` and `?` are
    /// wildcards; default: every agent.
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub(crate) on: Vec<String>,
    /// No nodes whose name matches, at most 64 globs; default: nobody is left out.
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub(crate) not: Vec<String>,
    /// Only nodes with this certified label; with all of them where there are several, at most 8;
    /// default: whatever their labels are.
    #[arg(long = "label", value_name = "K=V")]
    pub(crate) labels: Vec<String>,
    /// Only nodes where this holds, like 'system.memory.usage > 0 && labels.role == "web"'; with
    /// the globs, labels and patterns it must fit in 320 bytes as it is sent.
    #[arg(long = "where", value_name = "PREDICATE", allow_hyphen_values = true)]
    pub(crate) predicate: Option<String>,
    /// Only the nodes named in this file, or on standard input (-), one a line; at most 100000, in
    /// 16 MiB.
    #[arg(long, value_name = "FILE|-")]
    pub(crate) nodes_from: Option<String>,
    /// The nodes named in this file, or on standard input (-), one a line, must answer as well,
    /// known or not; at most 100000, in 16 MiB.
    #[arg(long, value_name = "FILE|-")]
    pub(crate) expect: Option<String>,
}

/// The options, parsed and with their files read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    /// Names, labels and predicate.
    pub(crate) selector: Selector,
    /// The names that alone may answer; none for all that the selector picks.
    pub(crate) only: Option<Vec<String>>,
    /// The names that must answer.
    pub(crate) expect: Vec<String>,
}

/// Most names in a file of nodes.
pub(super) const NAMES_MAX: usize = 100_000;
/// Longest file of nodes in bytes.
pub(super) const FILE_LENGTH_MAX: u64 = 16 << 20;

impl Target {
    /// Whether only names say which nodes are meant: no node that appears later can be one of them
    /// unless it has one of these names.
    pub(crate) fn is_by_name(&self) -> bool {
        let on = &self.selector.on;
        self.only.is_some() || (!on.is_empty() && on.iter().all(is_name))
    }

    /// The names that were written out, one by one, to be asked.
    fn written(&self) -> BTreeSet<&str> {
        let plain = self.selector.on.iter().filter(|glob| is_name(glob)).map(Glob::as_str);
        plain.chain(self.only.iter().flatten().map(String::as_str)).collect()
    }

    /// Whether this is an agent that is meant, by its name and labels.
    pub(crate) fn means(&self, node: &NodeView) -> bool {
        let label = |key: &str| node.labels.iter().find(|(name, _)| name == key);
        let label = |key: &str| label(key).map(|(_, value)| value.as_str());
        let listed = self.only.as_ref().is_none_or(|only| only.contains(&node.name));
        node.kind == Kind::Agent && listed && self.selector.picks(&node.name, label)
    }

    /// What to say of those that are meant and not asked: names that no member has, and agents
    /// whose certificate has ended, which nobody expects to answer. [QST-10]
    pub(crate) fn unasked(&self, realm: &str, nodes: &[NodeView]) -> Vec<String> {
        let known: BTreeSet<&str> = nodes.iter().map(|it| it.name.as_str()).collect();
        let demanded: BTreeSet<&str> = self.expect.iter().map(String::as_str).collect();
        let unknown = self.written().into_iter().filter(|name| !known.contains(name));
        let unknown = listed(unknown.filter(|name| !demanded.contains(name)));
        let mut notes = Vec::new();
        if let Some(names) = unknown {
            notes.push(format!("not asked, as realm '{realm}' has no such member: {names}"));
        }
        let ended = nodes.iter().filter(|it| it.expired.is_some() && self.means(it));
        if let Some(names) = listed(ended.map(|it| it.name.as_str())) {
            notes.push(format!(
                "not asked, as the certificate has ended: {names}; 'librecast forget NAME' for \
                 who is gone, and 'librecast realm issue --again' for who is to stay"
            ));
        }
        notes
    }
}

/// Names in a sentence; none when there are none.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<&str> = names.collect();
    (!names.is_empty()).then(|| sanitise(&named(&names)))
}

impl TargetArgs {
    /// Whether any of the options was given.
    pub(crate) fn is_given(&self) -> bool {
        let Self { on, not, labels, predicate, nodes_from, expect } = self;
        let lists = [on, not, labels].iter().any(|it| !it.is_empty());
        lists || [predicate, nodes_from, expect].iter().any(|it| it.is_some())
    }

    /// Parses the options and reads the files of names.
    pub(crate) fn resolve(&self) -> Result<Target, Failure> {
        if self.nodes_from.as_deref() == Some("-") && self.expect.as_deref() == Some("-") {
            let message = "--nodes-from and --expect cannot both read standard input";
            return Err(Failure::usage(message));
        }
        let globs = |option: &str, texts: &[String]| {
            let globs = texts.iter().map(|text| text.trim().parse::<Glob>());
            let globs: Result<Vec<Glob>, _> = globs.collect();
            globs.map_err(|error| Failure::usage(format!("--{option} {error}")))
        };
        let labels = self.labels.iter().map(|text| label(text));
        let labels: Result<Vec<_>, _> = labels.collect();
        let parse = |text: &String| {
            Predicate::parse(text).map_err(|error| Failure::usage(error.render(text)))
        };
        let selector = Selector {
            on: globs("on", &self.on)?,
            not: globs("not", &self.not)?,
            labels: labels.map_err(|error| Failure::usage(format!("--label {error}")))?,
            predicate: self.predicate.as_ref().map(parse).transpose()?,
        };
        Ok(Target {
            selector,
            only: self.nodes_from.as_deref().map(read_names).transpose()?,
            expect: self.expect.as_deref().map(read_names).transpose()?.unwrap_or_default(),
        })
    }
}

/// Characters shown of what is no name: the file may be no text at all.
const NAME_SHOWN_MAX: usize = 40;

fn read_names(source: &str) -> Result<Vec<String>, Failure> {
    let wrong = |why: &dyn std::fmt::Display| Failure::usage(format!("'{source}': {why}"));
    let mut bytes = Vec::new();
    let reader: Box<dyn Read> = match source {
        "-" => Box::new(std::io::stdin()),
        path => {
            let failed = |error| Failure::usage(lcast::file::failure(path.as_ref(), &error));
            Box::new(std::fs::File::open(path).map_err(failed)?)
        }
    };
    let mut reader = reader.take(FILE_LENGTH_MAX + 1);
    reader.read_to_end(&mut bytes).map_err(|error| wrong(&error))?;
    if bytes.len() as u64 > FILE_LENGTH_MAX {
        return Err(wrong(&"longer than 16 MiB"));
    }
    parse_names(&String::from_utf8_lossy(&bytes)).map_err(|why| wrong(&why))
}

/// Names one a line; empty lines and lines that begin with '#' do not count.
fn parse_names(text: &str) -> Result<Vec<String>, String> {
    // Some programs begin a text in UTF-8 with a byte order mark, which is no part of it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut names = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let name = line.trim();
        if name.is_empty() || name.starts_with('#') {
            continue;
        }
        if name.parse::<NodeName>().is_err() {
            let (number, start) = (index + 1, name.chars().take(NAME_SHOWN_MAX));
            let start: String = start.flat_map(char::escape_debug).collect();
            return Err(format!("line {number}: '{start}' is no name of a node; put one a line"));
        }
        names.push(name.to_owned());
    }
    match names.len() {
        0 => Err("no names in it; put one a line".to_owned()),
        count if count > NAMES_MAX => Err(format!("{count} names are more than {NAMES_MAX}")),
        _ => Ok(names),
    }
}

/// Whether a glob is a name, written out.
fn is_name(glob: &Glob) -> bool {
    !glob.as_str().contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use lcast_proto::keys::NodeId;
    use lcast_proto::presence::State;

    use super::*;

    fn node(name: &str, expired: bool) -> NodeView {
        NodeView {
            name: name.to_owned(),
            id: NodeId([1; 16]),
            kind: Kind::Agent,
            labels: vec![("role".to_owned(), "web".to_owned())],
            roles: Vec::new(),
            software: "".into(),
            state: State::Alive,
            last_heard: None,
            via: None,
            address: None,
            duplicate: false,
            sign: None,
            expired: expired.then_some(lcast_proto::time::Timestamp::from_millis(0)),
        }
    }

    #[test]
    fn who_is_meant_and_not_asked_is_told() {
        let nodes = [node("web1", false), node("old", true)];
        let check = |target: &Target, unknown: Option<&str>, ended: bool| {
            let notes = target.unasked("home", &nodes);
            let said = |part: &str| notes.iter().any(|note| note.contains(part));
            assert_eq!(said("no such member"), unknown.is_some(), "{notes:?}");
            assert!(unknown.is_none_or(|names| said(&format!("member: {names}"))), "{notes:?}");
            assert_eq!(said("certificate has ended: old;"), ended, "{notes:?}");
        };
        let on = |globs: &str| Target {
            selector: Selector { on: Glob::list(globs).unwrap(), ..Selector::default() },
            ..Target::default()
        };
        let names = |texts: &[&str]| texts.iter().map(|it| (*it).to_owned()).collect();
        check(&Target::default(), None, true);
        check(&on("web*"), None, false);
        check(&on("web1,web9,o*"), Some("web9"), true);
        check(&on("nosuch"), Some("nosuch"), false);
        let only = Some(names(&["web1", "web9"]));
        check(&Target { only: only.clone(), ..Target::default() }, Some("web9"), false);
        let expect = names(&["web9"]);
        check(&Target { only, expect, ..Target::default() }, None, false);
        let other = Selector { labels: vec![label("role=db").unwrap()], ..Selector::default() };
        check(&Target { selector: other, ..Target::default() }, None, false);
        assert!(on("web1,db1").is_by_name());
        assert!(!on("web1,db*").is_by_name());
        assert!(!Target::default().is_by_name());
    }

    #[test]
    fn names_stand_one_a_line() {
        assert_eq!(parse_names("a\n\n# no\n  b \r\n").unwrap(), ["a", "b"]);
        assert_eq!(parse_names("\u{feff}a\nb\n").unwrap(), ["a", "b"]);
        for (text, part) in [
            (String::new(), "no names"),
            ("a\nb c\n".to_owned(), "line 2"),
            ("a\nb,c\n".to_owned(), "line 2"),
            ("a\x1bb\n".to_owned(), "line 1"),
            ("a\n\u{fffd}\n".to_owned(), "line 2"),
            ("a\n".repeat(NAMES_MAX + 1), "more than"),
        ] {
            assert!(parse_names(&text).unwrap_err().contains(part), "{part}");
        }
        assert_eq!(parse_names(&"a\n".repeat(NAMES_MAX)).unwrap().len(), NAMES_MAX);
    }

    #[test]
    fn files_and_labels_are_resolved() {
        let check = |args: TargetArgs, part: &str| {
            let error = args.resolve().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        let stdin = || Some("-".to_owned());
        check(
            TargetArgs { nodes_from: stdin(), expect: stdin(), ..TargetArgs::default() },
            "cannot both",
        );
        for label in ["role", "=web"] {
            let labels = vec![label.to_owned()];
            check(TargetArgs { labels, ..TargetArgs::default() }, "role=web");
        }
        let missing = Some("/no/such/file".to_owned());
        check(TargetArgs { expect: missing, ..TargetArgs::default() }, "/no/such/file");
        let on = vec!["we b".to_owned()];
        check(TargetArgs { on, ..TargetArgs::default() }, "--on");
        let predicate = Some("system.memory.usage >".to_owned());
        check(TargetArgs { predicate, ..TargetArgs::default() }, "^");
        let labels = vec!["role=web=1".to_owned()];
        let target = TargetArgs { labels, ..TargetArgs::default() }.resolve().unwrap();
        assert_eq!(target.selector.labels, [("role".to_owned(), "web=1".to_owned())]);
    }
}
