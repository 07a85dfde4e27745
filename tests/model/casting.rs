//! Makes commands into deeds that mostly make sense: who could do this, where, to whom.

use std::collections::VecDeque;

use gochat_domain::{RoomId, Uid};

use crate::{
    act::{Act, Deed, Ended, List, MINUTE},
    command::{Command, Verb},
    house::{House, room::Room},
};

/// How many people there are.
pub(crate) const CAST: usize = 7;
/// How many requests are remembered, to be sent again.
const REQUESTS: usize = 10;

/// What deeds to come may refer to.
#[derive(Default)]
pub(crate) struct Memory {
    requests: VecDeque<Deed>,
    /// Deadlines that were seen to have passed.
    pub(crate) ended: Vec<Ended>,
    tokens: Vec<String>,
    named: usize,
}

/// A command in the house as it is.
pub(crate) struct Casting<'a> {
    house: &'a House,
    memory: &'a mut Memory,
    command: Command,
}

/// What people are called first.
pub(crate) fn nick(who: usize) -> String {
    format!("person {who}")
}

fn pick<T: Clone>(of: &[T], number: u8) -> Option<T> {
    of.get(usize::from(number) * of.len() / 256).cloned()
}

impl<'a> Casting<'a> {
    /// The deeds that a command comes to; perhaps none.
    pub(crate) fn deeds(house: &'a House, memory: &'a mut Memory, command: Command) -> Vec<Deed> {
        let mut casting = Self { house, memory, command };
        let deserted = casting.logged_in().len() <= CAST / 2 && command.once.is_multiple_of(2);
        match command.verb {
            Verb::Pass => casting.pass(),
            Verb::Late => casting.late(),
            Verb::Again => casting.again(),
            Verb::Sweep => Vec::new(),
            _ if deserted => vec![casting.log_in()],
            _ => {
                casting.people();
                let (by, act) = casting.act();
                vec![casting.deed(by, act)]
            }
        }
    }

    /// Where there is nobody to talk to, mostly somebody comes first; where there are rooms, few
    /// more are opened.
    fn people(&mut self) {
        let Command { verb, how, once, .. } = self.command;
        let (open, sent) = (self.open(), self.sent());
        let alone = self.room().is_some_and(|room| room.members.len() < 3.min(room.most_members as usize));
        let goes_in = matches!(verb, Verb::Login | Verb::Logout | Verb::Create | Verb::Join);
        self.command.verb = match verb {
            _ if open.is_empty() && !once.is_multiple_of(8) => Verb::Create,
            Verb::Create if open.len() > 1 && how < 200 => Verb::Join,
            _ if alone && !goes_in && !self.idle().is_empty() && !once.is_multiple_of(4) => Verb::Join,
            Verb::Respond if sent.is_empty() && !how.is_multiple_of(8) => Verb::Invite,
            verb => verb,
        };
    }

    fn logged_in(&self) -> Vec<usize> {
        (0..CAST).filter(|who| self.house.users[*who].session.is_some()).collect()
    }

    fn who(&self, uid: Uid) -> usize {
        self.house.users.iter().position(|user| user.uid == uid).unwrap_or_default()
    }

    /// Their numbers in order: uids are chance's, and nothing that is drawn may depend on them.
    fn sorted(&self, uids: impl Iterator<Item = Uid>) -> Vec<usize> {
        let mut numbers: Vec<usize> = uids.map(|uid| self.who(uid)).collect();
        numbers.sort_unstable();
        numbers
    }

