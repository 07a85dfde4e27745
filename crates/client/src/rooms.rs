//! Calls about rooms and who is in them.

use std::time::Duration;

use gochat_proto::{
    model::{Ban, Member, Place, Refusal, Room},
    room::{
        BanTerms, CloseRoomRequest, CreateRoomRequest, GetRoomRequest, JoinRoomRequest, LeaveRoomRequest,
        ListBansRequest, ListMembersRequest, ListRoomsRequest, MemberList, RemoveMemberRequest,
        TransferHostRequest, UnbanRequest,
    },
};

use crate::{
    Error, Session,
    caller::{Caller, call, request_id},
    session::milliseconds,
};

/// A room to be opened. A subject alone will do: `session.create_room("night talk")`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRoom {
    /// 1–64 characters.
    pub subject: String,
    /// The most members; 0 for the deployment's default.
    pub member_limit: u32,
    /// The most guest speakers; 0 for the deployment's default.
    pub seat_limit: u32,
}

impl From<&str> for NewRoom {
    fn from(subject: &str) -> Self {
        Self { subject: subject.to_owned(), ..Self::default() }
    }
}

impl From<String> for NewRoom {
    fn from(subject: String) -> Self {
        Self { subject, ..Self::default() }
    }
}

/// What who has just entered a room knows of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entered {
    /// For [`crate::Subscription::min`].
    pub place: Place,
    /// The room.
    pub room: Room,
    /// Oneself in it.
    pub member: Member,
}

/// Which part of a list to give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// How many entries at most; 0 for 100.
    pub size: u32,
    /// Where it begins; empty for the beginning of the list.
    pub token: String,
}

impl Page {
    /// The first page, of so many entries.
    pub fn of(size: u32) -> Self {
        Self { size, token: String::new() }
    }

    /// The page after this one; `None` if this is the last.
    fn next(&self, token: String) -> Option<Self> {
        (!token.is_empty()).then_some(Self { size: self.size, token })
    }
}

/// Open rooms, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Rooms {
    /// Those of this page.
    pub rooms: Vec<Room>,
    /// `None` on the last page.
    pub next: Option<Page>,
}

/// Members, in the order that their list has.
#[derive(Clone, Debug, PartialEq)]
pub struct Members {
    /// Those of this page.
    pub members: Vec<Member>,
    /// `None` on the last page.
    pub next: Option<Page>,
    /// Where the room stood.
    pub place: Place,
    /// The revision that last changed who is in the room.
    pub roster_revision: u64,
}

/// Bans in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Bans {
    /// Those of this page.
    pub bans: Vec<Ban>,
    /// `None` on the last page.
    pub next: Option<Page>,
}

/// How somebody is kept out of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Banned {
    /// `None` for as long as the room lives.
    pub lasts: Option<Duration>,
    /// Shown to who is banned; at most 200 characters.
    pub reason: String,
}

/// Every mutation answers where it left the room.
pub(crate) fn placed(place: Option<Place>) -> Result<Place, Error> {
    place.ok_or(Error::Malformed("a mutation that says no place"))
}

/// Whether who asked to be out of a room is out of it: by this call, or already.
fn outside<A>(answer: &Result<A, Error>) -> bool {
    match answer {
        Ok(_) => true,
        Err(error) => matches!(error.refusal(), Some(Refusal::RoomNotFound | Refusal::NotInRoom)),
    }
}

fn entered(place: Option<Place>, room: Option<Room>, member: Option<Member>) -> Result<Entered, Error> {
    let place = placed(place)?;
    let (Some(room), Some(member)) = (room, member) else {
        return Err(Error::Malformed("an entry without its room or member"));
    };
    Ok(Entered { place, room, member })
}

impl Session {
    /// Opens a room and enters it as its host, on stage. Leaves the room that the
    /// user was in. Refusals: `NoRoomId`.
    pub async fn create_room(&self, room: impl Into<NewRoom>) -> Result<Entered, Error> {
        let NewRoom { subject, member_limit, seat_limit } = room.into();
        let request = CreateRoomRequest {
            subject,
            request_id: request_id(),
            member_limit,
            seat_limit,
            client_id: self.client_id(),
        };
        let mut moving = self.stay.moving();
        let answer = call!(self.caller, repeat room.create_room(request)).await?;
        let entered = entered(answer.place, answer.room, answer.member)?;
        moving.arrived(&entered.room.room_id);
        Ok(entered)
    }

    /// Enters a room as a listener. Leaves the room that the user was in.
    /// Refusals: `RoomNotFound`, `AlreadyInRoom`, `Banned`, `RoomFull`.
    pub async fn join_room(&self, room_id: &str) -> Result<Entered, Error> {
        let request = JoinRoomRequest {
            room_id: room_id.to_owned(),
            request_id: request_id(),
            client_id: self.client_id(),
        };
        let mut moving = self.stay.moving();
        let answer = call!(self.caller, repeat room.join_room(request)).await;
        if matches!(&answer, Err(error) if error.refusal() == Some(Refusal::AlreadyInRoom)) {
            moving.arrived(room_id);
        }
        let answer = answer?;
        let entered = entered(answer.place, answer.room, answer.member)?;
        moving.arrived(room_id);
        Ok(entered)
    }

