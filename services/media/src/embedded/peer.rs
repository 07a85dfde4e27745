//! One session's side of the engine: a client's WebRTC state, fed with datagrams and time.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use str0m::{
    Event, Input, Output, Rtc, RtcError,
    media::{Mid, Pt},
    net::{Protocol, Receive},
    rtp::{ExtensionValues, RtpPacket, RtpWrite, Ssrc},
};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    bucket::Bucket,
    offer::Agreed,
    rewrite::{Line, Run},
};
use crate::engine::Place;

/// Within this a client must have come, DTLS included.
pub(super) const COMES_WITHIN: Duration = Duration::from_secs(10);
/// A client that is silent for so long is gone; browsers check every few seconds that the way is open.
pub(super) const SILENT_FOR: Duration = Duration::from_secs(15);
/// Addresses of a client that are known at a time: those of its networks, and of a NAT that changed its mind.
const MOST_ADDRESSES: usize = 8;
/// Checks from addresses that aren't known as the client's, each second and at once.
const CHECKS: (u32, u32) = (20, 40);
/// Networks and sources of sound that a client may change to at once; in the long run, one a minute. The library remembers
/// all of them.
const CHANGES: (Duration, u32) = (Duration::from_secs(60), 64);
/// How often a session may ask for more time at the same moment.
const MOST_TURNS: usize = 16;

/// A datagram that tests make a session panic with.
#[cfg(test)]
pub(super) const POISON: &[u8] = b"\x80poison";

/// Where a listener hears a slot.
pub(super) struct Ear {
    pub(super) mid: Mid,
    pub(super) ssrc: Ssrc,
    pub(super) pt: Pt,
    pub(super) line: Line,
}

/// A packet of somebody's sound on its way to a listener.
#[derive(Clone)]
pub(super) struct Voice {
    pub(super) slot: u32,
    pub(super) run: Run,
    pub(super) packet: Arc<RtpPacket>,
}

/// What came of the work on a session.
#[derive(Default)]
pub(super) struct Came {
    /// To be sent.
    pub(super) datagrams: Vec<(SocketAddr, Vec<u8>)>,
    /// What its client said.
    pub(super) packets: Vec<RtpPacket>,
    /// The client proved that it is at this address.
    pub(super) proved: Option<SocketAddr>,
    pub(super) connected: bool,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Its client didn't come.
    Late,
    /// Its client said goodbye, or nothing any more, or what can't be.
    Gone,
}

/// A session.
pub(super) struct Peer {
    pub(super) place: Place,
    pub(super) session: String,
    pub(super) ufrag: String,
    /// Proven, the oldest first.
    pub(super) addresses: VecDeque<SocketAddr>,
    /// What it is going to hear.
    pub(super) outbox: Vec<Voice>,
    /// What may come from its addresses, before anything is deciphered.
    pub(super) packets: Bucket,
    /// What may come in its name from anywhere else.
    pub(super) checks: Bucket,
    /// What its client may change of itself.
    changes: Bucket,
    /// The source of its last sound.
    source: Option<Ssrc>,
    /// When it wants to be worked on without cause.
    pub(super) due: Instant,
    rtc: Rtc,
    ears: Vec<Ear>,
    connected: bool,
    /// When its client was last known to be there.
    alive: Instant,
    _counted: OwnedSemaphorePermit,
}

impl Peer {
    pub(super) fn new(
        place: Place,
        agreed: Agreed,
        packets: Bucket,
        counted: OwnedSemaphorePermit,
        now: Instant,
    ) -> Self {
        Self {
            place,
            session: agreed.session,
            ufrag: agreed.ufrag,
            addresses: VecDeque::new(),
            outbox: Vec::new(),
            packets,
            checks: Bucket::new(CHECKS.0, CHECKS.1, now),
            changes: Bucket::every(CHANGES.0, CHANGES.1, now),
            source: None,
            due: now,
            rtc: agreed.rtc,
            ears: agreed.lines,
            connected: false,
            alive: now,
            _counted: counted,
        }
    }

