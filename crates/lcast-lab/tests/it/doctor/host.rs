//! What is wrong with the host that the doctor looks at.

use super::*;

/// A host of a realm, whose cards make addresses of their own as real ones do, and its doctor.
fn patient(options: &str) -> (Lab, Host, Job) {
    let lab = Lab::new(2).build();
    let host = lab.host(0);
    host.shell("ip link set dev eth0 addrgenmode eui64").ok();
    let realm = Realm::create(&host, "prod", options);
    let doctor = realm.admin("doctor");
    content(&doctor);
    (lab, host, doctor)
}

fn check(options: &str, fault: &str, id: &str) -> Value {
    let (_lab, host, doctor) = patient(options);
    host.shell(fault).ok();
    let finding = diagnosed(&doctor, id);
    mend(&host, &finding);
    content(&doctor);
    finding
}

#[test]
fn ipv6_switched_off() {
    let finding = check("", "sysctl -w net.ipv6.conf.eth0.disable_ipv6=1", "no-ipv6");
    assert_eq!(finding["severity"], "error");
    check("--interface eth0", "sysctl -w net.ipv6.conf.all.disable_ipv6=1", "no-ipv6");
}

#[test]
fn an_interface_that_is_down() {
    check("", "ip link set dev eth0 down", "interface-down");
    check("--interface eth0", "ip link set dev eth0 down", "interface-down");
}

#[test]
fn an_interface_that_is_absent() {
    let fault = "ip link set dev eth0 down && ip link set dev eth0 name lan9 && \
                 ip link set dev lan9 up";
    check("--interface eth0", fault, "interface-absent");
}

#[test]
fn no_route_for_multicast() {
    let fault = "ip -6 route del multicast ff00::/8 dev eth0 table local";
    check("", fault, "no-multicast-route");
}
