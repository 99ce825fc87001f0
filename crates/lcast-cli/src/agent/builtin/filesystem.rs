//! Mounted file systems, by `/proc/self/mountinfo` and statvfs.
//!
//! statvfs on a dead network mount does not return. So file systems are asked on threads of their
//! own: one for all local ones, one for each of another host. What has not answered within
//! [`LOCAL_WAIT`] keeps its last value, and is not asked again before it has answered. A reading
//! waits so long, and belongs in the background: no question waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use super::Roots;
use super::glob::{Glob, any};
use super::limited::{Extent, Limited};
use super::memory::part;
use super::roots::text;
use super::sampler::{Options, Output};
use crate::agent::Change;

/// The numbers of one file system, in bytes and inodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The size.
    pub limit: u64,
    /// What is free, root's reserve counted.
    pub free: u64,
    /// What users can still fill.
    pub available: u64,
    /// The number of inodes; zero where they are made as needed.
    pub inodes: u64,
    /// Inodes that are free.
    pub inodes_free: u64,
}

/// The readers of file systems, with what they saw before.
#[derive(Debug)]
pub struct Filesystems {
    include: Vec<Glob>,
    exclude: Vec<Glob>,
    usage: fn(&Path) -> Option<Usage>,
    /// What threads are still to say, by mount point; local ones together under "".
    pending: BTreeMap<String, Receiver<Answer>>,
    /// When those of other hosts were asked last, counted in askings.
    asked: BTreeMap<String, u64>,
    askings: u64,
    known: BTreeSet<String>,
    limited: Limited,
    unread: Limited,
}

/// One line of the table of mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    device_number: String,
    root: String,
    point: String,
    mode: &'static str,
    kind: String,
    device: String,
}

/// What a thread says of a mount point; without usage when it cannot be had.
type Answer = (String, Option<Usage>);

/// The longest that a reading waits for local file systems.
const LOCAL_WAIT: Duration = Duration::from_millis(200);

/// The longest that a reading waits for file systems of other hosts.
const REMOTE_WAIT: Duration = Duration::from_millis(20);

/// Most file systems shown.
const MOUNTS_MAX: usize = 512;

/// Most threads that wait for file systems of other hosts.
const REMOTE_MAX: usize = 16;

/// Stack of a thread that does one system call after another.
const STACK: usize = 64 * 1024;

