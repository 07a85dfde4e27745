//! Streams that begin, go on or end as they may not.

use gochat_proto::{
    model::Refusal,
    notifier::{GoodbyeReason, Personal, subscribe_response::Frame},
};

use super::{
    accepted::{back_again, everything, taken_out},
    objected::{find, objection},
    story::*,
};
use crate::{
    judge::{Expect, Wrong},
    record::{End, What},
};

#[test]
fn streams_that_begin_or_end_wrongly() {
    let story = Story::told();
    let clean = What::Ended(End::Clean);
    let all = Expect { goodbye: true, ..Expect::default() };
    objects!(story, |got| drop(got.drain(1..4)), Wrong::NotBegun);
    objects!(story, |got| got.insert(1, alive(story.place(1))), Wrong::NotBegun);
    objects!(
        story,
        |got| {
            let at = got.iter().position(|what| *what == broken()).unwrap();
            got[at + 1] = anew(None);
            got.truncate(at + 3);
        },
        Wrong::NotBegun
    );
    objects!(story, |got| got.insert(1, goodbye(GoodbyeReason::Draining, story.place(1))), Wrong::NotBegun);
    objects!(story, |_| {}, all, Wrong::NoGoodbye);
    objects!(
        story,
        |got| {
            let at = got.iter().position(|what| *what == broken()).unwrap();
            got[at] = clean.clone()
        },
        Wrong::NoGoodbye
    );
    let bye =
        |got: &[What]| got.iter().position(|what| matches!(what, What::Frame(Frame::Goodbye(_)))).unwrap();
    objects!(story, |got| got.insert(bye(got) + 1, alive(story.place(9))), Wrong::AfterGoodbye);
    for reason in
        [GoodbyeReason::Left, GoodbyeReason::Removed, GoodbyeReason::LoggedOut, GoodbyeReason::RoomClosed]
    {
        objects!(
            story,
            |got| {
                let at = bye(got);
                got[at] = goodbye(reason, story.place(9))
            },
            Wrong::Unfounded { .. }
        );
    }
    objects!(story, |got| got.insert(4, What::Asked { token: None, min: None }), Wrong::Subscriber(_));
    objects!(
        story,
        |got| if let What::Frame(Frame::KeepAlive(alive)) = &mut got[7] {
            alive.resume_token.push('x')
        },
        Wrong::Token(_)
    );
    for refusal in [Refusal::NotInRoom, Refusal::RoomNotFound, Refusal::NotLoggedIn, Refusal::NotPermitted] {
        let end = What::Ended(End::Refused(refusal, String::new()));
        objects!(
            story,
            |got| {
                got.truncate(find(got, 7));
                got.push(end.clone())
            },
            Wrong::TurnedAway { .. }
        );
    }
}

#[test]
fn streams_that_outlive_their_entry_or_room() {
    let story = taken_out(20);
    let goes_on = |got: &mut Vec<What>| {
        got.pop();
        got.extend([story.commit(10, &[0]), alive(story.head())]);
    };
    objects!(story, goes_on, Wrong::AfterTheEnd { due: GoodbyeReason::Removed });
    let untold = |got: &mut Vec<What>| {
        got.pop();
        got.push(goodbye(GoodbyeReason::Removed, story.place(9)));
    };
    objects!(story, untold, Wrong::Unfounded { reason: GoodbyeReason::Removed });
    // Though the same person enters again, by another entry, this one's stream is over.
    let story = back_again();
    let mut got = vec![anew(None)];
    got.extend(story.snapshot(9, 1, Personal::default()));
    got.extend([story.commit(10, &[0]), story.commit(11, &[0])]);
    let wrong = objection(&story.history(), &mine(got), Expect::default());
    assert_eq!(wrong, Wrong::AfterTheEnd { due: GoodbyeReason::Removed });
    let mut ended = Story::told();
    ended.then(vec![closed()]);
    let goes_on = |got: &mut Vec<What>| {
        got.pop();
        got.extend([ended.commit(10, &[0]), alive(ended.head())]);
    };
    objects!(ended, goes_on, Wrong::AfterTheEnd { due: GoodbyeReason::RoomClosed });
    // An entry before this subscriber's own ends nothing.
    let former = taken_out(19);
    let leaves = |got: &mut Vec<What>| {
        got.pop();
        got.extend([former.commit(10, &[0]), goodbye(GoodbyeReason::Removed, former.head())]);
    };
    objects!(former, leaves, Wrong::Unfounded { reason: GoodbyeReason::Removed });
}
