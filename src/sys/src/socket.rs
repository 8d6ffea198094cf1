//! Unix socketpairs (`unix(7)`): bytes, packets, and descriptors passed with `SCM_RIGHTS`.

use crate::check;
use std::io::{self, IoSlice};
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Most descriptors in one message: Linux's `SCM_MAX_FD`.
pub const MAX_DESCRIPTORS: usize = 253;

/// Space for one control block of [`MAX_DESCRIPTORS`] descriptors and one of credentials, aligned for `cmsghdr`.
const CONTROL_WORDS: usize = (MAX_DESCRIPTORS * size_of::<RawFd>() + 128) / size_of::<u64>();
/// Space that a receiver of at most one descriptor needs; more arriving is a truncation, and they are closed.
const SMALL_CONTROL_WORDS: usize = 4;

/// Who sent a packet, as the kernel saw it (`SCM_CREDENTIALS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    /// Process id.
    pub pid: u32,
    /// Effective user id when the packet was sent (or one the sender may take on).
    pub uid: u32,
    /// Likewise the group id.
    pub gid: u32,
}

/// What one receive brought.
#[derive(Debug, Default)]
pub struct Received {
    /// Bytes in the caller's buffer; 0 is the end of the conversation.
    pub length: usize,
    /// Descriptors, close-on-exec, in the sender's order.
    pub descriptors: Vec<OwnedFd>,
    /// The sender, where the socket asks for it.
    pub credentials: Option<Credentials>,
    /// The packet or its descriptors did not fit; what did not fit is gone.
    pub truncated: bool,
}

fn pair(kind: libc::c_int) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    // SAFETY: `fds` has room for the two descriptors that the call writes.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0, fds.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so both are open and nobody else owns them.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// A connected pair of byte streams, close-on-exec.
///
/// # Errors
/// `socketpair(2)`'s.
pub fn stream_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    pair(libc::SOCK_STREAM)
}

/// A connected pair of packet sockets (`SOCK_SEQPACKET`), close-on-exec.
///
/// # Errors
/// `socketpair(2)`'s.
pub fn packet_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    pair(libc::SOCK_SEQPACKET)
}

fn set<T>(fd: BorrowedFd<'_>, option: libc::c_int, value: &T) -> io::Result<()> {
    #[expect(clippy::cast_possible_truncation, reason = "the sizes of a few C structs")]
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe `value`, which the kernel only reads.
    check(unsafe {
        libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const *value).cast(), length)
    })
    .map(drop)
}

/// Makes a receiver learn each packet's sender.
///
/// # Errors
/// `setsockopt(2)`'s.
pub fn ask_credentials(fd: BorrowedFd<'_>) -> io::Result<()> {
    set(fd, libc::SO_PASSCRED, &1i32)
}

/// Has the kernel refuse descriptors that somebody sends to this socket, so that a hostile peer cannot hand us one
/// whose closing takes time. Best effort: before Linux 6.16 they arrive and are closed by the receiver.
pub fn refuse_descriptors(fd: BorrowedFd<'_>) {
    const SO_PASSRIGHTS: libc::c_int = 83;
    if cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")) {
        drop(set(fd, SO_PASSRIGHTS, &0i32));
    }
}

/// Bounds how long a blocking receive and send wait; they then fail with `WouldBlock`. Zero waits for ever.
///
/// # Errors
/// `setsockopt(2)`'s.
pub fn set_timeouts(fd: BorrowedFd<'_>, receive: Duration, send: Duration) -> io::Result<()> {
    let timeval = |time: Duration| libc::timeval {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_usec: time.subsec_micros().into(),
    };
    set(fd, libc::SO_RCVTIMEO, &timeval(receive))?;
    set(fd, libc::SO_SNDTIMEO, &timeval(send))
}

/// Asks for a larger send buffer, past the system's limit where privilege allows. Best effort.
pub fn grow_send_buffer(fd: BorrowedFd<'_>, bytes: i32) {
    if set(fd, libc::SO_SNDBUFFORCE, &bytes).is_err() {
        // Without privilege the system's limit holds: slower for large bodies, otherwise the same.
        drop(set(fd, libc::SO_SNDBUF, &bytes));
    }
}

/// Ends the conversation for every holder of the socket, in both directions.
pub fn shut_down(fd: BorrowedFd<'_>) {
    // SAFETY: no memory is involved. It can only fail where the peer is gone already, which is as good.
    unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_RDWR) };
}