/// File systems without storage of their own, or shown elsewhere.
const PSEUDO: [&str; 38] = [
    "autofs",
    "bdev",
    "binder",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "cpuset",
    "debugfs",
    "devfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fuse.gvfsd-fuse",
    "fuse.lxcfs",
    "fuse.portal",
    "fuse.snapfuse",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "overlay",
    "pipefs",
    "proc",
    "pstore",
    "ramfs",
    "resctrl",
    "rootfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "smackfs",
    "sockfs",
    "squashfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];

/// Kinds of file systems that may wait for another host, by prefix.
const REMOTE: [&str; 12] = [
    "nfs",
    "cifs",
    "smb",
    "fuse",
    "9p",
    "ceph",
    "glusterfs",
    "afs",
    "lustre",
    "gfs2",
    "ocfs2",
    "virtiofs",
];

impl Usage {
    /// Asks the kernel; may wait for ever on a dead network mount.
    pub fn read(path: &Path) -> Option<Self> {
        let stat = rustix::fs::statvfs(path).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Some(Self {
            limit: bytes(stat.f_blocks),
            free: bytes(stat.f_bfree),
            available: bytes(stat.f_bavail),
            inodes: stat.f_files,
            inodes_free: stat.f_ffree,
        })
    }
}

impl Filesystems {
    /// A reader that shows what the options say.
    pub fn new(options: &Options) -> Self {
        Self {
            include: options.filesystem_include.clone(),
            exclude: options.filesystem_exclude.clone(),
            usage: options.usage,
            pending: BTreeMap::new(),
            asked: BTreeMap::new(),
            askings: 0,
            known: BTreeSet::new(),
            limited: Limited::default(),
            unread: Limited::default(),
        }
    }

    /// Asks every file system shown: the changes that those bring which answer in time.
    pub fn read(&mut self, roots: &Roots) -> Vec<Change> {
        let mut output = Output::default();
        self.read_to(roots, &mut output);
        output.into_changes()
    }

    fn read_to(&mut self, roots: &Roots, output: &mut Output) {
        const MAP: &str = "system.filesystem";
        let Some(table) = text(&roots.proc.join("self/mountinfo")) else { return };
        let mut mounts = self.shown(parse(&table));
        let all = mounts.len();
        mounts.truncate(MOUNTS_MAX);
        let (shown, way_out) = (mounts.len(), "leave some out, by [builtin] filesystem.exclude");
        self.limited.tell(&Extent { map: MAP, shown, all, way_out }, output);
        let mut present = BTreeSet::new();
        for mount in &mounts {
            output.put_at(MAP, &mount.point, "type", mount.kind.as_str());
            output.put_at(MAP, &mount.point, "device", mount.device.as_str());
            output.put_at(MAP, &mount.point, "mode", mount.mode);
            present.insert(mount.point.clone());
        }
        let (shown, all) = self.ask(&mounts);
        let map = "system.filesystem[*].usage";
        let way_out = "so many of other hosts do not answer that none can be read; unmount them, \
                       or leave them out, by [builtin] filesystem.exclude, and restart the agent";
        self.unread.tell(&Extent { map, shown, all, way_out }, output);
        for (point, usage) in self.collect() {
            if let Some(usage) = usage
                && present.contains(&point)
            {
                report(&point, &usage, output);
            }
        }
        output.retire(MAP, &mut self.known, present);
    }

    /// The mounts to show: of one device one, the one mounted at its root or nearest to it.
    fn shown(&self, mounts: Vec<Mount>) -> Vec<Mount> {
        let mut by_point: BTreeMap<String, Mount> = BTreeMap::new();
        for mount in mounts {
            by_point.insert(mount.point.clone(), mount);
        }
        let mut shown: Vec<Mount> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut candidates: Vec<Mount> = by_point.into_values().collect();
        candidates.sort_by_key(|mount| (mount.root != "/", mount.point.len()));
        for mount in candidates {
            let named = |globs: &[Glob]| any(globs, &mount.point) || any(globs, &mount.kind);
            let included = named(&self.include);
            let pseudo = PSEUDO.contains(&mount.kind.as_str());
            if named(&self.exclude) || (pseudo && !included) || is_file(&mount) {
                continue;
            }
            // Subvolumes of btrfs share a device and are file systems of their own to people.
            let root = if mount.kind == "btrfs" { mount.root.clone() } else { String::new() };
            if seen.insert((mount.device_number.clone(), root)) || included {
                shown.push(mount);
            }
        }
        shown.sort_by(|left, right| left.point.cmp(&right.point));
        shown
    }

    /// Starts threads for the file systems of which no answer is awaited; those of other hosts take
    /// turns, when there are many. How many of these can be read (none where dead ones take up all
    /// threads and others wait), and how many there are.
    fn ask(&mut self, mounts: &[Mount]) -> (usize, usize) {
        let (mut remote, local): (Vec<&Mount>, Vec<&Mount>) =
            mounts.iter().partition(|mount| is_remote(mount));
        let points = |mounts: &[&Mount]| mounts.iter().map(|it| it.point.clone()).collect();
        if !local.is_empty() {
            self.start("", points(&local));
        }
        self.asked.retain(|point, _| remote.iter().any(|it| it.point == *point));
        remote.sort_by_key(|it| self.asked.get(&it.point).copied().unwrap_or_default());
        let waiting =
            |pending: &BTreeMap<String, _>| pending.keys().filter(|task| !task.is_empty()).count();
        // Those that hang may have left the table meanwhile, by a lazy unmount.
        let full = waiting(&self.pending) >= REMOTE_MAX;
        let hidden = full && remote.iter().any(|it| !self.pending.contains_key(&it.point));
        let all = remote.len();
        for mount in remote {
            if waiting(&self.pending) < REMOTE_MAX && !self.pending.contains_key(&mount.point) {
                self.askings += 1;
                self.asked.insert(mount.point.clone(), self.askings);
                self.start(&mount.point, points(&[mount]));
            }
        }
        (if hidden { 0 } else { all }, all)
    }

    fn start(&mut self, task: &str, points: Vec<String>) {
        if self.pending.contains_key(task) {
            return;
        }
        let (sender, receiver) = sync_channel(points.len());
        let usage = self.usage;
        let thread = std::thread::Builder::new().name("statvfs".to_owned()).stack_size(STACK);
        if thread.spawn(move || answer(&points, usage, &sender)).is_ok() {
            self.pending.insert(task.to_owned(), receiver);
        }
    }

    /// What has been answered, after the time that a reading may wait.
    fn collect(&mut self) -> Vec<Answer> {
        let start = Instant::now();
        let mut answers = Vec::new();
        self.pending.retain(|task, receiver| {
            let wait = if task.is_empty() { LOCAL_WAIT } else { REMOTE_WAIT };
            !drain(receiver, start + wait, &mut answers)
        });
        answers
    }
}

/// Whether asking may wait for another host.
fn is_remote(mount: &Mount) -> bool {
    REMOTE.iter().any(|kind| mount.kind.starts_with(kind))
}

/// Whether a single file is mounted, as container engines do with `/etc/hosts`.
fn is_file(mount: &Mount) -> bool {
    mount.root != "/" && !is_remote(mount) && Path::new(&mount.point).is_file()
}

/// Takes answers until `deadline`; whether the thread has said all it has to say.
fn drain(receiver: &Receiver<Answer>, deadline: Instant, answers: &mut Vec<Answer>) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let next = if left.is_zero() {
            receiver.try_recv().map_err(|error| error == TryRecvError::Disconnected)
        } else {
            receiver.recv_timeout(left).map_err(|it| it == RecvTimeoutError::Disconnected)
        };
        match next {
            Ok(answer) => answers.push(answer),
            Err(ended) => return ended,
        }
    }
}

