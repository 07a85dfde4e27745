//! A room at one place, with what is private in it, and the snapshot of it that all share who
//! need one.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use gochat_proto::{
    model::{Commit, Invitation, Member, event::Kind},
    notifier::{Personal, Roster, SnapshotPart, subscribe_response::Frame as Out},
    view::RoomView,
};
use gochat_store::{Mechanism, Mechanisms, Snapshot};
use prost::Message;

use crate::{delivery::is_seen, ready::Ready};

/// The members and lists in one part of a snapshot take at most so many bytes.
const PART: usize = 48 * 1024;
/// A uid in a list takes at most so many bytes.
const UID: usize = 5;

/// A room at one place.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    /// How often the view had begun anew; later frames of before are of no interest.
    pub beginning: u64,
    /// The room.
    pub view: RoomView,
    /// The commit that closed it, where it is closed.
    pub closing: Option<Commit>,
    /// Unanswered invitations by who is invited, with their tokens.
    invitations: BTreeMap<u32, Invitation>,
    /// The parts for who follows everybody, and for who follows only the stage; made once.
    parts: [OnceLock<Arc<[Ready]>>; 2],
}

impl Base {
    pub(crate) fn of(Snapshot { view, invitations, closing }: Snapshot, beginning: u64) -> Self {
        let invitations = invitations.iter().map(|sent| (sent.target.get(), Invitation::of(sent))).collect();
        Self { beginning, view, closing, invitations, parts: Default::default() }
    }

    /// Goes on by the next commit.
    pub(crate) fn apply(&mut self, commit: &Commit, mechanisms: Mechanisms) {
        self.parts = Default::default();
        let applied = if mechanisms.has(Mechanism::TagCheck) && mechanisms.has(Mechanism::GapCheck) {
            self.view.apply(commit)
        } else {
            self.view.apply_streamed(commit)
        };
        // The follower hands on only what continues.
        if let Err(gap) = applied {
            tracing::error!(room = %commit.room_id, %gap, "a follower handed on what does not continue");
        }
        commit.events.iter().filter_map(|event| event.kind.as_ref()).for_each(|kind| self.note(kind));
        if self.view.closed {
            self.closing = Some(commit.clone());
        }
    }

    /// Keeps the invitations that stand.
    fn note(&mut self, kind: &Kind) {
        let answered = match kind {
            Kind::InvitationSent(sent) => {
                // The host's copy has no token.
                if let Some(sent) = sent.invitation.as_ref().filter(|sent| !sent.token.is_empty()) {
                    self.invitations.insert(sent.target_uid, sent.clone());
                }
                return;
            }
            Kind::HostChanged(_) => return self.invitations.clear(),
            Kind::InvitationDeclined(gone) => Some(gone.target_uid),
            Kind::InvitationWithdrawn(gone) => Some(gone.target_uid),
            Kind::InvitationExpired(gone) => Some(gone.target_uid),
            Kind::MemberChanged(changed) => {
                changed.member.as_ref().filter(|member| member.on_stage_at != 0).map(|member| member.uid)
            }
            Kind::MemberLeft(left) => left.member.as_ref().map(|member| member.uid),
            _ => None,
        };
        if let Some(uid) = answered {
            self.invitations.remove(&uid);
        }
    }

    /// The snapshot, in parts of at most 64 KiB.
    pub(crate) fn parts(&self, only_stage: bool) -> Arc<[Ready]> {
        let make = || cut(&self.view, only_stage).into_iter().map(|part| Ready::of(Out::Snapshot(part)));
        self.parts[usize::from(only_stage)].get_or_init(|| make().collect()).clone()
    }

    /// What is for one person alone: their invitation; the host's, those not yet answered.
    pub(crate) fn personal(&self, uid: Option<u32>) -> Ready {
        let is_host = uid == Some(self.view.room.host_uid);
        let without_token = |sent: &Invitation| Invitation { token: String::new(), ..sent.clone() };
        let outstanding = self.invitations.values().filter(|_| is_host).map(without_token).collect();
        let invitation = uid.and_then(|uid| self.invitations.get(&uid)).cloned();
        Ready::of(Out::Personal(Personal { place: Some(self.view.place), invitation, outstanding }))
    }
}

/// Cuts a room into parts; each list goes on in the next part where it must.
fn cut(view: &RoomView, only_stage: bool) -> Vec<SnapshotPart> {
    let mut parts = Parts::begin(view, if only_stage { Roster::Stage } else { Roster::All });
    view.hands.iter().for_each(|uid| parts.with(UID).hands.push(*uid));
    view.stage.iter().for_each(|uid| parts.with(UID).stage.push(*uid));
    let members = view.roster.iter().filter_map(|uid| view.members.get(uid));
    for member in members.filter(|member| !only_stage || is_seen(member)) {
        parts.with(size(member)).members.push(member.clone());
    }
    parts.end()
}

/// A member in a part: its bytes, and what precedes them.
fn size(member: &Member) -> usize {
    member.encoded_len() + 4
}

struct Parts {
    full: Vec<SnapshotPart>,
    last: SnapshotPart,
    size: usize,
}

impl Parts {
    fn begin(view: &RoomView, roster: Roster) -> Self {
        let last = SnapshotPart {
            place: Some(view.place),
            room: Some(view.room.clone()),
            member_count: view.room.member_count,
            roster: roster.into(),
            ..SnapshotPart::default()
        };
        Self { full: Vec::new(), last, size: 0 }
    }

    /// The part that has room for so many bytes more.
    fn with(&mut self, bytes: usize) -> &mut SnapshotPart {
        self.size += bytes;
        if self.size > PART {
            self.size = bytes;
            let SnapshotPart { place, roster, .. } = self.last;
            let next = SnapshotPart { place, roster, ..SnapshotPart::default() };
            self.full.push(std::mem::replace(&mut self.last, next));
        }
        &mut self.last
    }

    fn end(mut self) -> Vec<SnapshotPart> {
        self.last.last = true;
        self.full.push(self.last);
        self.full
    }
}
