//! Just enough netlink (RFC 3549, rtnetlink(7), sock_diag(7)): dump requests and change notices.
//!
//! For interfaces, addresses, neighbours and sockets. Not a general client: it never changes
//! anything. Messages are read from byte slices with bounds checked; a short or odd one is skipped.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{self, AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};

/// A socket that talks to the kernel's tables of routes and the like, or of sockets.
pub(crate) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

/// A netlink message: its type and what follows the header.
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) body: &'a [u8],
}

impl Netlink {
    /// Opens a socket for dumps of what rtnetlink knows.
    pub(crate) fn open() -> io::Result<Self> {
        Self::open_for(None)
    }

    /// Opens a socket for dumps of sockets.
    pub(crate) fn open_sockets() -> io::Result<Self> {
        Self::open_for(Some(SOCK_DIAG))
    }

    fn open_for(protocol: Option<Protocol>) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let socket = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
        let timeout = Some(Duration::from_secs(1));
        net::sockopt::set_socket_timeout(&socket, net::sockopt::Timeout::Recv, timeout)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Opens a non-blocking socket that hears notices of these groups.
    pub(crate) fn subscribe(groups: u32) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        net::bind(&socket, &SocketAddrNetlink::new(0, groups))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Asks for a whole table and hands each entry's message to `found`.
    pub(crate) fn dump(
        &mut self,
        kind: u16,
        body: &[u8],
        mut found: impl FnMut(&Message<'_>),
    ) -> io::Result<()> {
        for _ in 0..DUMP_TRIES_MAX {
            self.request(kind, body)?;
            if self.read_dump(&mut found)? == Dump::Whole {
                return Ok(());
            }
        }
        Err(io::Error::from(io::ErrorKind::ResourceBusy))
    }

    fn request(&mut self, kind: u16, body: &[u8]) -> io::Result<()> {
        self.sequence += 1;
        let mut bytes = Vec::with_capacity(HEADER_LEN + body.len());
        bytes.extend_from_slice(&((HEADER_LEN + body.len()) as u32).to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&self.sequence.to_ne_bytes());
        bytes.extend_from_slice(&0u32.to_ne_bytes());
        bytes.extend_from_slice(body);
        net::send(&self.socket, &bytes, SendFlags::empty())?;
        Ok(())
    }

    fn read_dump(&mut self, found: &mut impl FnMut(&Message<'_>)) -> io::Result<Dump> {
        let mut buffer = Vec::with_capacity(BUFFER_LEN);
        let mut dump = Dump::Whole;
        loop {
            buffer.clear();
            net::recv(&self.socket, spare_capacity(&mut buffer), RecvFlags::empty())?;
            if buffer.is_empty() {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            for message in messages(&buffer) {
                if message.flags & libc::NLM_F_DUMP_INTR as u16 != 0 {
                    dump = Dump::Interrupted;
                }
                match i32::from(message.kind) {
                    // Of a dump that the kernel refuses, this may be all that it says.
                    libc::NLMSG_DONE if code_of(&message) >= 0 => return Ok(dump),
                    libc::NLMSG_DONE | libc::NLMSG_ERROR => {
                        let code = code_of(&message).saturating_neg();
                        return Err(io::Error::from_raw_os_error(code));
                    }
                    _ => found(&message),
                }
            }
        }
    }

    /// Reads the notices that wait, at most [`NOTICES_MAX`] buffers of them; says whether any of
    /// them matters, or some were lost.
    pub(crate) fn drain(&self, mut matters: impl FnMut(&Message<'_>) -> bool) -> bool {
        let mut changed = false;
        let mut buffer = Vec::with_capacity(BUFFER_LEN);
        for _ in 0..NOTICES_MAX {
            buffer.clear();
            match net::recv(&self.socket, spare_capacity(&mut buffer), RecvFlags::empty()) {
                Ok(_) => changed |= messages(&buffer).any(|message| matters(&message)),
                Err(rustix::io::Errno::INTR) => {}
                // Notices were lost: anything may have changed.
                Err(rustix::io::Errno::NOBUFS) => changed = true,
                Err(_) => return changed,
            }
        }
        changed
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[derive(PartialEq, Eq)]
enum Dump {
    Whole,
    Interrupted,
}

/// How a request went: 0 and above well, below that the number of an error.
fn code_of(message: &Message<'_>) -> i32 {
    u32_at(message.body, 0).unwrap_or(0) as i32
}

/// The messages of a received buffer.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let len = u32_at(bytes, 0)? as usize;
        if len < HEADER_LEN || len > bytes.len() {
            return None;
        }
        let (kind, flags) = (u16_at(bytes, 4)?, u16_at(bytes, 6)?);
        let body = &bytes[HEADER_LEN..len];
        bytes = bytes.get(aligned(len)..).unwrap_or(&[]);
        Some(Message { kind, flags, body })
    })
}

/// The attributes after a fixed header: type (without flag bits) and payload.
pub(crate) fn attributes(body: &[u8], header_len: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut bytes = body.get(header_len..).unwrap_or(&[]);
    std::iter::from_fn(move || {
        let len = usize::from(u16_at(bytes, 0)?);
        if len < ATTRIBUTE_HEADER_LEN || len > bytes.len() {
            return None;
        }
        let kind = u16_at(bytes, 2)? & !NESTED_FLAGS;
        let payload = &bytes[ATTRIBUTE_HEADER_LEN..len];
        bytes = bytes.get(aligned(len)..).unwrap_or(&[]);
        Some((kind, payload))
    })
}

/// The text of an attribute, without its final zero.
pub(crate) fn text(payload: &[u8]) -> String {
    let end = payload.iter().position(|byte| *byte == 0).unwrap_or(payload.len());
    String::from_utf8_lossy(&payload[..end]).into_owned()
}

/// A host-order 16-bit number at an offset.
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    let part = bytes.get(offset..offset.checked_add(2)?)?;
    Some(u16::from_ne_bytes(part.try_into().ok()?))
}

/// A host-order 32-bit number at an offset.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let part = bytes.get(offset..offset.checked_add(4)?)?;
    Some(u32::from_ne_bytes(part.try_into().ok()?))
}

fn aligned(len: usize) -> usize {
    len.saturating_add(3) & !3
}

const HEADER_LEN: usize = 16;
const ATTRIBUTE_HEADER_LEN: usize = 4;
/// NLA_F_NESTED and NLA_F_NET_BYTEORDER.
const NESTED_FLAGS: u16 = 0xc000;
/// The kernel fills dumps in pieces of at most 32 KiB.
const BUFFER_LEN: usize = 32 * 1024;
/// How often a dump that a change interrupted is begun anew.
const DUMP_TRIES_MAX: usize = 5;
/// How many buffers of notices one wake-up reads.
const NOTICES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_messages_end_the_walk() {
        let check = |bytes: &[u8], expected: usize| {
            assert_eq!(messages(bytes).count(), expected, "{bytes:?}");
            let _ = attributes(bytes, 0).count();
            let _ = attributes(bytes, 100).count();
        };
        let message = |len: u32| {
            let mut bytes = len.to_ne_bytes().to_vec();
            bytes.extend_from_slice(&[0; 12]);
            bytes
        };
        check(&[], 0);
        check(&[1, 2, 3], 0);
        check(&message(0), 0);
        check(&message(15), 0);
        check(&message(16), 1);
        check(&message(17), 0);
        check(&message(u32::MAX), 0);
        check(&[message(16), message(16)].concat(), 2);
    }

