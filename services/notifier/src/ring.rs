//! The last commits of a room, each continuing the one before: what who comes back has missed.

use std::{collections::VecDeque, sync::Arc};

use gochat_proto::model::{Commit, Place};

use crate::delivery::Delivery;

/// Commits up to where the view stands.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    /// How often the view had begun anew.
    beginning: u64,
    deliveries: VecDeque<Arc<Delivery>>,
    /// The last revision that had anything for those who follow only the stage; 0 until one
    /// is seen. A client that holds more than `after` says has missed nothing, so less is safe.
    stage_shown: u64,
}

impl Ring {
    /// An empty one, of a view that has begun anew so often.
    pub(crate) fn new(beginning: u64) -> Self {
        Self { beginning, ..Self::default() }
    }

    /// Adds the next commit, and forgets the oldest beyond `most`.
    pub(crate) fn push(&mut self, commit: Commit, most: usize) -> Arc<Delivery> {
        let delivery = Arc::new(Delivery::new(commit, self.beginning, self.stage_shown));
        if delivery.is_on_stage() {
            self.stage_shown = delivery.place().revision;
        }
        self.deliveries.push_back(delivery.clone());
        self.trim(most);
        delivery
    }

    /// Forgets the oldest beyond `most`.
    pub(crate) fn trim(&mut self, most: usize) {
        let spare = self.deliveries.len().saturating_sub(most);
        self.deliveries.drain(..spare);
    }

    /// Puts older commits, the oldest first, before those held, as far as they lead to them;
    /// `now` is where the view stands.
    pub(crate) fn extend_back(&mut self, older: Vec<Commit>, now: Place) {
        let mut next = self.first_base(now);
        let (last, mut leading) = (next.revision, Vec::new());
        for commit in older.into_iter().rev().skip_while(|commit| commit.revision > last) {
            if commit.place() != next {
                break;
            }
            next = before(&commit);
            leading.push(commit);
        }
        let mut all = Self::new(self.beginning);
        for commit in leading.into_iter().rev() {
            all.push(commit, usize::MAX);
        }
        all.deliveries.append(&mut self.deliveries);
        self.stage_shown = self.stage_shown.max(all.stage_shown);
        self.deliveries = all.deliveries;
    }

    /// The place before the first commit held.
    pub(crate) fn first_base(&self, now: Place) -> Place {
        self.deliveries.front().map_or(now, |first| before(first.commit()))
    }

    /// Whether a place was reached by one of the commits held.
    pub(crate) fn holds(&self, place: Place) -> bool {
        self.at(place.revision).is_some_and(|at| self.deliveries[at].place() == place)
    }

    /// The commits after a place, if there is one that continues it.
    pub(crate) fn after(&self, place: Place) -> Option<Vec<Arc<Delivery>>> {
        let first = self.at(place.revision + 1)?;
        let continues = self.deliveries[first].commit().continues(place);
        continues.then(|| self.deliveries.iter().skip(first).cloned().collect())
    }

    /// Where the commit of a revision is.
    fn at(&self, revision: u64) -> Option<usize> {
        let first = self.deliveries.front()?.place().revision;
        let at = usize::try_from(revision.checked_sub(first)?).ok()?;
        (at < self.deliveries.len()).then_some(at)
    }
}

fn before(commit: &Commit) -> Place {
    Place { revision: commit.revision - 1, tag: commit.tag_before }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(revision: u64) -> Commit {
        Commit { revision, tag: revision * 10, tag_before: (revision - 1) * 10, ..Commit::default() }
    }

    fn place(revision: u64) -> Place {
        Place { revision, tag: revision * 10 }
    }

    fn revisions(ring: &Ring, after: Place) -> Option<Vec<u64>> {
        let missed = ring.after(after)?;
        Some(missed.iter().map(|delivery| delivery.place().revision).collect())
    }

    #[test]
    fn it_leads_on_from_every_place_that_it_holds() {
        let mut ring = Ring::default();
        (5..=8).for_each(|revision| drop(ring.push(commit(revision), 3)));
        assert_eq!(revisions(&ring, place(5)), Some(vec![6, 7, 8]));
        assert_eq!(revisions(&ring, place(7)), Some(vec![8]));
        assert_eq!(revisions(&ring, place(4)), None, "forgotten");
        assert_eq!(revisions(&ring, Place { revision: 6, tag: 61 }), None, "another history");
        assert!(ring.holds(place(6)) && !ring.holds(place(5)) && !ring.holds(place(9)));
        assert!(!ring.holds(Place { revision: 6, tag: 61 }));
    }

    #[test]
    fn the_log_extends_it_as_far_as_that_leads_to_it() {
        let mut ring = Ring::default();
        ring.extend_back(vec![commit(3), commit(4), commit(5), commit(6)], place(5));
        assert_eq!(revisions(&ring, place(2)), Some(vec![3, 4, 5]), "up to where the view stands");
        ring.push(commit(6), 10);
        ring.extend_back(vec![commit(1), commit(2)], place(6));
        assert_eq!(revisions(&ring, place(0)), Some(vec![1, 2, 3, 4, 5, 6]));
        let mut other = Ring::default();
        let strange = Commit { tag: 41, ..commit(4) };
        other.extend_back(vec![commit(3), strange, commit(5)], place(5));
        assert_eq!(revisions(&other, place(4)), Some(vec![5]));
        assert_eq!(revisions(&other, place(3)), None);
    }
}
