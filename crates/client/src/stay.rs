//! Which room the user believes to be in, so that a heartbeat can tell that it is lost.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The room that the session's calls led into. While a call that moves the user is
/// under way, nobody knows, and no heartbeat sent before or during it may judge.
#[derive(Debug, Default)]
pub(crate) struct Stay {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    room_id: Option<String>,
    /// Counts every beginning and end of a move.
    turn: u64,
    moves: u32,
}

/// A move that is under way; it is over when this is dropped.
pub(crate) struct Moving<'a> {
    stay: &'a Stay,
}

/// What was believed at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Belief {
    /// The room, unless the user was on the move.
    pub(crate) room_id: Option<String>,
    turn: u64,
}

impl Stay {
    pub(crate) fn moving(&self) -> Moving<'_> {
        let mut state = self.state();
        state.turn += 1;
        state.moves += 1;
        Moving { stay: self }
    }

    pub(crate) fn belief(&self) -> Belief {
        let state = self.state();
        let settled = state.moves == 0;
        Belief { room_id: state.room_id.clone().filter(|_| settled), turn: state.turn }
    }

    /// The room of `belief` turned out to be lost; whether that is news.
    pub(crate) fn lost(&self, belief: &Belief) -> bool {
        let mut state = self.state();
        let holds = state.turn == belief.turn && state.room_id == belief.room_id;
        if holds {
            state.room_id = None;
        }
        holds
    }

    /// What is held is valid between any two statements, so a panic elsewhere is no harm.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Moving<'_> {
    pub(crate) fn arrived(&mut self, room_id: &str) {
        self.stay.state().room_id = Some(room_id.to_owned());
    }

    /// Left `room_id`, if that is where the user was.
    pub(crate) fn left(&mut self, room_id: &str) {
        let mut state = self.stay.state();
        if state.room_id.as_deref() == Some(room_id) {
            state.room_id = None;
        }
    }

    pub(crate) fn departed(&mut self) {
        self.stay.state().room_id = None;
    }
}

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        let mut state = self.stay.state();
        state.turn += 1;
        state.moves -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_room(room_id: &str) -> Stay {
        let stay = Stay::default();
        stay.moving().arrived(room_id);
        stay
    }

    #[test]
    fn a_loss_is_told_once() {
        let stay = in_room("100000001");
        let belief = stay.belief();
        assert_eq!(belief.room_id.as_deref(), Some("100000001"));
        assert!(stay.lost(&belief));
        assert!(!stay.lost(&belief));
        assert_eq!(stay.belief().room_id, None);
    }

    #[test]
    fn leaving_is_no_loss() {
        let stay = in_room("100000001");
        let before = stay.belief();
        let mut moving = stay.moving();
        assert_eq!(stay.belief().room_id, None, "on the move");
        assert!(!stay.lost(&before), "sent before the move");
        moving.left("100000001");
        drop(moving);
        assert!(!stay.lost(&before), "sent before the move, answered after it");
    }

    #[test]
    fn a_move_that_failed_leaves_the_user_where_they_were() {
        let stay = in_room("100000001");
        let during = {
            let mut moving = stay.moving();
            moving.left("100000002");
            stay.belief()
        };
        assert_eq!(stay.belief().room_id.as_deref(), Some("100000001"));
        assert!(!stay.lost(&during));
    }
}
