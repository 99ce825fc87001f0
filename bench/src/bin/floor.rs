//! The floor of what multicast costs: a bare datagram to a group, a bare datagram back from each.
//!
//! `floor respond NAME` and `floor ask COUNT`. No security, no names, no repair, no account: what
//! remains is the kernel's work and the waking of so many processes.

use std::collections::BTreeSet;
use std::error::Error;
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::time::{Duration, Instant};

use lcast_bench_asker::{Answer, payload, serve};
use rustix::net::netdevice::name_to_index;
use socket2::{Domain, Socket, Type};

type Failure = Box<dyn Error>;

const GROUP: Ipv6Addr = Ipv6Addr::new(0xff15, 0, 0, 0, 0x6265, 0x6e63, 0x8000, 1);
const PORT: u16 = 24_999;
const CARD: &str = "eth0";

/// Enough for every reply; the kernel gives what its limit allows.
const BUFFER: usize = 4 << 20;

/// How long the asker waits for the next reply.
const PATIENCE: Duration = Duration::from_secs(1);

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["respond", name] => respond(name),
        ["ask", count] => {
            let (socket, count) = (asker()?, count.parse()?);
            let mut question = 0_u64;
            serve(|| {
                question += 1;
                ask(&socket, question, count)
            })
        }
        _ => Err("usage: floor respond NAME | ask COUNT".into()),
    }
}

fn respond(name: &str) -> Result<(), Failure> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
    socket.set_reuse_address(true)?;
    socket.join_multicast_v6(&GROUP, name_to_index(&socket, CARD)?)?;
    socket.bind(&SocketAddrV6::new(GROUP, PORT, 0, 0).into())?;
    let socket = UdpSocket::from(socket);
    let mut reply = payload(name);
    let mut question = [0; 8];
    loop {
        let (_, asker) = socket.recv_from(&mut question)?;
        // The number of the question takes the place of the last dots.
        let tail = reply.len() - question.len();
        reply[tail..].copy_from_slice(&question);
        socket.send_to(&reply, asker)?;
    }
}

fn asker() -> Result<UdpSocket, Failure> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
    socket.set_recv_buffer_size(BUFFER)?;
    socket.set_multicast_if_v6(name_to_index(&socket, CARD)?)?;
    socket.bind(&SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0).into())?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket.into())
}

fn ask(socket: &UdpSocket, question: u64, count: usize) -> Result<Answer, Failure> {
    let number = question.to_be_bytes();
    let start = Instant::now();
    socket.send_to(&number, SocketAddrV6::new(GROUP, PORT, 0, 0))?;
    let mut last = Duration::ZERO;
    let mut names = BTreeSet::new();
    let mut reply = [0; 128];
    while names.len() < count {
        let Ok((length, _)) = socket.recv_from(&mut reply) else { break };
        let name = reply[..length].strip_suffix(&number);
        if name.is_some_and(|name| names.insert(name.to_owned())) {
            last = start.elapsed();
        }
    }
    Ok(Answer { got: names.len(), last, missing: Vec::new() })
}
