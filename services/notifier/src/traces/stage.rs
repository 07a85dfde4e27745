//! A Redis, a node and a client whose reads and messages a test hands over one by one.

use std::sync::Arc;

use gochat_proto::{
    model::{
        Commit, Event, Invitation, InvitationSent, Member, MemberChanged, MemberJoined, Place, Role, Room,
        event::Kind,
    },
    notifier::{KeepAlive, subscribe_response::Frame as Out},
    view::RoomView,
};
use gochat_store::{Answer, Mark, Mechanisms, Read, Snapshot, Track};
use tokio::{
    sync::{
        broadcast::{Receiver, Sender},
        oneshot,
    },
    time::Instant,
};

use crate::{
    session::{Session, Taken},
    view::{Ask, Frame, Joined, View},
};

pub(super) const HOST: u32 = 1;
pub(super) const LISTENER: u32 = 2;

/// The host's record is changed; the number tells changes apart.
pub(super) fn changed(number: u64) -> Event {
    let member = Member { joined_at: number as i64, ..host() };
    let changed = MemberChanged { member: Some(member), ..MemberChanged::default() };
    Event { to: vec![], kind: Some(Kind::MemberChanged(changed)) }
}

pub(super) fn joined(uid: u32) -> Event {
    let member = Some(Member { uid, entry: 1, role: Role::Listener.into(), ..Member::default() });
    Event { to: vec![], kind: Some(Kind::MemberJoined(MemberJoined { member })) }
}

pub(super) fn invited(uid: u32) -> Event {
    let invitation = Invitation { target_uid: uid, token: "secret".to_owned(), ..Invitation::default() };
    let sent = InvitationSent { invitation: Some(invitation) };
    Event { to: vec![uid], kind: Some(Kind::InvitationSent(sent)) }
}

fn host() -> Member {
    Member { uid: HOST, entry: 1, role: Role::Host.into(), on_stage_at: 1, ..Member::default() }
}

/// A room's history as Redis has it.
#[derive(Clone)]
pub(super) struct Redis {
    view: RoomView,
    log: Vec<Commit>,
    shown: u64,
}

impl Redis {
    /// A room with a host and a listener, at revision 1.
    pub(super) fn opened() -> Self {
        let room = Room { host_uid: HOST, ..Room::default() };
        let mut redis = Self { view: RoomView { room, ..RoomView::default() }, log: vec![], shown: 0 };
        redis.commit(vec![joined(HOST), changed(0), joined(LISTENER)]);
        redis
    }

    /// One more commit; gives its message.
    pub(super) fn commits(&mut self, event: Event) -> Commit {
        self.commit(vec![event])
    }

    fn commit(&mut self, events: Vec<Event>) -> Commit {
        let commit = Commit {
            revision: self.view.place.revision + 1,
            tag_before: self.view.place.tag,
            tag: rand::random(),
            after: self.shown,
            events,
            ..Commit::default()
        };
        if commit.events.iter().any(|event| event.to.is_empty()) {
            self.shown = commit.revision;
        }
        self.view.apply(&commit).unwrap();
        self.log.push(commit.clone());
        commit
    }

    /// The log is cut down to its last entries.
    pub(super) fn caps(&mut self, entries: usize) {
        self.log.drain(..self.log.len() - entries);
    }

    pub(super) fn place(&self) -> Place {
        self.view.place
    }

    /// A place that nobody holds.
    pub(super) fn somewhere(&self) -> Place {
        Place { revision: self.place().revision, tag: 1 }
    }

    fn answer(&self, read: Read) -> Answer {
        let place = self.place().into();
        match read {
            Read::Place => Answer::Place(Some(place)),
            Read::Log(held) => {
                let after = self.log.iter().filter(|commit| commit.revision > held.revision);
                Answer::Log(place, after.cloned().collect())
            }
            Read::Snapshot => {
                let snapshot = Snapshot { view: self.view.clone(), invitations: vec![], closing: None };
                Answer::Snapshot(Some(Box::new(snapshot)))
            }
        }
    }
}

/// A node's view of the room.
pub(super) struct Node {
    track: Track,
    view: View,
    frames: Sender<Frame>,
    pub(super) snapshots_read: u32,
    pub(super) logs_read: u32,
}

impl Node {
    /// One that keeps so many commits.
    pub(super) fn with_ring(most: usize) -> Self {
        let mechanisms = Mechanisms::default();
        let frames = crate::view::frames(mechanisms);
        let view = View::new(mechanisms, Box::new(move |_| most), frames.clone());
        Self { track: Track::new(mechanisms), view, frames, snapshots_read: 0, logs_read: 0 }
    }

    /// A message comes.
    pub(super) fn hears(&mut self, commit: &Commit) {
        assert!(self.track.is_steady(), "messages wait while something is read");
        self.track.message(commit.clone());
        self.goes_on();
    }

    /// A read is sent, and finds this; it is still under way.
    pub(super) fn sends(&mut self, redis: &Redis) -> Answer {
        redis.answer(self.track.send().unwrap())
    }

