//! What the host may do to all, or to somebody's stay: mute, lower, remove, ban, hand over.

use std::time::Duration;

use super::{membership::take_out, stage::changed};
use crate::{
    Act, ActKind, Ban, Change, ChangeCause, EventKind, Head, LeaveReason, Loaded, Member, Mic, Millis,
    Refusal, Standing, Uid,
    rules::{Load, Rule},
};

/// Takes down every hand, in one commit whose size doesn't depend on how many are up.
#[derive(Clone, Debug)]
pub struct LowerAllHands {
    /// Who.
    pub caller: Uid,
}

impl Rule for LowerAllHands {
    fn load(&self) -> Load {
        Load::people([self.caller]).with_hands()
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        let (head, host) = room.host(self.caller)?;
        // At or above every hand that is up: see `RaiseHand`.
        let hands_lowered_at = room.now.max(Millis(head.hands_lowered_at.0 + 1));
        Ok(Change::by(host).head(Head { hands_lowered_at, ..head.clone() }).tell(EventKind::HandsLowered))
    }

    fn act(&self) -> Option<Act> {
        Act::upon_all(self.caller, ActKind::LowerAllHands)
    }
}

/// Switches off every guest speaker's microphone.
#[derive(Clone, Debug)]
pub struct MuteAll {
    /// Who.
    pub caller: Uid,
}

impl Rule for MuteAll {
    fn load(&self) -> Load {
        Load::people([self.caller]).with_stage()
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        let (_, host) = room.host(self.caller)?;
        let speakers = room.stage.iter().filter(|member| member.standing.is_guest_speaker());
        let unmuted = speakers
            .filter_map(|member| Some((member, member.standing.mic().filter(|mic| !mic.muted_by_host)?)));
        Ok(unmuted.fold(Change::by(host), |change, (member, mic)| {
            let muted = member.standing.with_mic(Mic { muted_by_host: true, ..mic });
            changed(change, member.standing(muted), ChangeCause::MutedByHost)
        }))
    }

    fn act(&self) -> Option<Act> {
        Act::upon_all(self.caller, ActKind::MuteAll)
    }
}

/// How long somebody is kept out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanTerms {
    /// None for as long as the room lives.
    pub duration: Option<Duration>,
    /// Said to who is banned.
    pub reason: String,
}

/// Takes somebody out; with a ban, keeps them out, in the room or not.
#[derive(Clone, Debug)]
pub struct RemoveMember {
    /// Who.
    pub caller: Uid,
    /// Whom.
    pub target: Uid,
    /// None: free to come back.
    pub ban: Option<BanTerms>,
}

impl Rule for RemoveMember {
    fn load(&self) -> Load {
        Load::people([self.caller, self.target])
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        let (_, host) = room.host(self.caller)?;
        if self.target == self.caller {
            return Err(Refusal::NotPermitted);
        }
        let member = room.target(self.target);
        if self.ban.is_none() {
            member?;
        }
        let ban = self.ban.as_ref().map(|terms| Ban {
            since: room.now,
            until: terms.duration.map(|duration| room.now + duration),
            reason: terms.reason.clone(),
        });
        let change = match ban {
            Some(ban) => Change::by(host).ban(self.target, Some(ban)),
            None => Change::by(host),
        };
        Ok(match member {
            Ok(member) => take_out(change, room, member, LeaveReason::Removed),
            Err(_) => change,
        })
    }

    fn act(&self) -> Option<Act> {
        let what = if self.ban.is_some() { ActKind::Ban } else { ActKind::Remove };
        Act::upon(self.caller, self.target, what)
    }
}

/// Ends a ban.
#[derive(Clone, Debug)]
pub struct Unban {
    /// Who.
    pub caller: Uid,
    /// Whose.
    pub target: Uid,
}

impl Rule for Unban {
    fn load(&self) -> Load {
        Load::people([self.caller, self.target])
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        let (_, host) = room.host(self.caller)?;
        match room.person(self.target).ban {
            Some(_) => Ok(Change::by(host).ban(self.target, None)),
            None => Ok(Change::nothing()),
        }
    }

    fn act(&self) -> Option<Act> {
        Act::upon(self.caller, self.target, ActKind::Unban)
    }
}

/// Makes another member the host. The former one stays on stage if there is a seat, as
/// the last who stepped up.
/// Whoever comes on stage by this has the microphone off and decides for themselves.
#[derive(Clone, Debug)]
pub struct TransferHost {
    /// Who.
    pub caller: Uid,
    /// To whom.
    pub target: Uid,
}

impl Rule for TransferHost {
    fn load(&self) -> Load {
        Load::people([self.caller, self.target])
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        let (head, host) = room.host(self.caller)?;
        let target = room.target(self.target)?;
        if host.uid == target.uid {
            return Ok(Change::nothing());
        }
        let freed = u32::from(target.standing.is_guest_speaker());
        let former = match host.standing {
            Standing::Host { mic, .. } if room.has_seat(head, freed) => {
                Standing::GuestSpeaker { on_stage_at: room.now, mic }
            }
            _ => Standing::LISTENER,
        };
        let change = make_host(Change::by(host), head, target, room.now);
        let change = changed(change, host.standing(former), ChangeCause::HostTransferred);
        Ok(match room.person(target.uid).invitation {
            Some(_) => change.invitation(target.uid, None),
            None => change,
        })
    }

    fn act(&self) -> Option<Act> {
        Act::upon(self.caller, self.target, ActKind::TransferHost)
    }
}

/// Makes a member the host, by which invitations of the one before are void. Who spoke goes on
/// speaking; anybody else decides for themselves when to.
pub(super) fn make_host(change: Change, head: &Head, target: &Member, now: Millis) -> Change {
    let mic = target.standing.mic().filter(|mic| mic.is_on());
    let host = Standing::Host {
        on_stage_at: target.standing.on_stage_at().unwrap_or(now),
        mic: mic.unwrap_or(Mic { muted_by_self: true, muted_by_host: false }),
    };
    let (uid, name) = (target.uid, &target.nick_name);
    let host_changed = EventKind::HostChanged { host: uid, host_name: name.clone(), former: head.host };
    let handed_over =
        Head { host: uid, host_name: name.clone(), hand_overs: head.hand_overs + 1, ..head.clone() };
    let change = change.head(handed_over).tell(host_changed);
    changed(change, target.standing(host), ChangeCause::HostTransferred)
}
