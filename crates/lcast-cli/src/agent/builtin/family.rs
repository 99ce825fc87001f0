//! Which built-in variables are read together, and which of them a question touches.

use lcast_proto::question::Wanted;

use super::catalogue::{Row, catalogue};

/// Variables that one reading yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Family {
    /// What hardly changes: host, operating system, counts of processors.
    Host,
    /// Whether a restart is due.
    Reboot,
    /// Time since boot.
    Uptime,
    /// The state of the clock.
    Clock,
    /// `/proc/stat`: processor time, processes running, blocked, created.
    Stat,
    /// Load averages.
    Load,
    /// Main memory.
    Memory,
    /// Swap and page faults.
    Paging,
    /// Mounted file systems.
    Filesystem,
    /// Block devices.
    Disk,
    /// Network interfaces.
    Network,
    /// The number of processes.
    Process,
    /// Zombies, which take a look at every process.
    Defunct,
    /// Users logged in.
    User,
    /// systemd and its units.
    Systemd,
    /// Temperature sensors.
    Temperature,
    /// Programs that the configuration names.
    Executable,
    /// The agent: what its driver knows.
    Own,
    /// The agent: its memory and processor time.
    Itself,
    /// The agent: what it finds on its host.
    Doctor,
    /// The health of configured variables.
    Configured,
}

/// A set of families.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Families(u32);

impl Families {
    /// No family.
    pub const NONE: Self = Self(0);
    /// Every family.
    pub const ALL: Self = Self(u32::MAX);

    /// This set and one more family.
    #[must_use]
    pub const fn with(self, family: Family) -> Self {
        Self(self.0 | 1 << family as u8)
    }

    /// Whether the family is in this set.
    pub const fn contains(self, family: Family) -> bool {
        self.0 & 1 << family as u8 != 0
    }

    /// The families that a question is going to read, by its patterns and its predicate: none too
    /// few, and hardly one too many.
    ///
    /// ```
    /// use lcast_cli::agent::builtin::{Families, Family};
    /// use lcast_proto::question::Wanted;
    /// let patterns = ["system.cpu.load_1m".parse().unwrap()].into();
    /// let load = Families::of_wanted(&Wanted { patterns, predicate: None });
    /// assert!(load.contains(Family::Load) && !load.contains(Family::Memory));
    /// ```
    pub fn of_wanted(wanted: &Wanted) -> Self {
        let read = |families: Self, row: &Row| {
            let prefix = row.template.split('[').next().unwrap_or(row.template);
            if families.contains(row.family) || !wanted.touches(prefix) {
                return families;
            }
            families.with(row.family)
        };
        catalogue().iter().fold(Self::NONE, read)
    }
}

#[cfg(test)]
mod tests {
    use lcast_proto::select::Predicate;

    use super::*;

    #[test]
    fn questions_read_the_families_of_their_patterns() {
        for (pattern, expected) in [
            ("host.name", &[Family::Host][..]),
            ("system.memory", &[Family::Memory]),
            ("system.filesystem[\"/\"].usage", &[Family::Filesystem]),
            ("system.filesystem[*].utilization", &[Family::Filesystem]),
            ("system.cpu.load_1m", &[Family::Load]),
            ("app.release", &[]),
        ] {
            let wanted = Wanted { patterns: [pattern.parse().unwrap()].into(), predicate: None };
            let families = Families::of_wanted(&wanted);
            for row in catalogue() {
                let asked = expected.contains(&row.family);
                assert_eq!(families.contains(row.family), asked, "{pattern} {}", row.template);
            }
        }
    }

    #[test]
    fn a_subtree_a_wildcard_and_a_predicate_read_what_they_touch() {
        let check = |pattern: &str, predicate: Option<&str>, expected: &[Family]| {
            let predicate = predicate.map(|it| Predicate::parse(it).unwrap());
            let wanted = Wanted { patterns: [pattern.parse().unwrap()].into(), predicate };
            let expected = expected.iter().fold(Families::NONE, |set, family| set.with(*family));
            assert_eq!(Families::of_wanted(&wanted), expected, "{pattern}");
        };
        check("system.process", None, &[Family::Stat, Family::Process, Family::Defunct]);
        check("librecast.packet.dropped", None, &[Family::Own]);
        check("systemd", None, &[Family::Systemd]);
        check("app", None, &[]);
        check("app", Some("system.cpu.load_1m > 2.0"), &[Family::Load]);
        check("host.name", Some("has(systemd.state)"), &[Family::Host, Family::Systemd]);
    }
}