/// Sends bytes, with descriptors on their first byte. `SIGPIPE` is not raised.
/// Returns how many bytes went; on a packet socket, all of them.
///
/// # Errors
/// `sendmsg(2)`'s; `InvalidInput` for more than [`MAX_DESCRIPTORS`] descriptors.
pub fn send(
    fd: BorrowedFd<'_>,
    slices: &[IoSlice<'_>],
    descriptors: &[BorrowedFd<'_>],
    wait: bool,
) -> io::Result<usize> {
    let flags = libc::MSG_NOSIGNAL | if wait { 0 } else { libc::MSG_DONTWAIT };
    if descriptors.is_empty() && slices.len() == 1 {
        let bytes = &slices[0];
        // SAFETY: pointer and length are those of a live slice, which the kernel only reads.
        let sent = unsafe { libc::send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
        return usize::try_from(sent).map_err(|_| io::Error::last_os_error());
    }
    if descriptors.len() > MAX_DESCRIPTORS {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors for one message"));
    }
    let mut control = [0u64; CONTROL_WORDS];
    // SAFETY: an all-zero msghdr is a valid one: no name, no data, no control block.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // IoSlice is guaranteed to have iovec's layout; the kernel only reads.
    message.msg_iov = slices.as_ptr().cast_mut().cast();
    message.msg_iovlen = slices.len();
    if !descriptors.is_empty() {
        let raw: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        #[expect(clippy::cast_possible_truncation, reason = "at most 253 descriptors of four bytes")]
        let bytes = (raw.len() * size_of::<RawFd>()) as u32;
        message.msg_control = control.as_mut_ptr().cast();
        // SAFETY: CMSG_SPACE only computes. The block has room for MAX_DESCRIPTORS, checked above, and is aligned;
        // the header CMSG_FIRSTHDR returns lies in it and its data area has room for `bytes`.
        unsafe {
            message.msg_controllen = libc::CMSG_SPACE(bytes) as usize;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(bytes) as usize;
            libc::CMSG_DATA(header).copy_from_nonoverlapping(raw.as_ptr().cast(), bytes as usize);
        }
    }
    // SAFETY: every pointer in `message` points to data that lives until the call returns.
    let sent = unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const message, flags) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Receives into `buffer`, with room for at most one descriptor: the cheap form for slots.
///
/// # Errors
/// `recvmsg(2)`'s; `WouldBlock` after the socket's timeout or when nothing is there and `wait` is false.
pub fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8], wait: bool) -> io::Result<Received> {
    receive_into::<SMALL_CONTROL_WORDS>(fd, buffer, wait)
}

/// Receives one packet, with room for [`MAX_DESCRIPTORS`] descriptors and credentials.
///
/// # Errors
/// As [`receive`].
pub fn receive_packet(fd: BorrowedFd<'_>, buffer: &mut [u8], wait: bool) -> io::Result<Received> {
    receive_into::<CONTROL_WORDS>(fd, buffer, wait)
}

fn receive_into<const WORDS: usize>(
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
    wait: bool,
) -> io::Result<Received> {
    let mut control = [MaybeUninit::<u64>::uninit(); WORDS];
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: an all-zero msghdr is a valid one.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = WORDS * size_of::<u64>();
    let flags = libc::MSG_CMSG_CLOEXEC | if wait { 0 } else { libc::MSG_DONTWAIT };
    // SAFETY: the message describes `buffer` and `control`, both live and writable for the lengths given.
    let length = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, flags) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    let mut received = Received {
        length,
        truncated: message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0,
        ..Received::default()
    };
    if message.msg_controllen > 0 {
        // SAFETY: the kernel filled `message` and its control block just now.
        unsafe { take_control(&message, &mut received) };
    }
    Ok(received)
}

/// Takes ownership of what a control block carries.
///
/// # Safety
/// `message` must be as `recvmsg(2)` left it, its control block still alive, and no descriptor in it taken yet.
unsafe fn take_control(message: &libc::msghdr, received: &mut Received) {
    // SAFETY: the walk stays within the block that the kernel described; each header it returns is whole, and
    // each descriptor in it is open and ours alone. The reads need not be aligned.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            let data = libc::CMSG_DATA(header);
            let length = (*header).cmsg_len.saturating_sub(libc::CMSG_LEN(0) as usize);
            match ((*header).cmsg_level, (*header).cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                    for index in 0..length / size_of::<RawFd>() {
                        let raw = data.cast::<RawFd>().add(index).read_unaligned();
                        received.descriptors.push(OwnedFd::from_raw_fd(raw));
                    }
                }
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if length >= size_of::<libc::ucred>() => {
                    let sender = data.cast::<libc::ucred>().read_unaligned();
                    received.credentials = Some(Credentials {
                        pid: u32::try_from(sender.pid).unwrap_or(0),
                        uid: sender.uid,
                        gid: sender.gid,
                    });
                }
                _ => {}
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
