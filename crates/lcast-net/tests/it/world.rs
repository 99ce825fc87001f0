//! Namespaces, virtual wires, captures, and networks to try on them.
//!
//! A test of `scenarios!` runs its own binary again under `unshare`, because a process with threads
//! cannot make a user namespace; the body runs in there, where it is root of an empty network.
#![allow(unsafe_code)]

use std::fs::File;
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;
use std::time::{Duration, Instant};

use lcast_net::{Batch, Destination, Network, NetworkConfig, Scope, SendOutcome, Target, Wake};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};
use socket2::{Domain, Protocol, Socket, Type};

/// Tests whose bodies run in namespaces of their own.
macro_rules! scenarios {
    ($(fn $name:ident() $body:block)*) => {$(
        #[test]
        fn $name() {
            crate::world::run(concat!(module_path!(), "::", stringify!($name)), || $body);
        }
    )*};
}
pub(crate) use scenarios;

/// Set in the processes that run bodies.
const INSIDE: &str = "LCAST_NET_INSIDE";
/// Set in those that have no privileges either.
const UNPRIVILEGED: &str = "LCAST_NET_UNPRIVILEGED";
/// How long anything may take that ought to happen at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a body in namespaces of its own.
pub(crate) fn run(name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        if std::env::var_os(UNPRIVILEGED).is_none() {
            ip("link set lo up");
        }
        return body();
    }
    let namespaces: &[&str] = match () {
        () if allows(&["-Urn"]) => &["-Urn"],
        () if allows(&["-n"]) => &["-n"],
        () => panic!(
            "this test makes network namespaces, which this user may not. Ways out: allow user \
             namespaces (sysctl -w kernel.unprivileged_userns_clone=1 \
             kernel.apparmor_restrict_unprivileged_userns=0 user.max_user_namespaces=10000, those \
             that exist), or run the tests as root"
        ),
    };
    let mut command = Command::new("unshare");
    again(command.args(namespaces).args(["--kill-child", "--"]), name);
}

/// Runs the body of this test once more in the same namespaces without any privilege; true in the
/// process that has none.
pub(crate) fn without_privileges(name: &str) -> bool {
    if std::env::var_os(UNPRIVILEGED).is_some() {
        return true;
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--"]);
    again(command.env(UNPRIVILEGED, "1"), name);
    false
}

/// Runs one test of this binary by a command that runs a command.
fn again(command: &mut Command, name: &str) {
    let name = name.strip_prefix("it::").unwrap();
    let output = command
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    let passed = output.status.success() && said.contains("1 passed");
    assert!(passed, "{name} failed in its namespaces:\n{said}\n{complained}");
}

fn allows(namespaces: &[&str]) -> bool {
    Command::new("unshare").args(namespaces).arg("true").output().is_ok_and(|o| o.status.success())
}

/// Runs `ip` in this namespace.
pub(crate) fn ip(arguments: &str) {
    tool("ip", arguments);
}

/// Runs a network tool in this thread's namespace.
pub(crate) fn tool(name: &str, arguments: &str) {
    let output = Command::new(name).args(arguments.split_whitespace()).output().unwrap();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments}: {complained}");
}

/// Another host: a network namespace at the far end of wires.
pub(crate) struct Host {
    namespace: File,
}

impl Host {
    pub(crate) fn new() -> Self {
        let make = || {
            // SAFETY: only the network namespace changes, which no other thread relies on.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
            ip("link set lo up");
            Self { namespace: File::open("/proc/thread-self/ns/net").unwrap() }
        };
        std::thread::spawn(make).join().unwrap()
    }

    /// Does something on that host; sockets opened there stay there.
    pub(crate) fn within<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            let kind = Some(LinkNameSpaceType::Network);
            rustix::thread::move_into_link_name_space(self.namespace.as_fd(), kind).unwrap();
            body()
        };
        std::thread::scope(|scope| scope.spawn(inside).join().unwrap())
    }

    /// Lays a wire from `name` here to `name` there, with link-local addresses `fe80::N:1` here
    /// and `fe80::N:2` there, and unique local ones `fd00:N::1` and `fd00:N::2`.
    pub(crate) fn wire(&self, name: &str, number: u16) {
        let (pid, fd) = (std::process::id(), self.namespace.as_raw_fd());
        ip(&format!("link add {name} type veth peer name far{number}"));
        ip(&format!("link set far{number} netns /proc/{pid}/fd/{fd} name {name}"));
        address(name, number, 1);
        self.within(|| address(name, number, 2));
        ready(name);
        self.within(|| ready(name));
    }
}

fn address(name: &str, number: u16, end: u16) {
    ip(&format!("link set {name} addrgenmode none"));
    ip(&format!("addr add fe80::{number}:{end}/64 dev {name} nodad"));
    ip(&format!("addr add fd00:{number}::{end}/64 dev {name} nodad"));
    ip(&format!("link set {name} up"));
}

