//! A thread's UDP socket: datagrams in batches, and a way to wake the thread that waits for them.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket},
    os::{
        fd::{AsFd, AsRawFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, setsockopt,
        sockopt::{RcvBuf, SndBuf},
    },
};

/// Datagrams that are received or sent at once.
pub(super) const BATCH: usize = 64;
/// The longest datagram that is taken; nothing of WebRTC's is longer.
const LONGEST: usize = 1_600;
/// What the kernel may keep while the thread is at work: 10 speakers × 150 listeners for a tenth of a second.
const KERNEL_BUFFER: usize = 4 << 20;

/// So many milliseconds the kernel is given to make room; sound that is older than a packet is late anyway.
const MOST_WAIT: u8 = 10;

/// Wakes a thread that waits in [`Socket::wait`].
#[derive(Debug)]
pub(super) struct Waker(UnixStream);

impl Waker {
    pub(super) fn wake(&self) {
        // Full means that it will wake anyway.
        let _ = (&self.0).write(&[0]);
    }
}

/// One thread's socket, with its buffers.
pub(super) struct Socket {
    socket: UdpSocket,
    wakes: UnixStream,
    receiving: MultiHeaders<SockaddrStorage>,
    sending: MultiHeaders<SockaddrStorage>,
    buffers: Box<[[u8; LONGEST]]>,
    /// What was received last: from where and how long, by buffer; none where it was cut.
    received: Vec<Option<(SocketAddr, usize)>>,
    outgoing: Vec<(SocketAddr, Vec<u8>)>,
}

impl Socket {
    /// Takes over a socket, as its only user; to be done on the thread that uses it.
    ///
    /// # Errors
    /// Where the socket can't be made not to block.
    pub(super) fn new(socket: UdpSocket, wakes: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        for result in
            [setsockopt(&socket, RcvBuf, &KERNEL_BUFFER), setsockopt(&socket, SndBuf, &KERNEL_BUFFER)]
        {
            if let Err(error) = result {
                tracing::warn!(%error, "the kernel's buffers for media stay as small as they are");
            }
        }
        Ok(Self {
            socket,
            wakes,
            receiving: MultiHeaders::preallocate(BATCH, None),
            sending: MultiHeaders::preallocate(BATCH, None),
            buffers: vec![[0; LONGEST]; BATCH].into(),
            received: Vec::with_capacity(BATCH),
            outgoing: Vec::with_capacity(4 * BATCH),
        })
    }

    /// What wakes the thread, and what it is woken through.
    ///
    /// # Errors
    /// Where the system has no more file descriptors.
    pub(super) fn waker() -> io::Result<(Waker, UnixStream)> {
        let (near, far) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        far.set_nonblocking(true)?;
        Ok((Waker(near), far))
    }

    /// Waits for a datagram, to be woken, or until the time is up.
    pub(super) fn wait(&mut self, most: Duration) {
        // Rounded up: an early wake finds nothing to do.
        let timeout = PollTimeout::try_from(most + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX);
        let mut waits =
            [self.socket.as_fd(), self.wakes.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        let woken = poll(&mut waits, timeout).is_ok() && waits[1].any().unwrap_or(false);
        if woken {
            let mut sink = [0; 256];
            while matches!((&self.wakes).read(&mut sink), Ok(length) if length == sink.len()) {}
        }
    }

    /// Receives a batch of what has come. How many there are; read each with [`Socket::datagram`].
    pub(super) fn receive(&mut self) -> usize {
        self.received.clear();
        let mut slices: Vec<_> = self.buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let fd = self.socket.as_raw_fd();
        match recvmmsg(fd, &mut self.receiving, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
            Ok(messages) => self.received.extend(messages.map(|message| {
                let whole = !message.flags.contains(MsgFlags::MSG_TRUNC);
                message.address.as_ref().filter(|_| whole).and_then(address).map(|at| (at, message.bytes))
            })),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            // What a datagram of ours met elsewhere; it's of no matter to those that come.
            Err(error) => tracing::debug!(%error, "nothing was received"),
        }
        self.received.len()
    }

    /// One of those that were received: none if it was too long.
    pub(super) fn datagram(&self, index: usize) -> Option<(SocketAddr, &[u8])> {
        let (from, length) = (*self.received.get(index)?)?;
        Some((from, self.buffers[index].get(..length)?))
    }

    /// Puts a datagram among those that are to be sent. Linux takes IPv4's addresses for a socket of both families, too.
    pub(super) fn send(&mut self, to: SocketAddr, datagram: Vec<u8>) {
        self.outgoing.push((to, datagram));
    }

    /// Sends all that is to be sent. How many were, and how many were lost: to a peer that can't be reached, or
    /// where the kernel has no more room.
    pub(super) fn flush(&mut self) -> (usize, usize) {
        let outgoing = std::mem::take(&mut self.outgoing);
        let (mut sent, mut lost, mut waited) = (0, 0, false);
        while sent + lost < outgoing.len() {
            let rest = &outgoing[sent + lost..];
            let rest = &rest[..rest.len().min(BATCH)];
            match self.send_batch(rest) {
                Ok(number @ 1..) => sent += number,
                Ok(_) => lost += 1,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN | Errno::ENOBUFS) if !waited => {
                    self.wait_for_room();
                    waited = true;
                }
                Err(Errno::EAGAIN | Errno::ENOBUFS) => lost = outgoing.len() - sent,
                Err(_) => lost += 1,
            }
        }
        // Its room is used again.
        self.outgoing = outgoing;
        self.outgoing.clear();
        (sent, lost)
    }

    fn send_batch(&mut self, datagrams: &[(SocketAddr, Vec<u8>)]) -> nix::Result<usize> {
        let slices: Vec<_> = datagrams.iter().map(|(_, datagram)| [IoSlice::new(datagram)]).collect();
        let addresses: Vec<_> = datagrams.iter().map(|(to, _)| Some(SockaddrStorage::from(*to))).collect();
        let none = MsgFlags::MSG_DONTWAIT;
        let fd = self.socket.as_raw_fd();
        Ok(sendmmsg(fd, &mut self.sending, slices.iter(), &addresses, [], none)?.count())
    }

    /// Waits a moment for the kernel to have sent something.
    fn wait_for_room(&self) {
        // Whether it has, the next attempt tells.
        let _ = poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLOUT)], MOST_WAIT);
    }
}

/// An address as it is everywhere else: IPv4's as such.
fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddr::V4(SocketAddrV4::new(v4.ip(), v4.port())));
    }
    let v6 = storage.as_sockaddr_in6()?;
    match v6.ip().to_ipv4_mapped() {
        Some(ip) => Some(SocketAddr::new(IpAddr::V4(ip), v6.port())),
        None => Some(SocketAddr::V6(SocketAddrV6::new(v6.ip(), v6.port(), 0, v6.scope_id()))),
    }
}
