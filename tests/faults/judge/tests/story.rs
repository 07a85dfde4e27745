//! A small room's history, made by hand, and records of who followed it.

use std::time::Duration;

use gochat_proto::{
    model::{
        ChangeCause, Commit, Event, HandsLowered, Invitation, InvitationSent, InvitationWithdrawn,
        LeaveReason, Member, MemberChanged, MemberJoined, MemberLeft, Place, Role, Room, RoomClosed,
        RoomOpened, event::Kind,
    },
    notifier::{
        Goodbye, GoodbyeReason, KeepAlive, Personal, Roster, SnapshotPart, subscribe_response::Frame,
    },
};

use crate::{
    history::{History, ORIGIN},
    record::{End, Got, Record, What},
};

pub(super) const ROOM: &str = "100000001";
/// Who follows in most records: a listener who is invited and steps on stage.
pub(super) const ME: u32 = 2;

/// A log that grows.
#[derive(Clone, Default)]
pub(super) struct Story {
    pub(super) log: Vec<Commit>,
    /// Tells the tags of this history from another's.
    branch: u64,
}

impl Story {
    /// 1 opened by its host, uid 1; 2 I enter; 3 uid 3 enters; 4 I am invited; 5 uid 3 is invited; 6 uid 4 enters;
    /// 7 and raises a hand; 8 I step on stage; 9 uid 3's invitation is withdrawn.
    pub(super) fn told() -> Self {
        let mut story = Self::opened();
        for uid in [ME, 3] {
            story.then(vec![joined(uid)]);
        }
        story.then(invited(ME));
        story.then(invited(3));
        story.then(vec![joined(4)]);
        story.then(vec![changed(Member { hand_raised_at: 7, ..listener(4) }, ChangeCause::HandRaised)]);
        story.then(vec![changed(on_stage(ME), ChangeCause::InvitationAccepted)]);
        let withdrawn = Kind::InvitationWithdrawn(InvitationWithdrawn { target_uid: 3 });
        story.then(vec![event(&[3, 1], withdrawn)]);
        story
    }

    /// Only just opened.
    pub(super) fn opened() -> Self {
        let mut story = Self::default();
        let room =
            Room { room_id: ROOM.to_owned(), host_uid: 1, host_name: "user 1".to_owned(), ..Room::default() };
        let opened = Kind::RoomOpened(RoomOpened { room: Some(room) });
        let host = Member { role: Role::Host.into(), on_stage_at: 1, ..listener(1) };
        let entered = Kind::MemberJoined(MemberJoined { member: Some(host) });
        story.then(vec![event(&[], opened), event(&[], entered)]);
        story
    }

    /// What Redis tells after it went back to a revision, and on from there.
    pub(super) fn back_to(&self, revision: usize) -> Self {
        Self { log: self.log[..revision].to_vec(), branch: self.branch + 1 }
    }

    /// The next commit.
    pub(super) fn then(&mut self, events: Vec<Event>) -> Place {
        let before = self.log.last().map_or(ORIGIN, Commit::place);
        let public = |commit: &&Commit| commit.events.iter().any(|event| event.to.is_empty());
        let revision = before.revision + 1;
        self.log.push(Commit {
            revision,
            after: self.log.iter().rfind(public).map_or(0, |commit| commit.revision),
            tag: self.branch * 1_000 + revision * 10,
            tag_before: before.tag,
            room_id: ROOM.to_owned(),
            operator_uid: 1,
            events,
            ..Commit::default()
        });
        self.head()
    }

    pub(super) fn head(&self) -> Place {
        self.place(self.log.len())
    }

    pub(super) fn place(&self, revision: usize) -> Place {
        self.log[revision - 1].place()
    }

    /// Read once.
    pub(super) fn history(&self) -> History {
        let mut history = History::default();
        history.add(ROOM, self.log.clone());
        history
    }

    /// A commit, with those of its events that are named.
    pub(super) fn commit(&self, revision: usize, events: &[usize]) -> What {
        let commit = self.log[revision - 1].clone();
        let events = events.iter().map(|at| commit.events[*at].clone()).collect();
        What::Frame(Frame::Commit(Commit { events, ..commit }))
    }

