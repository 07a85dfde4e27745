//! What a rule decides: new values for the records it names, and what is told of it.
//! Counts, lists, leases and guards follow from the records and are nobody's to forget.

use std::collections::BTreeMap;

use crate::{Ban, Event, EventKind, Head, Invitation, Member, NickName, Uid};

/// New values for the records that a rule changes, `None` for one that goes away,
/// and the events that tell of it. The empty change is "nothing to do".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The room's head, where it changes.
    pub head: Option<Head>,
    /// Members who come, change or go.
    pub members: BTreeMap<Uid, Option<Member>>,
    /// Bans laid or lifted.
    pub bans: BTreeMap<Uid, Option<Ban>>,
    /// Invitations sent or gone.
    pub invitations: BTreeMap<Uid, Option<Invitation>>,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Who caused it; none for an expiry.
    pub operator: Option<(Uid, NickName)>,
}

impl Change {
    /// Nothing to do.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// A change that a member brings about.
    pub fn by(operator: &Member) -> Self {
        Self { operator: Some((operator.uid, operator.nick_name.clone())), ..Self::default() }
    }

    /// Whether nothing is to be done.
    pub fn is_nothing(&self) -> bool {
        self.head.is_none()
            && self.members.is_empty()
            && self.bans.is_empty()
            && self.invitations.is_empty()
            && self.events.is_empty()
    }

    /// Writes the head.
    pub fn head(mut self, head: Head) -> Self {
        self.head = Some(head);
        self
    }

    /// Writes a member.
    pub fn put(mut self, member: Member) -> Self {
        self.members.insert(member.uid, Some(member));
        self
    }

    /// Takes a member out.
    pub fn remove(mut self, uid: Uid) -> Self {
        self.members.insert(uid, None);
        self
    }

    /// Writes or lifts a ban.
    pub fn ban(mut self, uid: Uid, ban: Option<Ban>) -> Self {
        self.bans.insert(uid, ban);
        self
    }

    /// Writes an invitation or takes it away.
    pub fn invitation(mut self, uid: Uid, invitation: Option<Invitation>) -> Self {
        self.invitations.insert(uid, invitation);
        self
    }

    /// Tells everybody.
    pub fn tell(mut self, kind: EventKind) -> Self {
        self.events.push(Event::public(kind));
        self
    }

    /// Tells these persons alone.
    pub fn tell_only(mut self, to: impl Into<Vec<Uid>>, kind: EventKind) -> Self {
        self.events.push(Event::private(to, kind));
        self
    }
}
