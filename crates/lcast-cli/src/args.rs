//! The command line as clap sees it: the one source of parsing, help, man pages and completions.
//!
//! The contract is the book's chapter on the command line. Nothing here touches a file or the
//! network; values that clap cannot judge are parsed by the modules below and in `target`.

pub(crate) mod assignment;
pub(crate) mod duration;
pub(crate) mod require;
pub(crate) mod target;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use lcast::realm::DAYS_MAX;

use self::assignment::Assignment;
use self::duration::{parse_duration, parse_interval};
use self::require::Require;
use self::target::TargetArgs;
use crate::output::Format;

/// Ask, tell and watch a fleet of machines over IPv6 multicast.
///
/// One packet asks all nodes of a realm a question, and every question ends with a report that
/// accounts for every node. Try `librecast demo` first: it needs no set-up.
#[derive(Debug, Parser)]
#[command(
    name = "librecast",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    /// What stands before the verb.
    #[command(flatten)]
    pub(crate) common: Common,
    /// Keep state in this folder, made (0700) when absent; default: one for each realm and node,
    /// under LIBRECAST_HOME or in the XDG state folder.
    #[arg(long, value_name = "DIR", help_heading = "Everywhere")]
    pub(crate) state: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// The options of every verb; they stand before or after it.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Common {
    /// The realm to use (LIBRECAST_REALM); default: your only one, the system's, or 'local'.
    #[arg(long, value_name = "NAME")]
    pub(crate) realm: Option<String>,
    /// Use this credential file and nothing under LIBRECAST_HOME.
    #[arg(long, value_name = "FILE")]
    pub(crate) credential: Option<PathBuf>,
    /// Print one JSON document, also on failure.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print one JSON object a line, each as soon as it is known.
    #[arg(long)]
    pub(crate) jsonl: bool,
    /// No progress and no report line on stderr; an agent logs warnings and errors alone.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// The options of every verb, and the state folder.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Everywhere {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Keep state in this folder, made (0700) when absent; default: one for each realm and node,
    /// under LIBRECAST_HOME or in the XDG state folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show all of it on this host: some agents, some questions, one agent killed, the report.
    ///
    /// Starts at least four agents, each a process with its own identity, in a folder of its own;
    /// runs the everyday verbs and prints each command before its output. Needs no root and no
    /// set-up, and cleans up after itself.
    Demo(DemoArgs),
    /// Speak for this host: the long-running node that answers questions.
    Agent(AgentArgs),
    /// Ask all matching nodes for variables.
    ///
    /// A pattern is a name (system.memory.usage), a subtree (system.memory), or has wildcards: `*`
    /// within a segment or key, `**` at any depth.
    Get(GetArgs),
    /// Set variables on all matching nodes.
    ///
    /// NAME=TEXT is parsed at the node by the variable's type, NAME:=JSON sends a typed value.
    Set(SetArgs),
    /// Show what variables hold on all matching nodes, then what changes, until Ctrl-C.
    ///
    /// Nodes that join later appear, those that die leave. On a terminal a table drawn in place,
    /// else a line for each value: node, variable, value, unit.
    Watch(WatchArgs),
    /// List which variables exist, with type, unit and description, and on how many nodes.
    Vars(VarsArgs),
    /// List the agents of the realm, and when each was last heard.
    Nodes(NodesArgs),
    /// Stop expecting a decommissioned node (needs the realm's authority key); issuing its name
    /// again undoes it.
    Forget(ForgetArgs),
    /// Measure the round trip to each node, by multicast and by unicast.
    Ping(PingArgs),
    /// Find what is wrong with this host's network for a realm, and print what mends it.
    ///
    /// Each cause has an id, which the book explains. With a target, agents are asked what they
    /// find on their own hosts.
    Doctor(DoctorArgs),
    /// Make realms and credentials, and look at them; touches no network.
    Realm(RealmArgs),
    /// Take a credential file into your own keeping.
    Join(JoinArgs),
    /// Print the completion script for a shell.
    Completions(CompletionsArgs),
    /// Write the man pages into a folder.
    Man(ManArgs),
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Leave the agents running and the folder in place at the end.
    #[arg(long)]
    pub(crate) keep: bool,
    #[command(flatten)]
    pub(crate) everywhere: Everywhere,
}