    /// A kernel without what is asked for, UDP of sockets say, ends the dump with that.
    #[test]
    fn a_dump_that_ends_with_an_error_is_one() {
        let (kernel, socket) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let mut netlink = Netlink { socket: socket.into(), sequence: 0 };
        let mut check = |kind: libc::c_int, code: i32, expected: Result<(), Option<i32>>| {
            let mut bytes = 20u32.to_ne_bytes().to_vec();
            bytes.extend_from_slice(&(kind as u16).to_ne_bytes());
            bytes.resize(HEADER_LEN, 0);
            bytes.extend_from_slice(&code.to_ne_bytes());
            kernel.send(&bytes).unwrap();
            let read = netlink.read_dump(&mut |_: &Message<'_>| {});
            assert_eq!(read.map(drop).map_err(|it| it.raw_os_error()), expected, "{kind} {code}");
        };
        check(libc::NLMSG_DONE, 0, Ok(()));
        check(libc::NLMSG_DONE, 20, Ok(()));
        check(libc::NLMSG_DONE, -libc::ENOENT, Err(Some(libc::ENOENT)));
        check(libc::NLMSG_ERROR, -libc::EPERM, Err(Some(libc::EPERM)));
    }

    #[test]
    fn odd_attributes_end_the_walk() {
        let attribute = |len: u16, kind: u16, payload: &[u8]| {
            let mut bytes = len.to_ne_bytes().to_vec();
            bytes.extend_from_slice(&kind.to_ne_bytes());
            bytes.extend_from_slice(payload);
            bytes
        };
        let check = |bytes: &[u8], expected: &[(u16, &[u8])]| {
            assert_eq!(attributes(bytes, 0).collect::<Vec<_>>(), expected);
        };
        check(&attribute(4, 3, &[]), &[(3, &[])]);
        check(&attribute(3, 3, &[]), &[]);
        check(&attribute(6, 0x8003, &[7, 8]), &[(3, &[7, 8])]);
        check(&attribute(7, 3, &[7, 8]), &[]);
        let two = [attribute(5, 1, &[9, 0, 0, 0]), attribute(4, 2, &[])].concat();
        check(&two, &[(1, &[9]), (2, &[])]);
    }
}
