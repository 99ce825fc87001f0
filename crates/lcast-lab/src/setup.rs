//! How a lab comes to be: one process tree in new namespaces, made by `unshare` and fed a script.
//!
//! The tests are many threads, and a process with threads cannot enter a user namespace: so all is
//! done by child processes. The first process of the lab is pid 1 of a pid namespace and reads its
//! standard input until that closes; when it ends, the kernel kills everything in the lab.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use crate::lab::HostSpec;
use crate::wait::{DEADLINE, wait_for};

/// Why no lab could be made.
#[derive(Clone, Debug)]
pub struct LabError(String);

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LabError {}

const WAYS_OUT: &str = "\
The lab needs networks of its own, and this machine does not let this user make them. Two ways out:
  1. allow user namespaces until the next boot, whichever of these the system knows:
       sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0
       sudo sysctl -w kernel.unprivileged_userns_clone=1
       sudo sysctl -w user.max_user_namespaces=15000
     (in a container: start it with --security-opt seccomp=unconfined and --security-opt
     systempaths=unconfined, or --privileged)
  2. run the same command as root: sudo -E env \"PATH=$PATH\" cargo xtask test";

/// The programs a lab calls, with the Debian package of each.
const TOOLS: &[(&str, &str)] = &[
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("mount", "mount"),
    ("hostname", "hostname"),
    ("ip", "iproute2"),
    ("bridge", "iproute2"),
    ("nft", "nftables"),
];

/// The Debian packages that must be installed before a lab can be made here; none is the good case.
#[must_use]
pub fn tools_missing() -> Vec<&'static str> {
    let found =
        |tool: &str| search_path().iter().any(|folder| Path::new(folder).join(tool).exists());
    let absent = TOOLS.iter().filter(|(tool, _)| !found(tool));
    let mut packages: Vec<&str> = absent.map(|&(_, package)| package).collect();
    if faketime_library().is_none() {
        packages.push("faketime");
    }
    packages.dedup();
    packages
}

/// `PATH` and the folders of the system's own tools, which an ordinary user's `PATH` may lack.
pub(crate) fn search_path() -> Vec<String> {
    let own = std::env::var("PATH").unwrap_or_default();
    let mut folders: Vec<String> = own.split(':').map(str::to_owned).collect();
    for folder in ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"] {
        if !folders.iter().any(|known| known == folder) {
            folders.push(folder.to_owned());
        }
    }
    folders
}

pub(crate) fn faketime_library() -> Option<&'static str> {
    static LIBRARY: OnceLock<Option<String>> = OnceLock::new();
    let find = || {
        let multiarch = fs::read_dir("/usr/lib").ok()?;
        let mut folders: Vec<PathBuf> = multiarch.flatten().map(|entry| entry.path()).collect();
        folders.push(PathBuf::from("/usr/lib64"));
        folders.push(PathBuf::from("/usr/lib"));
        let files = folders.iter().map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
        files.filter(|file| file.exists()).find_map(|file| file.to_str().map(str::to_owned))
    };
    LIBRARY.get_or_init(find).as_deref()
}

/// How namespaces are made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// In a user namespace of the lab's own.
    User,
    /// By root, where user namespaces are not allowed.
    Root,
}

/// The holder of a lab's namespaces.
#[derive(Debug)]
pub(crate) struct Holder {
    child: Child,
    input: Option<ChildStdin>,
    pub(crate) mode: Mode,
    /// Pid of the lab's first process, as seen from outside.
    pub(crate) init: u32,
    /// Pids of the hosts' holders as seen in the lab; the last is the switch.
    pub(crate) hosts: Vec<u32>,
    /// Whether more than one user id is mapped.
    pub(crate) many_users: bool,
}

impl Holder {
    pub(crate) fn build(
        hosts: &[HostSpec],
        snooping: bool,
        acquainted: bool,
    ) -> Result<Self, LabError> {
        let missing = tools_missing();
        if !missing.is_empty() {
            let list = missing.join(" ");
            return Err(LabError(format!("The lab needs: apt-get install {list}")));
        }
        let script = script(hosts, snooping, acquainted);
        let first = Self::start(Mode::User, &script);
        let made = match first {
            Err(error) if rustix::process::geteuid().is_root() => {
                Self::start(Mode::Root, &script).map_err(|_| error)
            }
            other => other,
        };
        made.map_err(|error| LabError(format!("{WAYS_OUT}\nWhat failed: {error}")))
    }