/// Options of `agent`.
#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    /// Read this configuration; default: agent.toml beside the realm, if there is one.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Leave when standard input ends: for a parent that must not leave agents behind.
    #[arg(long, hide = true)]
    pub(crate) exit_with_stdin: bool,
    #[command(flatten)]
    pub(crate) everywhere: Everywhere,
}

/// What `--timeout` bounds of a watch, which goes on after its question.
const WATCH_TIMEOUT: &str = "Bound the first question, not the watch (ms, s, m, h, d; at most 1h); \
                             default: 1s, 3s while answers still come in";

/// How a question is judged and bounded.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Report")]
pub(crate) struct QuestionArgs {
    /// How many of the expected nodes must answer: all, alive, a number, or a share from 0% to
    /// 100%.
    #[arg(long, value_name = "all|alive|N|P%", default_value = "all")]
    pub(crate) require: Require,
    /// Exit with 4 when nobody answered with a value.
    #[arg(long)]
    pub(crate) fail_empty: bool,
    /// Bound the whole question (ms, s, m, h, d; at most 1h); default: 1s, 3s while answers still
    /// come in.
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
}

/// The options of every verb that asks nodes.
#[derive(Clone, Debug, Args)]
pub(crate) struct AskArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) question: QuestionArgs,
    #[command(flatten)]
    pub(crate) everywhere: Everywhere,
}

/// Options of `get`.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// Which variables, at most 64 patterns.
    #[arg(required = true, value_name = "PATTERN")]
    pub(crate) patterns: Vec<String>,
    /// Print only the names of the nodes that answered.
    #[arg(long, conflicts_with_all = ["value", "tally", "agg"])]
    pub(crate) names: bool,
    /// Print node, tab, value of the one variable asked for.
    #[arg(long, conflicts_with_all = ["tally", "agg"])]
    pub(crate) value: bool,
    /// Count the nodes by value.
    #[arg(long, conflicts_with = "agg")]
    pub(crate) tally: bool,
    /// Compute over all nodes, in the unit of the variable: avg, min, max, sum, count, p50, p95,
    /// p99; several with commas between.
    #[arg(long, value_name = "FUNCTION", value_delimiter = ',')]
    pub(crate) agg: Vec<Aggregate>,
    /// Compute for each value of a label; default: over all nodes together.
    #[arg(long, value_name = "labels.K", requires = "agg")]
    pub(crate) by: Option<String>,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// What to compute from the values of all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Aggregate {
    /// The mean.
    Avg,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The sum.
    Sum,
    /// How many values there are.
    Count,
    /// The value that half of the values do not exceed.
    P50,
    /// The value that 95 % of the values do not exceed.
    P95,
    /// The value that 99 % of the values do not exceed.
    P99,
}

/// Options of `set`.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// NAME=TEXT or NAME:=JSON, at most 64.
    #[arg(required = true, value_name = "NAME=TEXT|NAME:=JSON")]
    pub(crate) assignments: Vec<Assignment>,
    /// Only where the variable has this version, like 3.7; a setting never set has 0.0; default:
    /// whatever its version is.
    #[arg(long, value_name = "V")]
    pub(crate) if_version: Option<String>,
    /// Only say what would happen.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print only the names of the nodes where it is so.
    #[arg(long)]
    pub(crate) names: bool,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// Options of `watch`.
#[derive(Debug, Args)]
#[command(mut_arg("timeout", |it| it.help(WATCH_TIMEOUT)))]
pub(crate) struct WatchArgs {
    /// Which variables, at most 64 patterns.
    #[arg(required = true, value_name = "PATTERN")]
    pub(crate) patterns: Vec<String>,
    /// Tell the values this often (ms, s, m, h, d; whole milliseconds, 10ms to 36525d), changed or
    /// not; default: when they change.
    #[arg(long, value_name = "D", value_parser = parse_interval)]
    pub(crate) every: Option<Duration>,
    /// Tell a number only when it is at least so far from what was told last: in the variable's
    /// unit, above 0; default: every change.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) delta: Option<f64>,
    /// End after so many lines, 1 to 1000000: on a terminal, those that a pipe would be given; with
    /// --json, so many events; default: at Ctrl-C.
    #[arg(long, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=crate::output::live::Live::COUNT_MAX))]
    pub(crate) count: Option<u64>,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// Options of `vars`.
#[derive(Debug, Args)]
pub(crate) struct VarsArgs {
    /// Which variables; default: all.
    #[arg(value_name = "PATTERN")]
    pub(crate) pattern: Option<String>,
    /// Print the catalogue of built-in variables; needs no network, and asks nobody.
    #[arg(long, conflicts_with_all = ["on", "not", "labels", "predicate", "nodes_from", "expect",
          "require", "fail_empty", "timeout"])]
    pub(crate) builtin: bool,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// Options of `nodes`. Its `--state` is also the state folder's: see [`NodesArgs::split_state`].
