//! Public commits in the documented JSON: translated once, however many streams tell of them.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use gochat_proto::model::Commit;

use super::{frame::Frame, notify};

/// Commits whose translation is kept: as many as may be on their way to the streams of a gateway at a time. A commit
/// names at most who is on stage, whose seats are bounded.
const KEPT: usize = 1024;

/// A commit as all are shown it who follow the room in the same way: its tag and revision, its `after`, and whether listeners
/// are left out. The tag, being drawn by chance, is the room's alone.
type Key = (u64, u64, u64, bool);

/// A commit and its frames; none where a snapshot must stand in for it.
type Translated = (Commit, Option<Vec<Frame>>);

/// The last commits, translated. Clones are one and the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Translations(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    by_key: HashMap<Key, Arc<OnceLock<Translated>>>,
    /// The oldest first.
    order: VecDeque<Key>,
}

impl Translations {
    /// A commit as frames, as [`notify::frames`] has it. One with something private in it is for one reader
    /// alone, and is not kept.
    pub(crate) fn frames(&self, commit: Commit, only_stage: bool) -> Option<Vec<Frame>> {
        self.frames_by(commit, only_stage, notify::frames)
    }

    fn frames_by(
        &self,
        commit: Commit,
        only_stage: bool,
        translate: impl Fn(Commit) -> Option<Vec<Frame>>,
    ) -> Option<Vec<Frame>> {
        if commit.events.iter().any(|event| !event.to.is_empty()) {
            return translate(commit);
        }
        let key = (commit.tag, commit.revision, commit.after, only_stage);
        let place = self.0.lock().unwrap_or_else(PoisonError::into_inner).place_for(key);
        // Whoever comes second waits for the first, outside of the lock.
        let (known, frames) = place.get_or_init(|| (commit.clone(), translate(commit.clone())));
        if *known == commit { frames.clone() } else { translate(commit) }
    }
}

impl Kept {
    fn place_for(&mut self, key: Key) -> Arc<OnceLock<Translated>> {
        if let Some(place) = self.by_key.get(&key) {
            return place.clone();
        }
        if self.order.len() >= KEPT {
            self.order.pop_front().and_then(|oldest| self.by_key.remove(&oldest));
        }
        self.order.push_back(key);
        self.by_key.entry(key).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Barrier,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
    };

    use gochat_proto::model::{Event, Member, MemberJoined, event::Kind};

    use super::{super::frame::Content, *};

    fn commit(revision: u64, uid: u32) -> Commit {
        let joined = MemberJoined { member: Some(Member { uid, ..Member::default() }) };
        let event = Event { to: vec![], kind: Some(Kind::MemberJoined(joined)) };
        Commit { revision, tag: 9, room_id: "123456789".into(), events: vec![event], ..Commit::default() }
    }

    fn text(frames: Option<Vec<Frame>>) -> Arc<str> {
        match &frames.unwrap()[..] {
            [Frame { content: Content::Notification(_, text), .. }] => text.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn many_who_ask_at_once_share_one_translation() {
        let (translations, asked) = (Translations::default(), AtomicUsize::new(0));
        let together = Barrier::new(8);
        let tell = || {
            together.wait();
            text(translations.frames_by(commit(1, 7), false, |commit| {
                asked.fetch_add(1, Ordering::Relaxed);
                notify::frames(commit)
            }))
        };
        let texts: Vec<_> = thread::scope(|scope| {
            let telling: Vec<_> = (0..8).map(|_| scope.spawn(tell)).collect();
            telling.into_iter().map(|telling| telling.join().unwrap()).collect()
        });
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert!(texts.iter().all(|text| Arc::ptr_eq(text, &texts[0])));
    }

    #[test]
    fn what_is_private_is_nobody_elses() {
        let translations = Translations::default();
        let mut private = commit(1, 7);
        private.events[0].to = vec![8];
        let told = text(translations.frames(private.clone(), false));
        assert!(!Arc::ptr_eq(&told, &text(translations.frames(private, false))));
        assert!(translations.0.lock().unwrap().by_key.is_empty());
    }

    #[test]
    fn what_is_not_the_same_is_told_as_it_is() {
        let translations = Translations::default();
        let told = text(translations.frames(commit(1, 7), false));
        for (other, only_stage) in
            [(commit(1, 8), false), (Commit { after: 1, ..commit(1, 7) }, false), (commit(1, 7), true)]
        {
            let expected = text(notify::frames(other.clone()));
            let found = text(translations.frames(other, only_stage));
            assert_eq!(found, expected);
            assert!(!Arc::ptr_eq(&found, &told));
        }
    }

    #[test]
    fn no_more_are_kept_than_so_many() {
        let translations = Translations::default();
        let first = text(translations.frames(commit(0, 7), false));
        for revision in 1..=KEPT as u64 {
            translations.frames(commit(revision, 7), false);
        }
        let kept = |kept: &Kept| (kept.by_key.len(), kept.order.len());
        assert_eq!(kept(&translations.0.lock().unwrap()), (KEPT, KEPT));
        assert!(!Arc::ptr_eq(&first, &text(translations.frames(commit(0, 7), false))), "the oldest is gone");
    }
}
