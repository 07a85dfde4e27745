//! The tags of the last revisions of a history: enough to tell it from another one.

use std::collections::VecDeque;

use gochat_domain::Place;

/// Revisions whose tags are kept.
const LENGTH: usize = 1_024;

/// The tags of some revisions in a row.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// The revision of the last tag.
    last: u64,
    tags: VecDeque<u64>,
}

impl Trail {
    /// Begins anew at a place.
    pub(crate) fn restart(&mut self, at: Place) {
        self.tags.clear();
        self.tags.push_back(at.tag);
        self.last = at.revision;
    }

    /// Goes on to a place; one that isn't next begins anew.
    pub(crate) fn push(&mut self, place: Place) {
        if place.revision != self.last + 1 {
            return self.restart(place);
        }
        if self.tags.len() == LENGTH {
            self.tags.pop_front();
        }
        self.tags.push_back(place.tag);
        self.last = place.revision;
    }

    /// The tag of a revision, while it is known.
    pub(crate) fn tag_at(&self, revision: u64) -> Option<u64> {
        let back = usize::try_from(self.last.checked_sub(revision)?).ok()?;
        let at = self.tags.len().checked_sub(back + 1)?;
        self.tags.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_tags_are_known() {
        let mut trail = Trail::default();
        assert_eq!(trail.tag_at(0), None);
        for revision in 5..5 + LENGTH as u64 + 3 {
            trail.push(Place { revision, tag: revision * 10 });
        }
        let last = 5 + LENGTH as u64 + 2;
        assert_eq!(trail.tag_at(last), Some(last * 10));
        assert_eq!(trail.tag_at(8), Some(80));
        assert_eq!(trail.tag_at(7), None, "too long ago");
        assert_eq!(trail.tag_at(last + 1), None);
        trail.push(Place { revision: 3, tag: 31 });
        assert_eq!((trail.tag_at(3), trail.tag_at(2)), (Some(31), None));
    }
}
