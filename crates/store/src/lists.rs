//! Lists: open rooms, who is in one, who is kept out of it.

use gochat_domain::{Ban, Entry, Head, Member, Place, Refusal, RoomId, Uid};
use gochat_proto::model;

use crate::{
    Error, Result, Store,
    keys::{self, field},
    load::{Bytes, Fixed, number},
    record::{read_ban, read_member},
    snapshot::parse_uid,
};

/// An open room and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomFound {
    /// Where it stands in its history.
    pub place: model::Place,
    /// The room.
    pub room: model::Room,
}

/// Which members, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The host, then who is on stage by when they stepped up, then the rest by when they entered.
    All,
    /// Raised hands, the longest raised first.
    Hands,
    /// The host, then who is on stage by when they stepped up.
    Stage,
}

/// A page of members.
#[derive(Clone, Debug)]
pub struct MemberPage {
    /// Those on it.
    pub members: Vec<Member>,
    /// Where the next page begins; none on the last.
    pub next: Option<Cursor>,
    /// Where the room stood.
    pub place: Place,
    /// The last revision at which somebody came or went.
    pub roster_revision: u64,
}

/// A page of bans.
#[derive(Clone, Debug)]
pub struct BanPage {
    /// Bans in force, by when they were laid.
    pub bans: Vec<(Uid, Ban)>,
    /// Where the next page begins; none on the last.
    pub next: Option<Cursor>,
}

/// Where a page begins: after a revision in one of the lists that make the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    set: u8,
    after: u64,
}

impl Cursor {
    /// As a page token, which callers hand back unread.
    pub fn to_token(self) -> String {
        format!("{}-{}", self.set, self.after)
    }

    /// Reads a page token.
    pub fn parse(token: &str) -> Option<Self> {
        let (set, after) = token.split_once('-')?;
        let set = match set {
            "1" => 1,
            "2" => 2,
            _ => return None,
        };
        Some(Self { set, after: after.parse().ok()? })
    }
}

/// What a page is of.
struct Pages {
    first: String,
    second: Option<String>,
    prefix: &'static str,
}

/// A record on a page.
struct Listed {
    cursor: Cursor,
    uid: Uid,
    record: Vec<u8>,
}

/// A page, with what it needs to be read.
struct Page {
    time: i64,
    fixed: Fixed,
    roster_revision: u64,
    caller: Bytes,
    listed: Vec<Listed>,
}

impl Page {
    /// The head of an open room in which the caller is. Services look on without being in.
    fn head(&self, caller: Option<Uid>) -> Result<&Head> {
        let head = self.fixed.head.as_ref().filter(|head| !head.closed).ok_or(Refusal::RoomNotFound)?;
        if caller.is_some() && self.caller.is_none() {
            return Err(Refusal::NotInRoom.into());
        }
        Ok(head)
    }
}

impl Store {
    /// An open room.
    ///
    /// # Errors
    /// [`Refusal::RoomNotFound`].
    pub async fn room(&self, room: RoomId) -> Result<RoomFound> {
        self.rooms_found(&[room]).await?.pop().ok_or_else(|| Refusal::RoomNotFound.into())
    }

    /// The newest open rooms that were created by then, at most so many; two round trips.
    pub async fn rooms(&self, created_until: Option<i64>, most: usize) -> Result<Vec<model::Room>> {
        let until = created_until.map_or_else(|| "+inf".to_owned(), |ms| ms.to_string());
        let mut read = redis::pipe();
        for partition in 0..self.args.partitions {
            read.zrevrangebyscore_limit_withscores(keys::rooms(partition), &until, "-inf", 0, most as isize);
        }
        let partitions: Vec<Vec<(String, i64)>> = self.redis.pipeline("rooms", &read).await?;
        let mut newest: Vec<(String, i64)> = partitions.into_iter().flatten().collect();
        newest.sort_by_key(|(_, created)| std::cmp::Reverse(*created));
        newest.truncate(most);
        let ids =
            newest.iter().map(|(name, _)| name.parse()).collect::<std::result::Result<Vec<RoomId>, _>>();
        let ids = ids.map_err(|why| Error::Unreadable(format!("room: {why}")))?;
        Ok(self.rooms_found(&ids).await?.into_iter().map(|found| found.room).collect())
    }

    /// The room that a user is in, if any.
    pub async fn room_held(&self, uid: Uid) -> Result<Option<RoomId>> {
        Ok(self.held(uid).await?.map(|(_, room)| room))
    }

    /// The same, and by which entry.
    pub(crate) async fn held(&self, uid: Uid) -> Result<Option<(Entry, RoomId)>> {
        let mut read = redis::cmd("HGET");
        read.arg(keys::user(uid)).arg("held");
        let held: Option<String> = self.redis.command(&read).await?;
        Ok(held.as_deref().and_then(crate::accounts::parse_held))
    }

