//! The laboratory itself: what the scenarios rely on.

use std::net::SocketAddrV6;
use std::time::{Duration, Instant};

use lcast_lab::{Datagram, Firewall, Frame, Lab, Loss, helper, ipv6_udp, wait_until};
use rustix::process::Signal;

#[test]
fn twenty_hosts_are_quick() {
    let start = Instant::now();
    let lab = Lab::new(20).build();
    let took = start.elapsed();
    assert_eq!(lab.host(19).command("hostname").ok().trim(), "h19");
    eprintln!("20 hosts: {took:?}");
    assert!(took < Duration::from_secs(10), "20 hosts took {took:?}");
}

#[test]
fn acquainted_hosts_find_no_neighbour_out() {
    let lab = Lab::new(3).acquainted().build();
    let show = ["-6", "neigh", "show", "nud", "permanent"];
    let known = lab.host(1).command("ip").args(show).ok();
    for other in [0, 2] {
        let (link_local, global) = lab.host(other).addresses(0);
        let mac = lab.host(other).mac(0).map(|byte| format!("{byte:02x}")).join(":");
        for address in [link_local, global] {
            assert!(known.contains(&format!("{address} dev eth0 lladdr {mac}")), "{known}");
        }
    }
    assert_eq!(known.lines().count(), 4, "{known}");
}

#[test]
fn hosts_have_networks_of_their_own() {
    let lab = Lab::new(2).attach(1, &[0, 1, 2]).build();
    let cards = lab.host(1).command("ls").arg("/sys/class/net").ok();
    assert_eq!(cards.split_whitespace().collect::<Vec<_>>(), ["eth0", "eth1", "eth2", "lo"]);
    let addresses = lab.host(0).command("ip").args(["-6", "-br", "addr"]).ok();
    assert!(addresses.contains(&lab.host(0).addresses(0).1.to_string()), "{addresses}");
}

#[test]
fn jobs_report_their_end_and_die_with_their_handle() {
    let lab = Lab::new(1).build();
    let host = lab.host(0);
    let output = host.command("sh").args(["-c", "cat; echo err >&2; exit 7"]).input("in").run();
    assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (7, "in", "err\n"));
    let mut job = host.command("sh").args(["-c", "echo up; exec sleep 1000"]).start();
    job.wait_stdout("up", Duration::from_secs(10), |bytes| bytes == b"up\n");
    job.signal(Signal::STOP);
    job.signal(Signal::CONT);
    job.signal(Signal::STOP);
    assert!(job.is_running());
    job.kill();
    assert_eq!(job.wait(Duration::from_secs(1)).code, 128 + 9);
    let mut job = host.command("sleep").arg("1000").start();
    let pid = job.pid();
    drop(job);
    let gone = || !std::path::Path::new(&format!("/proc/{pid}")).exists();
    wait_until("the job to die", Duration::from_secs(5), gone);
}

#[test]
fn everything_dies_with_the_lab() {
    let lab = Lab::new(1).build();
    let line = "sleep 1000 & echo up; setsid sleep 1001 & wait";
    let mut job = lab.host(0).command("sh").args(["-c", line]).start();
    job.wait_stdout("up", Duration::from_secs(10), |bytes| bytes == b"up\n");
    let pid = job.pid();
    drop(lab);
    drop(job);
    let gone = || !std::path::Path::new(&format!("/proc/{pid}")).exists();
    wait_until("the lab to die", Duration::from_secs(5), gone);
}

/// What host 1 hears when host 0 sends 200 packets to it.
fn heard(lab: &Lab, seq: u16) -> usize {
    let (_, from) = lab.host(0).addresses(0);
    let (_, to) = lab.host(1).addresses(0);
    let mut capture = lab.host(1).capture("eth0");
    let datagram = |number: u16| Datagram {
        source: SocketAddrV6::new(from, 1000 + seq, 0, 0),
        destination: SocketAddrV6::new(to, 2000, 0, 0),
        hop_limit: 1,
        payload: number.to_be_bytes().to_vec(),
    };
    let packets: Vec<_> = (0..200).map(|number| ipv6_udp(&datagram(number))).collect();
    lab.host(0).inject("eth0", &packets);
    let ours = |frame: &Frame| {
        frame.datagram().is_some_and(|datagram| datagram.source.port() == 1000 + seq)
    };
    capture.frames().iter().filter(|frame| ours(frame)).count()
}

#[test]
fn impairments_do_what_they_say() {
    let lab = Lab::new(3).build();
    wait_until("neighbour discovery", Duration::from_secs(10), || heard(&lab, 0) == 200);
    lab.loss([1], Loss::Udp(50));
    let lossy = heard(&lab, 1);
    assert!((60..140).contains(&lossy), "half of 200 lost, {lossy} heard");
    lab.loss([1], Loss::Udp(0));
    lab.part([0]);
    assert_eq!(heard(&lab, 2), 0);
    lab.heal();
    assert_eq!(heard(&lab, 3), 200);
    lab.host(0).plug(0, false);
    assert_eq!(heard(&lab, 4), 0);
    lab.host(0).plug(0, true);
    wait_until("the cable to work again", Duration::from_secs(10), || heard(&lab, 5) == 200);
}

#[test]
fn firewalls_disks_clocks_and_users() {
    let lab = Lab::new(1).build();
    let host = lab.host(0);
    host.firewall(Firewall::Stateful);
    host.firewall(Firewall::OnlyPort(24_242));
    let rules = host.command("nft").args(["list", "ruleset"]).ok();
    assert!(rules.contains("policy drop") && rules.contains("24242"), "{rules}");
    host.firewall(Firewall::Open);
    assert_eq!(host.command("nft").args(["list", "ruleset"]).ok().trim(), "");

    host.small_disk(&host.path("disk"), 64 * 1024);
    let fill = format!("cat /dev/zero >{}", host.path("disk/fill"));
    let output = host.command("sh").args(["-c", &fill]).run();
    assert!(output.stderr.contains("No space left"), "{output}");

    let year = |job: lcast_lab::Job| job.arg("+%Y").ok().trim().parse::<u32>().unwrap();
    assert_eq!(year(host.command("date").clock("+3660d")), year(host.command("date")) + 10);

    let user = host.command("sh").args(["-c", "id -u; ip link set lo down"]);
    let output = user.unprivileged().run();
    assert!(output.stdout.starts_with("1000\n"), "{output}");
    assert_ne!(output.code, 0, "{output}");
}

#[test]
fn where_namespaces_are_forbidden_the_ways_out_are_named() {
    let lab = Lab::new(1).build();
    let probe = format!("exec setpriv --bounding-set=-all --inh-caps=-all {} probe", helper());
    let forbid = "echo 0 >/proc/sys/user/max_user_namespaces";
    let host = lab.host(0);
    host.command("sh").args(["-c", &format!("exec {} probe", helper())]).ok();
    let output = host.command("sh").args(["-c", &format!("{forbid} && {probe}")]).run();
    assert_ne!(output.code, 0, "{output}");
    for part in ["Two ways out", "user.max_user_namespaces", "run the same command as root"] {
        assert!(output.stderr.contains(part), "no '{part}' in {output}");
    }
    assert!(output.elapsed < Duration::from_secs(5), "{output}");
}
