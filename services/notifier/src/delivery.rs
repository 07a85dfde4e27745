//! A commit as it is delivered: what of it is for everybody, for those who follow only the
//! stage, and for one person. What many are shown is encoded once.

use std::sync::OnceLock;

use gochat_proto::{
    model::{Commit, Event, LeaveReason, Member, Place, event::Kind},
    notifier::{GoodbyeReason, subscribe_response::Frame as Out},
};

use crate::ready::Ready;

/// A commit, cut for all who may be shown something of it.
#[derive(Debug)]
pub(crate) struct Delivery {
    commit: Commit,
    /// How often the view had begun anew.
    beginning: u64,
    /// Its `after` for who follows only the stage.
    stage_after: u64,
    /// Who is shown something that others are not.
    persons: Vec<u32>,
    leavers: Vec<Leaver>,
    closes: bool,
    all: OnceLock<Option<Ready>>,
    stage: OnceLock<Option<Ready>>,
}

/// Whose stream ends with a commit.
#[derive(Debug)]
struct Leaver {
    uid: u32,
    entry: u64,
    reason: GoodbyeReason,
}

impl Delivery {
    /// Prepares a commit; `stage_after` is the last revision that had anything for those who
    /// follow only the stage, or less where that isn't known.
    pub(crate) fn new(commit: Commit, beginning: u64, stage_after: u64) -> Self {
        metrics::gauge!("gochat_deliveries_held").increment(1.0);
        let persons = commit.events.iter().flat_map(persons).collect();
        let leavers = commit.events.iter().filter_map(leaver).collect();
        let closes = commit.events.iter().any(|event| matches!(event.kind, Some(Kind::RoomClosed(_))));
        let (all, stage) = (OnceLock::new(), OnceLock::new());
        Self { commit, beginning, stage_after, persons, leavers, closes, all, stage }
    }

    /// Where the room stands after it.
    pub(crate) fn place(&self) -> Place {
        self.commit.place()
    }

    /// How often the view had begun anew.
    pub(crate) fn beginning(&self) -> u64 {
        self.beginning
    }

    /// All of it.
    pub(crate) fn commit(&self) -> &Commit {
        &self.commit
    }

    /// Whether those who follow only the stage are shown anything of it.
    pub(crate) fn is_on_stage(&self) -> bool {
        self.commit.events.iter().any(|event| event.to.is_empty() && concerns_stage(event))
    }

    /// Why the stream of a person's entry ends with it, if it does.
    pub(crate) fn end_of(&self, uid: Option<u32>, entry: u64) -> Option<GoodbyeReason> {
        if self.closes {
            return Some(GoodbyeReason::RoomClosed);
        }
        let own = |leaver: &&Leaver| Some(leaver.uid) == uid && leaver.entry == entry;
        self.leavers.iter().find(own).map(|leaver| leaver.reason)
    }

    /// What one person is shown of it; nobody (an observer) is shown what is for everybody.
    pub(crate) fn cut_for(&self, uid: Option<u32>, only_stage: bool) -> Option<Ready> {
        let Some(uid) = uid.filter(|uid| self.persons.contains(uid)) else {
            return self.shared(only_stage).clone();
        };
        let after = if only_stage { self.stage_after } else { self.commit.after };
        cut(&self.commit, after, |event| {
            is_for(event, uid) && (!only_stage || concerns_stage(event) || concerns(event, uid))
        })
    }

    /// What all are shown who are not shown anything of their own.
    fn shared(&self, only_stage: bool) -> &Option<Ready> {
        let public = |event: &Event| event.to.is_empty();
        if only_stage {
            let shown = |event: &Event| public(event) && concerns_stage(event);
            return self.stage.get_or_init(|| cut(&self.commit, self.stage_after, shown));
        }
        self.all.get_or_init(|| cut(&self.commit, self.commit.after, public))
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        metrics::gauge!("gochat_deliveries_held").decrement(1.0);
    }
}

fn cut(commit: &Commit, after: u64, keep: impl Fn(&Event) -> bool) -> Option<Ready> {
    let events: Vec<Event> = commit.events.iter().filter(|event| keep(event)).cloned().collect();
    (!events.is_empty()).then(|| {
        Ready::of(Out::Commit(Commit {
            events,
            after,
            room_id: commit.room_id.clone(),
            operator_name: commit.operator_name.clone(),
            ..*commit
        }))
    })
}

