//! What was done and answered, counted: a run in which something never happened proves nothing of it.

use std::{collections::BTreeMap, fmt};

use gochat_proto::model::{Commit, event::Kind};

use crate::act::{Act, Answer, Answered, Deed};

/// Counts of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) deeds: usize,
    pub(crate) commits: usize,
    /// By name of the act.
    pub(crate) accepted: BTreeMap<String, usize>,
    /// By name of the refusal.
    pub(crate) refused: BTreeMap<String, usize>,
    /// By name of the event, with its cause or reason.
    pub(crate) events: BTreeMap<String, usize>,
}

/// What has to be done in a run of full size.
const ACTS: [&str; 32] = [
    "Login",
    "Logout",
    "Heartbeat",
    "Create",
    "Join",
    "Leave",
    "Close",
    "RaiseHand",
    "LowerHand",
    "LowerAllHands",
    "Invite",
    "Withdraw",
    "RespondAccept",
    "RespondDecline",
    "LeaveStage",
    "SetMicOn",
    "SetMicOff",
    "MuteAll",
    "Remove",
    "RemoveWithBan",
    "Unban",
    "Transfer",
    "MembersAll",
    "MembersHands",
    "MembersStage",
    "Bans",
    "Room",
    "Rooms",
    "Pass",
    "Expire",
    "Again",
    "Nothing",
];
/// The least number of times, for each ten thousand deeds; an eighth of it for refusals and events.
const LEAST: usize = 20;

/// Every refusal that a store alone with its Redis gives.
const REFUSALS: [&str; 16] = [
    "NotLoggedIn",
    "NotPermitted",
    "NickNameInUse",
    "RoomNotFound",
    "RoomFull",
    "AlreadyInRoom",
    "NotInRoom",
    "TargetNotInRoom",
    "StageFull",
    "AlreadyOnStage",
    "NotOnStage",
    "InvitationInvalid",
    "Banned",
    "MutedByHost",
    "RequestIdReused",
    "Conflict",
];

/// Every event, with every cause and reason.
const EVENTS: [&str; 25] = [
    "RoomOpened",
    "MemberJoined",
    "Left",
    "Removed",
    "Lost",
    "Replaced",
    "LoggedOut",
    "HandRaised",
    "HandLowered",
    "InvitationAccepted",
    "LeftStage",
    "TakenOffStage",
    "MicSwitched",
    "MutedByHost",
    "MuteLifted",
    "HostTransferred",
    "HandsLowered",
    "HostChanged",
    "Promoted",
    "Closed",
    "HostLeft",
    "HostLost",
    "InvitationDeclined",
    "InvitationWithdrawn",
    "InvitationExpired",
];

/// What an event is called in counts.
fn name(operator: u32, kind: &Kind) -> String {
    let told = format!("{kind:?}");
    match kind {
        Kind::MemberLeft(left) => format!("{:?}", left.reason()),
        Kind::MemberChanged(changed) => format!("{:?}", changed.cause()),
        Kind::RoomClosed(closed) => format!("{:?}", closed.reason()),
        Kind::HostChanged(_) if operator == 0 => "Promoted".to_owned(),
        _ => told.split('(').next().unwrap_or_default().to_owned(),
    }
}

impl Tally {
    pub(crate) fn count(&mut self, deed: &Deed, answered: &Answered, made: &[Commit]) {
        let commits = made.len();
        self.deeds += 1;
        self.commits += commits;
        for commit in made {
            for kind in commit.events.iter().filter_map(|event| event.kind.as_ref()) {
                *self.events.entry(name(commit.operator_uid, kind)).or_default() += 1;
            }
        }
        match answered {
            Ok(answer) => {
                *self.accepted.entry(deed.act.name()).or_default() += 1;
                if let (Answer::Place(_), 0) = (answer, commits) {
                    *self.accepted.entry("Nothing".to_owned()).or_default() += 1;
                }
                if let (Answer::Entered { .. }, 0, Act::Create { .. } | Act::Join { .. }) =
                    (answer, commits, &deed.act)
                {
                    *self.accepted.entry("Again".to_owned()).or_default() += 1;
                }
            }
            Err(refusal) => *self.refused.entry(format!("{refusal:?}")).or_default() += 1,
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.deeds += other.deeds;
        self.commits += other.commits;
        for (sum, more) in [
            (&mut self.accepted, &other.accepted),
            (&mut self.refused, &other.refused),
            (&mut self.events, &other.events),
        ] {
            for (name, times) in more {
                *sum.entry(name.clone()).or_default() += times;
            }
        }
    }

    /// What happened too rarely for a run of this size.
    pub(crate) fn missing(&self) -> Vec<String> {
        let least = LEAST * self.deeds / 10_000;
        let rare = least / 8;
        let of = |counts: &BTreeMap<String, usize>, name: &str| counts.get(name).copied().unwrap_or(0);
        let acts = ACTS.iter().filter(|name| of(&self.accepted, name) < least);
        let refusals = REFUSALS.iter().filter(|name| of(&self.refused, name) < rare);
        let events = EVENTS.iter().filter(|name| of(&self.events, name) < rare);
        let mut missing: Vec<String> =
            acts.chain(refusals).chain(events).map(|name| (*name).to_owned()).collect();
        let refused: usize = self.refused.values().sum();
        if refused * 10 > self.deeds * 4 {
            missing.push(format!("{refused} of {} were refused: too many", self.deeds));
        }
        missing
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { deeds, commits, accepted, refused, events } = self;
        write!(f, "{deeds} deeds: done {accepted:?}; refused {refused:?}; {commits} commits: {events:?}")
    }
}