    /// Leaves a room; a host who leaves closes it. Changes nothing for who is not
    /// in it. Refusals: `RoomNotFound`.
    pub async fn leave_room(&self, room_id: &str) -> Result<Place, Error> {
        let request = LeaveRoomRequest { room_id: room_id.to_owned(), request_id: request_id() };
        let mut moving = self.stay.moving();
        let answer = call!(self.caller, repeat room.leave_room(request)).await;
        if outside(&answer) {
            moving.left(room_id);
        }
        placed(answer?.place)
    }

    /// Ends a room for all. Host only.
    /// Refusals: `RoomNotFound`, `NotInRoom`, `NotPermitted`.
    pub async fn close_room(&self, room_id: &str) -> Result<Place, Error> {
        let request = CloseRoomRequest { room_id: room_id.to_owned(), request_id: request_id() };
        let mut moving = self.stay.moving();
        let answer = call!(self.caller, repeat room.close_room(request)).await;
        if outside(&answer) {
            moving.left(room_id);
        }
        placed(answer?.place)
    }

    /// Takes somebody out, and keeps them out where a ban comes with it. Host only.
    /// Refusals: `RoomNotFound`, `NotInRoom`, `NotPermitted`, `TargetNotInRoom` (without a ban).
    pub async fn remove_member(&self, room_id: &str, uid: u32, ban: Option<Banned>) -> Result<Place, Error> {
        let ban =
            ban.map(|ban| BanTerms { duration_ms: ban.lasts.map_or(0, milliseconds), reason: ban.reason });
        let request = RemoveMemberRequest {
            room_id: room_id.to_owned(),
            request_id: request_id(),
            target_uid: uid,
            ban,
        };
        placed(call!(self.caller, repeat room.remove_member(request)).await?.place)
    }

    /// Ends a ban; changes nothing where there is none. Host only.
    /// Refusals: `RoomNotFound`, `NotInRoom`, `NotPermitted`.
    pub async fn unban(&self, room_id: &str, uid: u32) -> Result<Place, Error> {
        let request = UnbanRequest { room_id: room_id.to_owned(), request_id: request_id(), target_uid: uid };
        placed(call!(self.caller, repeat room.unban(request)).await?.place)
    }

    /// Makes another member the host. Host only.
    /// Refusals: `RoomNotFound`, `NotInRoom`, `NotPermitted`, `TargetNotInRoom`.
    pub async fn transfer_host(&self, room_id: &str, uid: u32) -> Result<Place, Error> {
        let request =
            TransferHostRequest { room_id: room_id.to_owned(), request_id: request_id(), target_uid: uid };
        placed(call!(self.caller, repeat room.transfer_host(request)).await?.place)
    }

    /// Open rooms, newest first; at most a second old, but for the user's own.
    pub async fn list_rooms(&self, page: Page) -> Result<Rooms, Error> {
        self.caller.list_rooms(page, 0).await
    }

    /// As [`Session::list_rooms`], of those created at `until` (Unix milliseconds) or before.
    pub async fn list_rooms_until(&self, until: i64, page: Page) -> Result<Rooms, Error> {
        self.caller.list_rooms(page, until).await
    }

    /// A room and where it stands. Refusals: `RoomNotFound`.
    pub async fn room(&self, room_id: &str) -> Result<(Room, Place), Error> {
        self.caller.get_room(room_id).await
    }

    /// Everybody in the room, its raised hands, or its stage.
    /// Refusals: `RoomNotFound`, `NotInRoom`.
    pub async fn members(&self, room_id: &str, list: MemberList, page: Page) -> Result<Members, Error> {
        self.caller.list_members(room_id, list, page).await
    }

    /// Bans in force. Host only. Refusals: `RoomNotFound`, `NotInRoom`, `NotPermitted`.
    pub async fn bans(&self, room_id: &str, page: Page) -> Result<Bans, Error> {
        self.caller.list_bans(room_id, page).await
    }
}

/// The questions that users and services ask alike.
impl Caller {
    pub(crate) async fn list_rooms(&self, page: Page, created_until: i64) -> Result<Rooms, Error> {
        let request =
            ListRoomsRequest { page_size: page.size, page_token: page.token.clone(), created_until };
        let answer = call!(self, repeat room.list_rooms(request)).await?;
        Ok(Rooms { rooms: answer.rooms, next: page.next(answer.next_page_token) })
    }

    pub(crate) async fn get_room(&self, room_id: &str) -> Result<(Room, Place), Error> {
        let request = GetRoomRequest { room_id: room_id.to_owned() };
        let answer = call!(self, repeat room.get_room(request)).await?;
        match (answer.room, answer.place) {
            (Some(room), Some(place)) => Ok((room, place)),
            _ => Err(Error::Malformed("a room without its place")),
        }
    }

