//! All clients of a room on one thread: who is on stage says a packet every 20 ms, and everybody hears.

use std::{
    thread::park_timeout,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use gochat_proto::media::{
    CreateSessionRequest, create_session_response, media_service_client::MediaServiceClient,
};
use hdrhistogram::Histogram;
use tonic::Request;

use super::{
    peer::{Offering, Peer},
    people::People,
};
use crate::server::{Server, connect};

/// Of Opus at 32 kbit/s.
const PACKET: Duration = Duration::from_millis(20);
const CONNECTING: Duration = Duration::from_secs(60);
/// Longer than any packet is on its way.
const ARRIVING: Duration = Duration::from_millis(500);
const NOTHING_CAME: Duration = Duration::from_micros(300);

pub(super) struct Crowd {
    peers: Vec<Peer>,
    speakers: usize,
}

impl Crowd {
    /// Opens everybody's session; the last listener is the one whose ear is measured.
    pub(super) async fn open(server: &Server, people: &People) -> anyhow::Result<Self> {
        let url = server.told.media.as_ref().context("a server without media")?;
        let mut media = MediaServiceClient::new(connect(url).await?);
        let mut peers = Vec::new();
        for person in people.iter() {
            let offering = Offering::new()?;
            let (room_id, offer_sdp) = (people.room_id.clone(), offering.sdp());
            let mut asked = Request::new(CreateSessionRequest { room_id, offer_sdp });
            let token = person.token().context("a session without a token")?;
            asked.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
            match media.create_session(asked).await?.into_inner().result {
                Some(create_session_response::Result::Session(session)) => {
                    peers.push(offering.accept(&session.answer_sdp)?);
                }
                other => bail!("no session: {other:?}"),
            }
        }
        peers.last_mut().context("nobody is there")?.hears_words = true;
        Ok(Self { peers, speakers: people.speakers })
    }

    /// Until everybody is connected.
    pub(super) fn connect(&mut self) -> anyhow::Result<()> {
        let until = Instant::now() + CONNECTING;
        while !self.peers.iter().all(|peer| peer.connected) {
            ensure!(Instant::now() < until, "somebody can't connect");
            self.turn()?;
        }
        Ok(())
    }

    /// Everybody on stage speaks for so long, one after the other within each 20 ms.
    pub(super) fn speak(&mut self, length: Duration) -> anyhow::Result<()> {
        let start = Instant::now();
        let apart = PACKET / u32::try_from(self.speakers)?;
        let mut next: Vec<Instant> = (0..self.speakers).map(|at| start + apart * at as u32).collect();
        while start.elapsed() < length {
            for (speaker, due) in self.peers.iter_mut().zip(&mut next) {
                if *due <= Instant::now() {
                    *due += PACKET;
                    speaker.say()?;
                }
            }
            self.turn()?;
        }
        Ok(())
    }

    /// Takes what is still on its way.
    pub(super) fn listen(&mut self) -> anyhow::Result<()> {
        let until = Instant::now() + ARRIVING;
        while Instant::now() < until {
            self.turn()?;
        }
        Ok(())
    }

    /// Counts from here on.
    pub(super) fn forget(&mut self) {
        self.peers.iter_mut().for_each(Peer::forget);
    }

    /// Packets that came, and those missing between them.
    pub(super) fn counts(&self) -> (u64, u64) {
        let each = self.peers.iter().map(Peer::counts);
        each.fold((0, 0), |(came, lost), (more, missing)| (came + more, lost + missing))
    }

    /// From mouth to the last listener's ear, in microseconds.
    pub(super) fn latency(&mut self) -> Histogram<u64> {
        self.peers.pop().map_or_else(Peer::no_latency, |last| last.latency)
    }

    fn turn(&mut self) -> anyhow::Result<()> {
        let mut came = false;
        for peer in &mut self.peers {
            came |= peer.turn()?;
        }
        if !came {
            park_timeout(NOTHING_CAME);
        }
        Ok(())
    }
}
