//! Records as the rules' types. What isn't one is an error, never a guess.

use std::fmt::Display;

use gochat_domain::{
    Ban, ClientId, Entry, Head, Invitation, InvitationToken, Limits, Member, Mic, Millis, NickName, Standing,
    Subject, Uid,
};
use prost::Message;

use super::{BanRecord, FORMAT, HeadRecord, InvitationRecord, MemberRecord};
use crate::{Error, Result};

pub(crate) fn read_head(bytes: &[u8]) -> Result<Head> {
    let record: HeadRecord = decode("head", bytes)?;
    check_format(record.format)?;
    Ok(Head {
        subject: Subject::parse(&record.subject).map_err(|why| unreadable("head", why))?,
        host: uid(record.host)?,
        host_name: NickName::parse(&record.host_name).map_err(|why| unreadable("head", why))?,
        created_at: Millis(record.created_at),
        limits: Limits { members: record.member_limit, seats: record.seat_limit },
        hands_lowered_at: Millis(record.hands_lowered_at),
        closed: record.closed,
        hand_overs: record.hand_overs,
    })
}

/// Reads a member as the room has it: a hand at or below the moment up to which all
/// hands are down is down.
pub(crate) fn read_member(uid: Uid, bytes: &[u8], head: Option<&Head>) -> Result<Member> {
    let record: MemberRecord = decode("member", bytes)?;
    check_format(record.format)?;
    let floor = head.map_or(Millis(0), |head| head.hands_lowered_at);
    let mic = Mic { muted_by_self: record.muted_by_self, muted_by_host: record.muted_by_host };
    let on_stage_at = Millis(record.on_stage_at);
    let standing = match record.role {
        1 => {
            Standing::Listener { hand_raised_at: record.hand_raised_at.map(Millis).filter(|at| *at > floor) }
        }
        2 => Standing::GuestSpeaker { on_stage_at, mic },
        3 => Standing::Host { on_stage_at, mic },
        other => return Err(unreadable("member", format!("role {other}"))),
    };
    Ok(Member {
        uid,
        nick_name: NickName::parse(&record.nick_name).map_err(|why| unreadable("member", why))?,
        avatar: record.avatar,
        client: ClientId::parse(&record.client).map_err(|why| unreadable("member", why))?,
        entry: Entry(record.entry),
        joined_at: Millis(record.joined_at),
        standing,
    })
}

pub(crate) fn read_invitation(target: Uid, bytes: &[u8]) -> Result<Invitation> {
    let record: InvitationRecord = decode("invitation", bytes)?;
    Ok(Invitation {
        target,
        host: uid(record.host)?,
        host_name: NickName::parse(&record.host_name).map_err(|why| unreadable("invitation", why))?,
        sent_at: Millis(record.sent_at),
        expires_at: Millis(record.expires_at),
        token: InvitationToken(record.token),
        hand_overs: record.hand_overs,
    })
}

pub(crate) fn read_ban(bytes: &[u8]) -> Result<Ban> {
    let record: BanRecord = decode("ban", bytes)?;
    Ok(Ban { since: Millis(record.since), until: record.until.map(Millis), reason: record.reason })
}

fn decode<T: Message + Default>(what: &str, bytes: &[u8]) -> Result<T> {
    T::decode(bytes).map_err(|why| unreadable(what, why))
}

/// A newer release may keep what this one would lose by writing the record back.
fn check_format(format: u32) -> Result<()> {
    match format {
        FORMAT => Ok(()),
        newer if newer > FORMAT => {
            Err(Error::Unavailable(format!("a newer release wrote format {newer}; this one reads {FORMAT}")))
        }
        other => Err(unreadable("format", other)),
    }
}

fn uid(number: u32) -> Result<Uid> {
    number.try_into().map_err(|why| unreadable("uid", why))
}

fn unreadable(what: &str, why: impl Display) -> Error {
    Error::Unreadable(format!("{what}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{write_ban, write_head, write_invitation, write_member};

    fn head(hands_lowered_at: i64) -> Head {
        Head {
            subject: Subject::parse("talk").unwrap(),
            host: Uid::try_from(7).unwrap(),
            host_name: NickName::parse("ann").unwrap(),
            created_at: Millis(1),
            limits: Limits { members: 3, seats: 2 },
            hands_lowered_at: Millis(hands_lowered_at),
            closed: false,
            hand_overs: 3,
        }
    }

    fn member(standing: Standing) -> Member {
        Member {
            uid: Uid::try_from(8).unwrap(),
            nick_name: NickName::parse("bob").unwrap(),
            avatar: "b.png".to_owned(),
            client: ClientId::parse("tab 1").unwrap(),
            entry: Entry(9),
            joined_at: Millis(10),
            standing,
        }
    }

    #[test]
    fn records_come_back_as_they_were_written() {
        assert_eq!(read_head(&write_head(&head(5))).unwrap(), head(5));
        let mic = Mic { muted_by_self: true, muted_by_host: false };
        for standing in [
            Standing::LISTENER,
            Standing::Listener { hand_raised_at: Some(Millis(6)) },
            Standing::GuestSpeaker { on_stage_at: Millis(11), mic },
            Standing::Host { on_stage_at: Millis(11), mic: Mic::ON },
        ] {
            let member = member(standing);
            assert_eq!(read_member(member.uid, &write_member(&member), Some(&head(5))).unwrap(), member);
        }
        let ban = Ban { since: Millis(1), until: None, reason: "noise".to_owned() };
        assert_eq!(read_ban(&write_ban(&ban)).unwrap(), ban);
        let invitation = Invitation {
            target: Uid::try_from(8).unwrap(),
            host: Uid::try_from(7).unwrap(),
            host_name: NickName::parse("ann").unwrap(),
            sent_at: Millis(1),
            expires_at: Millis(2),
            token: InvitationToken("t".to_owned()),
            hand_overs: 3,
        };
        assert_eq!(read_invitation(invitation.target, &write_invitation(&invitation)).unwrap(), invitation);
    }

    #[test]
    fn a_hand_at_or_below_the_floor_is_down() {
        let raised = member(Standing::Listener { hand_raised_at: Some(Millis(5)) });
        let read =
            |floor| read_member(raised.uid, &write_member(&raised), Some(&head(floor))).unwrap().standing;
        assert_eq!(read(4), raised.standing);
        assert_eq!(read(5), Standing::LISTENER);
    }

    #[test]
    fn a_newer_format_is_left_alone() {
        let newer = HeadRecord { format: FORMAT + 1, ..HeadRecord::default() }.encode_to_vec();
        assert!(matches!(read_head(&newer), Err(Error::Unavailable(_))));
        assert!(matches!(read_head(b""), Err(Error::Unreadable(_))));
        assert!(matches!(read_head(b"\xff"), Err(Error::Unreadable(_))));
    }
}
