//! A whole room at one place in its history.

use std::collections::HashMap;

use gochat_domain::{Invitation, Millis, RoomId, Uid};
use gochat_proto::{model, view::RoomView};

use crate::{
    Error, Result, Store,
    keys::field,
    load::{Bytes, Fixed},
    record::{read_invitation, read_member},
};

/// A whole room, read at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The room as everybody may see it.
    pub view: RoomView,
    /// Invitations that can still be answered, by who is invited.
    pub invitations: Vec<Invitation>,
    /// The commit that closed it, where it is closed.
    pub closing: Option<model::Commit>,
}

type Answer = (i64, Vec<Vec<u8>>, Vec<String>, Vec<String>, Vec<String>);

impl Store {
    /// Reads a whole room; none where there is no such room.
    pub async fn snapshot(&self, room: RoomId) -> Result<Option<Snapshot>> {
        let keys = self.keys(room);
        let mut call = self.scripts.snapshot.prepare_invoke();
        call.key(keys.hash()).key(keys.roster()).key(keys.hands()).key(keys.stage());
        let answer: Answer = self.redis.read("snapshot", &call).await?;
        let mut snapshot = decode(room, answer)?;
        if let Some(closed) = snapshot.as_mut().filter(|snapshot| snapshot.view.closed) {
            // Nothing comes after it, so it may be read by itself.
            closed.closing = self.commit_at(room, closed.view.place.revision).await?;
        }
        Ok(snapshot)
    }
}

fn decode(room: RoomId, (time, flat, roster, hands, stage): Answer) -> Result<Option<Snapshot>> {
    let fields: HashMap<&[u8], &[u8]> =
        flat.chunks_exact(2).map(|pair| (pair[0].as_slice(), pair[1].as_slice())).collect();
    let fixed: Vec<Bytes> =
        Fixed::FIELDS.iter().map(|name| fields.get(name.as_bytes()).map(|value| value.to_vec())).collect();
    let Fixed { head, place, counts, .. } = Fixed::read(&fixed)?;
    let Some(head) = head else { return Ok(None) };
    let uids = |names: &[String]| -> Result<Vec<u32>> {
        names.iter().map(|name| parse_uid(name).map(Uid::get)).collect()
    };
    let mut view = RoomView {
        place: place.into(),
        room: model::Room::of(room, &head, counts),
        roster: uids(&roster)?,
        hands: uids(&hands)?,
        stage: uids(&stage)?,
        closed: head.closed,
        ..RoomView::default()
    };
    let mut invitations = Vec::new();
    for (name, value) in &fields {
        match split(name) {
            Some((field::MEMBER, uid)) => {
                let member = read_member(uid, value, Some(&head))?;
                view.members.insert(uid.get(), (&member).into());
            }
            Some((field::INVITATION, uid)) => invitations.push(read_invitation(uid, value)?),
            _ => {}
        }
    }
    invitations.retain(|invitation| invitation.stands(&head, Millis(time)));
    invitations.sort_by_key(|invitation| (invitation.sent_at, invitation.target));
    Ok(Some(Snapshot { view, invitations, closing: None }))
}

/// The kind and the person of a field that belongs to one.
fn split(name: &[u8]) -> Option<(&'static str, Uid)> {
    let name = std::str::from_utf8(name).ok()?;
    [field::MEMBER, field::INVITATION]
        .into_iter()
        .find_map(|kind| Some((kind, name.strip_prefix(kind)?.parse().ok()?)))
}

pub(crate) fn parse_uid(name: &str) -> Result<Uid> {
    name.parse().map_err(|why| Error::Unreadable(format!("uid: {why}")))
}