    pub(crate) async fn list_members(
        &self,
        room_id: &str,
        list: MemberList,
        page: Page,
    ) -> Result<Members, Error> {
        let request = ListMembersRequest {
            room_id: room_id.to_owned(),
            list: list.into(),
            page_size: page.size,
            page_token: page.token.clone(),
            skip: 0,
        };
        let answer = call!(self, repeat room.list_members(request)).await?;
        Ok(Members {
            members: answer.members,
            next: page.next(answer.next_page_token),
            place: answer.place.ok_or(Error::Malformed("a list of members without its place"))?,
            roster_revision: answer.roster_revision,
        })
    }

    pub(crate) async fn list_bans(&self, room_id: &str, page: Page) -> Result<Bans, Error> {
        let request = ListBansRequest {
            room_id: room_id.to_owned(),
            page_size: page.size,
            page_token: page.token.clone(),
        };
        let answer = call!(self, repeat room.list_bans(request)).await?;
        Ok(Bans { bans: answer.bans, next: page.next(answer.next_page_token) })
    }
}

#[cfg(test)]
mod tests {
    use gochat_proto::room::{CreateRoomResponse, JoinRoomResponse, LeaveRoomResponse, ListRoomsResponse};

    use super::*;
    use crate::stand_in::StandIn;

    const ROOM: &str = "100000001";
    const PLACE: Option<Place> = Some(Place { revision: 1, tag: 2 });

    fn believed(session: &Session) -> Option<String> {
        session.stay.belief().room_id
    }

    #[tokio::test]
    async fn the_session_knows_its_room_for_the_heartbeat() {
        let mut server = StandIn::start().await;
        let session = server.session().await;
        let room = Some(Room { room_id: ROOM.into(), ..Room::default() });
        let created = CreateRoomResponse { place: PLACE, room, member: Some(Member::default()) };
        let (entered, asked) =
            tokio::join!(session.create_room("talk"), server.host::<CreateRoomRequest>(created.clone()));
        assert_eq!(entered.unwrap().room.room_id, ROOM);
        assert_eq!((asked.subject.as_str(), asked.member_limit), ("talk", 0));
        assert_eq!(believed(&session).as_deref(), Some(ROOM));

        let left = LeaveRoomResponse { place: PLACE };
        let (_, _) = tokio::join!(session.leave_room(ROOM), server.host::<LeaveRoomRequest>(left));
        assert_eq!(believed(&session), None);

        let joined = JoinRoomResponse { place: PLACE, room: created.room, member: created.member };
        let (_, again) = tokio::join!(session.join_room(ROOM), server.host::<JoinRoomRequest>(joined));
        assert_eq!(again.client_id, asked.client_id, "it is the same client");
        assert_eq!(believed(&session).as_deref(), Some(ROOM));
    }

    #[tokio::test]
    async fn a_refusal_that_says_where_the_user_is_is_believed() {
        let mut server = StandIn::start().await;
        let session = server.session().await;
        for (refusal, room) in [
            (Refusal::RoomFull, None),
            (Refusal::AlreadyInRoom, Some(ROOM)),
            (Refusal::RoomNotFound, Some(ROOM)),
        ] {
            let (entered, ()) =
                tokio::join!(session.join_room(ROOM), async { server.visit().await.refuse(refusal) });
            assert_eq!(entered.unwrap_err().refusal(), Some(refusal));
            assert_eq!(believed(&session).as_deref(), room);
        }
        for (refusal, room) in [(Refusal::NotPermitted, Some(ROOM)), (Refusal::RoomNotFound, None)] {
            let (place, ()) =
                tokio::join!(session.close_room(ROOM), async { server.visit().await.refuse(refusal) });
            assert_eq!(place.unwrap_err().refusal(), Some(refusal));
            assert_eq!(believed(&session).as_deref(), room);
        }
    }

    #[tokio::test]
    async fn pages_follow_one_another() {
        let mut server = StandIn::start().await;
        let session = server.session().await;
        let first = ListRoomsResponse { rooms: vec![], next_page_token: "more".into() };
        let (rooms, _) =
            tokio::join!(session.list_rooms(Page::of(2)), server.host::<ListRoomsRequest>(first));
        let next = rooms.unwrap().next.unwrap();
        let (rooms, asked) = tokio::join!(
            session.list_rooms_until(9, next),
            server.host::<ListRoomsRequest>(ListRoomsResponse::default())
        );
        assert_eq!((asked.page_size, asked.page_token.as_str(), asked.created_until), (2, "more", 9));
        assert_eq!(rooms.unwrap().next, None);
    }

    #[tokio::test]
    async fn a_ban_of_no_time_is_not_one_for_ever() {
        let mut server = StandIn::start().await;
        let session = server.session().await;
        for (lasts, expected) in
            [(None, 0), (Some(Duration::ZERO), 1), (Some(Duration::from_secs(60)), 60_000)]
        {
            let ban = Banned { lasts, reason: "noise".into() };
            let (_, asked) = tokio::join!(
                session.remove_member(ROOM, 9, Some(ban)),
                server.host::<RemoveMemberRequest>(gochat_proto::room::RemoveMemberResponse { place: PLACE })
            );
            assert_eq!((asked.target_uid, asked.ban.unwrap().duration_ms), (9, expected));
        }
    }
}
