//! One thing wrong at a time, and the objection to it.

use gochat_domain::{Invitation, InvitationToken, Millis, NickName};
use gochat_proto::{
    model::{ChangeCause, Place},
    notifier::{Counts, GoodbyeReason, Personal, Roster, SnapshotPart, subscribe_response::Frame},
};

use super::{
    accepted::{below, everything, gone_back, lowered_at_last},
    story::*,
};
use crate::{
    history::History,
    judge::{Expect, Wrong, end::leads_to, judge},
    record::{Record, What},
};

pub(super) fn objection(history: &History, record: &Record, expect: Expect) -> Wrong {
    let objection = judge(record, history, expect).expect_err("the judge objects");
    assert!(!objection.to_string().is_empty());
    *objection.wrong
}

/// Asserts what the judge says of everything that I got, after one change to it.
macro_rules! objects {
    ($story:expr, $change:expr, $wrong:pat) => {
        objects!($story, $change, Expect::default(), $wrong)
    };
    ($story:expr, $change:expr, $expect:expr, $wrong:pat) => {{
        let story: &Story = &$story;
        let mut got = everything(story);
        let change: &dyn Fn(&mut Vec<What>) = &$change;
        change(&mut got);
        let wrong = objection(&story.history(), &mine(got), $expect);
        assert!(matches!(wrong, $wrong), "{wrong:?}");
    }};
}

/// Where a revision's commit is in what I got.
pub(super) fn find(got: &[What], revision: u64) -> usize {
    let is = |what: &What| matches!(what, What::Frame(Frame::Commit(c)) if c.revision == revision);
    got.iter().position(is).unwrap()
}

fn part(what: &mut What) -> &mut SnapshotPart {
    match what {
        What::Frame(Frame::Snapshot(part)) => part,
        other => panic!("{other:?}"),
    }
}

fn replace(got: &mut [What], revision: u64, what: What) {
    let at = find(got, revision);
    got[at] = what;
}

#[test]
fn private_events_of_others() {
    let story = Story::told();
    objects!(story, |got| replace(got, 4, story.commit(4, &[0, 1])), Wrong::Leaked { revision: 4, .. });
    objects!(story, |got| got.insert(find(got, 6), story.commit(5, &[0])), Wrong::Leaked { revision: 5, .. });
}

#[test]
fn gaps() {
    let story = Story::told();
    for (revision, is_private) in [(3, false), (4, true), (6, false), (7, false)] {
        let mut got = everything(&story);
        got.remove(find(&got, revision));
        match objection(&story.history(), &mine(got), Expect::default()) {
            Wrong::Gap { missed, events } => {
                assert_eq!(missed.revision, revision);
                assert_eq!(events.iter().any(|event| !event.to.is_empty()), is_private);
            }
            other => panic!("{other:?}"),
        }
    }
    // A keep-alive and a goodbye that stand beyond what was told.
    objects!(story, |got| drop(got.remove(find(got, 8))), Wrong::Gap { .. });
    objects!(
        story,
        |got| {
            let at = find(got, 8);
            got.splice(at.., [goodbye(GoodbyeReason::Draining, story.place(8))]);
        },
        Wrong::Gap { .. }
    );
}

#[test]
fn commits_that_come_again_or_too_late() {
    let story = Story::told();
    objects!(story, |got| got.insert(find(got, 7), story.commit(6, &[0])), Wrong::Twice { .. });
    objects!(story, |got| got.insert(find(got, 3), story.commit(1, &[0, 1])), Wrong::Backwards { .. });
    objects!(story, |got| got.insert(find(got, 3), story.commit(2, &[0])), Wrong::Backwards { .. });
}

#[test]
fn two_histories_mixed() {
    let (lost, kept, _) = gone_back();
    let mut history = lost.history();
    history.add(ROOM, kept.log.clone());
    // On from the lost seventh with the kept history's eighth, and the other way about.
    let mut kept = kept;
    kept.then(vec![joined(6)]);
    kept.then(vec![joined(7)]);
    history.add(ROOM, kept.log.clone());
    let mut got = everything(&lost);
    replace(&mut got, 8, kept.commit(8, &[0]));
    assert!(matches!(objection(&history, &mine(got), Expect::default()), Wrong::Mixed { .. }));
    let mut got = everything(&lost);
    replace(&mut got, 6, kept.commit(6, &[0]));
    assert!(matches!(objection(&history, &mine(got), Expect::default()), Wrong::Mixed { .. }));
    let mut got = everything(&lost);
    let at = find(&got, 8);
    got[at] = alive(kept.place(8));
    assert!(matches!(objection(&history, &mine(got), Expect::default()), Wrong::Mixed { .. }));
}

