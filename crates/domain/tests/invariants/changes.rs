//! What holds of each change by itself, whatever the room.

use gochat_domain::{Change, CloseReason, EventKind, Loaded, Member, rules::Rule};

/// A change as a rule may make it of what it loaded.
pub(crate) fn check(rule: &dyn Rule, loaded: &Loaded, change: &Change) {
    follows(loaded, change);
    if !change.is_nothing() {
        leaves_a_record(rule, loaded, change);
        promotes_the_longest(loaded, change);
    }
}

/// It writes only what was loaded, and tells what it writes.
fn follows(loaded: &Loaded, change: &Change) {
    assert!(loaded.head.as_ref().is_none_or(|head| !head.closed), "nothing changes a closed room");
    for uid in change.members.keys().chain(change.bans.keys()).chain(change.invitations.keys()) {
        let named = loaded.people.contains_key(uid) || loaded.stage.iter().any(|member| member.uid == *uid);
        assert!(named, "a rule writes only what it loaded, or its guards would not hold");
    }
    for event in &change.events {
        if let EventKind::MemberChanged { member, .. } | EventKind::MemberJoined(member) = &event.kind {
            assert_eq!(change.members[&member.uid].as_ref(), Some(member), "events carry the state after");
        }
        let is_invitation = matches!(
            event.kind,
            EventKind::InvitationSent { .. }
                | EventKind::InvitationDeclined { .. }
                | EventKind::InvitationWithdrawn(_)
                | EventKind::InvitationExpired(_)
        );
        assert_eq!(is_invitation, !event.is_public(), "only what is about invitations is private");
    }
    let steps_up = |member: &Member| {
        let before = loaded.people.get(&member.uid).and_then(|person| person.member.as_ref());
        member.standing.is_guest_speaker()
            && before.is_some_and(|before| before.standing.on_stage_at().is_none())
    };
    for member in change.members.values().flatten().filter(|member| steps_up(member)) {
        assert!(loaded.invitation(member.uid).is_some(), "only who is invited steps up");
        assert_eq!(change.operator.as_ref().map(|by| by.0), Some(member.uid), "and by their own word");
    }
}

/// Whoever changes what concerns another, or all, leaves a record of it.
fn leaves_a_record(rule: &dyn Rule, loaded: &Loaded, change: &Change) {
    let Some((operator, _)) = change.operator else {
        assert_eq!(rule.act(), None, "an expiry is nobody's act");
        return;
    };
    let named = change.members.keys().chain(change.bans.keys()).chain(change.invitations.keys());
    let others = named.filter(|uid| **uid != operator).count();
    let closed_by_hand =
        change.events.iter().any(|event| event.kind == EventKind::RoomClosed(CloseReason::Closed));
    let hands_lowered = change.events.iter().any(|event| event.kind == EventKind::HandsLowered);
    let moderates = others > 0 || closed_by_hand || hands_lowered;
    assert_eq!(rule.act().is_some(), moderates, "{change:?}");
    if let Some(act) = rule.act() {
        assert_eq!([act.by, loaded.head.as_ref().unwrap().host], [operator; 2], "the host moderates");
        assert!(act.whom.is_none_or(|whom| whom != operator && loaded.people.contains_key(&whom)));
    }
}

/// A host who is lost is followed by the guest speaker longest on stage.
fn promotes_the_longest(loaded: &Loaded, change: &Change) {
    let Some(head) = change.head.as_ref().filter(|head| change.operator.is_none() && !head.closed) else {
        return;
    };
    let lost = loaded.head.as_ref().unwrap().host;
    assert_eq!(change.members.get(&lost), Some(&None), "who is lost is out");
    let speakers = loaded.stage.iter().filter(|member| member.standing.is_guest_speaker());
    let longest = speakers.min_by_key(|speaker| speaker.standing.on_stage_at()).unwrap();
    assert_eq!(head.host, longest.uid);
}
