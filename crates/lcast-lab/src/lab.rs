//! A laboratory of hosts, and what can be done to it.

use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::capture::Capture;
use crate::impair::{Firewall, Impairments, Loss};
use crate::job::Job;
use crate::setup::{Holder, LabError, search_path};
use crate::wait::{DEADLINE, wait_until};

/// What a lab shall be made of.
#[derive(Clone, Debug)]
pub struct LabBuilder {
    hosts: Vec<HostSpec>,
    snooping: bool,
    acquainted: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct HostSpec {
    pub(crate) name: String,
    /// The segment that each card is plugged into.
    pub(crate) segments: Vec<usize>,
}

impl HostSpec {
    /// Hardware address of a card: host and card can be read from it.
    pub(crate) fn mac(host: usize, card: usize) -> [u8; 6] {
        let host = u16::try_from(host).expect("few hosts").to_be_bytes();
        [2, 0, 0, u8::try_from(card).expect("few cards"), host[0], host[1]]
    }

    /// Link-local and global address of a host on a segment.
    pub(crate) fn addresses(host: usize, segment: usize) -> (Ipv6Addr, Ipv6Addr) {
        let host = u16::try_from(host).expect("few hosts") + 0x100;
        let segment = u16::try_from(segment).expect("few segments");
        let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, segment, host);
        (link_local, Ipv6Addr::new(0xfd00, 0x1ab, 0, segment, 0, 0, 0, host))
    }
}

impl LabBuilder {
    /// Whether the switches snoop MLD (default: yes): a port gets only the groups it asked for.
    #[must_use]
    pub fn snooping(mut self, snooping: bool) -> Self {
        self.snooping = snooping;
        self
    }

    /// Lets hosts know each other's hardware addresses from the start and for ever (default: no).
    ///
    /// A kernel keeps at most 1,024 neighbours that it found out (`gc_thresh3`), of all namespaces
    /// of the machine together: some fifty hosts, all of which speak to each other, use these up,
    /// and then nobody can send. What it was told does not count.
    #[must_use]
    pub fn acquainted(mut self) -> Self {
        self.acquainted = true;
        self
    }

    /// Gives a host one card on each of these segments, in place of one card on segment 0.
    #[must_use]
    pub fn attach(mut self, host: usize, segments: &[usize]) -> Self {
        self.hosts[host].segments = segments.to_vec();
        self
    }

    /// Makes it.
    ///
    /// # Panics
    /// When this machine does not allow it; the message says how to.
    #[must_use]
    pub fn build(self) -> Lab {
        self.try_build().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Makes it, or says why not.
    ///
    /// # Errors
    /// When a program is not installed, or namespaces are not allowed.
    pub fn try_build(self) -> Result<Lab, LabError> {
        let holder = Holder::build(&self.hosts, self.snooping, self.acquainted)?;
        let core = Core { holder, hosts: self.hosts, impairments: Mutex::default() };
        let lab = Lab { core: Arc::new(core) };
        if self.snooping {
            lab.wait_for_snooping();
        }
        Ok(lab)
    }
}

#[derive(Debug)]
pub(crate) struct Core {
    holder: Holder,
    hosts: Vec<HostSpec>,
    impairments: Mutex<Impairments>,
}

/// A running laboratory. Dropping it ends everything in it.
#[derive(Clone, Debug)]
pub struct Lab {
    core: Arc<Core>,
}

impl Lab {
    /// A lab of so many hosts, named `h0`, `h1` and so on.
    #[expect(clippy::new_ret_no_self, reason = "the lab comes from the builder")]
    #[must_use]
    pub fn new(hosts: usize) -> LabBuilder {
        let host = |index| HostSpec { name: format!("h{index}"), segments: vec![0] };
        LabBuilder { hosts: (0..hosts).map(host).collect(), snooping: true, acquainted: false }
    }

    /// One of its hosts.
    #[must_use]
    pub fn host(&self, index: usize) -> Host {
        assert!(index < self.core.hosts.len(), "the lab has no host {index}");
        Host { core: Arc::clone(&self.core), index }
    }

    /// All its hosts.
    pub fn hosts(&self) -> impl Iterator<Item = Host> + '_ {
        (0..self.core.hosts.len()).map(|index| self.host(index))
    }

    /// The switch, as a place to run commands in.
    #[must_use]
    pub fn switch(&self) -> Host {
        Host { core: Arc::clone(&self.core), index: self.core.hosts.len() }
    }

    /// Whether programs can run as more than one user: only when root made the lab.
    #[must_use]
    pub fn has_many_users(&self) -> bool {
        self.core.holder.many_users
    }

    /// The programs that run in the lab: pid (as the lab counts) and command line.
    #[must_use]
    pub fn programs(&self) -> Vec<(u32, Vec<String>)> {
        let entries = std::fs::read_dir(self.file("/proc")).into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let line = |pid: u32| {
            let bytes = std::fs::read(self.file(&format!("/proc/{pid}/cmdline"))).ok()?;
            let words = bytes.split(|&byte| byte == 0).filter(|word| !word.is_empty());
            let words: Vec<_> = words.map(|w| String::from_utf8_lossy(w).into_owned()).collect();
            (!words.is_empty()).then_some((pid, words))
        };
        pids.filter_map(line).collect()
    }

