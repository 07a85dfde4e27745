//! The model of what can be read: rooms, who is in one, who is kept out of it.

use gochat_domain::RoomId;

use super::House;
use crate::act::{Answer, Answered, List};

impl House {
    pub(super) fn room(&self, id: RoomId) -> Answered {
        let room = self.find_open(id)?;
        Ok(Answer::Room(room.place, room.shown_room()))
    }

    /// Open rooms that were created by then, newest first.
    pub(super) fn rooms(&self, until: Option<i64>, most: usize) -> Answer {
        let open = self.rooms.iter().rev().filter(|room| room.is_open());
        let mut found: Vec<_> = open
            .filter(|room| until.is_none_or(|until| room.created_at <= until))
            .map(|room| room.shown_room())
            .collect();
        found.sort_by_key(|room| std::cmp::Reverse(room.created_at));
        found.truncate(most);
        Answer::Rooms(found)
    }

    pub(super) fn bans(&self, by: usize, id: RoomId) -> Answered {
        let bans = self.find_open(id)?.bans_in_force(self.users[by].uid, self.chance.before)?;
        Ok(Answer::Bans(bans))
    }

    /// A page, from the start or from where this person's last page of the same list ended.
    pub(super) fn members(
        &mut self,
        by: usize,
        (id, list): (RoomId, List),
        (size, skip): (usize, usize),
        go_on: bool,
    ) -> Answered {
        let (uid, cursor) = (self.users[by].uid, self.users[by].cursor);
        let room = self.find_open(id)?;
        room.member(uid)?;
        let from = cursor.filter(|held| go_on && (held.0, held.1) == (id, list)).map(|held| held.2);
        let left = room.listed(list).into_iter().filter(|(at, _)| from.is_none_or(|from| *at > from));
        let mut page: Vec<_> = left.skip(skip).take(size + 1).collect();
        let more = page.len() > size;
        page.truncate(size);
        let next = page.last().filter(|_| more).map(|(at, _)| (id, list, *at));
        let members = page.into_iter().map(|(_, uid)| room.shown_member(uid)).collect();
        let (place, roster_revision) = (room.place, room.roster_revision);
        self.users[by].cursor = next;
        Ok(Answer::Members { members, more, place, roster_revision })
    }
}