    /// A whole snapshot in so many parts, and the Personal.
    pub(super) fn snapshot(&self, revision: usize, parts: usize, personal: Personal) -> Vec<What> {
        let place = self.place(revision);
        let view = self.history().room(ROOM).unwrap().state(place).unwrap().view.clone();
        let mut frames: Vec<SnapshotPart> = (0..parts)
            .map(|_| SnapshotPart {
                place: Some(place),
                member_count: view.room.member_count,
                ..SnapshotPart::default()
            })
            .collect();
        frames[0].room = Some(view.room.clone());
        frames[0].hands.clone_from(&view.hands);
        frames[0].stage.clone_from(&view.stage);
        for (at, uid) in view.roster.iter().enumerate() {
            frames[at * parts / view.roster.len()].members.push(view.members[uid].clone());
        }
        frames[parts - 1].last = true;
        let personal = Frame::Personal(Personal { place: Some(place), ..personal });
        frames.into_iter().map(Frame::Snapshot).chain([personal]).map(What::Frame).collect()
    }
}

pub(super) fn event(to: &[u32], kind: Kind) -> Event {
    Event { to: to.to_vec(), kind: Some(kind) }
}

pub(super) fn listener(uid: u32) -> Member {
    let entry = u64::from(uid) * 10;
    Member { uid, nick_name: format!("user {uid}"), role: Role::Listener.into(), entry, ..Member::default() }
}

pub(super) fn on_stage(uid: u32) -> Member {
    Member { role: Role::GuestSpeaker.into(), on_stage_at: 8, ..listener(uid) }
}

pub(super) fn joined(uid: u32) -> Event {
    event(&[], Kind::MemberJoined(MemberJoined { member: Some(listener(uid)) }))
}

pub(super) fn left(member: Member, reason: LeaveReason) -> Event {
    event(&[], Kind::MemberLeft(MemberLeft { member: Some(member), reason: reason.into() }))
}

pub(super) fn changed(member: Member, cause: ChangeCause) -> Event {
    event(&[], Kind::MemberChanged(MemberChanged { member: Some(member), cause: cause.into() }))
}

pub(super) fn lowered() -> Event {
    event(&[], Kind::HandsLowered(HandsLowered {}))
}

pub(super) fn closed() -> Event {
    event(&[], Kind::RoomClosed(RoomClosed::default()))
}

pub(super) fn invitation(uid: u32, token: &str) -> Invitation {
    Invitation { target_uid: uid, host_uid: 1, token: token.to_owned(), ..Invitation::default() }
}

/// To who is invited, with the token; to the host, without.
pub(super) fn invited(uid: u32) -> Vec<Event> {
    let sent = |token| Kind::InvitationSent(InvitationSent { invitation: Some(invitation(uid, token)) });
    vec![event(&[uid], sent("secret")), event(&[1], sent(""))]
}

pub(super) fn anew(min: Option<Place>) -> What {
    What::Asked { token: None, min }
}

pub(super) fn on_from(token: Place) -> What {
    What::Asked { token: Some(token), min: None }
}

pub(super) fn alive(place: Place) -> What {
    What::Frame(Frame::KeepAlive(KeepAlive { resume_token: place.to_token() }))
}

pub(super) fn goodbye(reason: GoodbyeReason, place: Place) -> What {
    let resume_token = place.to_token();
    What::Frame(Frame::Goodbye(Goodbye { reason: reason.into(), resume_token, retry_after_ms: 0 }))
}

pub(super) fn broken() -> What {
    What::Ended(End::Broken("reset".to_owned()))
}

pub(super) fn stopped() -> What {
    What::Ended(End::Stopped)
}

/// What somebody got.
pub(super) fn record(uid: Option<u32>, roster: Roster, got: Vec<What>) -> Record {
    let entry = uid.map_or(0, |uid| u64::from(uid) * 10);
    let got = got.into_iter().map(|what| Got { at: Duration::ZERO, what }).collect();
    Record { room_id: ROOM.to_owned(), uid, entry, roster, got }
}

/// What I got of a story.
pub(super) fn mine(got: Vec<What>) -> Record {
    record(Some(ME), Roster::All, got)
}