    /// Takes a datagram. Those that aren't its client's, or are damaged, change nothing; false where it
    /// is nothing that WebRTC knows.
    ///
    /// # Errors
    /// Where the session is over.
    pub(super) fn receive(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        datagram: &[u8],
        now: Instant,
        came: &mut Came,
    ) -> Result<bool, Over> {
        #[cfg(test)]
        assert_ne!(datagram, POISON, "as a fault would");
        let Ok(receive) = Receive::new(Protocol::Udp, from, to, datagram) else { return Ok(false) };
        // An error is the datagram's, which anybody may have sent in the client's name: it ends nothing.
        let understood = self.rtc.handle_input(Input::Receive(now, receive)).is_ok();
        let (sent, heard) = (came.datagrams.len(), came.packets.len());
        self.drain(came)?;
        let proof = |(at, datagram): &(SocketAddr, Vec<u8>)| *at == from && is_success(datagram);
        if came.datagrams[sent..].iter().any(proof) {
            came.proved = Some(from);
        }
        if came.proved.is_some() || came.packets.len() > heard {
            self.alive = now;
        }
        let moved = came.proved.is_some_and(|address| !self.addresses.contains(&address));
        let source = came.packets[heard..].last().map(|packet| packet.header.ssrc).or(self.source);
        let changed = std::mem::replace(&mut self.source, source) != source;
        if (moved || changed) && !self.changes.take(now) {
            return Err(Over::Gone);
        }
        Ok(understood)
    }

    /// Does what is to be done: writes what is to be heard, and lets time go on.
    ///
    /// # Errors
    /// Where the session is over.
    pub(super) fn step(&mut self, now: Instant, came: &mut Came) -> Result<(), Over> {
        let mut outbox = std::mem::take(&mut self.outbox);
        for voice in outbox.drain(..) {
            self.write(&voice, now);
        }
        self.outbox = outbox;
        self.drain(came)?;
        let mut turns = 0;
        while self.due <= now && turns < MOST_TURNS {
            self.rtc.handle_input(Input::Timeout(now)).map_err(gone)?;
            self.drain(came)?;
            turns += 1;
        }
        if self.due <= now {
            self.due = now + Duration::from_millis(1);
        }
        self.due = self.due.min(self.over_at());
        match now >= self.over_at() {
            true if self.connected => Err(Over::Gone),
            true => Err(Over::Late),
            false => Ok(()),
        }
    }

    /// Says goodbye to its client.
    pub(super) fn close(&mut self, came: &mut Came) {
        if self.rtc.close().is_ok() {
            // It is over in any case.
            let _ = self.drain(came);
        }
    }

    /// Notes an address that was proven. Which one, the oldest, is not known any more for that.
    pub(super) fn prove(&mut self, address: SocketAddr) -> Option<SocketAddr> {
        self.addresses.push_back(address);
        (self.addresses.len() > MOST_ADDRESSES).then(|| self.addresses.pop_front()).flatten()
    }

    /// Whether its client was there a moment ago, so that nobody takes its addresses.
    pub(super) fn is_lively(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.alive) < SILENT_FOR / 3
    }

    fn over_at(&self) -> Instant {
        self.alive + if self.connected { SILENT_FOR } else { COMES_WITHIN }
    }

    fn write(&mut self, voice: &Voice, now: Instant) {
        let Some(ear) = self.ears.get_mut(voice.slot as usize).filter(|_| self.connected) else { return };
        let RtpPacket { seq_no, header, payload, .. } = &*voice.packet;
        let Some(stamp) = ear.line.carry(voice.run, **seq_no, header.timestamp, now) else { return };
        let mut direct = self.rtc.direct_api();
        let Some(stream) = direct.stream_tx(&ear.ssrc) else { return };
        let extensions = ExtensionValues {
            audio_level: header.ext_vals.audio_level,
            voice_activity: header.ext_vals.voice_activity,
            ..Default::default()
        };
        let write = RtpWrite::new(ear.pt, stamp.sequence.into(), stamp.timestamp, now, payload.clone())
            .marker(header.marker || stamp.begins)
            .ext_vals(extensions);
        stream.write_rtp(write);
    }

    /// Takes what the session has to say, until it has to wait.
    fn drain(&mut self, came: &mut Came) -> Result<(), Over> {
        loop {
            match self.rtc.poll_output().map_err(gone)? {
                Output::Timeout(due) => {
                    self.due = due;
                    return if self.rtc.is_alive() { Ok(()) } else { Err(Over::Gone) };
                }
                Output::Transmit(transmit) => {
                    came.datagrams.push((transmit.destination, transmit.contents.into()));
                }
                Output::Event(Event::RtpPacket(packet)) => came.packets.push(packet),
                Output::Event(Event::Connected) => {
                    self.connected = true;
                    came.connected = true;
                }
                Output::Event(_) => {}
            }
        }
    }
}

fn gone(error: RtcError) -> Over {
    tracing::debug!(%error, "a session can't go on");
    Over::Gone
}

/// Whether a datagram is STUN's answer that a check was good: it is given where the check was signed by
/// the client of this session.
fn is_success(datagram: &[u8]) -> bool {
    datagram.starts_with(&[1, 1]) && datagram.get(4..8) == Some(&[0x21, 0x12, 0xa4, 0x42])
}
