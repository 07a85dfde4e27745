//! The track's promises, each with the interleaving that a looser rule gets wrong.

use gochat_proto::view::RoomView;

use super::*;

fn at(revision: u64, tag: u64) -> Place {
    Place { revision, tag }
}

fn commit(revision: u64, tag_before: u64, tag: u64) -> model::Commit {
    model::Commit { revision, tag_before, tag, ..model::Commit::default() }
}

fn snapshot(place: Place) -> Answer {
    let view = RoomView { place: place.into(), ..RoomView::default() };
    Answer::Snapshot(Some(Box::new(Snapshot { view, invitations: vec![], closing: None })))
}

/// A track that holds revision 5, tag 50.
fn begun() -> Track {
    let mut track = Track::new(Mechanisms::default());
    assert!(!track.is_steady(), "messages wait for the snapshot");
    assert_eq!(track.send(), Some(Read::Snapshot));
    assert_eq!(track.send(), None, "one read at a time");
    track.answer(snapshot(at(5, 50)));
    assert_eq!(told(&mut track), ["snapshot 5"]);
    assert!(track.is_steady());
    track
}

fn told(track: &mut Track) -> Vec<String> {
    let words = |step| match step {
        Step::Snapshot(snapshot) => format!("snapshot {}", snapshot.view.place.revision),
        Step::Commit(commit) => format!("commit {}", commit.revision),
        Step::Gone => "gone".to_owned(),
        Step::Verified(number) => format!("verified {number}"),
    };
    std::iter::from_fn(|| track.step()).map(words).collect()
}

#[test]
fn only_what_continues_by_revision_and_tag_is_handed_on() {
    let mut track = begun();
    track.message(commit(6, 50, 60));
    track.message(commit(6, 50, 60));
    track.message(commit(5, 40, 50));
    track.message(commit(3, 20, 31));
    assert_eq!(told(&mut track), ["commit 6"], "once, and nothing older");
    assert_eq!(track.send(), None);
    for strange in [commit(8, 70, 80), commit(7, 61, 71)] {
        let mut track = begun();
        track.message(commit(6, 50, 60));
        track.message(strange);
        assert!(!track.is_steady());
        assert_eq!(track.send(), Some(Read::Log(at(6, 60))));
        assert_eq!(told(&mut track), ["commit 6"]);
    }
}

#[test]
fn an_old_message_of_another_history_breaks_what_is_held() {
    let mut track = begun();
    track.message(commit(6, 50, 60));
    track.message(commit(6, 50, 61));
    assert_eq!(track.send(), Some(Read::Snapshot));
}

#[test]
fn a_log_repairs_only_what_it_leads_on_from() {
    let log = [commit(6, 50, 60), commit(7, 60, 70)];
    for (place, commits, expected) in [
        (at(7, 70), &log[..], vec!["commit 6", "commit 7"]),
        (at(5, 50), &[], vec![]),
        (at(7, 70), &log[1..], vec!["snapshot 9"]),
        (at(8, 80), &log[..], vec!["snapshot 9"]),
        (at(4, 40), &[], vec!["snapshot 9"]),
        (at(5, 51), &[], vec!["snapshot 9"]),
        (at(7, 71), &[commit(6, 51, 61), commit(7, 61, 71)], vec!["snapshot 9"]),
    ] {
        let mut track = begun();
        track.missed();
        assert_eq!(track.send(), Some(Read::Log(at(5, 50))));
        track.answer(Answer::Log(place, commits.to_vec()));
        if track.send() == Some(Read::Snapshot) {
            track.answer(snapshot(at(9, 90)));
        }
        assert_eq!(told(&mut track), expected, "{place:?}");
        assert!(track.is_steady());
    }
}

#[test]
fn a_comparison_counts_from_when_its_read_was_sent() {
    let place = |revision, tag| Answer::Place(Some(at(revision, tag)));
    // A commit that comes while the read is under way is no reason to distrust what is held.
    let mut track = begun();
    let ticket = track.verify();
    assert_eq!(track.send(), Some(Read::Place));
    track.message(commit(6, 50, 60));
    track.answer(place(5, 50));
    assert_eq!(told(&mut track), ["commit 6".to_owned(), format!("verified {ticket}")]);
    // One that is asked for while another is under way needs a read of its own.
    let first = track.verify();
    track.send();
    let second = track.verify();
    track.answer(place(6, 60));
    assert_eq!(told(&mut track), [format!("verified {first}")]);
    assert_eq!(track.send(), Some(Read::Place));
    track.answer(place(6, 60));
    assert_eq!(told(&mut track), [format!("verified {second}")]);
    assert_eq!(track.send(), None);
}

#[test]
fn a_comparison_tells_behind_from_broken() {
    for (found, read) in [
        (Some(at(7, 70)), Read::Log(at(6, 60))),
        (Some(at(5, 50)), Read::Snapshot),
        (Some(at(6, 61)), Read::Snapshot),
        (None, Read::Snapshot),
    ] {
        let mut track = begun();
        track.message(commit(6, 50, 60));
        let ticket = track.verify();
        track.send();
        track.answer(Answer::Place(found));
        assert_eq!(told(&mut track), ["commit 6"], "nothing is verified yet");
        assert_eq!(track.send(), Some(read), "{found:?}");
        match read {
            Read::Snapshot => track.answer(snapshot(at(6, 61))),
            _ => track.answer(Answer::Log(at(7, 70), vec![commit(7, 60, 70)])),
        }
        assert_eq!(told(&mut track).last(), Some(&format!("verified {ticket}")));
    }
}

#[test]
fn an_answer_in_between_must_be_known() {
    let mut track = begun();
    let mark = track.mark().unwrap();
    track.message(commit(6, 50, 60));
    track.message(commit(7, 60, 70));
    assert!(track.compared(mark, Some(at(6, 60))), "known");
    assert!(track.is_steady());
    assert!(!track.compared(mark, Some(at(6, 61))), "another history");
    assert_eq!(track.send(), Some(Read::Snapshot));
    track.answer(snapshot(at(6, 61)));
    assert!(!track.compared(mark, Some(at(4, 40))), "of what was held before it began anew");
    assert!(track.is_steady());
}

#[test]
fn what_cannot_be_told_any_more_is_read_again() {
    let mut track = begun();
    let ticket = track.verify();
    track.send();
    for revision in 6..2_000 {
        track.message(commit(revision, (revision - 1) * 10, revision * 10));
    }
    track.answer(Answer::Place(Some(at(6, 60))));
    assert!(!told(&mut track).contains(&format!("verified {ticket}")));
    assert_eq!(track.send(), Some(Read::Place));
}

#[test]
fn what_is_read_in_vain_is_read_again() {
    let mut track = begun();
    track.missed();
    assert!(track.send().is_some());
    track.failed();
    assert_eq!(track.send(), Some(Read::Log(at(5, 50))));
}

#[test]
fn a_room_that_is_gone_may_come_again() {
    let mut track = begun();
    track.missed();
    track.send();
    track.answer(Answer::Log(at(0, 0), vec![]));
    assert_eq!(track.send(), Some(Read::Snapshot));
    track.answer(Answer::Snapshot(None));
    assert_eq!(told(&mut track), ["gone"]);
    track.message(commit(1, 0, 11));
    assert_eq!(track.send(), Some(Read::Snapshot));
}
