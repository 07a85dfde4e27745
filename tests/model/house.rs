//! The model: all rooms and users as plain facts in memory, written from what the contract and the
//! design say and not from the rules of `domain`. What it can't know (tags, entry numbers, room
//! numbers, moments) it is told by [`Chance`], and checks that it is possible.

mod entry;
mod lists;
pub(crate) mod room;
pub(crate) mod stay;
mod talk;

use std::collections::BTreeMap;

use gochat_domain::{Entry, RoomId, Uid, rules::Due};
use gochat_proto::model::{Commit, Place, Refusal};

use crate::act::{Act, Answer, Answered, Chance, Deed};
use room::{Decision, Moment, Room};
use stay::LEASE;

/// How long a session lives without a heartbeat, in milliseconds.
pub(crate) const SESSION: i64 = 750_000;

/// What a deployment may set.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Settings {
    /// A lost host's room goes to the guest speaker longest on stage.
    pub(crate) promotes: bool,
    /// A second client is refused.
    pub(crate) rejects: bool,
}

/// Members and seats of a room that doesn't ask, and the most that one may ask for.
pub(crate) const MEMBERS: (u32, u32) = (5, 6);
pub(crate) const SEATS: (u32, u32) = (2, 3);

#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) uid: Uid,
    pub(crate) session: Option<Session>,
    /// The last entry that was settled, and its room while it is held.
    pub(crate) held: Option<(u64, Option<RoomId>)>,
    /// The highest entry number that was seen.
    number: u64,
    /// Where the last page of a list ended.
    cursor: Option<(RoomId, crate::act::List, (u8, u64))>,
}

#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) nick: String,
    ends: i64,
}

#[derive(Debug)]
pub(crate) struct House {
    pub(crate) settings: Settings,
    pub(crate) users: Vec<User>,
    /// In the order in which they were opened.
    pub(crate) rooms: Vec<Room>,
    /// Which rooms a request opened, by attempt.
    opened_by: BTreeMap<(usize, String), Vec<RoomId>>,
    chance: Chance,
    /// What commits the last deed should have made.
    pub(crate) told: Vec<Commit>,
    /// What chance can't have been.
    pub(crate) impossible: Vec<String>,
}

impl House {
    pub(crate) fn new(settings: Settings, uids: &[Uid]) -> Self {
        let user = |uid: &Uid| User { uid: *uid, session: None, held: None, number: 0, cursor: None };
        Self {
            settings,
            users: uids.iter().map(user).collect(),
            rooms: Vec::new(),
            opened_by: BTreeMap::new(),
            chance: Chance::default(),
            told: Vec::new(),
            impossible: Vec::new(),
        }
    }

    /// Does a deed; says what it is answered. What it made is in `told`.
    pub(crate) fn answer(&mut self, deed: &Deed, chance: Chance) -> Answered {
        self.chance = chance;
        self.told.clear();
        let logged_in = self.users[deed.by].session.is_some();
        match &deed.act {
            Act::Pass { ms } => return Ok(self.pass(*ms)),
            Act::Expire { entry } => return self.expire(entry.0),
            Act::Login { nick } => return self.log_in(deed.by, nick),
            _ if !logged_in => return Err(Refusal::NotLoggedIn),
            _ => {}
        }
        match &deed.act {
            Act::Logout => Ok(self.log_out(deed.by)),
            Act::Heartbeat { room } => self.heartbeat(deed.by, *room),
            Act::Create { .. } => self.create(deed),
            Act::Join { room, client } => self.join(deed, *room, client),
            Act::Leave { room } => self.leave(deed, *room),
            Act::Members { room, list, size, skip, go_on } => {
                self.members(deed.by, (*room, *list), (*size, *skip), *go_on)
            }
            Act::Bans { room, .. } => self.bans(deed.by, *room),
            Act::Room { room } => self.room(*room),
            Act::Rooms { until, most } => Ok(self.rooms(*until, *most)),
            act => self.mutate(deed, act.room().unwrap_or(RoomId::from_number(0))),
        }
    }

    fn mutate(&mut self, deed: &Deed, room: RoomId) -> Answered {
        if let Some(answered) = self.remembered(deed, room) {
            return answered;
        }
        let by = self.users[deed.by].uid;
        let uids: Vec<Uid> = self.users.iter().map(|user| user.uid).collect();
        let (place, written) =
            self.commit(room, |room, moment| decide(room, by, &uids, &deed.act, moment))?;
        let answer = Answer::Place(place);
        if written {
            self.remember(deed, room, &answer);
        }
        Ok(answer)
    }

    pub(crate) fn find(&self, id: RoomId) -> Option<&Room> {
        self.rooms.iter().find(|room| room.id == id && !room.gone)
    }

    fn find_open(&self, id: RoomId) -> Result<&Room, Refusal> {
        self.find(id).filter(|room| room.is_open()).ok_or(Refusal::RoomNotFound)
    }

    /// Whether a request of this id opened a room that is forgotten: sent again, it would open another.
    pub(crate) fn has_forgotten(&self, by: usize, id: &str) -> bool {
        let opened = self.opened_by.get(&(by, id.to_owned()));
        opened.is_some_and(|rooms| rooms.iter().any(|room| self.find(*room).is_none()))
    }

    /// What the request was answered when it first came.
    fn remembered(&self, deed: &Deed, room: RoomId) -> Option<Answered> {
        self.find(room)?.remembered(self.users[deed.by].uid, deed.once.as_ref()?, &deed.act)
    }

