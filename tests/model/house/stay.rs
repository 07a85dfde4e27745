//! The model of coming, going, being sent away, and of who owns a room.

use gochat_domain::{Entry, Uid, rules::Due};
use gochat_proto::model::{
    self, ChangeCause, CloseReason, HostChanged, InvitationExpired, LeaveReason, MemberJoined, MemberLeft,
    Refusal, RoomClosed, event::Kind,
};

use super::room::{Ban, Decision, Member, Moment, OnStage, Room, Told};
use super::talk::withdrawn;

/// How long somebody stays without a heartbeat, in milliseconds.
pub(crate) const LEASE: i64 = 150_000;
/// How much longer a host does.
pub(crate) const GRACE: i64 = 60_000;
/// What a ban gives as its reason.
pub(crate) const REASON: &str = "noise";

/// Somebody about to enter.
#[derive(Clone, Debug)]
pub(crate) struct Newcomer {
    pub(crate) uid: Uid,
    pub(crate) nick: String,
    pub(crate) client: String,
    pub(crate) entry: u64,
}

impl Room {
    /// How long the lease of a member is.
    pub(crate) fn lease(&self, uid: Uid) -> i64 {
        if self.host == uid { LEASE + GRACE } else { LEASE }
    }

    /// Puts somebody into the room, in place of an earlier entry of theirs.
    pub(crate) fn put(&mut self, newcomer: &Newcomer, stage: Option<OnStage>, moment: Moment) -> Kind {
        let Newcomer { uid, nick, client, entry } = newcomer.clone();
        let member = Member {
            uid,
            nick,
            client,
            entry,
            joined_at: moment.at,
            entered: moment.revision,
            hand: None,
            stage,
        };
        if let Some(former) = self.members.insert(uid, member) {
            self.due.remove(&Due::Lease(uid, Entry(former.entry)));
        }
        self.due.insert(Due::Lease(uid, Entry(entry)), moment.at + self.lease(uid));
        self.roster_revision = moment.revision;
        Kind::MemberJoined(MemberJoined { member: Some(self.shown_member(uid)) })
    }

    pub(crate) fn join(&mut self, newcomer: &Newcomer, rejects: bool, moment: Moment) -> Decision {
        let uid = newcomer.uid;
        if self.banned(uid, moment.at) {
            return Err(Refusal::Banned);
        }
        let Some(former) = self.members.get(&uid) else {
            if self.members.len() >= self.most_members as usize {
                return Err(Refusal::RoomFull);
            }
            let joined = self.put(newcomer, None, moment);
            return Ok(Told::by(&self.members[&uid]).all(joined));
        };
        if rejects || former.client == newcomer.client {
            return Err(Refusal::AlreadyInRoom);
        }
        let left = self.left(former, LeaveReason::Replaced);
        // Nothing is restored silently; a host stays host, with the microphone off.
        let kept = former.stage.filter(|_| self.host == uid);
        let stage = kept.map(|stage| OnStage { muted_by_self: true, muted_by_host: false, ..stage });
        let joined = self.put(newcomer, stage, moment);
        let told = Told::by(&self.members[&uid]).all(left).all(joined);
        Ok(self.void_invitation(told, uid, moment))
    }

    fn left(&self, member: &Member, reason: LeaveReason) -> Kind {
        Kind::MemberLeft(MemberLeft { member: Some(self.show(member)), reason: reason.into() })
    }

    /// Whose person is gone, that invitation is void; told if it stood.
    fn void_invitation(&mut self, told: Told, uid: Uid, moment: Moment) -> Told {
        let stood = self.standing(uid, moment.at).is_some();
        self.forget_invitation(uid);
        if stood { told.only(&[uid, self.host], withdrawn(uid)) } else { told }
    }

    fn take_out(&mut self, told: Told, uid: Uid, reason: LeaveReason, moment: Moment) -> Told {
        let Some(member) = self.members.remove(&uid) else { return told };
        self.due.remove(&Due::Lease(uid, Entry(member.entry)));
        self.roster_revision = moment.revision;
        let left = self.left(&member, reason);
        self.void_invitation(told.all(left), uid, moment)
    }

    fn closed(told: Told, reason: CloseReason) -> Told {
        told.all(Kind::RoomClosed(RoomClosed { reason: reason.into() }))
    }

    /// Ends one entry and no other.
    pub(crate) fn leave(&mut self, uid: Uid, entry: u64, reason: LeaveReason, moment: Moment) -> Decision {
        let Some(member) = self.members.get(&uid).filter(|member| member.entry == entry) else {
            return Ok(Told::default());
        };
        let told = Told::by(member);
        if self.host == uid {
            return Ok(Self::closed(told, CloseReason::HostLeft));
        }
        Ok(self.take_out(told, uid, reason, moment))
    }

    pub(crate) fn close(&mut self, by: Uid) -> Decision {
        Ok(Self::closed(Told::by(self.host(by)?), CloseReason::Closed))
    }

