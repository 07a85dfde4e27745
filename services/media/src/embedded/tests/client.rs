//! A client over loopback UDP: real ICE, DTLS and SRTP, with a microphone that says what it is told.

use std::{
    collections::HashMap,
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use gochat_domain::{Entry, RoomId, Uid};
use gochat_proto::media::{Session, create_session_response};
use str0m::{
    Candidate, Event, Input, Output, Rtc, RtcConfig,
    change::{SdpAnswer, SdpPendingOffer},
    media::{Direction, MediaKind, Mid},
    net::{Protocol, Receive},
    rtp::{ExtensionValues, RtpWrite, Ssrc},
};

use crate::{
    embedded::Embedded,
    engine::{MediaEngine, Place, Refused},
};

/// Longer than anything takes here.
const LONGEST: Duration = Duration::from_secs(20);

/// A packet that a client heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// The line it came on, of those it receives on.
    pub(super) slot: usize,
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) payload: Vec<u8>,
}

pub(super) struct Client {
    pub(super) place: Place,
    pub(super) session: Session,
    pub(super) heard: Vec<Heard>,
    pub(super) connected: bool,
    pub(super) closed: bool,
    /// Doesn't read what it is sent: it goes on, whatever it is told.
    pub(super) deaf: bool,
    pub(super) level: i8,
    rtc: Rtc,
    socket: UdpSocket,
    server: SocketAddr,
    due: Instant,
    send: Mid,
    receive: Vec<Mid>,
    lines: HashMap<Ssrc, usize>,
    sequence: u64,
    timestamp: u32,
}

pub(super) fn place(room: u64, uid: u32) -> Place {
    Place { room: RoomId::from_number(room), uid: Uid::try_from(uid).unwrap(), entry: Entry(u64::from(uid)) }
}

/// A client's half of a session, before it has an answer.
pub(super) struct Offering {
    pub(super) offer: String,
    pub(super) rtc: Rtc,
    pub(super) send: Mid,
    pub(super) receive: Vec<Mid>,
    pub(super) pending: SdpPendingOffer,
}

/// Offers to send on one line and to receive on so many.
pub(super) fn offering(address: SocketAddr, lines: usize) -> Offering {
    let config = RtcConfig::new().clear_codecs().enable_opus(true, false).set_rtp_mode(true);
    let mut rtc = config.build(Instant::now());
    rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
    let mut sdp = rtc.sdp_api();
    let send = sdp.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
    let receive =
        (0..lines).map(|_| sdp.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None)).collect();
    let (offer, pending) = sdp.apply().unwrap();
    Offering { offer: offer.to_sdp_string(), rtc, send, receive, pending }
}

impl Client {
    /// Opens a session; it isn't connected yet.
    pub(super) async fn open(engine: &Embedded, place: Place, lines: usize) -> Result<Self, Refused> {
        Self::open_at("127.0.0.1:0", engine, place, lines).await
    }

