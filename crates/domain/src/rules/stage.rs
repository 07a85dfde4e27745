//! Who speaks: hands, invitations, stepping up and down, microphones.

use std::time::Duration;

use crate::{
    Act, ActKind, Change, ChangeCause, EventKind, Head, Invitation, InvitationToken, Loaded, Member, Mic,
    Millis, Refusal, Standing, Uid,
    rules::{Due, Load, Rule},
};

/// Asks to speak (guide 2.3). A hand that is up keeps its place in the queue.
#[derive(Clone, Debug)]
pub struct RaiseHand {
    /// Who.
    pub caller: Uid,
}

impl Rule for RaiseHand {
    fn load(&self) -> Load {
        Load::people([self.caller])
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        let head = room.open()?;
        let caller = room.caller(self.caller)?;
        match caller.standing {
            Standing::Listener { hand_raised_at: Some(_) } => Ok(Change::nothing()),
            Standing::Listener { hand_raised_at: None } => {
                // Never at or below the moment up to which all hands are down.
                let raised_at = room.now.max(Millis(head.hands_lowered_at.0 + 1));
                let standing = Standing::Listener { hand_raised_at: Some(raised_at) };
                Ok(changed(Change::by(caller), caller.standing(standing), ChangeCause::HandRaised))
            }
            Standing::GuestSpeaker { .. } | Standing::Host { .. } => Err(Refusal::AlreadyOnStage),
        }
    }
}

/// Takes down one's own hand or, for the host, another's.
#[derive(Clone, Debug)]
pub struct LowerHand {
    /// Who.
    pub caller: Uid,
    /// Whose hand.
    pub target: Uid,
}

impl Rule for LowerHand {
    fn load(&self) -> Load {
        Load::people([self.caller, self.target])
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        let (caller, target) = self_or_host(room, self.caller, self.target)?;
        match target.standing.hand_raised_at() {
            None => Ok(Change::nothing()),
            Some(_) => {
                let lowered = target.standing(Standing::LISTENER);
                Ok(changed(Change::by(caller), lowered, ChangeCause::HandLowered))
            }
        }
    }

    fn act(&self) -> Option<Act> {
        Act::upon(self.caller, self.target, ActKind::LowerHand)
    }
}

/// Invites a listener on stage, asked (guide 2.3) or unasked (guide 2.4). Host only.
#[derive(Clone, Debug)]
pub struct Invite {
    /// Who.
    pub caller: Uid,
    /// Whom.
    pub target: Uid,
    /// What the answer must show.
    pub token: InvitationToken,
    /// How long it can be answered.
    pub lifetime: Duration,
}

impl Rule for Invite {
    fn load(&self) -> Load {
        Load::people([self.caller, self.target])
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        let (head, host) = room.host(self.caller)?;
        let target = room.target(self.target)?;
        if target.standing.on_stage_at().is_some() {
            return Err(Refusal::AlreadyOnStage);
        }
        if !room.has_seat(head, 0) {
            return Err(Refusal::StageFull);
        }
        let invitation = Invitation {
            target: target.uid,
            host: host.uid,
            host_name: host.nick_name.clone(),
            hand_overs: head.hand_overs,
            sent_at: room.now,
            expires_at: room.now + self.lifetime,
            token: self.token.clone(),
        };
        let sent = |with_token| EventKind::InvitationSent { invitation: invitation.clone(), with_token };
        Ok(Change::by(host)
            .invitation(target.uid, Some(invitation.clone()))
            .tell_only([target.uid], sent(true))
            .tell_only([host.uid], sent(false)))
    }

    fn act(&self) -> Option<Act> {
        Act::upon(self.caller, self.target, ActKind::Invite)
    }
}

/// Takes an invitation back. Host only.
#[derive(Clone, Debug)]
pub struct WithdrawInvitation {
    /// Who.
    pub caller: Uid,
    /// Whose invitation.
    pub target: Uid,
}

impl Rule for WithdrawInvitation {
    fn load(&self) -> Load {
        Load::people([self.caller, self.target])
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        let (_, host) = room.host(self.caller)?;
        let target = room.target(self.target)?;
        if room.invitation(target.uid).is_none() {
            return Ok(Change::nothing());
        }
        Ok(Change::by(host)
            .invitation(target.uid, None)
            .tell_only([target.uid, host.uid], EventKind::InvitationWithdrawn(target.uid)))
    }

    fn act(&self) -> Option<Act> {
        Act::upon(self.caller, self.target, ActKind::WithdrawInvitation)
    }
}

/// Answers an invitation (guide 2.3): steps on stage with the microphone on and the
/// hand down, or declines, which only the host learns.
#[derive(Clone, Debug)]
pub struct Respond {
    /// Who.
    pub caller: Uid,
    /// What the invitation showed.
    pub token: InvitationToken,
    /// Accepts, or declines.
    pub accept: bool,
}

