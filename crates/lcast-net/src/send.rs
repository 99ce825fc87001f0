//! Where datagrams go, and what can go wrong on the way out.
//!
//! For the arguments and results of [`Network::send`](crate::Network::send).

use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};

/// Where to send a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To a group at the realm's port, out of every link or of one; and to the nodes of this host
    /// that cannot hear multicast.
    Group {
        /// The group.
        group: Ipv6Addr,
        /// The index of the only link to use.
        link: Option<u32>,
    },
    /// To one address.
    Unicast {
        /// The own address and port to send from; chosen by the destination when absent.
        from: Option<SocketAddrV6>,
        /// The destination, with the scope id when it is link-local.
        to: SocketAddrV6,
    },
}

/// What became of a datagram.
#[derive(Debug, Default)]
pub struct SendOutcome {
    /// How many copies the kernel took.
    pub sent: usize,
    /// The copies it did not take.
    pub failures: Vec<SendFailure>,
}

impl SendOutcome {
    /// Whether at least one copy went out and none failed.
    pub fn is_complete(&self) -> bool {
        self.sent > 0 && self.failures.is_empty()
    }

    /// Whether a copy was not taken for want of room: the link works all the same.
    pub(crate) fn would_block(&self) -> bool {
        self.failures.iter().any(|failure| matches!(failure.error, SendError::WouldBlock))
    }
}

/// A copy of a datagram that was not sent.
#[derive(Debug)]
pub struct SendFailure {
    /// The link it was to go out of; 0 when none was found.
    pub link: u32,
    /// Why.
    pub error: SendError,
}

/// Why a datagram was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The send buffer is full.
    #[error("the send buffer is full")]
    WouldBlock,
    /// There is no route (`ENETUNREACH`, `EHOSTUNREACH`).
    #[error("no route to the destination")]
    Unreachable,
    /// A firewall of this host forbids it (`EPERM`, `EACCES`).
    #[error("forbidden by a firewall of this host")]
    Forbidden,
    /// The kernel or the device has no buffer left (`ENOBUFS`, `ENOMEM`).
    #[error("the kernel or the device has no buffers left")]
    NoBuffers,
    /// The datagram does not fit the link (`EMSGSIZE`).
    #[error("too large for the link")]
    TooLarge,
    /// The link or the own address is gone (`ENODEV`, `ENETDOWN`, `EADDRNOTAVAIL`).
    #[error("the link or the own address is gone")]
    LinkGone,
    /// There is no link, or none of that index or own address.
    #[error("no link to send from")]
    NoLink,
    /// The realm never leaves this host, and the destination is not one of its addresses.
    #[error("the destination is outside this host")]
    OutsideScope,
    /// Anything else.
    #[error("cannot send")]
    Other(#[source] io::Error),
}

impl From<io::Error> for SendError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EAGAIN) => Self::WouldBlock,
            Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => Self::Unreachable,
            Some(libc::EPERM | libc::EACCES) => Self::Forbidden,
            Some(libc::ENOBUFS | libc::ENOMEM) => Self::NoBuffers,
            Some(libc::EMSGSIZE) => Self::TooLarge,
            Some(libc::ENODEV | libc::ENXIO | libc::ENETDOWN | libc::EADDRNOTAVAIL) => {
                Self::LinkGone
            }
            _ => Self::Other(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart() {
        let check = |code: i32, expected: &str| {
            let error = SendError::from(io::Error::from_raw_os_error(code));
            assert!(format!("{error:?}").starts_with(expected), "{code}: {error:?}");
        };
        check(libc::EAGAIN, "WouldBlock");
        check(libc::ENETUNREACH, "Unreachable");
        check(libc::EHOSTUNREACH, "Unreachable");
        check(libc::EPERM, "Forbidden");
        check(libc::EACCES, "Forbidden");
        check(libc::ENOBUFS, "NoBuffers");
        check(libc::EMSGSIZE, "TooLarge");
        check(libc::ENODEV, "LinkGone");
        check(libc::EADDRNOTAVAIL, "LinkGone");
        check(libc::EINVAL, "Other");
    }
}