    /// The path by which this process reaches a file of the lab (`/run/lab/...`).
    #[must_use]
    pub fn file(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.core.holder.init))
    }

    /// Sets the loss of what these hosts receive.
    pub fn loss(&self, hosts: impl IntoIterator<Item = usize>, loss: Loss) {
        self.impair(|impairments| {
            for host in hosts {
                impairments.loss.insert(host, loss);
            }
        });
    }

    /// Cuts these hosts off from all others, but not from one another.
    pub fn part(&self, hosts: impl IntoIterator<Item = usize>) {
        self.impair(|impairments| impairments.parted = hosts.into_iter().collect());
    }

    /// Ends a partition.
    pub fn heal(&self) {
        self.part([]);
    }

    fn impair(&self, change: impl FnOnce(&mut Impairments)) {
        let mut impairments = self.core.impairments.lock().expect("no holder panics");
        change(&mut impairments);
        let segments = |host: usize| self.core.hosts[host].segments.clone();
        let rules = impairments.rules(self.core.hosts.len(), segments);
        self.switch().command("nft").args(["-f", "-"]).input(rules).ok();
    }

    /// Waits until every port's solicited-node groups are known to the switch: from then on
    /// neighbour discovery works through it.
    fn wait_for_snooping(&self) {
        wait_until("the switch to learn its groups", DEADLINE, || {
            let known = self.switch().command("bridge").args(["mdb", "show"]).ok();
            self.core.hosts.iter().enumerate().all(|(host, spec)| {
                spec.segments.iter().all(|segment| {
                    let port = format!("port h{host}s{segment} grp ff02::1:ff");
                    known.lines().any(|line| line.contains(&port))
                })
            })
        });
    }
}

/// A place in a lab: a host, or the switch.
#[derive(Clone, Debug)]
pub struct Host {
    core: Arc<Core>,
    index: usize,
}

impl Host {
    /// Its number.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its host name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.core.hosts.get(self.index).map_or("switch", |host| &host.name)
    }

    /// The lab it is in.
    #[must_use]
    pub fn lab(&self) -> Lab {
        Lab { core: Arc::clone(&self.core) }
    }

    /// A path of this host's own, inside the lab.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        format!("/run/lab/{}/{name}", self.name())
    }

    /// A program in this host, with the environment of a user of its own.
    #[must_use]
    pub fn command(&self, program: &str) -> Job {
        let is_switch = self.index == self.core.hosts.len();
        let folder = if is_switch { "/run/lab".to_owned() } else { self.path("home") };
        let enter = self.core.holder.enter(self.index, &folder);
        let env = [
            ("PATH", search_path().join(":")),
            ("HOME", folder),
            ("LIBRECAST_HOME", self.path("librecast")),
            ("XDG_RUNTIME_DIR", self.path("runtime")),
            ("TMPDIR", self.path("tmp")),
            ("RUST_BACKTRACE", "1".to_owned()),
        ];
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let demote = self.core.holder.demote(&self.path(""));
        Job::new(enter, demote, env, program)
    }

    /// The binary under test in this host, with the words of a command line.
    #[must_use]
    pub fn librecast(&self, words: &str) -> Job {
        self.command(crate::binary::binary()).args(words.split_whitespace())
    }

    /// A line of shell in this host; `librecast` in it is the binary under test.
    #[must_use]
    pub fn shell(&self, line: &str) -> Job {
        let binary = crate::binary::binary();
        let folder = binary.rsplit_once('/').map_or(".", |(folder, _)| folder);
        let path = format!("{folder}:{}", search_path().join(":"));
        self.command("sh").args(["-c", line]).env("PATH", path)
    }

    /// Its link-local and its global address on the segment of a card.
    #[must_use]
    pub fn addresses(&self, card: usize) -> (Ipv6Addr, Ipv6Addr) {
        HostSpec::addresses(self.index, self.core.hosts[self.index].segments[card])
    }

    /// Hardware address of a card.
    #[must_use]
    pub fn mac(&self, card: usize) -> [u8; 6] {
        HostSpec::mac(self.index, card)
    }

    /// Sets its firewall.
    pub fn firewall(&self, firewall: Firewall) {
        self.command("nft").args(["-f", "-"]).input(firewall.rules()).ok();
    }

    /// Forgets all its neighbours' hardware addresses.
    pub fn flush_neighbours(&self) {
        self.command("ip").args(["-6", "neigh", "flush", "all"]).ok();
    }

    /// Pulls the cable of a card, or plugs it in again.
    pub fn plug(&self, card: usize, up: bool) {
        let segment = self.core.hosts[self.index].segments[card];
        let port = format!("h{}s{segment}", self.index);
        let state = if up { "up" } else { "down" };
        self.lab().switch().command("ip").args(["link", "set", &port, state]).ok();
    }

    /// Mounts an empty disk of so many bytes at a folder of this host, which is made.
    pub fn small_disk(&self, folder: &str, bytes: u64) {
        let line =
            format!("mkdir -p {folder} && mount -t tmpfs -o size={bytes},mode=700 lab {folder}");
        self.command("sh").args(["-c", &line]).ok();
    }

    /// Captures what passes a card, in both directions.
    #[must_use]
    pub fn capture(&self, card: &str) -> Capture {
        Capture::start(self, card)
    }

    /// Sends hand-made IPv6 packets from a card, whatever their source address says.
    pub fn inject(&self, card: &str, packets: &[Vec<u8>]) {
        let mut lines = String::new();
        for packet in packets {
            lines.extend(packet.iter().map(|byte| format!("{byte:02x}")));
            lines.push('\n');
        }
        self.command(&crate::binary::helper()).args(["inject", card]).input(lines).ok();
    }
}