#[derive(Debug, Args)]
pub(crate) struct NodesArgs {
    /// Only nodes in this state: alive, suspect, gone, left or never, several with commas between;
    /// default: in any. Followed in lines, a node is told once more as it leaves them. (Before the
    /// verb, and for any other word: the folder to keep state in.)
    #[arg(long, value_name = "S", value_delimiter = ',')]
    pub(crate) state: Vec<String>,
    /// Also list clients.
    #[arg(long)]
    pub(crate) clients: bool,
    /// Then follow who comes and goes, until Ctrl-C: redrawn on a terminal, else a line each.
    #[arg(long, conflicts_with = "names")]
    pub(crate) watch: bool,
    /// Print only the names.
    #[arg(long)]
    pub(crate) names: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Options of `forget`.
#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// The node.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) everywhere: Everywhere,
}

/// Options of `ping`.
#[derive(Debug, Args)]
pub(crate) struct PingArgs {
    /// How many times to ask, 1 to 1000.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(Self::COUNT_MAX)))]
    pub(crate) count: u32,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// Options of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// The verbs of realms.
#[derive(Debug, Args)]
pub(crate) struct RealmArgs {
    #[command(subcommand)]
    pub(crate) verb: RealmVerb,
}

/// What to do with realms.
#[derive(Debug, Subcommand)]
pub(crate) enum RealmVerb {
    /// Make a realm; its authority key stays here, and you join it as the client 'admin'.
    Create(CreateArgs),
    /// Make the credential of one node, or of many from a CSV file.
    ///
    /// The CSV file has a header; its columns are name, kind (agent or client; default agent),
    /// roles (separated by spaces or '+'), days and labels (pairs like rack=7); every other column,
    /// role too, is a label.
    Issue(IssueArgs),
    /// Show fingerprint, epoch, scope and members.
    Show(ShowArgs),
    /// List your realms and the system's.
    List(ListArgs),
}

/// How far a realm's packets may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScopeArg {
    /// This host only.
    Host,
    /// The links of the interfaces.
    Link,
    /// The site, as its routers define it.
    Site,
    /// The organisation.
    Org,
    /// Everywhere.
    Global,
}

/// Options of `realm create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The realm's name, at most 63 characters.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Use only these interfaces, at most 32; default: all that are up and can multicast, but the
    /// loopback, tunnels and those of containers.
    #[arg(long = "interface", value_name = "IF")]
    pub(crate) interfaces: Vec<String>,
    /// How far its packets may go.
    #[arg(long, value_enum, default_value = "site")]
    pub(crate) scope: ScopeArg,
    /// The UDP port of the realm, 1 to 65535.
    #[arg(long, value_name = "P", default_value_t = 24242,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,
    #[command(flatten)]
    pub(crate) everywhere: Everywhere,
}

/// Options of `realm issue`.
#[derive(Debug, Args)]
pub(crate) struct IssueArgs {
    /// The node's name, at most 63 characters.
    #[arg(long, value_name = "NODE", required_unless_present = "from", conflicts_with = "from")]
    pub(crate) name: Option<String>,
    /// A client: a person's or a program's node, never expected to answer.
    #[arg(long, conflicts_with = "from")]
    pub(crate) client: bool,
    /// What it may do: operator or admin (set), or a word of yours; at most 8; default: only ask,
    /// or answer.
    #[arg(long = "role", value_name = "R", conflicts_with = "from")]
    pub(crate) roles: Vec<String>,
    /// A label that questions can pick it by; at most 8, each value at most 63 bytes; default:
    /// none.
    #[arg(long = "label", value_name = "K=V", conflicts_with = "from")]
    pub(crate) labels: Vec<String>,
    /// How many days it is valid, 1 to 36500; default: 3653, ten years.
    #[arg(long, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    pub(crate) days: Option<u32>,
    /// Issue it also where the name is a member's: the credential that has it is forgotten then.
    #[arg(long)]
    pub(crate) again: bool,
    /// Where to write the credential.
    #[arg(long, value_name = "FILE", required_unless_present = "from", conflicts_with = "from")]
    pub(crate) out: Option<PathBuf>,
    /// Issue a credential for every line of this file, which is at most 8 MiB.
    #[arg(long, value_name = "CSV", requires = "out_dir")]
    pub(crate) from: Option<PathBuf>,
    /// Where to write the credentials of --from, as NAME.credential.
    #[arg(long, value_name = "DIR", requires = "from")]
    pub(crate) out_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) everywhere: Everywhere,
}