#[test]
fn what_never_was() {
    let story = Story::told();
    let nowhere = Place { revision: 9, tag: 1 };
    objects!(
        story,
        |got| {
            let at = find(got, 7);
            if let What::Frame(Frame::Commit(commit)) = &mut got[at] {
                commit.tag += 1;
            }
        },
        Wrong::NeverWas { .. }
    );
    objects!(story, |got| got.insert(got.len() - 1, alive(nowhere)), Wrong::NeverWas { .. });
    objects!(story, |got| part(&mut got[1]).place = Some(nowhere), Wrong::NeverWas { .. });
}

#[test]
fn commits_that_say_something_else() {
    let story = Story::told();
    let with = |change: &dyn Fn(&mut gochat_proto::model::Commit)| {
        let mut got = everything(&story);
        let at = find(&got, 6);
        if let What::Frame(Frame::Commit(commit)) = &mut got[at] {
            change(commit);
        }
        objection(&story.history(), &mine(got), Expect::default())
    };
    assert_eq!(with(&|commit| commit.after = 5), Wrong::After { revision: 6, after: 5 });
    assert!(matches!(with(&|commit| commit.after = 2), Wrong::Altered { .. }));
    assert!(matches!(with(&|commit| commit.operator_uid = 2), Wrong::Altered { .. }));
    assert!(matches!(with(&|commit| commit.events.clear()), Wrong::Altered { .. }));
    assert!(matches!(with(&|commit| commit.events.push(lowered())), Wrong::Altered { .. }));
    objects!(
        story,
        |got| got.insert(got.len() - 1, {
            let What::Frame(Frame::Commit(commit)) = story.commit(9, &[]) else { unreachable!() };
            What::Frame(Frame::Commit(commit))
        }),
        Wrong::Twice { .. } | Wrong::Backwards { .. } | Wrong::Altered { .. }
    );
}

#[test]
fn snapshots_that_are_not_the_room() {
    let story = Story::told();
    objects!(story, |got| drop(part(&mut got[2]).members.pop()), Wrong::Snapshot { .. });
    objects!(story, |got| part(&mut got[1]).stage.clear(), Wrong::Snapshot { .. });
    objects!(story, |got| part(&mut got[1]).members[0].nick_name.push('x'), Wrong::Snapshot { .. });
    objects!(story, |got| part(&mut got[1]).room = None, Wrong::Parts(_));
    objects!(story, |got| drop(got.remove(2)), Wrong::Parts(_));
    objects!(story, |got| part(&mut got[2]).place = Some(story.place(1)), Wrong::Parts(_));
    objects!(story, |got| part(&mut got[2]).member_count = 9, Wrong::Parts(_));
    objects!(story, |got| part(&mut got[2]).hands.push(4), Wrong::Snapshot { .. });
    objects!(story, |got| got.insert(2, got[1].clone()), Wrong::Parts(_));
    objects!(story, |got| part(&mut got[1]).members[0].avatar = "x".repeat(65_536), Wrong::PartTooLarge(_));
}

#[test]
fn older_state_as_newer() {
    let story = Story::told();
    let older = |got: &mut Vec<What>| {
        got.pop();
        got.extend(story.snapshot(7, 1, Personal::default()));
    };
    objects!(story, older, Wrong::Older { .. });
    // Redis went back, but not yet when this was told, nor to there.
    let (lost, kept, mut got) = gone_back();
    let mut history = lost.history();
    history.add(ROOM, kept.log.clone());
    got.pop();
    got.extend(lost.snapshot(9, 1, Personal::default()));
    assert!(matches!(objection(&history, &mine(got), Expect::default()), Wrong::Older { .. }));
    let mut got = everything(&lost);
    older(&mut got);
    assert!(matches!(objection(&history, &mine(got), Expect::default()), Wrong::Older { .. }));
}

#[test]
fn a_snapshot_without_what_was_asked_for() {
    let story = Story::told();
    objects!(story, |got| got[0] = anew(Some(story.place(3))), Wrong::WithoutMin { .. });
}

