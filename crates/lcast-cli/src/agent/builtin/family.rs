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

    /// The families of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the family is in this set.
    pub const fn contains(self, family: Family) -> bool {
        self.0 & 1 << family as u8 != 0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The families with a variable that `pattern` may pick: a pattern, or a path of a predicate.
    ///
    /// Keys and everything behind the first wildcard are passed over, so that the answer may hold
    /// a family too many and never one too few.
    ///
    /// ```
    /// use lcast_cli::agent::builtin::{Families, Family};
    /// let load = Families::of_pattern("system.cpu.load_1m");
    /// assert_eq!(load, Families::NONE.with(Family::Load));
    /// let memory = Families::of_pattern("system.memory");
    /// assert!(memory.contains(Family::Memory) && !memory.contains(Family::Load));
    /// assert!(Families::of_pattern("**").contains(Family::Host));
    /// ```
    pub fn of_pattern(pattern: &str) -> Self {
        let wanted = literal_segments(pattern);
        let touches = |row: &&Row| {
            let segments = row.template.split('.').map(|it| it.trim_end_matches("[*]"));
            wanted.iter().zip(segments).all(|(wanted, segment)| *wanted == segment)
        };
        let rows = catalogue().iter().filter(touches);
        rows.fold(Self::NONE, |families, row| families.with(row.family))
    }

    /// The families that a question is going to read, by its patterns and its predicate.
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

    /// The families that any of the patterns touches.
    pub fn of_patterns<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        let each = patterns.into_iter().map(Self::of_pattern);
        each.fold(Self::NONE, Self::union)
    }
}

/// The segments of a pattern up to the first wildcard, without keys.
fn literal_segments(pattern: &str) -> Vec<&str> {
    let mut segments = Vec::new();
    let mut rest = pattern;
    while !rest.is_empty() {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let segment = &rest[..end];
        if segment.contains(['*', '?']) {
            break;
        }
        segments.push(segment);
        rest = &rest[end..];
        if rest.starts_with('[') {
            rest = after_key(rest);
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
    }
    segments
}

/// What follows a key in brackets; nothing when the key has no end.
fn after_key(text: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b']' if !quoted => return &text[index + 1..],
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, expected: &[Family]) {
        let expected = expected.iter().fold(Families::NONE, |set, family| set.with(*family));
        assert_eq!(Families::of_pattern(pattern), expected, "{pattern}");
    }

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
            let wanted = Wanted { patterns: vec![pattern.parse().unwrap()], predicate: None };
            let families = Families::of_wanted(&wanted);
            for row in catalogue() {
                let asked = expected.contains(&row.family);
                assert_eq!(families.contains(row.family), asked, "{pattern} {}", row.template);
            }
        }
    }

    #[test]
    fn patterns_touch_the_families_they_may_pick() {
        check("system.memory.usage", &[Family::Memory]);
        check("system.filesystem[\"/a.b]\"].usage", &[Family::Filesystem]);
        check("system.filesystem[*].utilization", &[Family::Filesystem]);
        check("system.filesystem[\"open", &[Family::Filesystem]);
        check("system.process", &[Family::Stat, Family::Process, Family::Defunct]);
        check("os.*", &[Family::Host, Family::Reboot]);
        check("app.release", &[]);
        check("librecast.packet.dropped", &[Family::Own]);
        check("systemd", &[Family::Systemd]);
        check("system.cpu.load_*", &[Family::Host, Family::Stat, Family::Load]);
        assert_eq!(Families::of_patterns(["a.b", "host.name"]), Families::of_pattern("host.ip"));
        assert!(Families::of_pattern("app").is_empty());
    }
}