    fn remember(&mut self, deed: &Deed, id: RoomId, answer: &Answer) {
        let uid = self.users[deed.by].uid;
        let room = self.rooms.iter_mut().find(|room| room.id == id);
        if let Some((room, once)) = room.zip(deed.once.as_ref()) {
            room.remember(uid, once, &deed.act, answer);
        }
    }

    /// Has an open room decided on; gives where it stands then, and whether anything was written.
    fn commit(
        &mut self,
        id: RoomId,
        decide: impl FnOnce(&mut Room, Moment) -> Decision,
    ) -> Result<(Place, bool), Refusal> {
        self.find_open(id)?;
        let name = id.to_string();
        let found = self.chance.commits.iter().find(|commit| commit.room_id == name);
        let (at, tag) = found.map_or((self.chance.before, 0), |commit| (commit.committed_at, commit.tag));
        let room = self.rooms.iter_mut().find(|room| room.id == id && !room.gone);
        let room = room.ok_or(Refusal::RoomNotFound)?;
        let told = decide(room, Moment { at, revision: room.place.revision + 1 })?;
        let written = told.written;
        if written {
            let revision = room.place.revision + 1;
            self.told.push(room.commit(Moment { at, revision }, tag, told));
        }
        Ok((room.place, written))
    }

    fn expire(&mut self, ended: gochat_store::DueEntry) -> Answered {
        let (id, due, now) = (ended.room, ended.due, self.chance.before);
        let Some(room) = self.rooms.iter_mut().find(|room| room.id == id) else {
            return Ok(Answer::Expired(false));
        };
        if room.due.get(&due) != Some(&ended.deadline.0) {
            return Ok(Answer::Expired(false));
        }
        if !room.is_open() {
            room.due.remove(&due);
            return Ok(Answer::Expired(true));
        }
        if now < ended.deadline.0 {
            return Ok(Answer::Expired(false));
        }
        let promotes = self.settings.promotes;
        let (_, written) = self.commit(id, |room, moment| {
            Ok(match due {
                Due::Lease(uid, _) => room.lose(uid, promotes, moment),
                Due::Invitation(uid) => room.expire_invitation(uid),
            })
        })?;
        Ok(Answer::Expired(written))
    }

    /// The deadlines that have passed by now.
    pub(crate) fn ended(&self, now: i64) -> Vec<(RoomId, Due)> {
        let all = self.rooms.iter().flat_map(|room| room.due.iter().map(|(due, at)| (room.id, *due, *at)));
        all.filter(|(_, _, at)| *at <= now).map(|(room, due, _)| (room, due)).collect()
    }

    /// Takes over the exact moment at which something ends, if it is about when it should be.
    pub(crate) fn learn(&mut self, id: RoomId, due: Due, exact: i64) -> bool {
        let room = self.rooms.iter_mut().find(|room| room.id == id);
        let Some(held) = room.and_then(|room| room.due.get_mut(&due)) else { return false };
        let about = (*held - exact).abs() < LEASE / 10;
        *held = exact;
        about
    }

    /// Everything that ends does so earlier by as much.
    fn pass(&mut self, ms: i64) -> Answer {
        for room in &mut self.rooms {
            room.pass(ms);
        }
        let now = self.chance.before;
        for user in &mut self.users {
            user.session.iter_mut().for_each(|session| session.ends -= ms);
            if user.session.as_ref().is_some_and(|session| session.ends <= now) {
                user.session = None;
                user.held = None;
            }
        }
        Answer::Done
    }

    fn objects(&mut self, told: String) {
        self.impossible.push(told);
    }

    /// Moves the lease of one entry, if it stands.
    fn renew(&mut self, id: RoomId, uid: Uid, entry: u64) -> Answered {
        let now = self.chance.before;
        let room = self.rooms.iter_mut().find(|room| room.id == id).ok_or(Refusal::RoomNotFound)?;
        let lease = if room.gone { LEASE } else { room.lease(uid) };
        let held = room.due.get_mut(&Due::Lease(uid, Entry(entry)));
        let stood = held.map(|at| *at = now + lease).is_some();
        match (room.is_open(), stood) {
            (false, _) => Err(Refusal::RoomNotFound),
            (true, false) => Err(Refusal::NotInRoom),
            (true, true) => Ok(Answer::Staying(Some((id, room.place, room.roster_revision)))),
        }
    }
}

fn decide(room: &mut Room, by: Uid, uids: &[Uid], act: &Act, moment: Moment) -> Decision {
    match act {
        Act::Close { .. } => room.close(by),
        Act::RaiseHand { .. } => room.raise_hand(by, moment),
        Act::LowerHand { whom, .. } => room.lower_hand(by, uids[*whom]),
        Act::LowerAllHands { .. } => room.lower_all_hands(by, moment),
        Act::Invite { whom, token, .. } => room.invite(by, uids[*whom], token, moment),
        Act::Withdraw { whom, .. } => room.withdraw(by, uids[*whom], moment),
        Act::Respond { token, accept, .. } => room.respond(by, token, *accept, moment),
        Act::LeaveStage { whom, .. } => room.leave_stage(by, uids[*whom]),
        Act::SetMic { whom, on, .. } => room.set_mic(by, uids[*whom], *on),
        Act::MuteAll { .. } => room.mute_all(by),
        Act::Remove { whom, ban, .. } => room.remove(by, uids[*whom], *ban, moment),
        Act::Unban { whom, .. } => room.unban(by, uids[*whom]),
        Act::Transfer { whom, .. } => room.transfer(by, uids[*whom], moment),
        other => unreachable!("{other:?} is not decided by a room alone"),
    }
}