#[test]
fn what_is_personal_left_out_or_shown_to_another() {
    let story = Story::told();
    objects!(story, |got| drop(got.remove(3)), Wrong::NoPersonal { .. });
    objects!(story, |got| got.insert(4, got[3].clone()), Wrong::PersonalAstray { .. });
    let elsewhere = Personal { place: Some(story.place(1)), ..Personal::default() };
    let elsewhere = What::Frame(Frame::Personal(elsewhere));
    objects!(story, |got| got[3] = elsewhere.clone(), Wrong::PersonalAstray { .. });
    let open = Some(invitation(ME, "secret"));
    let wrong = [
        (Some(ME), Personal::default()),
        (Some(3), Personal { invitation: open.clone(), ..Personal::default() }),
        (None, Personal { invitation: open.clone(), ..Personal::default() }),
        (Some(1), Personal { outstanding: vec![invitation(ME, "")], ..Personal::default() }),
        (
            Some(1),
            Personal {
                outstanding: vec![invitation(ME, "secret"), invitation(3, "")],
                ..Personal::default()
            },
        ),
    ];
    for (uid, personal) in wrong {
        let mut got = vec![anew(None)];
        got.extend(story.snapshot(5, 1, personal));
        let wrong = objection(&story.history(), &record(uid, Roster::All, got), Expect::default());
        assert!(matches!(wrong, Wrong::Personal { .. }), "{wrong:?}");
    }
}

#[test]
fn counts_and_listeners_below_the_stage() {
    let story = lowered_at_last();
    let with = |change: &dyn Fn(&mut Vec<What>)| {
        let mut got = below(&story);
        change(&mut got);
        objection(&story.history(), &record(None, Roster::Stage, got), Expect::default())
    };
    let counts =
        |member_count| What::Frame(Frame::Counts(Counts { place: Some(story.place(3)), member_count }));
    assert_eq!(with(&|got| got[3] = counts(4)), Wrong::Counts { expected: Some(3), came: 4 });
    assert!(matches!(
        with(&|got| got.insert(4, story.commit(6, &[0]))),
        Wrong::After { .. } | Wrong::Altered { .. }
    ));
    assert!(matches!(with(&|got| drop(got.remove(find(got, 7)))), Wrong::Gap { .. }));
    let beyond = Frame::Counts(Counts { place: Some(story.place(8)), member_count: 4 });
    let beyond = What::Frame(beyond);
    assert!(matches!(with(&|got| got[4] = beyond.clone()), Wrong::Gap { .. }));
    let private_after = |got: &mut Vec<What>| {
        let at = find(got, 10);
        if let What::Frame(Frame::Commit(commit)) = &mut got[at] {
            commit.after = 9;
        }
        got.insert(at, alive(story.place(9)));
    };
    assert!(matches!(with(&private_after), Wrong::Altered { .. }));
    let last_count = |got: &mut Vec<What>| drop(got.remove(find(got, 7) - 1));
    assert!(matches!(with(&last_count), Wrong::View { .. }), "the number of members was never told");
    let above = |got: &mut Vec<What>| got.insert(find(got, 4), counts(3));
    objects!(Story::told(), above, Wrong::Counts { expected: None, .. });
    // Imposed by the server's limit, or not.
    let mut got = below(&story);
    got.pop();
    let limit = Expect { roster_limit: 0, caught_up: false, ..Expect::default() };
    assert!(judge(&record(None, Roster::All, got.clone()), &story.history(), limit).is_ok());
    objection(&story.history(), &record(None, Roster::All, got), Expect::default());
}

#[test]
fn who_is_behind_in_the_end() {
    let mut story = Story::told();
    story.then(vec![lowered()]);
    objects!(story, |_| {}, Wrong::Behind { .. });
    let late = Expect { caught_up: false, ..Expect::default() };
    assert!(judge(&mine(everything(&story)), &story.history(), late).is_ok());
    let unread = History::default();
    assert_eq!(objection(&unread, &mine(vec![]), Expect::default()), Wrong::NoHistory);
}

#[test]
fn a_store_that_is_not_what_its_log_says() {
    let mut story = Story::told();
    story.then(vec![changed(on_stage(ME), ChangeCause::MicSwitched)]);
    let history = story.history();
    let state = history.room(ROOM).unwrap().state(story.head()).unwrap();
    let mut view = state.view.clone();
    assert_eq!(leads_to(&history, ROOM, &view, &[]), Ok(()));
    let open = Invitation {
        target: 3.try_into().unwrap(),
        host: 1.try_into().unwrap(),
        host_name: NickName::parse("user 1").unwrap(),
        hand_overs: 0,
        sent_at: Millis(1),
        expires_at: Millis(2),
        token: InvitationToken("secret".to_owned()),
    };
    let invitations = leads_to(&history, ROOM, &view, &[open]);
    assert!(matches!(invitations, Err(Wrong::Invitations { .. })));
    view.hands.clear();
    assert!(matches!(leads_to(&history, ROOM, &view, &[]), Err(Wrong::View { .. })));
}