/// Runs on a thread: asks one mount point after another.
fn answer(points: &[String], usage: fn(&Path) -> Option<Usage>, sender: &SyncSender<Answer>) {
    for point in points {
        if sender.send((point.clone(), usage(&PathBuf::from(point)))).is_err() {
            return;
        }
    }
}

fn report(point: &str, usage: &Usage, output: &mut Output) {
    const MAP: &str = "system.filesystem";
    let used = usage.limit.saturating_sub(usage.free);
    output.count_at(MAP, point, "limit", usage.limit);
    output.count_at(MAP, point, "usage", used);
    output.count_at(MAP, point, "free", usage.available);
    output.count_at(MAP, point, "reserved", usage.free.saturating_sub(usage.available));
    if let Some(part) = part(used, used.saturating_add(usage.available)) {
        output.put_at(MAP, point, "utilization", part);
    }
    let inodes_used = usage.inodes.saturating_sub(usage.inodes_free);
    if let Some(part) = part(inodes_used, usage.inodes) {
        output.put_at(MAP, point, "inode.utilization", part);
    }
}

/// Reads `id parent device root point options ... - kind source options`, line by line; the latter
/// options are those of the file system.
fn parse(table: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(2);
        let (device_number, root) = (before.next()?.to_owned(), unescape(before.next()?));
        let point = unescape(before.next()?);
        let mut after = after.split(' ');
        let (kind, device) = (after.next()?.to_owned(), unescape(after.next()?));
        // The file system's own mode, not the one of this mount of it: a service manager may show
        // the agent the same file systems read-only (ProtectSystem=).
        let mode = if after.next()?.split(',').any(|it| it == "ro") { "ro" } else { "rw" };
        Some(Mount { device_number, root, point, mode, kind, device })
    };
    table.lines().filter_map(mount).collect()
}

