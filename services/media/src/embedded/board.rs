//! Who can be heard in each room, for whoever looks: the latest only, so that a slow reader costs nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use gochat_domain::RoomId;
use tokio::sync::watch;

use crate::engine::Heard;

type Board = watch::Sender<Arc<[Heard]>>;

/// The boards of rooms that somebody writes to or looks at.
#[derive(Default)]
pub(crate) struct Boards(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    boards: HashMap<RoomId, Board>,
    /// As many as there were when those that nobody needs were thrown away last.
    needed: usize,
}

impl Boards {
    /// A room's board. It's the same as long as somebody holds or watches it.
    pub(crate) fn of(&self, room: RoomId) -> Board {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.boards.contains_key(&room) && kept.boards.len() > 2 * kept.needed + 16 {
            // Rarely enough that it costs nothing on the whole.
            kept.boards.retain(|_, board| board.receiver_count() > 0 || board.sender_count() > 1);
            kept.needed = kept.boards.len();
        }
        kept.boards.entry(room).or_insert_with(|| watch::Sender::new([].into())).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_is_kept_while_it_is_needed() {
        let boards = Boards::default();
        let room = RoomId::from_number(0);
        let watched = boards.of(room).subscribe();
        for number in 1..10_000 {
            boards.of(RoomId::from_number(number));
        }
        assert!(boards.0.lock().unwrap().boards.len() < 100);
        boards.of(room).send_replace([].into());
        assert!(watched.has_changed().unwrap());
    }
}
