//! The rules' types as records.

use gochat_domain::{Ban, Head, Invitation, Member, Mic, Standing};
use prost::Message;

use super::{BanRecord, FORMAT, HeadRecord, InvitationRecord, MemberRecord};

pub(crate) fn write_head(head: &Head) -> Vec<u8> {
    HeadRecord {
        format: FORMAT,
        subject: head.subject.as_str().to_owned(),
        host: head.host.get(),
        host_name: head.host_name.as_str().to_owned(),
        created_at: head.created_at.0,
        member_limit: head.limits.members,
        seat_limit: head.limits.seats,
        hands_lowered_at: head.hands_lowered_at.0,
        closed: head.closed,
        hand_overs: head.hand_overs,
    }
    .encode_to_vec()
}

pub(crate) fn write_member(member: &Member) -> Vec<u8> {
    let mic = member.standing.mic().unwrap_or(Mic::ON);
    MemberRecord {
        format: FORMAT,
        nick_name: member.nick_name.as_str().to_owned(),
        avatar: member.avatar.clone(),
        client: member.client.as_str().to_owned(),
        entry: member.entry.0,
        joined_at: member.joined_at.0,
        role: match member.standing {
            Standing::Listener { .. } => 1,
            Standing::GuestSpeaker { .. } => 2,
            Standing::Host { .. } => 3,
        },
        hand_raised_at: member.standing.hand_raised_at().map(|at| at.0),
        on_stage_at: member.standing.on_stage_at().map_or(0, |at| at.0),
        muted_by_self: mic.muted_by_self,
        muted_by_host: mic.muted_by_host,
    }
    .encode_to_vec()
}

pub(crate) fn write_invitation(invitation: &Invitation) -> Vec<u8> {
    InvitationRecord {
        host: invitation.host.get(),
        host_name: invitation.host_name.as_str().to_owned(),
        sent_at: invitation.sent_at.0,
        expires_at: invitation.expires_at.0,
        token: invitation.token.0.clone(),
        hand_overs: invitation.hand_overs,
    }
    .encode_to_vec()
}

pub(crate) fn write_ban(ban: &Ban) -> Vec<u8> {
    BanRecord { since: ban.since.0, until: ban.until.map(|until| until.0), reason: ban.reason.clone() }
        .encode_to_vec()
}
