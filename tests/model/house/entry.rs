//! The model of who is logged in, and of one room per user: whichever entry came last.

use gochat_domain::RoomId;
use gochat_proto::model::{Commit, LeaveReason, Place, Refusal, RoomOpened, event::Kind};

use super::room::{Moment, OnStage, Room, Told};
use super::stay::Newcomer;
use super::{House, MEMBERS, SEATS, SESSION, Session};
use crate::act::{Act, Answer, Answered, Deed};

/// What a room takes that asks for so many.
fn within(asked: u32, (usual, most): (u32, u32)) -> u32 {
    if asked == 0 { usual } else { asked.min(most) }
}

impl House {
    /// Takes a name, which nobody else who is logged in may bear.
    pub(super) fn log_in(&mut self, by: usize, nick: &str) -> Answered {
        let bears = |session: &Session| session.nick.to_lowercase() == nick.to_lowercase();
        let others = self.users.iter().enumerate().filter(|(who, _)| *who != by);
        if others.filter_map(|(_, user)| user.session.as_ref()).any(bears) {
            return Err(Refusal::NickNameInUse);
        }
        let ends = self.chance.before + SESSION;
        self.users[by].session = Some(Session { nick: nick.to_owned(), ends });
        Ok(Answer::LoggedIn(self.users[by].uid))
    }

    pub(super) fn log_out(&mut self, by: usize) -> Answer {
        if let Some((entry, Some(room))) = self.users[by].held {
            self.leave_entry(by, room, entry, LeaveReason::LoggedOut);
        }
        let user = &mut self.users[by];
        (user.session, user.held) = (None, None);
        Answer::Done
    }

    /// Renews session and lease, and makes neither.
    pub(super) fn heartbeat(&mut self, by: usize, asked: Option<RoomId>) -> Answered {
        let now = self.chance.before;
        let (uid, held) = (self.users[by].uid, self.users[by].held);
        if let Some(session) =
            self.users[by].session.as_mut().filter(|session| session.ends - now < SESSION / 2)
        {
            session.ends = now + SESSION;
        }
        match (held, asked) {
            (Some((entry, Some(room))), None) => {
                Ok(self.renew(room, uid, entry).unwrap_or(Answer::Staying(None)))
            }
            (Some((entry, Some(room))), Some(asked)) if room == asked => self.renew(room, uid, entry),
            (_, Some(asked)) => self.renew(asked, uid, 0),
            (_, None) => Ok(Answer::Staying(None)),
        }
    }

    fn newcomer(&self, by: usize, client: &str, entry: u64) -> Newcomer {
        let user = &self.users[by];
        let nick = user.session.as_ref().map(|session| session.nick.clone()).unwrap_or_default();
        Newcomer { uid: user.uid, nick, client: client.to_owned(), entry }
    }

    /// The number of an entry is chance's; none is given twice, and a later one is higher.
    fn entry_in(&mut self, by: usize, room: Option<RoomId>) -> u64 {
        let name = room.map(|room| room.to_string());
        let commit = self.chance.commits.iter().find(|commit| Some(&commit.room_id) == name.as_ref());
        let entry = commit.and_then(entered);
        let entry = entry.unwrap_or_default();
        if commit.is_some() && entry <= self.users[by].number {
            self.objects(format!("entry {entry} does not come after {}", self.users[by].number));
        }
        entry
    }

    pub(super) fn create(&mut self, deed: &Deed) -> Answered {
        let key = deed.once.clone().map(|id| (deed.by, id));
        let before = key.as_ref().and_then(|key| self.opened_by.get(key)).cloned().unwrap_or_default();
        for room in before.into_iter().filter(|room| self.find(*room).is_some()) {
            if let Some(answered) = self.remembered(deed, room) {
                return self.settled(deed.by, room, answered?);
            }
        }
        let Act::Create { subject, client, members, seats } = &deed.act else {
            return Err(Refusal::Internal);
        };
        let id = self.chance.opened.unwrap_or(RoomId::from_number(0));
        let entry = self.entry_in(deed.by, Some(id));
        let newcomer = self.newcomer(deed.by, client, entry);
        let limits = (within(*members, MEMBERS), within(*seats, SEATS));
        let answer = self.open(id, newcomer, subject, limits);
        self.users[deed.by].number = entry;
        if let Some(key) = key {
            self.opened_by.entry(key).or_default().push(id);
        }
        self.remember(deed, id, &answer);
        self.settled(deed.by, id, answer)
    }