/// Asks the kernel until an interface is whole: the routes of multicast and of the own addresses
/// come a moment after the carrier, and what is sent before is lost.
pub(crate) fn ready(name: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let arguments = ["-6", "route", "show", "table", "local", "dev", name];
        let output = Command::new("ip").args(arguments).output().unwrap();
        let routes = String::from_utf8_lossy(&output.stdout);
        if ["ff00::/8", "local fe80:", "local fd00:"].iter().all(|route| routes.contains(route)) {
            return;
        }
        assert!(Instant::now() < deadline, "{name} never became ready");
    }
}

/// What crosses a host's wires.
pub(crate) struct Capture {
    socket: Socket,
}

impl Capture {
    /// Captures in this thread's namespace from here on.
    pub(crate) fn new() -> Self {
        let all = i32::from((libc::ETH_P_ALL as u16).to_be());
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(all))).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket }
    }

    /// The frames up to the first that holds `mark`, which is among them.
    pub(crate) fn until(&self, mark: &[u8]) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        loop {
            let mut frame = Vec::with_capacity(65536);
            let length = self.socket.recv(frame.spare_capacity_mut()).unwrap();
            // SAFETY: the kernel wrote this many bytes.
            unsafe { frame.set_len(length) };
            frames.push(frame);
            if holds(frames.last().unwrap(), mark) {
                return frames;
            }
        }
    }
}

/// Whether a frame holds these bytes.
pub(crate) fn holds(frame: &[u8], bytes: &[u8]) -> bool {
    frame.windows(bytes.len()).any(|window| window == bytes)
}

/// A plain socket at an address of this thread's namespace.
pub(crate) fn plain(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// A plain socket that hears a group on an interface.
pub(crate) fn plain_member(group: &str, port: u16, interface: u32) -> UdpSocket {
    let group: Ipv6Addr = group.parse().unwrap();
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, None).unwrap();
    socket.bind(&SocketAddrV6::new(group, port, 0, interface).into()).unwrap();
    socket.join_multicast_v6(&group, interface).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

/// The index of an interface of this thread's namespace.
pub(crate) fn index_of(name: &str) -> u32 {
    let all = lcast_net::interfaces::list().unwrap();
    all.iter().find(|interface| interface.name == name).unwrap().index
}

/// Runs a body that waits, and fails when it waits too long.
pub(crate) fn wait_for<T>(body: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, body).await.expect("in time") })
}

/// The usual port of these tests.
pub(crate) const PORT: u16 = 24242;

/// A network that has joined groups.
pub(crate) fn open(config: NetworkConfig, groups: &[&str]) -> Network {
    let mut network = Network::open(config).unwrap();
    for group in groups {
        network.join(group.parse().unwrap()).unwrap();
    }
    network
}

/// The usual configuration of a scope.
pub(crate) fn config(scope: Scope) -> NetworkConfig {
    NetworkConfig::new(PORT, scope)
}

/// Sends to a group on all links.
pub(crate) fn tell(network: &mut Network, group: &str, bytes: &[u8]) -> SendOutcome {
    let group = group.parse().unwrap();
    network.send(Target::Group { group, link: None }, bytes)
}

/// What was received, as owned values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) text: String,
    pub(crate) source: SocketAddrV6,
    pub(crate) destination: Destination,
    pub(crate) link: u32,
}

/// Waits for this many datagrams.
pub(crate) async fn hear(network: &mut Network, count: usize) -> Vec<Heard> {
    let (mut batch, mut heard) = (Batch::new(), Vec::new());
    while heard.len() < count {
        network.recv(&mut batch).await.unwrap();
        heard.extend(batch.iter().map(|datagram| Heard {
            text: String::from_utf8_lossy(datagram.bytes).into_owned(),
            source: datagram.source,
            destination: datagram.destination,
            link: datagram.link,
        }));
    }
    heard
}

/// Waits for this many datagrams and gives their texts.
pub(crate) async fn hear_texts(network: &mut Network, count: usize) -> Vec<String> {
    hear(network, count).await.into_iter().map(|heard| heard.text).collect()
}

/// Waits until the network says that interfaces changed, and follows them, until `done`.
pub(crate) async fn follow(network: &mut Network, done: impl Fn(&Network) -> bool) {
    let mut batch = Batch::new();
    while !done(network) {
        let Wake { interfaces_changed, .. } = network.recv(&mut batch).await.unwrap();
        if interfaces_changed {
            network.refresh().unwrap();
        }
    }
}

/// The names of a network's links that hear multicast, and of those that do not.
pub(crate) fn link_names(network: &Network) -> (Vec<String>, Vec<String>) {
    let (with, without): (Vec<_>, Vec<_>) =
        network.links().into_iter().partition(|link| link.multicast);
    let names = |links: Vec<lcast_net::LinkInfo>| links.into_iter().map(|link| link.name).collect();
    (names(with), names(without))
}