    fn open(&self) -> Vec<&'a Room> {
        self.house.rooms.iter().filter(|room| room.is_open()).collect()
    }

    /// Mostly an open room; else one that was, or that never was.
    fn room(&self) -> Option<&'a Room> {
        if self.command.place >= 246 { None } else { pick(&self.open(), self.command.place) }
    }

    fn room_id(&self) -> RoomId {
        let once = || pick(&self.house.rooms, self.command.once).map(|room| room.id);
        let room = self.room().map(|room| room.id).or_else(once);
        room.unwrap_or(RoomId::from_number(self.command.place.into()))
    }

    /// One of those who could, or in some cases anybody.
    fn one_of(&self, able: &[usize], number: u8) -> usize {
        let anybody: Vec<usize> = (0..CAST).collect();
        let able = if number.is_multiple_of(12) { &anybody } else { able };
        let inside = || pick(&self.members(|_, _| true), number);
        let able = pick(able, number).or_else(inside);
        able.or_else(|| pick(&self.logged_in(), number)).unwrap_or_default()
    }

    fn members(&self, which: impl Fn(&Room, Uid) -> bool) -> Vec<usize> {
        let room = self.room();
        let members = room.into_iter().flat_map(|room| room.members.keys().map(move |uid| (room, *uid)));
        self.sorted(members.filter(|(room, uid)| which(room, *uid)).map(|(_, uid)| uid))
    }

    fn host(&self) -> usize {
        self.one_of(&self.members(|room, uid| room.host == uid), self.command.who)
    }

    fn member(&self, which: impl Fn(&Room, Uid) -> bool) -> usize {
        self.one_of(&self.members(which), self.command.who)
    }

    fn whom(&self, which: impl Fn(&Room, Uid) -> bool) -> usize {
        self.one_of(&self.members(which), self.command.whom)
    }

    /// Who is logged in and in no open room.
    fn idle(&self) -> Vec<usize> {
        let rooms = self.open();
        let is_in =
            |who: usize| rooms.iter().any(|room| room.members.contains_key(&self.house.users[who].uid));
        self.logged_in().into_iter().filter(|who| !is_in(*who)).collect()
    }

    fn act(&mut self) -> (usize, Act) {
        let room = self.room_id();
        let Command { verb, whom, how, .. } = self.command;
        match verb {
            Verb::Login => {
                let deed = self.log_in();
                (deed.by, deed.act)
            }
            Verb::Logout => (self.one_of(&self.idle(), self.command.who), Act::Logout),
            Verb::Heartbeat => {
                let by = self.member(|_, _| true);
                (by, Act::Heartbeat { room: (how > 80).then_some(room) })
            }
            Verb::Create => {
                let (members, seats) = (u32::from(how) % 8, u32::from(whom) % 5);
                let subject = format!("tea {}", how % 3);
                let members = if members == 1 { 2 } else { members };
                (
                    self.one_of(&self.idle(), self.command.who),
                    Act::Create { subject, client: self.client(), members, seats },
                )
            }
            Verb::Join => {
                let idle = self.idle();
                let by =
                    if how < 200 { self.one_of(&idle, self.command.who) } else { self.member(|_, _| true) };
                (by, Act::Join { room, client: self.client() })
            }
            Verb::Leave => (self.member(|room, uid| room.host != uid || how < 15), Act::Leave { room }),
            Verb::Close => (self.host(), Act::Close { room }),
            Verb::Members => {
                let list = pick(&[List::All, List::Hands, List::Stage], whom).unwrap_or(List::All);
                let (size, skip) = (usize::from(how) % 4 + 1, usize::from(how / 64) % 3);
                let by = self.member(|_, _| true);
                (by, Act::Members { room, list, size, skip, go_on: how.is_multiple_of(2) })
            }
            Verb::Bans => (self.host(), Act::Bans { room, size: usize::from(how) % 3 + 1 }),
            Verb::Room => (self.member(|_, _| true), Act::Room { room }),
            Verb::Rooms => {
                let until = self.room().map(|room| room.created_at).filter(|_| how < 128);
                (self.member(|_, _| true), Act::Rooms { until, most: usize::from(whom) % 4 + 1 })
            }
            Verb::Remove | Verb::Unban | Verb::Transfer => self.act_of_host(room),
            _ => self.talk(room),
        }
    }

    fn client(&self) -> String {
        format!("tab {}", self.command.whom % 3)
    }

    fn act_of_host(&mut self, room: RoomId) -> (usize, Act) {
        let how = self.command.how;
        let guest = self.whom(|room, uid| room.host != uid);
        let act = match self.command.verb {
            Verb::Remove => {
                let lasts = Some(i64::from(how % 5)).filter(|minutes| *minutes > 0);
                let ban = lasts.map(|minutes| minutes * MINUTE - MINUTE / 2);
                let whom = if how < 200 { guest } else { self.one_of(&self.idle(), self.command.whom) };
                Act::Remove { room, whom, ban: (how >= 90).then_some(ban) }
            }
            Verb::Unban => {
                let banned = self.room().into_iter().flat_map(|room| room.bans.keys().copied());
                let banned = self.sorted(banned);
                Act::Unban { room, whom: self.one_of(&banned, self.command.whom) }
            }
            _ => Act::Transfer { room, whom: guest },
        };
        (self.host(), act)
    }

    fn talk(&mut self, room: RoomId) -> (usize, Act) {
        let how = self.command.how;
        let on_stage = |room: &Room, uid: Uid| room.members[&uid].stage.is_some();
        let guest = |room: &Room, uid: Uid| room.host != uid && on_stage(room, uid);
        let listens = |room: &Room, uid: Uid| !on_stage(room, uid);
        let muted = |room: &Room, uid: Uid| room.members[&uid].stage.is_some_and(|stage| stage.muted_by_host);
        let hand_up = |room: &Room, uid: Uid| room.members[&uid].hand.is_some();
        match self.command.verb {
            Verb::RaiseHand => (self.member(listens), Act::RaiseHand { room }),
            Verb::LowerHand => {
                let whom = self.whom(hand_up);
                (if how < 128 { whom } else { self.host() }, Act::LowerHand { room, whom })
            }
            Verb::LowerAllHands => (self.host(), Act::LowerAllHands { room }),
            Verb::Invite => {
                let named = self.name();
                let token = format!("token {named}");
                self.memory.tokens.push(token.clone());
                (self.host(), Act::Invite { room, whom: self.whom(listens), token })
            }
            Verb::Withdraw => {
                let invited = |room: &Room, uid: Uid| room.invitations.contains_key(&uid);
                (self.host(), Act::Withdraw { room, whom: self.whom(invited) })
            }
            Verb::Respond => self.respond(room),
            Verb::LeaveStage => {
                let whom = self.whom(guest);
                (if how < 150 { whom } else { self.host() }, Act::LeaveStage { room, whom })
            }
            Verb::SetMic if how < 110 => {
                let whom = if how < 70 { self.whom(muted) } else { self.whom(on_stage) };
                (whom, Act::SetMic { room, whom, on: how < 50 || how.is_multiple_of(2) })
            }
            Verb::SetMic => {
                let on = how > 180;
                let whom = if on { self.whom(muted) } else { self.whom(guest) };
                (self.host(), Act::SetMic { room, whom, on })
            }
            _ => (self.host(), Act::MuteAll { room }),
        }
    }

    fn respond(&mut self, room: RoomId) -> (usize, Act) {
        let Command { who, whom, how, .. } = self.command;
        let accept = how < 200;
        match pick(&self.sent(), whom).filter(|_| how % 16 != 1) {
            Some((room, by, token)) => (by, Act::Respond { room, token, accept }),
            None => {
                let token = pick(&self.memory.tokens, who).unwrap_or_else(|| "no token".to_owned());
                (self.member(|_, _| true), Act::Respond { room, token, accept })
            }
        }
    }

    /// Invitations: where, to whom, with which token.
    fn sent(&self) -> Vec<(RoomId, usize, String)> {
        let sent = self.open().into_iter().flat_map(|room| {
            room.invitations.iter().map(|(uid, sent)| (room.id, self.who(*uid), sent.sent.token.clone()))
        });
        let mut sent: Vec<_> = sent.collect();
        sent.sort_by(|(_, _, one), (_, _, other)| one.cmp(other));
        sent
    }

    /// Mostly under one's own name.
    fn log_in(&mut self) -> Deed {
        let out: Vec<usize> = (0..CAST).filter(|who| self.house.users[*who].session.is_none()).collect();
        let by = self.one_of(&out, self.command.who);
        let nick = match self.command.how {
            0..=29 => "Shared".to_owned(),
            30..=59 => "sHARED".to_owned(),
            60..=79 => nick((by + 1) % CAST),
            _ => nick(by),
        };
        Deed { by, act: Act::Login { nick }, once: None }
    }

    fn name(&mut self) -> usize {
        self.memory.named += 1;
        self.memory.named
    }

    /// An act under a request id of its own, none, or one that came before.
    fn deed(&mut self, by: usize, act: Act) -> Deed {
        let is_create = matches!(act, Act::Create { .. });
        if !is_create && act.room().is_none() {
            return Deed { by, act, once: None };
        }
        let once = match self.command.once {
            0..=100 => Some(format!("request {}", self.name())),
            244..=255 => {
                let same = |former: &&Deed| {
                    former.by == by
                        && former.act.room() == act.room()
                        && former.once.as_ref().is_some_and(|id| !self.house.has_forgotten(by, id))
                };
                self.memory.requests.iter().rev().find(same).and_then(|former| former.once.clone())
            }
            _ => None,
        };
        let deed = Deed { by, act, once };
        if deed.once.is_some() {
            self.memory.requests.push_back(deed.clone());
            if self.memory.requests.len() > REQUESTS {
                self.memory.requests.pop_front();
            }
        }
        deed
    }

    fn again(&mut self) -> Vec<Deed> {
        if self.command.how < 40 {
            return self.burst();
        }
        let requests: Vec<&Deed> = self.memory.requests.iter().collect();
        let deed = pick(&requests, self.command.who).cloned();
        let known = |deed: &Deed| deed.once.as_ref().is_some_and(|id| !self.house.has_forgotten(deed.by, id));
        deed.filter(known).into_iter().collect()
    }

    /// Eight requests of one person, or one more or fewer; then the first of them again, which is
    /// remembered or just forgotten.
    fn burst(&mut self) -> Vec<Deed> {
        let (by, room) = (self.host(), self.room_id());
        let mut deeds = Vec::new();
        for n in 0..7 + self.command.how % 3 {
            let act = Act::SetMic { room, whom: by, on: n % 2 == 1 };
            deeds.push(Deed { by, act, once: Some(format!("request {}", self.name())) });
        }
        deeds.extend(deeds.first().cloned());
        deeds
    }

    fn late(&self) -> Vec<Deed> {
        let ended = pick(&self.memory.ended, self.command.who);
        ended.map(|entry| Deed { by: 0, act: Act::Expire { entry }, once: None }).into_iter().collect()
    }

    /// Those who are not silent say that they are there; time passes. Now and then the same once
    /// more, with a host among the silent, whose lease ends by that.
    fn pass(&self) -> Vec<Deed> {
        let Command { place, whom, how, once, .. } = self.command;
        let ms = MINUTE
            * match how {
                0..=149 => 1,
                150..=253 => 2,
                _ => 13,
            };
        let twice = how > 100;
        let host = self.room().filter(|_| twice && how > 149).map(|room| self.who(room.host));
        let silent = |by: &usize| host == Some(*by) || place & whom & once & (1 << by) != 0;
        let beat = |by| Deed { by, act: Act::Heartbeat { room: None }, once: None };
        let beats = self.logged_in().into_iter().filter(|by| !silent(by)).map(beat);
        let round = beats.chain([Deed { by: 0, act: Act::Pass { ms }, once: None }]);
        if twice { round.clone().chain(round).collect() } else { round.collect() }
    }
}
