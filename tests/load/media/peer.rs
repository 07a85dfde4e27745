//! One client: real ICE, DTLS and SRTP. What it hears is counted by the packets' headers, which are in clear, so that
//! the clients don't cost more than the server; the one whose ear is measured decrypts.

use std::{
    collections::HashMap,
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    sync::LazyLock,
    time::Instant,
};

use anyhow::Context;
use hdrhistogram::Histogram;
use str0m::{
    Candidate, Event, Input, Output, Rtc, RtcConfig,
    change::{SdpAnswer, SdpOffer, SdpPendingOffer},
    media::{Direction, MediaKind, Mid},
    net::{Protocol, Receive},
    rtp::{ExtensionValues, RtpWrite},
};

/// Lines to receive on; as many as the server has slots.
const LINES: usize = 10;
/// Of Opus at 32 kbit/s for 20 ms: 80 bytes, of which the first 8 say when they were said.
const PAYLOAD: usize = 80;
/// Samples in a packet, at 48 kHz.
const SAMPLES: u32 = 960;
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A client's half of a session, before it has an answer.
pub(super) struct Offering {
    rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    mouth: Mid,
    offer: SdpOffer,
    pending: SdpPendingOffer,
}

impl Offering {
    /// Offers to send on one line and to receive on ten.
    pub(super) fn new() -> anyhow::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let config = RtcConfig::new().clear_codecs().enable_opus(true, false).set_rtp_mode(true);
        let mut rtc = config.build(Instant::now());
        rtc.add_local_candidate(Candidate::host(address, "udp")?);
        let mut sdp = rtc.sdp_api();
        let mouth = sdp.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        for _ in 0..LINES {
            sdp.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        }
        let (offer, pending) = sdp.apply().context("nothing to offer")?;
        Ok(Self { rtc, socket, address, mouth, offer, pending })
    }

    pub(super) fn sdp(&self) -> String {
        self.offer.to_sdp_string()
    }

    /// With the answer it can connect.
    pub(super) fn accept(mut self, answer: &str) -> anyhow::Result<Peer> {
        let answer = SdpAnswer::from_sdp_string(answer)?;
        self.rtc.sdp_api().accept_answer(self.pending, answer)?;
        Ok(Peer {
            connected: false,
            hears_words: false,
            latency: Peer::no_latency(),
            rtc: self.rtc,
            socket: self.socket,
            address: self.address,
            due: Instant::now(),
            mouth: self.mouth,
            said: 0,
            lines: HashMap::new(),
        })
    }
}

/// A client.
pub(super) struct Peer {
    pub(super) connected: bool,
    /// Whether it decrypts what it hears, and tells how old that is.
    pub(super) hears_words: bool,
    pub(super) latency: Histogram<u64>,
    rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    due: Instant,
    mouth: Mid,
    said: u32,
    /// By SSRC.
    lines: HashMap<u32, Line>,
}

/// What came on a line, by sequence numbers.
struct Line {
    first: u64,
    last: u64,
    came: u64,
}

impl Line {
    fn new(sequence: u16) -> Self {
        Self { first: u64::from(sequence), last: u64::from(sequence), came: 1 }
    }

    fn comes(&mut self, sequence: u16) {
        // The last 16 bits of what was counted.
        let ahead = sequence.wrapping_sub(self.last as u16) as i16;
        self.last += u64::try_from(ahead).unwrap_or_default();
        self.came += 1;
    }

    fn missing(&self) -> u64 {
        (self.last - self.first + 1).saturating_sub(self.came)
    }
}

impl Peer {
    /// From a microsecond to a minute.
    pub(super) fn no_latency() -> Histogram<u64> {
        Histogram::new_with_bounds(1, 60_000_000, 3)
            .unwrap_or_else(|_| unreachable!("the bounds are in order"))
    }

