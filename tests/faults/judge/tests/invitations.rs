//! Which invitations stand, by the log alone.

use gochat_proto::model::{
    ChangeCause, Event, HostChanged, InvitationDeclined, InvitationExpired, InvitationWithdrawn, LeaveReason,
    event::Kind,
};

use super::story::*;

#[test]
fn an_invitation_stands_until_something_ends_it() {
    let declined = Kind::InvitationDeclined(InvitationDeclined { target_uid: ME, ..Default::default() });
    let withdrawn = Kind::InvitationWithdrawn(InvitationWithdrawn { target_uid: ME });
    let expired = Kind::InvitationExpired(InvitationExpired { target_uid: ME });
    let another = Kind::HostChanged(HostChanged { host_uid: 3, former_host_uid: 1, ..Default::default() });
    let ends: [(Event, &[u32]); 9] = [
        (event(&[1], declined), &[3]),
        (event(&[1, ME], withdrawn), &[3]),
        (event(&[1, ME], expired), &[3]),
        (changed(on_stage(ME), ChangeCause::InvitationAccepted), &[3]),
        (left(listener(ME), LeaveReason::Left), &[3]),
        (event(&[], another), &[]),
        (closed(), &[]),
        (changed(listener(ME), ChangeCause::HandLowered), &[ME, 3]),
        (left(listener(4), LeaveReason::Left), &[ME, 3]),
    ];
    for (end, stand) in ends {
        let mut story = Story::told().back_to(6);
        story.then(vec![end.clone()]);
        let state = story.history().room(ROOM).unwrap().state(story.head()).unwrap();
        assert_eq!(state.invitations.keys().copied().collect::<Vec<_>>(), stand, "{end:?}");
        assert!(state.invitations.values().all(|open| open.token == "secret"));
    }
}
