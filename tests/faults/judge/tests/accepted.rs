//! Records that keep the promise.

use gochat_proto::{
    model::{ChangeCause, LeaveReason, Member, Place, Refusal, event::Kind},
    notifier::{Counts, GoodbyeReason, Personal, Roster, subscribe_response::Frame},
};

use super::story::*;
use crate::{
    cut::Audience,
    history::History,
    judge::{Expect, Verdict, has_caught_up, judge},
    record::{End, Holding, Record, What},
};

fn accepts(history: &History, record: &Record) -> Verdict {
    judge(record, history, Expect { goodbye: false, ..Expect::default() })
        .unwrap_or_else(|objection| panic!("{objection}"))
}

/// Everything in it: a snapshot in parts, commits for all and for me, others' passed over,
/// a break, a resume, a goodbye, another snapshot.
pub(super) fn everything(story: &Story) -> Vec<What> {
    let at = |revision| story.place(revision);
    let mut got = vec![anew(Some(at(2)))];
    got.extend(story.snapshot(2, 2, Personal::default()));
    got.extend([story.commit(3, &[0]), story.commit(4, &[0]), story.commit(6, &[0]), alive(at(6)), broken()]);
    got.extend([on_from(at(6)), story.commit(7, &[0]), story.commit(8, &[0]), alive(at(9))]);
    got.extend([
        goodbye(GoodbyeReason::MaxAge, at(9)),
        What::Ended(End::Clean),
        on_from(at(9)),
        alive(at(9)),
    ]);
    got.extend(story.snapshot(9, 1, Personal::default()));
    got.push(stopped());
    got
}

#[test]
fn everything_that_may_be() {
    let story = Story::told();
    let verdict = accepts(&story.history(), &mine(everything(&story)));
    let expected = Verdict {
        commits: 5,
        events: 5,
        private: 1,
        snapshots: 2,
        gone_back: 0,
        resumes: 2,
        keep_alives: 3,
        goodbyes: 1,
        breaks: 1,
        unanswered: 0,
    };
    assert_eq!(verdict, expected);
}

#[test]
fn what_is_personal_comes_after_a_snapshot() {
    let story = Story::told();
    let mine_open = Personal { invitation: Some(invitation(ME, "secret")), ..Personal::default() };
    let outstanding = vec![invitation(ME, ""), invitation(3, "")];
    let hosts = Personal { outstanding, ..Personal::default() };
    for (uid, personal) in [(Some(ME), mine_open), (Some(1), hosts), (None, Personal::default())] {
        let mut got = vec![anew(None)];
        got.extend(story.snapshot(5, 1, personal));
        got.extend([story.commit(6, &[0]), story.commit(7, &[0]), story.commit(8, &[0])]);
        got.extend((uid == Some(1)).then(|| story.commit(9, &[0])));
        got.push(stopped());
        accepts(&story.history(), &record(uid, Roster::All, got));
    }
}

/// Somebody in the room who follows only the stage.
pub(super) fn below(story: &Story) -> Vec<What> {
    let mut got = vec![anew(None)];
    got.extend(story.snapshot(1, 1, Personal::default()));
    let counts = |revision| {
        let member_count = if revision < 6 { 3 } else { 4 };
        What::Frame(Frame::Counts(Counts { place: Some(story.place(revision)), member_count }))
    };
    let mut raised = story.commit(7, &[0]);
    if let What::Frame(Frame::Commit(commit)) = &mut raised {
        commit.after = 1;
    }
    got.extend([counts(3), counts(6), raised, story.commit(8, &[0]), story.commit(10, &[0]), stopped()]);
    got
}

/// Then all hands go down.
pub(super) fn lowered_at_last() -> Story {
    let mut story = Story::told();
    story.then(vec![lowered()]);
    story
}

#[test]
fn from_below_the_stage_listeners_are_a_count() {
    let story = lowered_at_last();
    let verdict = accepts(&story.history(), &record(None, Roster::Stage, below(&story)));
    assert_eq!(verdict.commits, 3);
    // Those noticed later come last in the list, which only a snapshot puts straight.
    let story = Story::told();
    let mut got = below(&lowered_at_last());
    got.retain(|what| !matches!(what, What::Frame(Frame::Commit(commit)) if commit.revision == 10));
    accepts(&story.history(), &record(None, Roster::Stage, got));
}

#[test]
fn lists_may_go_on_from_part_to_part() {
    let mut story = Story::told().back_to(7);
    story.then(vec![changed(Member { hand_raised_at: 8, ..listener(3) }, ChangeCause::HandRaised)]);
    let mut got = vec![anew(None)];
    got.extend(story.snapshot(8, 2, Personal::default()));
    if let [_, What::Frame(Frame::Snapshot(first)), What::Frame(Frame::Snapshot(second)), ..] = &mut got[..] {
        second.hands = first.hands.split_off(1);
        second.member_count = 0;
    }
    got.push(stopped());
    accepts(&story.history(), &record(None, Roster::All, got));
}

/// Redis goes back to revision 5 and on from there; who held 9 begins anew.
pub(super) fn gone_back() -> (Story, Story, Vec<What>) {
    let lost = Story::told();
    let mut kept = lost.back_to(5);
    kept.then(vec![joined(5)]);
    let mut got = everything(&lost);
    got.pop();
    let open = Personal { invitation: Some(invitation(ME, "secret")), ..Personal::default() };
    got.extend(kept.snapshot(6, 1, open));
    got.push(stopped());
    (lost, kept, got)
}