/// Replaces `\040` and the like, by which the kernel keeps white space out of its fields.
fn unescape(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = rest.get(1..4).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code.filter(|_| byte == b'\\') {
            Some(code) => {
                bytes.push(code);
                rest = &rest[4..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_is_the_file_system_s_whatever_this_mount_of_it_allows() {
        let table = "1 0 8:1 / / ro,noatime - ext4 /dev/a rw,errors=remount-ro\n\
                     2 1 8:2 / /srv rw - ext4 /dev/b ro\n";
        let modes: Vec<&str> = parse(table).iter().map(|it| it.mode).collect();
        assert_eq!(modes, ["rw", "ro"]);
    }

    #[test]
    fn mounts_beyond_the_limit_are_left_out_and_that_is_told() {
        let name = format!("lcast-mounts-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(folder.join("proc/self")).unwrap();
        let line = |it: usize| format!("{it} 1 8:{it} / /mnt/{it} rw - ext4 /dev/x rw\n");
        for (count, told) in [(MOUNTS_MAX, false), (MOUNTS_MAX + 1, true)] {
            let table: String = (1..=count).map(line).collect();
            std::fs::write(folder.join("proc/self/mountinfo"), table).unwrap();
            let options = Options { usage: |_| None, ..Options::default() };
            let changes = Filesystems::new(&options).read(&Roots::under(&folder));
            let updates = changes.iter().filter_map(|it| match it {
                Change::Update(it) => Some((it.name.to_string(), format!("{:?}", it.value))),
                Change::Define(_) | Change::Undefine(_) | Change::Remove(_) => None,
            });
            let (types, errors): (Vec<_>, Vec<_>) = updates
                .filter(|(name, _)| name.ends_with(".type") || name.ends_with(".error"))
                .partition(|(name, _)| name.ends_with(".type"));
            assert_eq!((types.len(), errors.len()), (MOUNTS_MAX, usize::from(told)));
            assert!(errors.iter().all(|(_, it)| it.contains("only 512 of 513")), "{errors:?}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// The values of a table of so many mounts of other hosts, of which some never answer, after so
    /// many readings: how many have a size, and whether it is told that some are not read.
    fn remote(dead: usize, alive: usize, readings: usize) -> (usize, bool) {
        let name = format!("lcast-remote-{}-{dead}-{alive}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        write_table(&folder, dead, alive);
        let mut filesystems = Filesystems::new(&Options { usage, ..Options::default() });
        let (mut sizes, mut told) = (BTreeSet::new(), false);
        for _ in 0..readings {
            told = read(&mut filesystems, &folder, &mut sizes);
            if sizes.len() == alive && !told {
                break;
            }
        }
        std::fs::remove_dir_all(folder).unwrap();
        (sizes.len(), told)
    }

    /// A table of so many mounts of other hosts that never answer, and that do.
    fn write_table(folder: &Path, dead: usize, alive: usize) {
        let line = |kind: &str, it: usize| {
            format!("{it} 1 0:{it} / /mnt/{kind}/{it} rw - nfs4 host:/{it} rw\n")
        };
        let dead = (1..=dead).map(|it| line("dead", it));
        let table: String = dead.chain((1001..=1000 + alive).map(|it| line("x", it))).collect();
        std::fs::create_dir_all(folder.join("proc/self")).unwrap();
        std::fs::write(folder.join("proc/self/mountinfo"), table).unwrap();
    }

    #[expect(clippy::unnecessary_wraps, reason = "the type of what asks the kernel")]
    fn usage(path: &Path) -> Option<Usage> {
        while path.starts_with("/mnt/dead") {
            std::thread::park();
        }
        Some(Usage { limit: 1, ..Usage::default() })
    }

    /// Reads once: whether it is told that some are not read. Adds the names of sizes.
    fn read(filesystems: &mut Filesystems, folder: &Path, sizes: &mut BTreeSet<String>) -> bool {
        let mut told = false;
        for change in filesystems.read(&Roots::under(folder)) {
            let Change::Update(update) = change else { continue };
            let name = update.name.to_string();
            told |= name.starts_with("librecast.variable[\"system.filesystem[*].usage\"]");
            if name.ends_with(".limit") {
                sizes.insert(name);
            }
        }
        told
    }

    #[test]
    fn every_file_system_of_another_host_has_its_turn() {
        assert_eq!(remote(0, 3 * REMOTE_MAX + 1, 200), (3 * REMOTE_MAX + 1, false));
        assert_eq!(remote(REMOTE_MAX - 1, 3, 200), (3, false), "one thread is left for three");
    }

    #[test]
    fn dead_ones_that_keep_others_from_being_read_are_told() {
        assert_eq!(remote(REMOTE_MAX, 3, 3), (0, true));
    }

    /// A lazy unmount takes a dead one off the table, and not the thread out of the kernel.
    #[test]
    fn dead_ones_that_were_detached_are_told_as_well() {
        let folder = std::env::temp_dir().join(format!("lcast-detached-{}", std::process::id()));
        let mut filesystems = Filesystems::new(&Options { usage, ..Options::default() });
        let mut sizes = BTreeSet::new();
        write_table(&folder, REMOTE_MAX, 0);
        assert!(!read(&mut filesystems, &folder, &mut sizes), "no other is hidden");
        write_table(&folder, 0, 3);
        assert!(read(&mut filesystems, &folder, &mut sizes));
        assert!(sizes.is_empty(), "{sizes:?}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
