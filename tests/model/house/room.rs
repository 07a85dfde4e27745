//! The model of one room: plain facts, and what follows from them.

use std::collections::{BTreeMap, VecDeque};

use gochat_domain::{RoomId, Uid, rules::Due};
use gochat_proto::{
    model::{self, Commit, Event, Mic, Place, Refusal, Role, event::Kind},
    view::RoomView,
};

use crate::act::{Act, Answer, List};

/// How many of a person's requests a room remembers.
const REMEMBERED: usize = 8;

/// A member, and the revisions at which they entered, raised the hand, stepped up.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) uid: Uid,
    pub(crate) nick: String,
    pub(crate) client: String,
    pub(crate) entry: u64,
    pub(crate) joined_at: i64,
    pub(crate) entered: u64,
    pub(crate) hand: Option<(i64, u64)>,
    pub(crate) stage: Option<OnStage>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct OnStage {
    pub(crate) at: i64,
    /// 0 for the host, who comes first.
    pub(crate) revision: u64,
    pub(crate) muted_by_self: bool,
    pub(crate) muted_by_host: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Ban {
    pub(crate) since: i64,
    /// 0 for one without an end.
    pub(crate) until: i64,
    pub(crate) revision: u64,
}

/// An invitation; void once the room was handed over.
#[derive(Clone, Debug)]
pub(crate) struct Invitation {
    pub(crate) sent: model::Invitation,
    pub(crate) hand_overs: u32,
}

/// A request that was answered.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) id: String,
    pub(crate) act: Act,
    pub(crate) answer: Answer,
}

#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub(crate) id: RoomId,
    pub(crate) subject: String,
    pub(crate) created_at: i64,
    pub(crate) host: Uid,
    pub(crate) host_name: String,
    pub(crate) hand_overs: u32,
    pub(crate) most_members: u32,
    pub(crate) seats: u32,
    /// The commit that closed it.
    pub(crate) closing: Option<Commit>,
    /// Closed, and forgotten since.
    pub(crate) gone: bool,
    pub(crate) place: Place,
    pub(crate) shown: u64,
    pub(crate) roster_revision: u64,
    pub(crate) members: BTreeMap<Uid, Member>,
    pub(crate) bans: BTreeMap<Uid, Ban>,
    pub(crate) invitations: BTreeMap<Uid, Invitation>,
    pub(crate) hands_lowered_at: i64,
    pub(crate) due: BTreeMap<Due, i64>,
    pub(crate) kept: BTreeMap<Uid, VecDeque<Kept>>,
}

/// When a commit is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) at: i64,
    pub(crate) revision: u64,
}

/// What a decision comes to; the default is "nothing to do".
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) written: bool,
    pub(crate) operator: Option<(Uid, String)>,
    pub(crate) events: Vec<Event>,
}

pub(crate) type Decision = Result<Told, Refusal>;

impl Told {
    pub(crate) fn by(member: &Member) -> Self {
        Self { written: true, operator: Some((member.uid, member.nick.clone())), events: Vec::new() }
    }

    /// By time.
    pub(crate) fn by_nobody() -> Self {
        Self { written: true, ..Self::default() }
    }

    pub(crate) fn all(mut self, kind: Kind) -> Self {
        self.events.push(Event { to: Vec::new(), kind: Some(kind) });
        self
    }

    pub(crate) fn only(mut self, to: &[Uid], kind: Kind) -> Self {
        self.events.push(Event { to: to.iter().map(|uid| uid.get()).collect(), kind: Some(kind) });
        self
    }
}

impl Room {
    pub(crate) fn is_open(&self) -> bool {
        self.closing.is_none() && !self.gone
    }

    pub(crate) fn member(&self, uid: Uid) -> Result<&Member, Refusal> {
        self.members.get(&uid).ok_or(Refusal::NotInRoom)
    }

    pub(crate) fn target(&self, uid: Uid) -> Result<&Member, Refusal> {
        self.members.get(&uid).ok_or(Refusal::TargetNotInRoom)
    }

    /// The caller, if it is the host.
    pub(crate) fn host(&self, uid: Uid) -> Result<&Member, Refusal> {
        let member = self.member(uid)?;
        if self.host == uid { Ok(member) } else { Err(Refusal::NotPermitted) }
    }

    /// Guest speakers, in the order in which they stepped up.
    pub(crate) fn guests(&self) -> Vec<Uid> {
        self.stage().into_iter().filter(|uid| *uid != self.host).collect()
    }

    pub(crate) fn is_stage_full(&self) -> bool {
        self.guests().len() >= self.seats as usize
    }

    /// An invitation that can still be answered.
    pub(crate) fn standing(&self, uid: Uid, now: i64) -> Option<&Invitation> {
        let invitation = self.invitations.get(&uid)?;
        let stands = self.is_open() && invitation.hand_overs == self.hand_overs;
        (stands && now < invitation.sent.expires_at).then_some(invitation)
    }

    pub(crate) fn banned(&self, uid: Uid, now: i64) -> bool {
        self.bans.get(&uid).is_some_and(|ban| ban.until == 0 || now < ban.until)
    }

    pub(crate) fn stage(&self) -> Vec<Uid> {
        self.in_order(|member| member.stage.map(|stage| stage.revision))
    }

    pub(crate) fn hands(&self) -> Vec<Uid> {
        self.in_order(|member| member.hand.map(|(_, revision)| revision))
    }

