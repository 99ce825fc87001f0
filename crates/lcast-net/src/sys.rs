//! The system calls that no safe crate offers, and all unsafe code of this crate.
//!
//! For `recvmmsg` with control data, a few integer socket options, watching descriptors by tokio,
//! threads without signals and programs that die with their parent. Not for anything that `rustix`
//! or `socket2` have.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::time::{Duration, SystemTime};

use libc::c_int;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::batch::DATAGRAM_LEN_MAX;

/// What the kernel said about one received datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    /// The bytes that were written.
    pub(crate) len: usize,
    /// Whether the datagram was longer than the buffer.
    pub(crate) truncated: bool,
    /// The sender.
    pub(crate) source: SocketAddrV6,
    /// What only some sockets are told.
    pub(crate) told: Told,
}

/// What the kernel tells of a datagram when the socket asks for it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// The interface it came in by.
    pub(crate) interface: Option<u32>,
    /// The socket's count of datagrams lost to a full buffer so far, once there is one.
    pub(crate) overflow: Option<u32>,
    /// When it arrived, by the wall clock.
    pub(crate) arrived: Option<SystemTime>,
}

/// Has a program killed when the thread that starts it ends, as with its process, however that
/// ends.
pub fn die_with_parent(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    let parent = rustix::process::getpid();
    let bind = move || {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        // It may have ended before.
        let there = rustix::process::getppid() == Some(parent);
        there.then_some(()).ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))
    };
    // SAFETY: between fork and exec the closure makes two system calls and neither allocates nor
    // locks; what it captures is a number.
    unsafe { command.pre_exec(bind) };
}

/// Runs something with all signals blocked in this thread, and so in threads that it starts: those
/// stay so, and every signal goes to the threads of the program.
pub fn without_signals<T>(run: impl FnOnce() -> T) -> T {
    struct Restore(libc::sigset_t);
    impl Drop for Restore {
        fn drop(&mut self) {
            // SAFETY: the set was filled in by pthread_sigmask and is only read.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
        }
    }
    let mut all = mem::MaybeUninit::uninit();
    let mut before = mem::MaybeUninit::uninit();
    // SAFETY: sigfillset fills in the first set, which pthread_sigmask then reads; it fills in the
    // second. With valid pointers and a valid way neither can fail.
    let before = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        before.assume_init()
    };
    let _restore = Restore(before);
    run()
}

/// Has the current tokio runtime watch a descriptor for input.
pub(crate) fn watch_for_input(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is a valid open descriptor, is always the same one, and the AsyncFd keeps
    // it open until it is dropped itself.
    let watched = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
    Ok(watched?)
}

/// Turns on the control message that tells the ingress interface.
pub(crate) fn set_receive_packet_info(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)
}

/// Turns on the control message that tells when a datagram arrived.
pub(crate) fn set_receive_time(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
}

/// Turns on the control message that counts datagrams lost to a full buffer.
pub(crate) fn set_receive_overflow(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)
}

fn set_option(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let length = mem::size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the pointer and length describe `value`, which lives over the call; the kernel only
    // reads it.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, ptr::from_ref(&value).cast(), length)
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Room for the control messages of one datagram, aligned as the kernel writes them.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_LEN]);

/// More than an overflow count (a header and 4 bytes), a packet info (a header and 20) and a time
/// (a header and 16).
const CONTROL_LEN: usize = 128;

/// Datagrams of one system call: mostly one has come, and to tell the kernel of many buffers costs
/// more than to call again.
const AT_ONCE: usize = 8;

/// Receives what is queued, one datagram a buffer, without waiting; `found` is told each.
///
/// Returns how many came: fewer than `buffers` means that the queue is empty.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    buffers: &mut [[u8; DATAGRAM_LEN_MAX]],
    mut found: impl FnMut(usize, Received),
) -> io::Result<usize> {
    let mut taken = 0;
    for some in buffers.chunks_mut(AT_ONCE) {
        let wanted = some.len();
        match receive_some(socket, some, |index, received| found(taken + index, received)) {
            Ok(count) => {
                taken += count;
                if count < wanted {
                    break;
                }
            }
            Err(error) if taken == 0 => return Err(error),
            // The kernel tells an error of the socket once, so nobody hears of this one: what came
            // before it counts more. What lasts is met by the next call again.
            Err(_) => break,
        }
    }
    Ok(taken)
}

/// As [`receive`], by one system call, at most [`AT_ONCE`].
fn receive_some(
    socket: BorrowedFd<'_>,
    buffers: &mut [[u8; DATAGRAM_LEN_MAX]],
    mut found: impl FnMut(usize, Received),
) -> io::Result<usize> {
    let wanted = buffers.len().min(AT_ONCE);
    // SAFETY: these C structures hold integers and pointers; all zero is a valid value of each.
    let (mut names, mut vectors, mut messages) = unsafe {
        (
            mem::zeroed::<[libc::sockaddr_in6; AT_ONCE]>(),
            mem::zeroed::<[libc::iovec; AT_ONCE]>(),
            mem::zeroed::<[libc::mmsghdr; AT_ONCE]>(),
        )
    };
    let mut controls = [Control([0; CONTROL_LEN]); AT_ONCE];
    for (index, buffer) in buffers.iter_mut().enumerate().take(wanted) {
        vectors[index].iov_base = buffer.as_mut_ptr().cast();
        vectors[index].iov_len = buffer.len();
        let header = &mut messages[index].msg_hdr;
        header.msg_name = ptr::from_mut(&mut names[index]).cast();
        header.msg_namelen = mem::size_of::<libc::sockaddr_in6>() as libc::socklen_t;
        header.msg_iov = ptr::from_mut(&mut vectors[index]);
        header.msg_iovlen = 1;
        header.msg_control = controls[index].0.as_mut_ptr().cast();
        header.msg_controllen = CONTROL_LEN as _;
    }
    // SAFETY: the first `wanted` headers point at names, vectors, buffers and controls that are
    // distinct, live over the call and have the lengths given; nothing else touches them.
    let count = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            messages.as_mut_ptr(),
            wanted as libc::c_uint,
            libc::MSG_DONTWAIT as _,
            ptr::null_mut(),
        )
    };
    if count < 0 {
        return Err(io::Error::last_os_error());
    }
    let count = (count as usize).min(wanted);
    for (index, message) in messages.iter().enumerate().take(count) {
        let received = Received {
            len: (message.msg_len as usize).min(DATAGRAM_LEN_MAX),
            truncated: message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            source: address_of(&names[index]),
            told: told_of(&message.msg_hdr),
        };
        found(index, received);
    }
    Ok(count)
}