/// Options of `realm show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The realm; default: as for every verb.
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) everywhere: Everywhere,
}

/// Options of `realm list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) everywhere: Everywhere,
}

/// Options of `join`.
#[derive(Debug, Args)]
pub(crate) struct JoinArgs {
    /// The credential file, from whoever runs the realm.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Take it for the system's agent: into /etc/librecast.
    #[arg(long)]
    pub(crate) system: bool,
    #[command(flatten)]
    pub(crate) everywhere: Everywhere,
}

/// Options of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// For which shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
    #[command(flatten)]
    pub(crate) everywhere: Everywhere,
}

/// Options of `man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Where to write the pages; made when absent.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) everywhere: Everywhere,
}

/// The words for states in `nodes --state`.
pub(crate) const STATES: [&str; 5] = ["alive", "suspect", "gone", "left", "never"];

impl Cli {
    /// The options of every verb, from before and after it; after it has precedence.
    pub(crate) fn everywhere(&self) -> Everywhere {
        let inner = self.verb.everywhere();
        let outer = &self.common;
        let common = Common {
            realm: inner.common.realm.or_else(|| outer.realm.clone()),
            credential: inner.common.credential.or_else(|| outer.credential.clone()),
            json: inner.common.json || outer.json,
            jsonl: inner.common.jsonl || outer.jsonl,
            quiet: inner.common.quiet || outer.quiet,
        };
        Everywhere { common, state: inner.state.or_else(|| self.state.clone()) }
    }
}

impl Verb {
    fn everywhere(&self) -> Everywhere {
        match self {
            Self::Demo(args) => args.everywhere.clone(),
            Self::Agent(args) => args.everywhere.clone(),
            Self::Get(args) => args.ask.everywhere.clone(),
            Self::Set(args) => args.ask.everywhere.clone(),
            Self::Watch(args) => args.ask.everywhere.clone(),
            Self::Vars(args) => args.ask.everywhere.clone(),
            Self::Nodes(args) => Everywhere {
                common: args.common.clone(),
                state: args.split_state().1.map(PathBuf::from),
            },
            Self::Forget(args) => args.everywhere.clone(),
            Self::Ping(args) => args.ask.everywhere.clone(),
            Self::Doctor(args) => args.ask.everywhere.clone(),
            Self::Realm(args) => match &args.verb {
                RealmVerb::Create(args) => args.everywhere.clone(),
                RealmVerb::Issue(args) => args.everywhere.clone(),
                RealmVerb::Show(args) => args.everywhere.clone(),
                RealmVerb::List(args) => args.everywhere.clone(),
            },
            Self::Join(args) => args.everywhere.clone(),
            Self::Completions(args) => args.everywhere.clone(),
            Self::Man(args) => args.everywhere.clone(),
        }
    }
}

impl PingArgs {
    /// The most times that one command asks.
    pub(crate) const COUNT_MAX: u32 = 1000;
}

impl NodesArgs {
    /// The states to list (none: all) and the state folder: words of [`STATES`] are states.
    pub(crate) fn split_state(&self) -> (Vec<&str>, Option<&str>) {
        let is_state = |word: &&str| STATES.contains(word);
        let words = || self.state.iter().map(String::as_str);
        (words().filter(is_state).collect(), words().find(|word| !is_state(word)))
    }
}

