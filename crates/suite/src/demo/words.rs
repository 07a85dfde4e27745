//! How the demonstration says what was called and what was told.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};
use gochat_client::{ChangeCause, CloseReason, Kind, Lag, LeaveReason, Member, Update};

const TITLE: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

type Names = BTreeMap<u32, String>;

pub(super) fn title(text: &str) -> String {
    format!("{TITLE}{text}{TITLE:#}")
}

/// `host-x7f2  → create_room`
pub(super) fn call(who: usize, name: &str, what: &str) -> String {
    let style = style(who).bold();
    format!("{style}{name:<10}{style:#} → {what}")
}

/// `           ← host-x7f2  sees: lea-x7f2 joined  #3`
pub(super) fn arrival(who: usize, name: &str, told: &Update, names: &Names) -> String {
    let style = style(who);
    let what = update(told, names);
    let revision = match told {
        Update::Event { revision, .. } => format!("  {FAINT}#{revision}{FAINT:#}"),
        _ => String::new(),
    };
    format!("           ← {style}{name:<10}{style:#} sees: {what}{revision}")
}

pub(super) fn names(members: &[Member]) -> String {
    members.iter().map(|member| member.nick_name.as_str()).collect::<Vec<_>>().join(", ")
}

/// What somebody was told, in a few words.
pub(super) fn update(update: &Update, names: &Names) -> String {
    match update {
        Update::Lagged(Lag::Missed) => "events were missed".to_owned(),
        Update::Lagged(Lag::TooSlow) => "sent away for being slow; coming back".to_owned(),
        Update::Snapshot => "the room as it is".to_owned(),
        Update::Event { event, .. } => kind(event, names),
        Update::Invitation(invitation) => format!("an invitation by {}", invitation.host_name),
        Update::Outstanding(invitations) => format!("{} invitations not yet answered", invitations.len()),
        Update::Ended(reason) => {
            format!("the end: {}", spoken(reason.as_str_name(), "GOODBYE_REASON_"))
        }
    }
}

fn kind(kind: &Kind, names: &Names) -> String {
    let named = |uid: u32| names.get(&uid).cloned().unwrap_or_else(|| format!("user {uid}"));
    let by_member = |member: &Option<Member>| member.as_ref().map_or(0, |member| member.uid);
    match kind {
        Kind::RoomOpened(_) => "the room is open".to_owned(),
        Kind::MemberJoined(joined) => format!("{} joined", named(by_member(&joined.member))),
        Kind::MemberLeft(left) => {
            let name = named(by_member(&left.member));
            match left.reason() {
                LeaveReason::Removed => format!("{name} was taken out by the host"),
                LeaveReason::Lost => format!("{name} was lost"),
                LeaveReason::Replaced => format!("{name} entered elsewhere"),
                LeaveReason::LoggedOut => format!("{name} logged out"),
                LeaveReason::Left | LeaveReason::Unspecified => format!("{name} left"),
            }
        }
        Kind::MemberChanged(changed) => {
            let name = named(by_member(&changed.member));
            format!("{name} {}{}", cause(changed.cause()), mic(changed.member.as_ref()))
        }
        Kind::HandsLowered(_) => "every hand went down".to_owned(),
        Kind::HostChanged(changed) => format!("{} is the host now", changed.host_name),
        Kind::RoomClosed(closed) => match closed.reason() {
            CloseReason::HostLeft => "the room is closed: the host left".to_owned(),
            CloseReason::HostLost => "the room is closed: the host was lost".to_owned(),
            CloseReason::Closed | CloseReason::Unspecified => "the room is closed".to_owned(),
        },
        Kind::InvitationSent(sent) => {
            let (host, target) = sent.invitation.as_ref().map_or_else(Default::default, |invitation| {
                (invitation.host_name.as_str(), invitation.target_uid)
            });
            format!("{host} invites {} to the stage", named(target))
        }
        Kind::InvitationDeclined(declined) => format!("{} declined", declined.target_name),
        Kind::InvitationWithdrawn(withdrawn) => {
            format!("the invitation of {} was taken back", named(withdrawn.target_uid))
        }
        Kind::InvitationExpired(expired) => {
            format!("the invitation of {} expired", named(expired.target_uid))
        }
    }
}

/// Only who is on stage has a microphone.
fn mic(member: Option<&Member>) -> &'static str {
    match member {
        Some(member) if member.on_stage_at != 0 => {
            if member.mic.is_some_and(|mic| mic.on) {
                " (microphone on)"
            } else {
                " (microphone off)"
            }
        }
        _ => "",
    }
}

/// What a member did or had done to it.
pub(super) fn cause(cause: ChangeCause) -> &'static str {
    match cause {
        ChangeCause::HandRaised => "raised a hand",
        ChangeCause::HandLowered => "has its hand down",
        ChangeCause::InvitationAccepted => "accepted, and is on stage",
        ChangeCause::LeftStage => "stepped down",
        ChangeCause::TakenOffStage => "was taken off the stage",
        ChangeCause::MicSwitched => "switched its microphone",
        ChangeCause::MutedByHost => "was muted by the host",
        ChangeCause::MuteLifted => "is no longer muted by the host",
        ChangeCause::HostTransferred => "gave or took the host's role",
        ChangeCause::Unspecified => "changed",
    }
}

/// A name of the contract as words: `GOODBYE_REASON_ROOM_CLOSED` is "room closed".
fn spoken(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).replace('_', " ").to_lowercase()
}

fn style(who: usize) -> Style {
    const COLOURS: [AnsiColor; 3] = [AnsiColor::Cyan, AnsiColor::Green, AnsiColor::Magenta];
    COLOURS[who % COLOURS.len()].on_default()
}

#[cfg(test)]
mod tests {
    use gochat_client::{GoodbyeReason, MemberChanged, Mic};

    use super::*;

    #[test]
    fn names_and_microphones_are_spoken_of() {
        let mic = Some(Mic { on: true, ..Mic::default() });
        let member = Some(Member { uid: 7, mic, on_stage_at: 1, ..Member::default() });
        let changed = MemberChanged { member, cause: ChangeCause::InvitationAccepted.into() };
        let event = Kind::MemberChanged(changed);
        let names = Names::from([(7, "lea".to_owned())]);
        assert_eq!(kind(&event, &names), "lea accepted, and is on stage (microphone on)");
        assert_eq!(kind(&event, &Names::new()), "user 7 accepted, and is on stage (microphone on)");
    }

    #[test]
    fn an_end_has_its_reason() {
        let ended = Update::Ended(GoodbyeReason::RoomClosed);
        assert_eq!(update(&ended, &Names::new()), "the end: room closed");
    }
}