    pub(crate) fn roster(&self) -> Vec<Uid> {
        self.in_order(|member| Some(member.entered))
    }

    fn in_order(&self, at: impl Fn(&Member) -> Option<u64>) -> Vec<Uid> {
        let mut found: Vec<_> =
            self.members.values().filter_map(|member| Some((at(member)?, member.uid))).collect();
        found.sort();
        found.into_iter().map(|(_, uid)| uid).collect()
    }

    /// A list's members with where they stand in it: which part, and the revision in that part.
    pub(crate) fn listed(&self, list: List) -> Vec<((u8, u64), Uid)> {
        let at = |uid: &Uid| &self.members[uid];
        let stage = self.stage().into_iter().map(|uid| ((1, at(&uid).stage.map_or(0, |s| s.revision)), uid));
        match list {
            List::Stage => stage.collect(),
            List::Hands => {
                let hands = self.hands().into_iter();
                hands.map(|uid| ((1, at(&uid).hand.map_or(0, |(_, r)| r)), uid)).collect()
            }
            List::All => {
                let rest = self.roster().into_iter().filter(|uid| at(uid).stage.is_none());
                stage.chain(rest.map(|uid| ((2, at(&uid).entered), uid))).collect()
            }
        }
    }

    pub(crate) fn shown_member(&self, uid: Uid) -> model::Member {
        self.show(&self.members[&uid])
    }

    pub(crate) fn show(&self, member: &Member) -> model::Member {
        let role = match member.stage {
            _ if member.uid == self.host => Role::Host,
            Some(_) => Role::GuestSpeaker,
            None => Role::Listener,
        };
        model::Member {
            uid: member.uid.get(),
            nick_name: member.nick.clone(),
            avatar: format!("{}.png", member.nick),
            role: role.into(),
            joined_at: member.joined_at,
            mic: Some(member.stage.map_or_else(Mic::default, |stage| Mic {
                on: !stage.muted_by_self && !stage.muted_by_host,
                muted_by_self: stage.muted_by_self,
                muted_by_host: stage.muted_by_host,
            })),
            hand_raised_at: member.hand.map_or(0, |(at, _)| at),
            on_stage_at: member.stage.map_or(0, |stage| stage.at),
            entry: member.entry,
        }
    }

    pub(crate) fn shown_room(&self) -> model::Room {
        model::Room {
            room_id: self.id.to_string(),
            subject: self.subject.clone(),
            created_at: self.created_at,
            host_uid: self.host.get(),
            host_name: self.host_name.clone(),
            member_count: self.members.len() as u32,
            on_stage_count: self.stage().len() as u32,
            member_limit: self.most_members,
            seat_limit: self.seats,
        }
    }

    pub(crate) fn view(&self) -> RoomView {
        let numbers = |uids: Vec<Uid>| uids.into_iter().map(Uid::get).collect();
        RoomView {
            place: self.place,
            room: self.shown_room(),
            members: self.members.keys().map(|uid| (uid.get(), self.shown_member(*uid))).collect(),
            roster: numbers(self.roster()),
            hands: numbers(self.hands()),
            stage: numbers(self.stage()),
            closed: self.closing.is_some(),
            partial: false,
        }
    }

    /// The commit that comes next; its tag is chance's.
    pub(crate) fn commit(&mut self, moment: Moment, tag: u64, told: Told) -> Commit {
        let public = told.events.iter().any(|event| event.to.is_empty());
        let (operator_uid, operator_name) =
            told.operator.map_or((0, String::new()), |(uid, name)| (uid.get(), name));
        let commit = Commit {
            revision: moment.revision,
            after: self.shown,
            tag,
            tag_before: self.place.tag,
            room_id: self.id.to_string(),
            committed_at: moment.at,
            operator_uid,
            operator_name,
            events: told.events,
        };
        self.place = Place { revision: moment.revision, tag };
        if public {
            self.shown = moment.revision;
        }
        if commit.events.iter().any(|event| matches!(event.kind, Some(Kind::RoomClosed(_)))) {
            self.closing = Some(commit.clone());
        }
        commit
    }

    /// What a request was answered, if it was; whether it was another one.
    pub(crate) fn remembered(&self, uid: Uid, id: &str, act: &Act) -> Option<Result<Answer, Refusal>> {
        let kept = self.kept.get(&uid)?.iter().find(|kept| kept.id == id)?;
        Some(if kept.act == *act { Ok(kept.answer.clone()) } else { Err(Refusal::RequestIdReused) })
    }

    pub(crate) fn remember(&mut self, uid: Uid, id: &str, act: &Act, answer: &Answer) {
        let kept = self.kept.entry(uid).or_default();
        kept.push_back(Kept { id: id.to_owned(), act: act.clone(), answer: answer.clone() });
        if kept.len() > REMEMBERED {
            kept.pop_front();
        }
    }

    /// All that ends in this room does so earlier by as much.
    pub(crate) fn pass(&mut self, ms: i64) {
        for ban in self.bans.values_mut().filter(|ban| ban.until != 0) {
            ban.until -= ms;
        }
        for invitation in self.invitations.values_mut() {
            invitation.sent.expires_at -= ms;
        }
        for deadline in self.due.values_mut() {
            *deadline -= ms;
        }
        self.gone |= self.closing.is_some();
    }
}