    /// Opens a room, whose creator enters as host, on stage, microphone on.
    fn open(&mut self, id: RoomId, host: Newcomer, subject: &str, (members, seats): (u32, u32)) -> Answer {
        let (created_at, at, tag) = self
            .chance
            .commits
            .iter()
            .find(|commit| commit.room_id == id.to_string())
            .map_or((0, 0, 0), |commit| (created_at(commit), commit.committed_at, commit.tag));
        if self.rooms.iter().any(|room| room.id == id || room.created_at == created_at) {
            self.objects(format!("{id}, created at {created_at}, is not the only one"));
        }
        let mut room = Room {
            id,
            subject: subject.to_owned(),
            created_at,
            host: host.uid,
            host_name: host.nick.clone(),
            hand_overs: 0,
            most_members: members,
            seats,
            closing: None,
            gone: false,
            place: Place::default(),
            shown: 0,
            roster_revision: 0,
            members: Default::default(),
            bans: Default::default(),
            invitations: Default::default(),
            hands_lowered_at: 0,
            due: Default::default(),
            kept: Default::default(),
        };
        let moment = Moment { at, revision: 1 };
        let stage = OnStage { at, revision: 0, muted_by_self: false, muted_by_host: false };
        let joined = room.put(&host, Some(stage), moment);
        let opened = Kind::RoomOpened(RoomOpened { room: Some(room.shown_room()) });
        let told = Told::by(&room.members[&host.uid]).all(opened).all(joined);
        let commit = room.commit(moment, tag, told);
        let answer = Answer::Entered {
            place: room.place,
            room: room.shown_room(),
            member: room.shown_member(host.uid),
        };
        self.told.push(commit);
        self.rooms.push(room);
        answer
    }

    pub(super) fn join(&mut self, deed: &Deed, id: RoomId, client: &str) -> Answered {
        if let Some(answered) = self.remembered(deed, id) {
            return self.settled(deed.by, id, answered?);
        }
        self.find_open(id)?;
        let entry = self.entry_in(deed.by, Some(id));
        let newcomer = self.newcomer(deed.by, client, entry);
        let rejects = self.settings.rejects;
        let (place, _) = match self.commit(id, |room, moment| room.join(&newcomer, rejects, moment)) {
            Err(Refusal::AlreadyInRoom) => return self.take_up(deed.by, id, client),
            joined => joined?,
        };
        self.users[deed.by].number = entry;
        let room = self.find_open(id)?;
        let answer =
            Answer::Entered { place, room: room.shown_room(), member: room.shown_member(newcomer.uid) };
        self.remember(deed, id, &answer);
        self.settled(deed.by, id, answer)
    }

    /// Who is in a room by the same client, but doesn't hold it (the session ended before the
    /// lease), holds it again; else they are already in the room.
    fn take_up(&mut self, by: usize, id: RoomId, client: &str) -> Answered {
        let room = self.find_open(id)?;
        let member = room.member(self.users[by].uid)?;
        if member.client != client || self.users[by].held == Some((member.entry, Some(id))) {
            return Err(Refusal::AlreadyInRoom);
        }
        let answer =
            Answer::Entered { place: room.place, room: room.shown_room(), member: room.show(member) };
        self.settled(by, id, answer)
    }

    /// Makes an entry the one that is held, and ends whichever lost.
    fn settled(&mut self, by: usize, id: RoomId, answer: Answer) -> Answered {
        let Answer::Entered { member, .. } = &answer else { return Ok(answer) };
        let entry = member.entry;
        let held = self.users[by].held;
        if held == Some((entry, Some(id))) {
            return Ok(answer);
        }
        if held.is_some_and(|(floor, _)| floor >= entry) {
            self.leave_entry(by, id, entry, LeaveReason::Replaced);
            return Err(Refusal::Conflict);
        }
        self.users[by].held = Some((entry, Some(id)));
        match held {
            Some((former, Some(before))) if before != id => {
                self.leave_entry(by, before, former, LeaveReason::Replaced);
            }
            _ => {}
        }
        Ok(answer)
    }

    fn leave_entry(&mut self, by: usize, id: RoomId, entry: u64, reason: LeaveReason) {
        let uid = self.users[by].uid;
        // A room that is closed has been left.
        let _ = self.commit(id, |room, moment| room.leave(uid, entry, reason, moment));
    }

    /// Gives up what is held, if it is this room, then leaves it. What was answered before is
    /// answered again, and nothing is given up.
    pub(super) fn leave(&mut self, deed: &Deed, id: RoomId) -> Answered {
        if let Some(answered) = self.remembered(deed, id) {
            return answered;
        }
        let user = &mut self.users[deed.by];
        let uid = user.uid;
        let entry = match user.held {
            Some((entry, Some(held))) if held == id => entry,
            Some((entry, None)) => entry,
            _ => 0,
        };
        user.held = user.held.map(|(number, held)| (number, held.filter(|held| *held != id)));
        let (place, written) =
            self.commit(id, |room, moment| room.leave(uid, entry, LeaveReason::Left, moment))?;
        let answer = Answer::Place(place);
        if written {
            self.remember(deed, id, &answer);
        }
        Ok(answer)
    }
}

/// The entry of whoever joined last in a commit.
fn entered(commit: &Commit) -> Option<u64> {
    let mut joined = commit.events.iter().filter_map(|event| match &event.kind {
        Some(Kind::MemberJoined(joined)) => joined.member.as_ref(),
        _ => None,
    });
    joined.next_back().map(|member| member.entry)
}

fn created_at(commit: &Commit) -> i64 {
    let opened = commit.events.iter().find_map(|event| match &event.kind {
        Some(Kind::RoomOpened(opened)) => opened.room.as_ref(),
        _ => None,
    });
    opened.map_or(0, |room| room.created_at)
}