impl Rule for Respond {
    fn load(&self) -> Load {
        Load::people([self.caller])
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        let head = room.open()?;
        let caller = room.caller(self.caller)?;
        let invitation = room
            .invitation(self.caller)
            .filter(|invitation| invitation.token == self.token)
            .ok_or(Refusal::InvitationInvalid)?;
        let change = Change::by(caller).invitation(caller.uid, None);
        if !self.accept {
            let declined =
                EventKind::InvitationDeclined { target: caller.uid, target_name: caller.nick_name.clone() };
            return Ok(change.tell_only([invitation.host], declined));
        }
        if !room.has_seat(head, 0) {
            return Err(Refusal::StageFull);
        }
        let on_stage = Standing::GuestSpeaker { on_stage_at: room.now, mic: Mic::ON };
        Ok(changed(change, caller.standing(on_stage), ChangeCause::InvitationAccepted))
    }
}

/// An invitation was not answered in time.
#[derive(Clone, Debug)]
pub struct ExpireInvitation {
    /// Whose.
    pub target: Uid,
    /// The deadline that was seen to have passed.
    pub deadline: Millis,
}

impl Rule for ExpireInvitation {
    fn load(&self) -> Load {
        Load::people([self.target]).with_due(Due::Invitation(self.target), self.deadline)
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        let head = room.open()?;
        let Some(invitation) = &room.person(self.target).invitation else {
            return Ok(Change::nothing());
        };
        if room.now < invitation.expires_at {
            return Ok(Change::nothing());
        }
        let change = Change::default().invitation(self.target, None);
        // Void already where its host is host no more: HostChanged told so.
        if !invitation.is_of(head) {
            return Ok(change);
        }
        Ok(change.tell_only([self.target, head.host], EventKind::InvitationExpired(self.target)))
    }
}

/// Steps down or, for the host, takes a guest speaker off the stage (guide 2.5).
#[derive(Clone, Debug)]
pub struct LeaveStage {
    /// Who.
    pub caller: Uid,
    /// Who goes.
    pub target: Uid,
}

impl Rule for LeaveStage {
    fn load(&self) -> Load {
        Load::people([self.caller, self.target])
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        let (caller, target) = self_or_host(room, self.caller, self.target)?;
        if !target.standing.is_guest_speaker() {
            return Ok(Change::nothing());
        }
        let cause =
            if caller.uid == target.uid { ChangeCause::LeftStage } else { ChangeCause::TakenOffStage };
        Ok(changed(Change::by(caller), target.standing(Standing::LISTENER), cause))
    }

    fn act(&self) -> Option<Act> {
        Act::upon(self.caller, self.target, ActKind::TakeOffStage)
    }
}

/// Switches a microphone (guide 2.6): one's own; or, for the host, off a guest
/// speaker's, and that again lifted, after which its owner decides. Nobody switches
/// on another's.
#[derive(Clone, Debug)]
pub struct SetMic {
    /// Who.
    pub caller: Uid,
    /// Whose microphone.
    pub target: Uid,
    /// On, or off.
    pub on: bool,
}

impl Rule for SetMic {
    fn load(&self) -> Load {
        Load::people([self.caller, self.target])
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        let (caller, target) = self_or_host(room, self.caller, self.target)?;
        let mic = target.standing.mic().ok_or(Refusal::NotOnStage)?;
        let (switched, cause) = if caller.uid == target.uid {
            (self.switch_own(mic)?, ChangeCause::MicSwitched)
        } else {
            self.switch_anothers(mic)?
        };
        if switched == mic {
            return Ok(Change::nothing());
        }
        Ok(changed(Change::by(caller), target.standing(target.standing.with_mic(switched)), cause))
    }

    fn act(&self) -> Option<Act> {
        let what = if self.on { ActKind::LiftMute } else { ActKind::Mute };
        Act::upon(self.caller, self.target, what)
    }
}

impl SetMic {
    fn switch_own(&self, mic: Mic) -> Result<Mic, Refusal> {
        if self.on && mic.muted_by_host {
            return Err(Refusal::MutedByHost);
        }
        Ok(Mic { muted_by_self: !self.on, ..mic })
    }

    fn switch_anothers(&self, mic: Mic) -> Result<(Mic, ChangeCause), Refusal> {
        match (self.on, mic.muted_by_host) {
            (false, _) => Ok((Mic { muted_by_host: true, ..mic }, ChangeCause::MutedByHost)),
            (true, true) => Ok((Mic { muted_by_host: false, muted_by_self: true }, ChangeCause::MuteLifted)),
            (true, false) => Err(Refusal::NotPermitted),
        }
    }
}

/// The caller and the person acted upon: oneself, or anybody for the host.
fn self_or_host(room: &Loaded, caller: Uid, target: Uid) -> Result<(&Member, &Member), Refusal> {
    let head: &Head = room.open()?;
    let member = room.caller(caller)?;
    if caller != target && head.host != caller {
        return Err(Refusal::NotPermitted);
    }
    Ok((member, room.target(target)?))
}

/// Writes a member and tells everybody.
pub(super) fn changed(change: Change, member: Member, cause: ChangeCause) -> Change {
    change.put(member.clone()).tell(EventKind::MemberChanged { member, cause })
}