    /// The same from an address of its own.
    pub(super) async fn open_at(
        own: &str,
        engine: &Embedded,
        place: Place,
        lines: usize,
    ) -> Result<Self, Refused> {
        let socket = UdpSocket::bind(own).unwrap();
        socket.set_nonblocking(true).unwrap();
        let Offering { offer, mut rtc, send, receive, pending } =
            offering(socket.local_addr().unwrap(), lines);
        let create_session_response::Result::Session(session) = engine.create_session(place, offer).await?
        else {
            panic!("no session")
        };
        let answer = SdpAnswer::from_sdp_string(&session.answer_sdp).unwrap();
        rtc.sdp_api().accept_answer(pending, answer).unwrap();
        let server = engine.thread(place.room).addresses[0];
        Ok(Self {
            place,
            session,
            heard: Vec::new(),
            connected: false,
            closed: false,
            deaf: false,
            level: -20,
            rtc,
            socket,
            server,
            due: Instant::now(),
            send,
            receive,
            lines: HashMap::new(),
            sequence: u64::from(place.uid.get()) * 1_000,
            timestamp: place.uid.get() * 77,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// What its session goes by at the server, and what checks for that are signed with.
    pub(super) fn credentials(&self) -> (String, String) {
        let attribute = |name: &str| {
            let (_, rest) = self.session.answer_sdp.split_once(name).unwrap();
            rest.split_whitespace().next().unwrap().to_owned()
        };
        (attribute("a=ice-ufrag:"), attribute("a=ice-pwd:"))
    }

    pub(super) fn ufrag(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    /// Says one packet of 20 ms.
    pub(super) fn say(&mut self, payload: &[u8]) {
        let pt = self.rtc.codec_config().params()[0].pt();
        let (level, now) = (self.level, Instant::now());
        (self.sequence, self.timestamp) = (self.sequence + 1, self.timestamp + 960);
        let extensions =
            ExtensionValues { audio_level: Some(level), voice_activity: Some(true), ..Default::default() };
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(self.send, None).unwrap();
        let write = RtpWrite::new(pt, self.sequence.into(), self.timestamp, now, payload);
        stream.write_rtp(write.ext_vals(extensions));
        self.drain();
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.drain();
    }

    /// Leaves out a packet, as if the network had lost it.
    pub(super) fn lose(&mut self) {
        (self.sequence, self.timestamp) = (self.sequence + 1, self.timestamp + 960);
    }

    /// Sends what is no client's to the server, from its own address.
    pub(super) fn send_raw(&self, datagram: &[u8]) {
        self.socket.send_to(datagram, self.server).unwrap();
    }

    /// Takes what came, and lets time go on. Whether anything came.
    pub(super) fn turn(&mut self) -> bool {
        let mut buffer = [0; 2_000];
        let mut came = false;
        while !self.deaf {
            match self.socket.recv_from(&mut buffer) {
                Ok((length, source)) => {
                    came = true;
                    let destination = self.address();
                    let receive =
                        Receive::new(Protocol::Udp, source, destination, &buffer[..length]).unwrap();
                    self.rtc.handle_input(Input::Receive(Instant::now(), receive)).unwrap();
                    self.drain();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        if self.due <= Instant::now() {
            self.rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
            self.drain();
        }
        came
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(due) => {
                    self.due = due;
                    return;
                }
                Output::Transmit(transmit) => {
                    self.socket.send_to(&transmit.contents, transmit.destination).unwrap();
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::Closed) => self.closed = true,
                Output::Event(Event::RtpPacket(packet)) => {
                    let ssrc = packet.header.ssrc;
                    let mid = self.rtc.direct_api().stream_rx(&ssrc).map(|stream| stream.mid());
                    let line = mid.and_then(|mid| self.receive.iter().position(|known| *known == mid));
                    let slot = *self.lines.entry(ssrc).or_insert_with(|| line.unwrap());
                    self.heard.push(Heard {
                        slot,
                        sequence: *packet.seq_no,
                        timestamp: packet.header.timestamp,
                        marker: packet.header.marker,
                        payload: packet.payload.to_vec(),
                    });
                }
                Output::Event(_) => {}
            }
        }
    }

    pub(super) fn payloads(&self) -> Vec<Vec<u8>> {
        self.heard.iter().map(|heard| heard.payload.clone()).collect()
    }
}

/// Lets all clients work until something is so.
pub(super) fn drive<const N: usize>(
    mut clients: [&mut Client; N],
    what: &str,
    mut done: impl FnMut(&[&mut Client; N]) -> bool,
) {
    let end = Instant::now() + LONGEST;
    loop {
        let came = clients.iter_mut().filter_map(|client| client.turn().then_some(())).count() > 0;
        if done(&clients) {
            return;
        }
        assert!(Instant::now() < end, "{what} doesn't come about");
        if !came {
            std::thread::yield_now();
        }
    }
}

/// Lets them work until all are connected.
pub(super) fn connect<const N: usize>(clients: [&mut Client; N]) {
    drive(clients, "a connection", |clients| clients.iter().all(|client| client.connected));
}
