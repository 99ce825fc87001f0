//! The lab's hands on the wire: captures frames and sends hand-made packets.
//!
//! `lab-helper sniff CARD` writes, for each frame that passes the card, nanoseconds (8 bytes),
//! length (4 bytes) and the frame to standard output; each line on standard input is answered,
//! when all earlier frames are written, by a frame of length `ffffffff`.
//!
//! `lab-helper inject CARD` sends each line of standard input, an IPv6 packet in hex, by CARD.
//!
//! `lab-helper hold PORT` holds a UDP port for itself alone, says `held`, and waits to be ended.
//!
//! `lab-helper granting FILE PROGRAM...` runs a program as under a kernel whose `net.core.rmem_max`
//! is what the file says: when that is no more than Linux's default, wishes for larger receive
//! buffers change nothing. (The kernel's own limit is one for the whole machine.)
//!
//! `lab-helper probe` makes a laboratory of one host, or says why that cannot be done here.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, poll};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Compare,
    SeccompCondition, SeccompFilter, SeccompRule,
};
use socket2::{Domain, Protocol, SockAddr, SockFilter, Socket, Type};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[1..] {
        ["sniff", card] => sniff(card),
        ["inject", card] => inject(card),
        ["hold", port] => hold(port.parse().context("a port")?),
        ["granting", file, program, ref words @ ..] => granting(file, program, words),
        ["probe"] => {
            lcast_lab::Lab::new(1).try_build()?;
            Ok(())
        }
        _ => bail!(
            "usage: lab-helper sniff CARD | inject CARD | hold PORT | granting FILE PROGRAM... | \
                 probe"
        ),
    }
}

fn hold(port: u16) -> Result<()> {
    let _socket = std::net::UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port))?;
    println!("held");
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// A filter of system calls takes every wish for a larger buffer for granted, and does nothing.
fn granting(file: &str, program: &str, words: &[&str]) -> Result<()> {
    const DEFAULT: u64 = 212_992;
    let text = std::fs::read_to_string(file).with_context(|| file.to_owned())?;
    if text.trim().parse::<u64>().context("a number of bytes")? <= DEFAULT {
        let is = |argument, value: i32| {
            SeccompCondition::new(argument, Width::Dword, Compare::Eq, u64::from(value as u32))
        };
        let wish = |option| SeccompRule::new(vec![is(1, libc::SOL_SOCKET)?, is(2, option)?]);
        let wishes = vec![wish(libc::SO_RCVBUF)?, wish(libc::SO_RCVBUFFORCE)?];
        let filter = SeccompFilter::new(
            [(libc::SYS_setsockopt, wishes)].into(),
            SeccompAction::Allow,
            SeccompAction::Errno(0),
            std::env::consts::ARCH.try_into()?,
        )?;
        let filter: BpfProgram = filter.try_into()?;
        seccompiler::apply_filter(&filter)?;
    }
    // It returns only when the program cannot be run.
    Err(Command::new(program).args(words).exec()).with_context(|| program.to_owned())
}

fn card_index(card: &str) -> Result<u32> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
    rustix::net::netdevice::name_to_index(&socket, card).with_context(|| format!("card {card}"))
}

/// A packet socket hears all cards; a filter keeps those of one. (Binding to a card would need an
/// address type that cannot be made without `unsafe`.)
fn sniff(card: &str) -> Result<()> {
    const ETH_P_ALL: u16 = 3;
    const LOAD_ANCILLARY: u16 = 0x20;
    const IFINDEX: u32 = 0xffff_f000 + 8;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let index = card_index(card)?;
    let protocol = Protocol::from(i32::from(ETH_P_ALL.to_be()));
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).context("packet socket")?;
    socket.attach_filter(&[
        SockFilter::new(LOAD_ANCILLARY, 0, 0, IFINDEX),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, index),
        SockFilter::new(RETURN, 0, 0, 0x4_0000),
        SockFilter::new(RETURN, 0, 0, 0),
    ])?;
    socket.set_recv_buffer_size(8 << 20)?;
    socket.set_nonblocking(true)?;
    // What came before the filter may be of another card.
    drain(&socket, |_| Ok(()))?;
    let mut out = io::stdout().lock();
    let stdin = io::stdin();
    loop {
        let mut fds = [PollFd::new(&socket, PollFlags::IN), PollFd::new(&stdin, PollFlags::IN)];
        poll(&mut fds, None)?;
        let asked = !fds[1].revents().is_empty();
        let mut lines = 0;
        if asked {
            let mut bytes = [0; 64];
            let len = stdin.lock().read(&mut bytes)?;
            if len == 0 {
                return Ok(());
            }
            lines = bytes[..len].iter().filter(|&&byte| byte == b'\n').count();
        }
        drain(&socket, |frame| write_frame(&mut out, frame.len() as u32, frame))?;
        for _ in 0..lines {
            write_frame(&mut out, u32::MAX, &[])?;
        }
        out.flush()?;
    }
}

fn write_frame(out: &mut impl Write, len: u32, frame: &[u8]) -> Result<()> {
    let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos() as u64;
    out.write_all(&at.to_be_bytes())?;
    out.write_all(&len.to_be_bytes())?;
    out.write_all(frame)?;
    Ok(())
}

fn drain(socket: &Socket, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut buffer = vec![0; 70_000];
    loop {
        match (&*socket).read(&mut buffer) {
            Ok(len) => each(&buffer[..len])?,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // The card went down; it may come up again.
            Err(error) if error.raw_os_error() == Some(100) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Protocol 255 (raw) makes the kernel send the header as it is given.
fn inject(card: &str) -> Result<()> {
    const RAW: i32 = 255;
    let index = card_index(card)?;
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(RAW)))?;
    socket.set_multicast_if_v6(index)?;
    socket.set_multicast_loop_v6(false)?;
    for line in io::stdin().lock().lines() {
        let packet = parse_hex(&line?)?;
        let Some(destination) = packet.get(24..40) else { bail!("shorter than an IPv6 header") };
        let bytes: [u8; 16] = destination.try_into()?;
        let address = Ipv6Addr::from(bytes);
        let to = SockAddr::from(SocketAddrV6::new(address, 0, 0, index));
        socket.send_to(&packet, &to).with_context(|| format!("sending to {address}"))?;
    }
    Ok(())
}

fn parse_hex(line: &str) -> Result<Vec<u8>> {
    let digits = line.trim();
    let pairs = (0..digits.len()).step_by(2);
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2).unwrap_or("?"), 16);
    pairs.map(byte).collect::<Result<_, _>>().context("not hex")
}