    pub(super) fn is_answered(&mut self, answer: Answer) {
        self.track.answer(answer);
        self.goes_on();
    }

    /// Everything that is to be read is read.
    pub(super) fn reads_all(&mut self, redis: &Redis) {
        while let Some(read) = self.track.send() {
            self.snapshots_read += u32::from(read == Read::Snapshot);
            self.is_answered(redis.answer(read));
        }
        while let Some(tail) = self.view.wants() {
            self.logs_read += 1;
            let upto = redis.log.iter().filter(|commit| commit.revision <= tail.last);
            let spare = upto.clone().count().saturating_sub(tail.most);
            self.view.read(Some(upto.skip(spare).cloned().collect()));
        }
    }

    pub(super) fn mark(&self) -> Mark {
        self.track.mark().unwrap()
    }

    /// The comparison of all views comes by, with a read that was sent when `mark` was held.
    pub(super) fn is_compared(&mut self, mark: Mark, redis: &Redis) {
        self.track.compared(mark, Some(redis.place().into()));
    }

    pub(super) fn is_at_rest(&mut self) -> bool {
        self.track.is_steady() && self.track.send().is_none()
    }

    fn goes_on(&mut self) {
        while let Some(step) = self.track.step() {
            self.view.take(step);
        }
    }
}

/// A client, and its session where it has one.
pub(super) struct Client {
    uid: u32,
    token: Option<Place>,
    asked: Option<(oneshot::Receiver<Joined>, Receiver<Frame>)>,
    session: Option<(Session, Receiver<Frame>)>,
    held: Place,
}

impl Client {
    pub(super) fn new(uid: u32) -> Self {
        Self { uid, token: None, asked: None, session: None, held: Place::default() }
    }

    /// A listener that has read its snapshot.
    pub(super) fn begins(node: &mut Node, redis: &Redis) -> Self {
        let mut client = Self::new(LISTENER);
        client.asks(node, None, None);
        node.reads_all(redis);
        assert_eq!(client.told(node).len(), 1);
        client
    }

    pub(super) fn asks(&mut self, node: &mut Node, token: Option<Place>, min: Option<Place>) {
        let frames = node.frames.subscribe();
        let (answer, answered) = oneshot::channel();
        let ask = Ask { token, min, uid: Some(self.uid), answer };
        let steady = node.track.is_steady();
        node.view.hear(ask, Instant::now(), steady, || node.track.verify());
        (self.token, self.asked) = (token, Some((answered, frames)));
    }

    pub(super) fn leaves(&mut self) {
        self.session = None;
    }

    pub(super) fn held(&self) -> Place {
        self.held
    }

    pub(super) fn keeps_alive(&mut self) -> Place {
        let (session, _) = self.session.as_mut().unwrap();
        session.keep_alive();
        let Out::KeepAlive(KeepAlive { resume_token }) = session.pop().unwrap().frame() else { panic!() };
        resume_token.parse().unwrap()
    }

    /// What came since it was last looked at.
    pub(super) fn frames(&mut self, _: &mut Node) -> Vec<Out> {
        self.is_answered();
        let Some((session, frames)) = &mut self.session else { return Vec::new() };
        while let Ok(frame) = frames.try_recv() {
            assert_eq!(session.take(&frame), Taken::Well);
        }
        self.held = session.held();
        std::iter::from_fn(|| session.pop()).map(|ready| ready.frame()).collect()
    }

    /// In words: of a snapshot, its revision and the last change in it, or who asked has come.
    pub(super) fn told(&mut self, node: &mut Node) -> Vec<String> {
        let frames = self.frames(node);
        frames.iter().filter_map(|frame| self.words(frame)).collect()
    }

    fn words(&self, frame: &Out) -> Option<String> {
        match frame {
            Out::Snapshot(part) => {
                let revision = part.place.unwrap().revision;
                let own = part.members.iter().find(|member| member.uid == self.uid && self.uid > LISTENER);
                let host = part.members.iter().find(|member| member.uid == HOST).unwrap();
                let of = own.map_or(host.joined_at, |own| own.uid.into());
                Some(format!("snapshot {revision} of {of}"))
            }
            Out::Commit(commit) => Some(format!("commit {}", commit.revision)),
            Out::Personal(_) => None,
            other => Some(format!("{other:?}")),
        }
    }

    fn is_answered(&mut self) {
        let Some((mut answered, frames)) = self.asked.take() else { return };
        let Ok(joined) = answered.try_recv() else {
            self.asked = Some((answered, frames));
            return;
        };
        let (missed, base) = match joined {
            Joined::Resumed(missed, base) => (Some(missed), base),
            Joined::Anew(base) => (None, base),
            other => panic!("{other:?}"),
        };
        let base = Arc::unwrap_or_clone(base);
        let mut session = Session::new(Mechanisms::default(), Some(self.uid), &base, false).unwrap();
        match missed {
            Some(missed) => session.resume(self.token.unwrap(), &missed, &base),
            None => session.begin(&base),
        }
        self.session = Some((session, frames));
    }
}
