//! The model of hands, invitations, the stage and its microphones.

use gochat_domain::{Uid, rules::Due};
use gochat_proto::model::{
    self, ChangeCause, InvitationDeclined, InvitationSent, InvitationWithdrawn, Refusal, event::Kind,
};

use super::room::{Decision, Invitation, Moment, OnStage, Room, Told};

/// How long an invitation can be answered, in milliseconds.
pub(crate) const INVITATION: i64 = 90_000;

impl Room {
    pub(crate) fn changed(&self, uid: Uid, cause: ChangeCause) -> Kind {
        Kind::MemberChanged(model::MemberChanged {
            member: Some(self.shown_member(uid)),
            cause: cause.into(),
        })
    }

    fn change(&mut self, uid: Uid, change: impl FnOnce(&mut super::room::Member)) {
        self.members.entry(uid).and_modify(change);
    }

    /// Oneself, or the host.
    fn may_act_on(&self, by: Uid, whom: Uid) -> Result<Told, Refusal> {
        let caller = self.member(by)?;
        if by != whom && by != self.host {
            return Err(Refusal::NotPermitted);
        }
        self.target(whom)?;
        Ok(Told::by(caller))
    }

    pub(crate) fn raise_hand(&mut self, by: Uid, moment: Moment) -> Decision {
        let member = self.member(by)?;
        let told = Told::by(member);
        if member.stage.is_some() {
            return Err(Refusal::AlreadyOnStage);
        }
        if member.hand.is_some() {
            return Ok(Told::default());
        }
        // A hand goes up after all those that were lowered together.
        let at = moment.at.max(self.hands_lowered_at + 1);
        self.change(by, |member| member.hand = Some((at, moment.revision)));
        Ok(told.all(self.changed(by, ChangeCause::HandRaised)))
    }

    pub(crate) fn lower_hand(&mut self, by: Uid, whom: Uid) -> Decision {
        let told = self.may_act_on(by, whom)?;
        if self.members[&whom].hand.is_none() {
            return Ok(Told::default());
        }
        self.change(whom, |member| member.hand = None);
        Ok(told.all(self.changed(whom, ChangeCause::HandLowered)))
    }

    pub(crate) fn lower_all_hands(&mut self, by: Uid, moment: Moment) -> Decision {
        let told = Told::by(self.host(by)?);
        self.hands_lowered_at = moment.at.max(self.hands_lowered_at + 1);
        for member in self.members.values_mut() {
            member.hand = None;
        }
        Ok(told.all(Kind::HandsLowered(model::HandsLowered {})))
    }

    pub(crate) fn invite(&mut self, by: Uid, whom: Uid, token: &str, moment: Moment) -> Decision {
        let host = self.host(by)?;
        let told = Told::by(host);
        let host_name = host.nick.clone();
        if self.target(whom)?.stage.is_some() {
            return Err(Refusal::AlreadyOnStage);
        }
        if self.is_stage_full() {
            return Err(Refusal::StageFull);
        }
        let sent = model::Invitation {
            target_uid: whom.get(),
            host_uid: by.get(),
            host_name,
            sent_at: moment.at,
            expires_at: moment.at + INVITATION,
            token: token.to_owned(),
        };
        self.due.insert(Due::Invitation(whom), sent.expires_at);
        self.invitations.insert(whom, Invitation { sent: sent.clone(), hand_overs: self.hand_overs });
        let kind = |invitation| Kind::InvitationSent(InvitationSent { invitation: Some(invitation) });
        let without_token = model::Invitation { token: String::new(), ..sent.clone() };
        Ok(told.only(&[whom], kind(sent)).only(&[by], kind(without_token)))
    }

    pub(crate) fn forget_invitation(&mut self, uid: Uid) {
        self.invitations.remove(&uid);
        self.due.remove(&Due::Invitation(uid));
    }

    pub(crate) fn withdraw(&mut self, by: Uid, whom: Uid, moment: Moment) -> Decision {
        let told = Told::by(self.host(by)?);
        self.target(whom)?;
        if self.standing(whom, moment.at).is_none() {
            return Ok(Told::default());
        }
        self.forget_invitation(whom);
        Ok(told.only(&[whom, by], withdrawn(whom)))
    }

    pub(crate) fn respond(&mut self, by: Uid, token: &str, accept: bool, moment: Moment) -> Decision {
        let caller = self.member(by)?;
        let (told, name) = (Told::by(caller), caller.nick.clone());
        let invitation = self.standing(by, moment.at).filter(|standing| standing.sent.token == token);
        if invitation.is_none() {
            return Err(Refusal::InvitationInvalid);
        }
        if !accept {
            self.forget_invitation(by);
            let declined = InvitationDeclined { target_uid: by.get(), target_name: name };
            return Ok(told.only(&[self.host], Kind::InvitationDeclined(declined)));
        }
        if self.is_stage_full() {
            return Err(Refusal::StageFull);
        }
        self.forget_invitation(by);
        let (at, revision) = (moment.at, moment.revision);
        self.change(by, |member| {
            member.hand = None;
            member.stage = Some(OnStage { at, revision, muted_by_self: false, muted_by_host: false });
        });
        Ok(told.all(self.changed(by, ChangeCause::InvitationAccepted)))
    }

    pub(crate) fn leave_stage(&mut self, by: Uid, whom: Uid) -> Decision {
        let told = self.may_act_on(by, whom)?;
        if whom == self.host || self.members[&whom].stage.is_none() {
            return Ok(Told::default());
        }
        self.change(whom, |member| member.stage = None);
        let cause = if by == whom { ChangeCause::LeftStage } else { ChangeCause::TakenOffStage };
        Ok(told.all(self.changed(whom, cause)))
    }

    pub(crate) fn set_mic(&mut self, by: Uid, whom: Uid, on: bool) -> Decision {
        let told = self.may_act_on(by, whom)?;
        let before = self.members[&whom].stage.ok_or(Refusal::NotOnStage)?;
        let (after, cause) = match (by == whom, on) {
            (true, true) if before.muted_by_host => return Err(Refusal::MutedByHost),
            (true, on) => (OnStage { muted_by_self: !on, ..before }, ChangeCause::MicSwitched),
            (false, false) => (OnStage { muted_by_host: true, ..before }, ChangeCause::MutedByHost),
            // Lifted: it stays off until its owner switches it on.
            (false, true) if before.muted_by_host => {
                (OnStage { muted_by_host: false, muted_by_self: true, ..before }, ChangeCause::MuteLifted)
            }
            (false, true) => return Err(Refusal::NotPermitted),
        };
        let mutes = |stage: OnStage| (stage.muted_by_self, stage.muted_by_host);
        if mutes(before) == mutes(after) {
            return Ok(Told::default());
        }
        self.change(whom, |member| member.stage = Some(after));
        Ok(told.all(self.changed(whom, cause)))
    }

    pub(crate) fn mute_all(&mut self, by: Uid) -> Decision {
        let told = Told::by(self.host(by)?);
        let mut muted = self.guests();
        muted.retain(|uid| self.members[uid].stage.is_some_and(|stage| !stage.muted_by_host));
        if muted.is_empty() {
            return Ok(Told::default());
        }
        Ok(muted.into_iter().fold(told, |told, uid| {
            self.change(uid, |member| {
                member.stage = member.stage.map(|stage| OnStage { muted_by_host: true, ..stage });
            });
            told.all(self.changed(uid, ChangeCause::MutedByHost))
        }))
    }
}

pub(crate) fn withdrawn(uid: Uid) -> Kind {
    Kind::InvitationWithdrawn(InvitationWithdrawn { target_uid: uid.get() })
}
