//! What a follower is brought, in whatever order and from however many histories: it hands on only what continues.
#![no_main]

use gochat_domain::Place;
use gochat_proto::{model::Commit, view::RoomView};
use gochat_store::{Answer, Mechanisms, Snapshot, Step, Track, border};
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};

/// Something that comes to a follower.
#[derive(Arbitrary, Debug)]
enum Came {
    /// A message as it was published.
    Bytes(Vec<u8>),
    /// A commit, so far from what is held, and of this history or another.
    Commit(Link),
    /// Messages may have been lost.
    Missed,
    /// Somebody asks for a comparison.
    Verify,
    /// The read under way, or none, is answered.
    Log {
        links: Vec<Link>,
        ends_there: bool,
    },
    Place {
        ahead: i8,
        tag: u8,
        gone: bool,
    },
    Snapshot {
        revision: u64,
        tag: u8,
        gone: bool,
    },
    Failed,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Link {
    ahead: i8,
    tag: u8,
    /// None for that which is held.
    before: Option<u8>,
}

/// What has been handed on so far.
#[derive(Default)]
struct Told {
    held: Option<Place>,
    view: RoomView,
    asked: u64,
    verified: u64,
}

fuzz_target!(|came: Vec<Came>| {
    let mut track = Track::new(Mechanisms::default());
    let mut told = Told::default();
    for came in came {
        let most = bring(&mut track, &mut told, came) + 2;
        let steps = std::iter::from_fn(|| track.step()).map(|step| told.take(step)).count();
        assert!(steps <= most, "{steps} steps of what brings {most}");
        track.send();
    }
});

/// Brings it; says how many commits that may bring on.
fn bring(track: &mut Track, told: &mut Told, came: Came) -> usize {
    let held = told.held.unwrap_or_default();
    match came {
        Came::Bytes(bytes) => {
            if let Ok(commit) = border::read_commit(&bytes)
                && track.is_steady()
            {
                track.message(commit);
            }
        }
        Came::Commit(link) if track.is_steady() => track.message(link.commit(held)),
        Came::Commit(_) => {}
        Came::Missed => track.missed(),
        Came::Verify => told.asked = track.verify(),
        Came::Log { links, ends_there } => {
            let mut at = held;
            let next = |link: &Link| {
                let commit = link.commit(at);
                at = commit.place().into();
                commit
            };
            let commits: Vec<Commit> = links.iter().map(next).collect();
            let most = commits.len();
            let end = if ends_there { at } else { Place { revision: at.revision + 1, tag: 0 } };
            track.answer(Answer::Log(end, commits));
            return most;
        }
        Came::Place { ahead, tag, gone } => {
            let place =
                Place { revision: held.revision.saturating_add_signed(ahead.into()), tag: tag.into() };
            track.answer(Answer::Place((!gone).then_some(place)));
        }
        Came::Snapshot { revision, tag, gone } => {
            // Redis counts in 63 bits.
            let place = Place { revision: revision >> 2, tag: tag.into() };
            let view = RoomView { place: place.into(), ..RoomView::default() };
            let snapshot = Snapshot { view, invitations: Vec::new(), closing: None };
            track.answer(Answer::Snapshot((!gone).then(|| Box::new(snapshot))));
        }
        Came::Failed => track.failed(),
    }
    1
}

impl Link {
    fn commit(self, held: Place) -> Commit {
        Commit {
            revision: held.revision.saturating_add_signed(self.ahead.into()),
            tag: self.tag.into(),
            tag_before: self.before.map_or(held.tag, u64::from),
            ..Commit::default()
        }
    }
}

impl Told {
    fn take(&mut self, step: Step) {
        match step {
            Step::Snapshot(snapshot) => {
                self.held = Some(snapshot.view.place.into());
                self.view = snapshot.view;
            }
            Step::Gone => *self = Self { asked: self.asked, verified: self.verified, ..Self::default() },
            Step::Commit(commit) => {
                let held = self.held.expect("a commit continues something");
                assert_eq!((commit.revision, commit.tag_before), (held.revision + 1, held.tag));
                self.view.apply(&commit).expect("continues what is held");
                self.held = Some(self.view.place.into());
                self.assert_view();
            }
            Step::Verified(number) => {
                assert!(number > self.verified && number <= self.asked, "{number} of {}", self.asked);
                self.verified = number;
            }
        }
    }

    /// Nobody stands in a list twice, or in one without being in the room.
    fn assert_view(&self) {
        let RoomView { members, roster, hands, stage, room, .. } = &self.view;
        assert_eq!((members.len(), room.member_count as usize), (roster.len(), roster.len()));
        for list in [roster, hands, stage] {
            let once: std::collections::BTreeSet<_> = list.iter().collect();
            assert_eq!(once.len(), list.len(), "{list:?}");
            assert!(list.iter().all(|uid| members.contains_key(uid)), "{list:?}");
        }
    }
}