fn is_for(event: &Event, uid: u32) -> bool {
    event.to.is_empty() || event.to.contains(&uid)
}

/// Who came or went, if that is what happened.
fn passer(event: &Event) -> Option<&Member> {
    match &event.kind {
        Some(Kind::MemberJoined(joined)) => joined.member.as_ref(),
        Some(Kind::MemberLeft(left)) => left.member.as_ref(),
        _ => None,
    }
}

/// Those whom an event is about: to whom it is private, or who came or went, which who follows
/// only the stage isn't shown of others.
fn persons(event: &Event) -> impl Iterator<Item = u32> {
    event.to.iter().copied().chain(passer(event).map(|member| member.uid))
}

fn concerns(event: &Event, uid: u32) -> bool {
    persons(event).any(|person| person == uid)
}

/// All but the comings and goings of listeners whose hand is down.
fn concerns_stage(event: &Event) -> bool {
    match &event.kind {
        Some(Kind::MemberJoined(_) | Kind::MemberLeft(_)) => passer(event).is_some_and(is_seen),
        _ => true,
    }
}

/// Whether who follows only the stage is shown this member.
pub(crate) fn is_seen(member: &Member) -> bool {
    member.on_stage_at != 0 || member.hand_raised_at != 0
}

fn leaver(event: &Event) -> Option<Leaver> {
    let Some(Kind::MemberLeft(left)) = &event.kind else { return None };
    let member = left.member.as_ref()?;
    let reason = match left.reason() {
        LeaveReason::Removed => GoodbyeReason::Removed,
        LeaveReason::Lost => GoodbyeReason::Lost,
        LeaveReason::Replaced => GoodbyeReason::Replaced,
        LeaveReason::LoggedOut => GoodbyeReason::LoggedOut,
        LeaveReason::Left | LeaveReason::Unspecified => GoodbyeReason::Left,
    };
    Some(Leaver { uid: member.uid, entry: member.entry, reason })
}

#[cfg(test)]
mod tests {
    use gochat_proto::model::{InvitationSent, MemberChanged, MemberJoined};

    use super::*;

    fn joined(uid: u32) -> Event {
        let member = Some(Member { uid, ..Member::default() });
        Event { to: vec![], kind: Some(Kind::MemberJoined(MemberJoined { member })) }
    }

    fn invited(uid: u32) -> Event {
        Event { to: vec![uid], kind: Some(Kind::InvitationSent(InvitationSent::default())) }
    }

    fn changed() -> Event {
        Event { to: vec![], kind: Some(Kind::MemberChanged(MemberChanged::default())) }
    }

    fn delivery(events: Vec<Event>) -> Delivery {
        Delivery::new(Commit { revision: 9, after: 8, events, ..Commit::default() }, 1, 5)
    }

    fn shown(delivery: &Delivery, uid: Option<u32>, only_stage: bool) -> Option<Commit> {
        let ready = delivery.cut_for(uid, only_stage)?;
        let Out::Commit(commit) = ready.frame() else { panic!("a commit") };
        Some(commit)
    }

    #[test]
    fn what_is_private_reaches_only_its_person() {
        let delivery = delivery(vec![invited(7), changed()]);
        assert_eq!(shown(&delivery, Some(7), false).unwrap().events, [invited(7), changed()]);
        assert_eq!(shown(&delivery, Some(8), false).unwrap().events, [changed()]);
        assert_eq!(shown(&delivery, None, false).unwrap().events, [changed()]);
        let alone = self::delivery(vec![invited(7)]);
        assert_eq!(shown(&alone, Some(8), false), None);
        assert_eq!(shown(&alone, None, true), None);
    }

    #[test]
    fn who_follows_the_stage_sees_no_hole_where_listeners_came() {
        let came = delivery(vec![joined(7)]);
        assert_eq!(shown(&came, Some(8), true), None);
        assert_eq!(shown(&came, Some(7), true).unwrap().events, [joined(7)], "but their own coming");
        assert_eq!(shown(&came, Some(8), false).unwrap().after, 8);
        let on_stage = delivery(vec![changed()]);
        assert_eq!(shown(&on_stage, Some(8), true).unwrap().after, 5);
    }
}