#[test]
fn a_history_that_redis_lost_gives_way_to_the_one_it_has() {
    let (lost, kept, got) = gone_back();
    let mut history = lost.history();
    history.add(ROOM, kept.log.clone());
    assert_eq!(accepts(&history, &mine(got)).gone_back, 1);
}

#[test]
fn an_id_used_again_is_another_room() {
    let mut lost = Story::told();
    lost.then(vec![closed()]);
    let mut again = lost.back_to(0);
    again.log = Story::opened().log;
    again.log[0].tag = 77;
    let mut history = lost.history();
    history.add(ROOM, again.log.clone());
    let mut got = vec![anew(None)];
    got.extend(lost.snapshot(9, 1, Personal::default()));
    got.extend([broken(), on_from(lost.place(9))]);
    got.extend(again.snapshot(1, 1, Personal::default()));
    got.push(stopped());
    assert_eq!(accepts(&history, &record(None, Roster::All, got)).gone_back, 1);
}

#[test]
fn the_room_closes_and_who_comes_later_is_told() {
    let mut story = Story::told();
    let end = story.then(vec![closed()]);
    let farewell = [story.commit(10, &[0]), goodbye(GoodbyeReason::RoomClosed, end), What::Ended(End::Clean)];
    let mut got = everything(&story);
    got.pop();
    got.extend(farewell.clone());
    accepts(&story.history(), &mine(got));

    let late = [anew(None)].into_iter().chain(farewell.clone());
    accepts(&story.history(), &mine(late.collect()));

    // The goodbye was lost with its connection, and all is told again.
    let mut got = everything(&story);
    got.pop();
    got.extend([farewell[0].clone(), broken(), on_from(end)]);
    got.extend(farewell);
    accepts(&story.history(), &mine(got));
    let gone = What::Ended(End::Refused(Refusal::RoomNotFound, String::new()));
    accepts(&story.history(), &mine(vec![anew(None), gone]));
}

/// I am taken out of the room, by this entry of mine.
pub(super) fn taken_out(entry: u64) -> Story {
    let mut story = Story::told();
    story.then(vec![left(Member { entry, ..on_stage(ME) }, LeaveReason::Removed)]);
    story
}

#[test]
fn who_leaves_is_told_why() {
    let story = taken_out(20);
    let mut got = everything(&story);
    got.pop();
    let untold = [goodbye(GoodbyeReason::Left, story.place(9)), What::Ended(End::Clean)];
    accepts(&story.history(), &mine(got.iter().cloned().chain(untold).collect()));
    got.push(story.commit(10, &[0]));
    // The goodbye was lost with its connection; what happens then is for others.
    let mut goes_on = story.clone();
    goes_on.then(vec![lowered()]);
    accepts(&goes_on.history(), &mine(got.iter().cloned().chain([broken()]).collect()));
    got.extend([goodbye(GoodbyeReason::Removed, story.head()), What::Ended(End::Clean)]);
    accepts(&story.history(), &mine(got.clone()));
    let refused = What::Ended(End::Refused(Refusal::NotInRoom, String::new()));
    got.truncate(got.len() - 3);
    got.extend([broken(), on_from(story.place(9)), refused]);
    accepts(&story.history(), &mine(got));
}

#[test]
fn a_stream_asked_for_by_a_later_entry_tells_of_the_former() {
    let story = back_again();
    let mut got = everything(&story);
    got.pop();
    got.extend([
        broken(),
        on_from(story.place(9)),
        story.commit(10, &[0]),
        story.commit(11, &[0]),
        stopped(),
    ]);
    accepts(&story.history(), &mine(got));
}

/// I am taken out, and enter again.
pub(super) fn back_again() -> Story {
    let mut story = taken_out(20);
    let mut again = joined(ME);
    if let Some(Kind::MemberJoined(joined)) = &mut again.kind {
        joined.member = Some(Member { entry: 21, ..listener(ME) });
    }
    story.then(vec![again]);
    story
}

#[test]
fn what_was_asked_for_may_be_lost() {
    let (lost, kept, _) = gone_back();
    let mut history = lost.history();
    history.add(ROOM, kept.log.clone());
    let mut got = vec![anew(Some(lost.place(9)))];
    got.extend(kept.snapshot(6, 1, Personal::default()));
    got.push(stopped());
    accepts(&history, &record(None, Roster::All, got));
}

#[test]
fn who_has_caught_up_is_known_before_the_record_is_there() {
    let story = Story::told();
    let history = story.history();
    let caught_up = |got: &[What]| {
        let mut holding = Holding::new(Roster::All);
        for what in got {
            match what {
                What::Frame(frame) => holding.take(frame),
                _ => holding.begin(),
            }
        }
        let audience = Audience { uid: Some(ME), roster: Roster::All };
        has_caught_up(&history, ROOM, audience, holding.place(), holding.view())
    };
    let got = everything(&story);
    let eighth = got.iter().position(|what| *what == story.commit(8, &[0])).unwrap();
    assert!(!caught_up(&got[..eighth]));
    assert!(caught_up(&got[..=eighth]), "the ninth is for others");
    let from_log = Place { revision: 8, tag: 80 };
    assert!(!has_caught_up(
        &history,
        ROOM,
        Audience { uid: Some(3), roster: Roster::All },
        Some(from_log),
        None
    ));
}