    /// Says one packet of 20 ms.
    pub(super) fn say(&mut self) -> anyhow::Result<()> {
        self.said += 1;
        let mut payload = [0; PAYLOAD];
        payload[..8].copy_from_slice(&micros().to_be_bytes());
        let pt = self.rtc.codec_config().params().first().context("no codec")?.pt();
        let extensions =
            ExtensionValues { audio_level: Some(-20), voice_activity: Some(true), ..Default::default() };
        let (now, sequence, timestamp) = (Instant::now(), u64::from(self.said), self.said * SAMPLES);
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(self.mouth, None).context("no line to speak on")?;
        stream.write_rtp(
            RtpWrite::new(pt, sequence.into(), timestamp, now, payload.as_slice()).ext_vals(extensions),
        );
        self.drain()?;
        self.rtc.handle_input(Input::Timeout(now))?;
        self.drain()
    }

    /// Takes what came, and lets time go on. Whether anything came.
    pub(super) fn turn(&mut self) -> anyhow::Result<bool> {
        let mut datagram = [0; 2_000];
        let mut came = false;
        loop {
            match self.socket.recv_from(&mut datagram) {
                Ok((length, source)) => {
                    came = true;
                    self.receive(source, &datagram[..length])?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        if self.due <= Instant::now() {
            self.rtc.handle_input(Input::Timeout(Instant::now()))?;
            self.drain()?;
        }
        Ok(came)
    }

    pub(super) fn forget(&mut self) {
        self.lines.clear();
        self.latency.reset();
    }

    /// Packets that came, and those missing between them.
    pub(super) fn counts(&self) -> (u64, u64) {
        let lines = self.lines.values();
        lines.fold((0, 0), |(came, lost), line| (came + line.came, lost + line.missing()))
    }

    fn receive(&mut self, source: SocketAddr, datagram: &[u8]) -> anyhow::Result<()> {
        if let Some((ssrc, sequence)) = rtp(datagram) {
            self.lines
                .entry(ssrc)
                .and_modify(|line| line.comes(sequence))
                .or_insert_with(|| Line::new(sequence));
            if !self.hears_words {
                return Ok(());
            }
        }
        let receive = Receive::new(Protocol::Udp, source, self.address, datagram)?;
        self.rtc.handle_input(Input::Receive(Instant::now(), receive))?;
        self.drain()
    }

    fn drain(&mut self) -> anyhow::Result<()> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(due) => {
                    self.due = due;
                    return Ok(());
                }
                Output::Transmit(transmit) => {
                    self.socket.send_to(&transmit.contents, transmit.destination)?;
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(packet)) => {
                    let said = packet.payload.first_chunk().map_or(0, |said| u64::from_be_bytes(*said));
                    self.latency.record(micros().saturating_sub(said).max(1))?;
                }
                Output::Event(_) => {}
            }
        }
    }
}

/// Since this process began, in microseconds.
fn micros() -> u64 {
    u64::try_from(BEGINNING.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// SSRC and sequence number of an RTP packet (RFC 3550); none for STUN, DTLS and RTCP (RFC 7983, RFC 5761).
fn rtp(datagram: &[u8]) -> Option<(u32, u16)> {
    let (head, _) = datagram.split_first_chunk::<12>()?;
    let is_rtp = (128..192).contains(&head[0]) && !(192..224).contains(&head[1]);
    is_rtp.then(|| {
        (u32::from_be_bytes([head[8], head[9], head[10], head[11]]), u16::from_be_bytes([head[2], head[3]]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_counted_over_the_wrap() {
        let mut line = Line::new(65_534);
        [65_535, 1, 0, 4].into_iter().for_each(|sequence| line.comes(sequence));
        assert_eq!((line.came, line.missing()), (5, 2));
    }

    #[test]
    fn rtp_is_told_from_what_else_comes() {
        let packet = |first, second| [first, second, 1, 2, 0, 0, 0, 0, 0, 0, 0, 7];
        assert_eq!(rtp(&packet(0x80, 0xef)), Some((7, 258)), "with the marker");
        assert_eq!(
            [rtp(&packet(0x80, 200)), rtp(&packet(0, 1)), rtp(&packet(22, 254)), rtp(&[0x80])],
            [None; 4]
        );
    }
}