    pub(crate) fn remove(
        &mut self,
        by: Uid,
        whom: Uid,
        ban: Option<Option<i64>>,
        moment: Moment,
    ) -> Decision {
        let told = Told::by(self.host(by)?);
        if by == whom {
            return Err(Refusal::NotPermitted);
        }
        if ban.is_none() {
            self.target(whom)?;
        }
        if let Some(lasts) = ban {
            let until = lasts.map_or(0, |ms| moment.at + ms);
            self.bans.insert(whom, Ban { since: moment.at, until, revision: moment.revision });
        }
        Ok(self.take_out(told, whom, LeaveReason::Removed, moment))
    }

    pub(crate) fn unban(&mut self, by: Uid, whom: Uid) -> Decision {
        let told = Told::by(self.host(by)?);
        let lifted = self.bans.remove(&whom);
        Ok(lifted.map_or_else(Told::default, |_| told))
    }

    /// Bans in force, by when they were laid.
    pub(crate) fn bans_in_force(&self, by: Uid, now: i64) -> Result<Vec<model::Ban>, Refusal> {
        self.host(by)?;
        let mut bans: Vec<_> = self.bans.iter().filter(|(uid, _)| self.banned(**uid, now)).collect();
        bans.sort_by_key(|(_, ban)| ban.revision);
        let told = bans.into_iter().map(|(uid, ban)| model::Ban {
            uid: uid.get(),
            reason: REASON.to_owned(),
            since: ban.since,
            until: ban.until,
        });
        Ok(told.collect())
    }

    pub(crate) fn transfer(&mut self, by: Uid, whom: Uid, moment: Moment) -> Decision {
        let former = self.host(by)?;
        let (told, mic) = (Told::by(former), former.stage);
        self.target(whom)?;
        if by == whom {
            return Ok(Told::default());
        }
        let told = self.make_host(told, whom, moment);
        // A seat for the former host: perhaps the one that the new host had.
        let has_seat = self.guests().len() - 1 < self.seats as usize;
        let (at, revision) = (moment.at, moment.revision);
        let stage = mic.filter(|_| has_seat).map(|mic| OnStage { at, revision, ..mic });
        self.members.entry(by).and_modify(|member| member.stage = stage);
        self.forget_invitation(whom);
        Ok(told.all(self.changed(by, ChangeCause::HostTransferred)))
    }

    /// Who spoke goes on speaking; anybody else decides for themselves when to.
    fn make_host(&mut self, told: Told, uid: Uid, moment: Moment) -> Told {
        let member = &self.members[&uid];
        let changed = HostChanged {
            host_uid: uid.get(),
            host_name: member.nick.clone(),
            former_host_uid: self.host.get(),
        };
        let spoke = member.stage.filter(|stage| !stage.muted_by_self && !stage.muted_by_host);
        let stage = OnStage {
            at: member.stage.map_or(moment.at, |stage| stage.at),
            revision: 0,
            muted_by_self: spoke.is_none(),
            muted_by_host: false,
        };
        self.host = uid;
        self.host_name.clone_from(&changed.host_name);
        self.hand_overs += 1;
        self.members.entry(uid).and_modify(|member| {
            member.stage = Some(stage);
            member.hand = None;
        });
        told.all(Kind::HostChanged(changed)).all(self.changed(uid, ChangeCause::HostTransferred))
    }

    /// A lease ended.
    pub(crate) fn lose(&mut self, uid: Uid, promotes: bool, moment: Moment) -> Told {
        if self.host != uid {
            return self.take_out(Told::by_nobody(), uid, LeaveReason::Lost, moment);
        }
        match self.guests().first().filter(|_| promotes) {
            Some(heir) => {
                let told = self.make_host(Told::by_nobody(), *heir, moment);
                self.take_out_host(told, uid, moment)
            }
            None => Self::closed(Told::by_nobody(), CloseReason::HostLost),
        }
    }

    /// Who is lost was host up to this commit, and is told of as that.
    fn take_out_host(&mut self, told: Told, uid: Uid, moment: Moment) -> Told {
        let was = model::Member { role: model::Role::Host.into(), ..self.shown_member(uid) };
        let mut told = self.take_out(told, uid, LeaveReason::Lost, moment);
        for event in &mut told.events {
            if let Some(Kind::MemberLeft(left)) = &mut event.kind {
                left.member = Some(was.clone());
            }
        }
        told
    }

    /// Nobody answered an invitation in time. One that was void already is dropped in silence.
    pub(crate) fn expire_invitation(&mut self, uid: Uid) -> Told {
        let current = self.invitations.get(&uid).is_some_and(|sent| sent.hand_overs == self.hand_overs);
        self.forget_invitation(uid);
        let expired = Kind::InvitationExpired(InvitationExpired { target_uid: uid.get() });
        let told = Told::by_nobody();
        if current { told.only(&[uid, self.host], expired) } else { told }
    }
}
