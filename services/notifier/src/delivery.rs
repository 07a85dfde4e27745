//! A commit as it is delivered: what of it is for everybody, for those who follow only the
//! stage, and for one person.

use gochat_proto::model::{Commit, Event, Place, event::Kind};

/// A commit, cut once for all who are shown the same of it.
#[derive(Debug)]
pub(crate) struct Delivery {
    commit: Commit,
    /// Its `after` for who follows only the stage.
    stage_after: u64,
    all: Option<Commit>,
    stage: Option<Commit>,
}

impl Delivery {
    /// Cuts a commit; `stage_after` is the last revision that had anything for those who
    /// follow only the stage.
    pub(crate) fn new(commit: Commit, stage_after: u64) -> Self {
        let all = cut(&commit, commit.after, |event| event.to.is_empty());
        let stage = cut(&commit, stage_after, |event| event.to.is_empty() && concerns_stage(event));
        Self { commit, stage_after, all, stage }
    }

    /// Where the room stands after it.
    pub(crate) fn place(&self) -> Place {
        self.commit.place()
    }

    /// All of it.
    pub(crate) fn commit(&self) -> &Commit {
        &self.commit
    }

    /// Whether those who follow only the stage are shown anything of it.
    pub(crate) fn is_on_stage(&self) -> bool {
        self.stage.is_some()
    }

    /// What one person is shown of it; nobody (an observer) is shown what is for everybody.
    pub(crate) fn cut_for(&self, uid: Option<u32>, only_stage: bool) -> Option<Commit> {
        let has_own = self.commit.events.iter().any(|event| concerns(event, uid));
        match (has_own, only_stage) {
            (false, false) => self.all.clone(),
            (false, true) => self.stage.clone(),
            (true, false) => cut(&self.commit, self.commit.after, |event| is_for(event, uid)),
            (true, true) => cut(&self.commit, self.stage_after, |event| {
                is_for(event, uid) && (concerns_stage(event) || concerns(event, uid))
            }),
        }
    }
}

fn cut(commit: &Commit, after: u64, keep: impl Fn(&Event) -> bool) -> Option<Commit> {
    let events: Vec<Event> = commit.events.iter().filter(|event| keep(event)).cloned().collect();
    (!events.is_empty()).then(|| Commit {
        events,
        after,
        room_id: commit.room_id.clone(),
        operator_name: commit.operator_name.clone(),
        ..*commit
    })
}

fn is_for(event: &Event, uid: Option<u32>) -> bool {
    event.to.is_empty() || uid.is_some_and(|uid| event.to.contains(&uid))
}

/// Whether an event is about this person: private to them, or their own coming and going,
/// which who follows only the stage isn't shown of others.
fn concerns(event: &Event, uid: Option<u32>) -> bool {
    let Some(uid) = uid else { return false };
    match &event.kind {
        Some(Kind::MemberJoined(joined)) => joined.member.as_ref().is_some_and(|member| member.uid == uid),
        Some(Kind::MemberLeft(left)) => left.member.as_ref().is_some_and(|member| member.uid == uid),
        _ => event.to.contains(&uid),
    }
}

/// All but the comings and goings of listeners whose hand is down.
fn concerns_stage(event: &Event) -> bool {
    let member = match &event.kind {
        Some(Kind::MemberJoined(joined)) => joined.member.as_ref(),
        Some(Kind::MemberLeft(left)) => left.member.as_ref(),
        _ => return true,
    };
    member.is_some_and(|member| member.on_stage_at != 0 || member.hand_raised_at != 0)
}

#[cfg(test)]
mod tests {
    use gochat_proto::model::{InvitationSent, Member, MemberChanged, MemberJoined};

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
        Delivery::new(Commit { revision: 9, after: 8, events, ..Commit::default() }, 5)
    }

    #[test]
    fn what_is_private_reaches_only_its_person() {
        let delivery = delivery(vec![invited(7)]);
        assert_eq!(delivery.cut_for(Some(7), false).unwrap().events, [invited(7)]);
        assert_eq!(delivery.cut_for(Some(8), false), None);
        assert_eq!(delivery.cut_for(None, false), None);
    }

    #[test]
    fn who_follows_the_stage_sees_no_hole_where_listeners_came() {
        let came = delivery(vec![joined(7)]);
        assert_eq!(came.cut_for(Some(8), true), None);
        assert_eq!(came.cut_for(Some(7), true).unwrap().events, [joined(7)], "but their own coming");
        assert_eq!(came.cut_for(Some(8), false).unwrap().after, 8);
        let on_stage = delivery(vec![changed()]);
        assert_eq!(on_stage.cut_for(Some(8), true).unwrap().after, 5);
    }
}