    fn start(mode: Mode, script: &str) -> Result<Self, LabError> {
        let inner = "read -r go && exec unshare --net --mount --pid --uts --ipc --fork \
                     --kill-child --mount-proc sh -s";
        let mut command = match mode {
            Mode::User => Command::new("unshare"),
            Mode::Root => Command::new("sh"),
        };
        if mode == Mode::User {
            command.args(["--user", "sh"]);
        }
        let spawned = command
            .args(["-c", &format!("echo up; {inner}")])
            .env("PATH", search_path().join(":"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = spawned.map_err(|error| LabError(format!("unshare: {error}")))?;
        let mut input = child.stdin.take().expect("stdin is a pipe");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let holder = (|| -> Result<_, LabError> {
            expect_line(&mut lines, "up")?;
            let many_users = mode == Mode::Root || map_users(child.id())?;
            writeln!(input, "go")
                .and_then(|()| input.write_all(script.as_bytes()))
                .map_err(text)?;
            let hosts = read_hosts(&mut lines)?;
            let init = init_of(child.id());
            Ok((init, hosts, many_users))
        })();
        match holder {
            Ok((init, hosts, many_users)) => {
                Ok(Self { child, input: Some(input), mode, init, hosts, many_users })
            }
            Err(error) => {
                let _ = child.kill();
                let mut said = String::new();
                let pipe = child.stderr.take();
                let _ = pipe.expect("stderr is a pipe").read_to_string(&mut said);
                let _ = child.wait();
                Err(LabError(format!("{error}: {}", said.trim())))
            }
        }
    }

    /// The words before a command that is to run as an ordinary user of a host whose files are in
    /// this folder.
    pub(crate) fn demote(&self, folder: &str) -> Vec<String> {
        let words: &[&str] = match self.mode {
            Mode::User => &["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"],
            Mode::Root => {
                let line = "chown -R 1000:1000 \"$0\" && exec setpriv --reuid=1000 --regid=1000 \
                            --clear-groups --bounding-set=-all -- \"$@\"";
                &["sh", "-c", line, folder]
            }
        };
        words.iter().map(|&word| word.to_owned()).collect()
    }

    /// The words before a command that is to run in a host of this lab.
    pub(crate) fn enter(&self, host: usize, folder: &str) -> Vec<String> {
        let init = self.init;
        let spaces = format!("/proc/{init}/root/proc/{}/ns", self.hosts[host]);
        let mut words = vec!["nsenter".to_owned()];
        if self.mode == Mode::User {
            words.push(format!("--user=/proc/{init}/ns/user"));
            words.push("--preserve-credentials".to_owned());
        }
        words.extend([
            format!("--ipc=/proc/{init}/ns/ipc"),
            format!("--pid=/proc/{init}/ns/pid"),
            format!("--mount={spaces}/mnt"),
            format!("--net={spaces}/net"),
            format!("--uts={spaces}/uts"),
            format!("--wdns={folder}"),
            "--".to_owned(),
        ]);
        words
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(error: std::io::Error) -> LabError {
    LabError(error.to_string())
}

fn expect_line(lines: &mut BufReader<ChildStdout>, expected: &str) -> Result<(), LabError> {
    let mut line = String::new();
    lines.read_line(&mut line).map_err(text)?;
    if line.trim() == expected {
        return Ok(());
    }
    Err(LabError(format!("expected '{expected}', got '{}'", line.trim())))
}

/// Reads `host PID`..., then `ready`.
fn read_hosts(lines: &mut BufReader<ChildStdout>) -> Result<Vec<u32>, LabError> {
    let mut hosts = Vec::new();
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).map_err(text)?;
        match line.trim().split_once(' ') {
            Some(("host", pid)) => hosts.push(pid.parse().expect("the shell prints a pid")),
            _ if line.trim() == "ready" => return Ok(hosts),
            _ => return Err(LabError(format!("setting up hosts failed ('{}')", line.trim()))),
        }
    }
}

/// Maps user 0 of the new namespace to this user; for real root, all users to themselves.
/// Gives whether there are many.
fn map_users(pid: u32) -> Result<bool, LabError> {
    let write = |file: &str, content: &str| fs::write(format!("/proc/{pid}/{file}"), content);
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    if user.is_root() {
        let all = "0 0 65536";
        if write("uid_map", all).and_then(|()| write("gid_map", all)).is_ok() {
            return Ok(true);
        }
    }
    let own = || {
        write("setgroups", "deny")?;
        write("uid_map", &format!("0 {} 1", user.as_raw()))?;
        write("gid_map", &format!("0 {} 1", group.as_raw()))
    };
    own().map_err(|error| LabError(format!("mapping the user: {error}")))?;
    Ok(false)
}

/// `unshare --fork` has one child: pid 1 of the lab.
fn init_of(outer: u32) -> u32 {
    let list = format!("/proc/{outer}/task/{outer}/children");
    wait_for("the first process of the lab", DEADLINE, || {
        fs::read_to_string(&list).ok()?.split_whitespace().next()?.parse().ok()
    })
}

/// Begins and ends the script of a place: it says `ok` or `failed`, and then holds its namespaces.
const BEGIN: &str = "trap \"echo failed >&3\" EXIT\n";
const END: &str = "trap - EXIT\necho ok >&3\nexec sleep infinity";

/// The script that pid 1 of the lab reads. Hosts are made side by side: each makes its own end of
/// its cables and sends the other end to the switch.
fn script(hosts: &[HostSpec], snooping: bool, acquainted: bool) -> String {
    let segments = hosts.iter().flat_map(|host| &host.segments).max().map_or(0, |max| max + 1);
    let mut text = String::from(
        "set -e\n\
         mount -t tmpfs -o mode=755 lab /run\n\
         mkdir -p /run/lab/notify /run/user\n\
         chmod 777 /run/lab /run/lab/notify\n\
         mkfifo /run/lab/steps\n\
         exec 3<>/run/lab/steps\n",
    );
    let space = "unshare --net --mount --uts sh -e -c";
    let mut switch = String::new();
    for segment in 0..segments {
        switch += &format!("{}\n", bridge(segment, snooping));
    }
    text += &format!(
        "step() {{ read -r said <&3\n\
         [ \"$said\" = ok ] || {{ cat /run/lab/*.log >&2; exit 1; }}\n}}\n\
         {space} '{BEGIN}hostname switch\n\
         ip -batch - <<END\n{switch}END\n\
         echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6\n\
         {END}' >/run/lab/switch.log 2>&1 &\n\
         switch=$!\nstep\n"
    );
    for (index, host) in hosts.iter().enumerate() {
        let others = if acquainted { hosts } else { &[] };
        text += &host_script(index, host, others, space);
    }
    text += &format!("for i in $(seq {}); do step; done\n", hosts.len());
    let mut ports = String::new();
    for (index, host) in hosts.iter().enumerate() {
        for segment in &host.segments {
            ports += &format!("link set h{index}s{segment} master br{segment} up\n");
            if snooping {
                // A well-run switch: nobody gets what nobody there asked for.
                ports +=
                    &format!("link set h{index}s{segment} type bridge_slave mcast_flood off\n");
            }
        }
    }
    if snooping {
        // Last, when the bridge has carrier and an address: a query that finds none is not
        // repeated for two minutes.
        for segment in 0..segments {
            ports += &format!(
                "link set br{segment} type bridge mcast_query_interval 1000 mcast_querier 1\n"
            );
        }
    }
    text += &format!("nsenter -t $switch -n ip -batch - <<END\n{ports}END\n");
    for index in 0..hosts.len() {
        text += &format!("echo host $host{index}\n");
    }
    text += "echo host $switch\necho ready\nexec >/dev/null 2>&1\ncat\n";
    text
}

/// Commands of `ip -batch` for one bridge.
fn bridge(segment: usize, snooping: bool) -> String {
    let snoop = u8::from(snooping);
    let mut text = format!(
        "link add br{segment} type bridge mcast_snooping {snoop} \
         mcast_query_response_interval 20 mcast_startup_query_interval 20\n\
         link set br{segment} addrgenmode none up"
    );
    if snooping {
        text += &format!("\naddr add fe80::5{segment:x}/64 dev br{segment} nodad");
    }
    text
}

fn hardware_address(host: usize, card: usize) -> String {
    HostSpec::mac(host, card).map(|byte| format!("{byte:02x}")).join(":")
}

fn host_script(index: usize, host: &HostSpec, others: &[HostSpec], space: &str) -> String {
    let mut cables = String::from("link set lo up\n");
    for (card, segment) in host.segments.iter().enumerate() {
        let mac = hardware_address(index, card);
        let (link_local, global) = HostSpec::addresses(index, *segment);
        cables += &format!(
            "link add eth{card} address {mac} gso_max_segs 1 type veth \
             peer name h{index}s{segment} netns $switch\n\
             link set eth{card} addrgenmode none up\n\
             addr add {link_local}/64 dev eth{card} nodad\n\
             addr add {global}/64 dev eth{card} nodad\n"
        );
        for (other, theirs) in others.iter().enumerate().filter(|(other, _)| *other != index) {
            let Some(at) = theirs.segments.iter().position(|it| it == segment) else { continue };
            let (link_local, global) = HostSpec::addresses(other, *segment);
            let mac = hardware_address(other, at);
            for address in [link_local, global] {
                cables += &format!("neigh add {address} lladdr {mac} dev eth{card}\n");
            }
        }
    }
    let name = &host.name;
    format!(
        "export switch\n{space} '{BEGIN}hostname {name}\n\
         mount -t sysfs lab /sys 2>/dev/null || true\n\
         for d in home runtime tmp; do mkdir -p /run/lab/{name}/$d; done\n\
         chmod 700 /run/lab/{name}/runtime\n\
         ip -batch - <<END\n{cables}END\n\
         {END}' >/run/lab/{name}.log 2>&1 &\n\
         host{index}=$!\n"
    )
}