fn address_of(name: &libc::sockaddr_in6) -> SocketAddrV6 {
    SocketAddrV6::new(
        Ipv6Addr::from(name.sin6_addr.s6_addr),
        u16::from_be(name.sin6_port),
        0,
        name.sin6_scope_id,
    )
}

/// Reads the control messages of a header that `recvmmsg` filled.
fn told_of(header: &libc::msghdr) -> Told {
    let mut told = Told::default();
    // SAFETY: the kernel set msg_controllen to what it wrote at msg_control, which is still live
    // and aligned for cmsghdr.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !next.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR return null or a header that lies whole within
        // the control data, as do the data of which it tells the length; these messages have the
        // types that the kernel documents for them, of integers.
        unsafe {
            let (level, kind) = ((*next).cmsg_level, (*next).cmsg_type);
            if level == libc::IPPROTO_IPV6 && kind == libc::IPV6_PKTINFO {
                let info = data_of::<libc::in6_pktinfo>(next);
                told.interface = info.map(|it| it.ipi6_ifindex);
            } else if level == libc::SOL_SOCKET && kind == libc::SO_RXQ_OVFL {
                told.overflow = data_of::<u32>(next);
            } else if level == libc::SOL_SOCKET && kind == libc::SCM_TIMESTAMPNS {
                told.arrived = data_of::<libc::timespec>(next).as_ref().and_then(time_of);
            }
            next = libc::CMSG_NXTHDR(header, next);
        }
    }
    told
}

/// What a control message says; nothing where it is shorter than that, by whatever kernel.
///
/// # Safety
/// The header and as many bytes as it says must be readable, and all bits valid as a `T`.
unsafe fn data_of<T: Copy>(message: *const libc::cmsghdr) -> Option<T> {
    // SAFETY: the caller warrants the header, and CMSG_LEN and CMSG_DATA only compute. The data are
    // read when they are as long as a `T`, without assuming its alignment.
    unsafe {
        let length = libc::CMSG_LEN(mem::size_of::<T>() as libc::c_uint);
        ((*message).cmsg_len >= length as _)
            .then(|| libc::CMSG_DATA(message).cast::<T>().read_unaligned())
    }
}

fn time_of(time: &libc::timespec) -> Option<SystemTime> {
    let (seconds, nanos) = (u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?);
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one control message with so many bytes of zeros tells.
    fn told(level: c_int, kind: c_int, length: u32) -> Told {
        let mut control = Control([0; CONTROL_LEN]);
        // SAFETY: integers and pointers, of which all zero is a valid value; the control data are
        // aligned for a header, have room for one, and live as long as the pointers to them.
        unsafe {
            let first = control.0.as_mut_ptr().cast::<libc::cmsghdr>();
            (*first).cmsg_len = libc::CMSG_LEN(length) as _;
            ((*first).cmsg_level, (*first).cmsg_type) = (level, kind);
            let mut header = mem::zeroed::<libc::msghdr>();
            header.msg_control = first.cast();
            header.msg_controllen = libc::CMSG_SPACE(length) as _;
            told_of(&header)
        }
    }

    /// The signals that are blocked in this thread, as the kernel writes them.
    fn blocked() -> String {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let mut lines = status.lines().filter_map(|line| line.strip_prefix("SigBlk:"));
        lines.next().unwrap().trim().to_owned()
    }

    #[test]
    fn a_thread_that_was_started_without_signals_takes_none() {
        let before = blocked();
        let inside = without_signals(|| std::thread::spawn(blocked)).join().unwrap();
        // All but SIGKILL and SIGSTOP, and the two that the C library keeps for itself.
        assert_eq!(inside, "fffffffe7ffbfeff");
        assert_eq!(blocked(), before);
        let unwound = std::panic::catch_unwind(|| without_signals(|| panic!("on purpose")));
        assert!(unwound.is_err());
        assert_eq!(blocked(), before);
    }

    #[test]
    fn what_is_shorter_than_its_kind_says_nothing() {
        let info = |length| told(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, length).interface;
        assert_eq!((info(20), info(19)), (Some(0), None));
        let overflow = |length| told(libc::SOL_SOCKET, libc::SO_RXQ_OVFL, length).overflow;
        assert_eq!((overflow(4), overflow(3), overflow(0)), (Some(0), None, None));
        let length = mem::size_of::<libc::timespec>() as u32;
        let time = |length| told(libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, length).arrived;
        assert!(time(length).is_some() && time(length - 1).is_none());
    }
}