/// The JSON that the words of a command line ask for that could not be parsed; of both the first.
pub(crate) fn json_wanted<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<Format> {
    let mut words = words.into_iter().take_while(|word| *word != "--");
    words.find_map(|word| match word {
        "--json" => Some(Format::Json),
        "--jsonl" => Some(Format::JsonLines),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use lcast_proto::keys::{Labels, Network, NodeName, Roles};
    use lcast_proto::question::answering::PATTERNS_MAX;
    use lcast_proto::question::evaluate::ASSIGNMENTS_MAX;
    use lcast_proto::question::{DEADLINE_MAX, watched::EVERY_MIN};
    use lcast_proto::select::Selector;

    use super::*;

    /// What the help says of an option, or of what stands without one, by its name here.
    fn help(verb: &str, id: &str) -> String {
        let mut command = Cli::command();
        command.build();
        let verb = verb.split(' ').fold(&command, |command, verb| {
            command.find_subcommand(verb).unwrap_or_else(|| panic!("no verb {verb}"))
        });
        let argument = verb.get_arguments().find(|it| it.get_id() == id);
        argument.unwrap_or_else(|| panic!("no {id}")).get_help().unwrap().to_string()
    }

    #[test]
    fn the_help_says_the_limits_of_the_code() {
        use crate::output::live::Live;
        let check = |verb: &str, id: &str, limits: &[&dyn std::fmt::Display]| {
            let help = help(verb, id);
            let words: Vec<&str> = help.split(|char: char| " ,;:()".contains(char)).collect();
            for limit in limits.iter().map(ToString::to_string) {
                assert!(words.contains(&limit.trim()), "{verb} {id}: {limit} not in: {help}");
            }
        };
        let hours = format!("{}h", DEADLINE_MAX.as_secs() / 3600);
        for verb in ["get", "set", "watch", "vars", "ping", "doctor"] {
            check(verb, "on", &[&Selector::GLOBS_MAX]);
            check(verb, "not", &[&Selector::GLOBS_MAX]);
            check(verb, "labels", &[&Selector::LABELS_MAX]);
            check(verb, "predicate", &[&Selector::ENCODED_MAX]);
            check(verb, "nodes_from", &[&target::NAMES_MAX, &(target::FILE_LENGTH_MAX >> 20)]);
            check(verb, "expect", &[&target::NAMES_MAX, &(target::FILE_LENGTH_MAX >> 20)]);
            check(verb, "timeout", &[&hours]);
        }
        for verb in ["get", "watch"] {
            check(verb, "patterns", &[&PATTERNS_MAX]);
        }
        check("set", "assignments", &[&ASSIGNMENTS_MAX]);
        let least = format!("{}ms", EVERY_MIN.as_millis());
        check("watch", "every", &[&least, &format!("{}d", crate::duration::DAYS_MAX)]);
        check("watch", "count", &[&1, &Live::COUNT_MAX]);
        check("ping", "count", &[&1, &PingArgs::COUNT_MAX]);
        check("realm create", "interfaces", &[&Network::INTERFACES_MAX]);
        check("realm create", "name", &[&NodeName::LENGTH_MAX]);
        check("realm create", "port", &[&1, &u16::MAX]);
        check("realm issue", "name", &[&NodeName::LENGTH_MAX]);
        check("realm issue", "roles", &[&Roles::COUNT_MAX]);
        check("realm issue", "labels", &[&Labels::COUNT_MAX, &Labels::VALUE_LENGTH_MAX]);
        let days = lcast::realm::VALIDITY.as_secs() / 86_400;
        check("realm issue", "days", &[&1, &DAYS_MAX, &days]);
        check("realm issue", "from", &[&(lcast::realm::hosts::LENGTH_MAX >> 20)]);
    }

    /// Whoever reads a page must not have to try what happens without an option.
    #[test]
    fn every_option_with_a_value_says_its_default() {
        // Which file or folder, name or shell is meant has none; these are demanded, or left out.
        let without = ["credential", "out", "out_dir", "from", "name", "predicate", "nodes_from"];
        let without = [&without[..], &["expect"]].concat();
        fn walk(command: &clap::Command, without: &[&str]) {
            command.get_subcommands().for_each(|it| walk(it, without));
            for option in command.get_opts().filter(|it| it.get_action().takes_values()) {
                let help = option.get_help().map(ToString::to_string).unwrap_or_default();
                let said = help.contains("default") || !option.get_default_values().is_empty();
                let id = option.get_id().as_str();
                // What is computed only where it is asked for.
                let said = said || id == "agg" || without.contains(&id);
                assert!(said, "{} {id}: {help}", command.get_name());
            }
        }
        let mut command = Cli::command();
        command.build();
        walk(&command, &without);
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    fn parse(line: &str) -> Result<Cli, String> {
        let words = std::iter::once("librecast").chain(line.split_whitespace());
        Cli::try_parse_from(words).map_err(|error| error.to_string())
    }

    #[test]
    fn options_of_every_verb_stand_before_or_after_it() {
        for line in [
            "--realm prod --credential c --state s --json --jsonl -q get host.name",
            "get host.name --realm prod --credential c --state s --json --jsonl -q",
            "--realm prod -q get --json host.name --credential c --jsonl --state s",
            "--realm x --state y get host.name --realm prod --credential c --state s --json \
             --jsonl -q",
            "realm list --realm prod --credential c --state s --json --jsonl -q",
            "--realm prod -q --json nodes --state s --credential c --jsonl --state alive",
            "--realm prod -q --json --state s nodes --credential c --jsonl --state alive,never",
        ] {
            let Everywhere { common, state } = parse(line).unwrap().everywhere();
            assert_eq!(common.realm.as_deref(), Some("prod"), "{line}");
            assert_eq!(common.credential, Some(PathBuf::from("c")), "{line}");
            assert_eq!(state, Some(PathBuf::from("s")), "{line}");
            assert!(common.json && common.jsonl && common.quiet, "{line}");
        }
    }

    #[test]
    fn a_timeout_bounds_the_question_of_a_watch_and_not_the_watch() {
        let mut command = Cli::command();
        for (verb, bounds) in [("get", "the whole question"), ("watch", "not the watch")] {
            let verb = command.find_subcommand_mut(verb).expect("a verb of this name");
            let help = verb.render_help().to_string();
            let lines: Vec<&str> = help.split_whitespace().collect();
            assert!(lines.join(" ").contains(bounds), "{help}");
        }
    }

    #[test]
    fn bad_lines_are_refused_with_what_is_wrong() {
        for (line, part) in [
            ("get", "<PATTERN>"),
            ("get a.b --names --tally", "cannot be used with"),
            ("vars --builtin --on web1", "cannot be used with"),
            ("vars --builtin --label role=web", "cannot be used with"),
            ("vars --builtin --where a.b>1", "cannot be used with"),
            ("vars --builtin --require 1", "cannot be used with"),
            ("vars --builtin --fail-empty", "cannot be used with"),
            ("vars --builtin --timeout 1s", "cannot be used with"),
            ("watch a.b --every 10.5ms", "whole milliseconds"),
            ("watch a.b --every 1ms", "'1ms' is more often"),
            ("get a.b --agg mean", "avg, min, max"),
            ("get a.b --by labels.role", "--agg"),
            ("get a.b --timeout 5", "unit"),
            ("get a.b --require most", "all, alive"),
            ("set app.a", "NAME=TEXT"),
            ("realm create", "<NAME>"),
            ("realm create x --port 0", "1..=65535"),
            ("realm create x --scope world", "host, link, site, org, global"),
            ("realm issue --name a", "--out"),
            ("realm issue --from a.csv", "--out-dir"),
            ("realm issue --name a --from b --out-dir c", "cannot be used with"),
            ("realm issue --name a --out f --days 0", "1..=36500"),
            ("realm issue --name a --out f --days 36501", "1..=36500"),
            ("watch a.b --count 0", "1..=1000000"),
            ("watch a.b --count 1000001", "1..=1000000"),
            ("ping --count 0", "1..=1000"),
            ("ping --count 1001", "1..=1000"),
            ("gett host.name", "get"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
        for line in [
            "vars --builtin",
            "watch a.b --every 1.5s",
            "watch a.b --count 1000000",
            "ping --count 1000",
            "realm issue --name a --out f --days 36500",
        ] {
            parse(line).unwrap();
        }
    }

    #[test]
    fn json_is_found_in_a_broken_line() {
        for (line, expected) in [
            ("get --json", Some(Format::Json)),
            ("--jsonl x", Some(Format::JsonLines)),
            ("get -- --json", None),
        ] {
            assert_eq!(json_wanted(line.split(' ')), expected, "{line}");
        }
    }
}