    async fn rooms_found(&self, ids: &[RoomId]) -> Result<Vec<RoomFound>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut read = redis::pipe();
        for id in ids {
            read.hmget(self.keys(*id).hash(), &Fixed::FIELDS[..]);
        }
        let values: Vec<Vec<Bytes>> = self.redis.pipeline("rooms_found", &read).await?;
        let mut found = Vec::with_capacity(ids.len());
        for (id, values) in ids.iter().zip(values) {
            let fixed = Fixed::read(&values)?;
            if let Some(head) = fixed.head.filter(|head| !head.closed) {
                let room = model::Room::of(*id, &head, fixed.counts);
                found.push(RoomFound { place: fixed.place.into(), room });
            }
        }
        Ok(found)
    }

    /// A page of a room's members, as one of them or a service may see it.
    ///
    /// # Errors
    /// [`Refusal::RoomNotFound`], [`Refusal::NotInRoom`].
    pub async fn members(
        &self,
        room: RoomId,
        caller: Option<Uid>,
        order: Order,
        from: Option<Cursor>,
        skip: usize,
        most: usize,
    ) -> Result<MemberPage> {
        let keys = self.keys(room);
        let (first, second) = match order {
            Order::All => (keys.stage(), Some(keys.roster())),
            Order::Hands => (keys.hands(), None),
            Order::Stage => (keys.stage(), None),
        };
        let pages = Pages { first, second, prefix: field::MEMBER };
        let mut page = self.page(room, caller, &pages, from, (skip, most)).await?;
        let head = page.head(caller)?.clone();
        let next = next(&mut page.listed, most);
        let members = page.listed.iter().map(|listed| read_member(listed.uid, &listed.record, Some(&head)));
        let members = members.collect::<Result<_>>()?;
        Ok(MemberPage { members, next, place: page.fixed.place, roster_revision: page.roster_revision })
    }

    /// A page of the bans in force, as the host or a service may see it.
    ///
    /// # Errors
    /// [`Refusal::RoomNotFound`], [`Refusal::NotInRoom`], [`Refusal::NotPermitted`].
    pub async fn bans(
        &self,
        room: RoomId,
        caller: Option<Uid>,
        from: Option<Cursor>,
        most: usize,
    ) -> Result<BanPage> {
        let pages = Pages { first: self.keys(room).bans(), second: None, prefix: field::BAN };
        let mut page = self.page(room, caller, &pages, from, (0, most)).await?;
        let head = page.head(caller)?;
        if caller.is_some_and(|caller| caller != head.host) {
            return Err(Refusal::NotPermitted.into());
        }
        let next = next(&mut page.listed, most);
        let mut bans = Vec::new();
        for listed in &page.listed {
            let ban = read_ban(&listed.record)?;
            if ban.holds(gochat_domain::Millis(page.time)) {
                bans.push((listed.uid, ban));
            }
        }
        Ok(BanPage { bans, next })
    }

    /// Reads one record more than asked for, which tells whether there is a next page.
    async fn page(
        &self,
        room: RoomId,
        caller: Option<Uid>,
        pages: &Pages,
        from: Option<Cursor>,
        (skip, most): (usize, usize),
    ) -> Result<Page> {
        let mut call = self.scripts.page.prepare_invoke();
        call.key(self.keys(room).hash()).key(&pages.first);
        if let Some(second) = &pages.second {
            call.key(second);
        }
        call.arg(from.map_or(1, |from| from.set));
        call.arg(from.map_or_else(|| "-inf".to_owned(), |from| from.after.to_string()));
        call.arg(skip).arg(most + 1).arg(pages.prefix).arg(&Fixed::FIELDS[..]).arg(field::ROSTER_REV);
        call.arg(caller.map(|uid| format!("{}{uid}", field::MEMBER)).unwrap_or_default());
        let answer: Vec<redis::Value> = self.redis.read("page", &call).await?;
        read_page(answer)
    }
}

fn read_page(answer: Vec<redis::Value>) -> Result<Page> {
    let mut words = answer.into_iter();
    let mut word = || words.next().unwrap_or(redis::Value::Nil);
    let time: i64 = redis::from_redis_value(word()).map_err(unreadable)?;
    let values: Vec<Bytes> = redis::from_redis_value(word()).map_err(unreadable)?;
    let (fixed, more) = values.split_at(Fixed::FIELDS.len());
    let mut listed = Vec::new();
    let rest: Vec<redis::Value> = words.collect();
    for record in rest.chunks_exact(4) {
        let read = |at: usize| redis::from_redis_value::<String>(record[at].clone()).map_err(unreadable);
        let set = if read(0)? == "1" { 1 } else { 2 };
        let after = read(2)?.parse().map_err(|_| Error::Unreadable("a score is a revision".to_owned()))?;
        listed.push(Listed {
            cursor: Cursor { set, after },
            uid: parse_uid(&read(1)?)?,
            record: redis::from_redis_value(record[3].clone()).map_err(unreadable)?,
        });
    }
    Ok(Page {
        time,
        fixed: Fixed::read(fixed)?,
        roster_revision: number(more[0].as_deref())?,
        caller: more[1].clone(),
        listed,
    })
}

/// Takes off the record that was read only to see whether there is one.
fn next(listed: &mut Vec<Listed>, most: usize) -> Option<Cursor> {
    if listed.len() <= most {
        return None;
    }
    listed.truncate(most);
    listed.last().map(|listed| listed.cursor)
}

fn unreadable(why: impl std::fmt::Display) -> Error {
    Error::Unreadable(format!("page: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_tokens_come_back() {
        let cursor = Cursor { set: 2, after: 77 };
        assert_eq!(Cursor::parse(&cursor.to_token()), Some(cursor));
        for text in ["", "2", "3-1", "2-x", "2--1"] {
            assert_eq!(Cursor::parse(text), None, "{text:?}");
        }
    }
}
