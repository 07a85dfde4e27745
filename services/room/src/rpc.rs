//! `RoomService`: each RPC reads its request, has the store do it, answers.

use std::time::Duration;

use gochat_chassis::Caller;
use gochat_domain::{
    Uid,
    rules::{BanTerms, Close, RemoveMember, TransferHost, Unban},
};
use gochat_proto::{
    model,
    parse::{at_most, field, page_size},
    room::{
        self, CloseRoomRequest, CloseRoomResponse, CreateRoomRequest, CreateRoomResponse, GetRoomRequest,
        GetRoomResponse, JoinRoomRequest, JoinRoomResponse, LeaveRoomRequest, LeaveRoomResponse,
        ListBansRequest, ListBansResponse, ListMembersRequest, ListMembersResponse, ListRoomsRequest,
        ListRoomsResponse, MemberList, RemoveMemberRequest, RemoveMemberResponse, TransferHostRequest,
        TransferHostResponse, UnbanRequest, UnbanResponse, room_service_server::RoomService,
    },
    status::invalid,
};
use gochat_store::{Cursor, NewRoom, Order, Store};
use tonic::{Request, Response, Status, async_trait};

use crate::list::RoomList;

/// The service.
pub(crate) struct Rooms {
    store: Store,
    list: RoomList,
}

impl Rooms {
    pub(crate) fn new(store: Store) -> Self {
        Self { list: RoomList::new(store.clone()), store }
    }
}

type Answered<T> = Result<Response<T>, Status>;

#[async_trait]
impl RoomService for Rooms {
    async fn create_room(&self, request: Request<CreateRoomRequest>) -> Answered<CreateRoomResponse> {
        let (caller, asked) = open(request)?;
        let limits = self.store.args().limits(asked.member_limit, asked.seat_limit);
        let new = NewRoom { subject: field("subject", asked.subject.as_str())?, limits };
        let client = field("client_id", asked.client_id.as_str())?;
        let once = gochat_store::Request::of(caller, &asked.request_id, &asked)?;
        let entered = self.store.create(caller, client, new, once.as_ref()).await?;
        Ok(Response::new(CreateRoomResponse {
            place: Some(entered.place),
            room: Some(entered.room),
            member: Some(entered.member),
        }))
    }

    async fn get_room(&self, request: Request<GetRoomRequest>) -> Answered<GetRoomResponse> {
        let room = field("room_id", request.get_ref().room_id.as_str())?;
        let found = self.store.room(room).await?;
        Ok(Response::new(GetRoomResponse { place: Some(found.place), room: Some(found.room) }))
    }

    async fn list_rooms(&self, request: Request<ListRoomsRequest>) -> Answered<ListRoomsResponse> {
        let caller = looking(&request)?;
        let asked = request.into_inner();
        let until = created_until(&asked)?;
        let (rooms, more) = self.list.page(caller, until, page_size(asked.page_size)).await?;
        let next = rooms.last().filter(|_| more).map(|last| (last.created_at - 1).to_string());
        Ok(Response::new(ListRoomsResponse { rooms, next_page_token: next.unwrap_or_default() }))
    }

    async fn join_room(&self, request: Request<JoinRoomRequest>) -> Answered<JoinRoomResponse> {
        let (caller, asked) = open(request)?;
        let room = field("room_id", asked.room_id.as_str())?;
        let client = field("client_id", asked.client_id.as_str())?;
        let once = gochat_store::Request::of(caller, &asked.request_id, &asked)?;
        let entered = self.store.join(caller, room, client, once.as_ref()).await?;
        Ok(Response::new(JoinRoomResponse {
            place: Some(entered.place),
            room: Some(entered.room),
            member: Some(entered.member),
        }))
    }

    async fn leave_room(&self, request: Request<LeaveRoomRequest>) -> Answered<LeaveRoomResponse> {
        let (caller, asked) = open(request)?;
        let room = field("room_id", asked.room_id.as_str())?;
        let once = gochat_store::Request::of(caller, &asked.request_id, &asked)?;
        let left = self.store.leave(caller, room, once.as_ref()).await?;
        Ok(Response::new(LeaveRoomResponse { place: Some(left.place.into()) }))
    }

    async fn close_room(&self, request: Request<CloseRoomRequest>) -> Answered<CloseRoomResponse> {
        let (caller, asked) = open(request)?;
        let place = self.store.perform(caller, &asked, &Close { caller }).await?;
        Ok(Response::new(CloseRoomResponse { place }))
    }

    async fn list_members(&self, request: Request<ListMembersRequest>) -> Answered<ListMembersResponse> {
        let caller = looking(&request)?;
        let asked = request.into_inner();
        let room = field("room_id", asked.room_id.as_str())?;
        let (from, size) = (cursor(&asked.page_token)?, page_size(asked.page_size));
        let page =
            self.store.members(room, caller, order(asked.list()), from, asked.skip as usize, size).await?;
        Ok(Response::new(ListMembersResponse {
            members: page.members.iter().map(Into::into).collect(),
            next_page_token: page.next.map(Cursor::to_token).unwrap_or_default(),
            place: Some(page.place.into()),
            roster_revision: page.roster_revision,
        }))
    }

    async fn remove_member(&self, request: Request<RemoveMemberRequest>) -> Answered<RemoveMemberResponse> {
        let (caller, asked) = open(request)?;
        let target = field("target_uid", &asked.target_uid)?;
        let ban = asked.ban.as_ref().map(ban_terms).transpose()?;
        let place = self.store.perform(caller, &asked, &RemoveMember { caller, target, ban }).await?;
        Ok(Response::new(RemoveMemberResponse { place }))
    }

    async fn unban(&self, request: Request<UnbanRequest>) -> Answered<UnbanResponse> {
        let (caller, asked) = open(request)?;
        let target = field("target_uid", &asked.target_uid)?;
        let place = self.store.perform(caller, &asked, &Unban { caller, target }).await?;
        Ok(Response::new(UnbanResponse { place }))
    }

    async fn list_bans(&self, request: Request<ListBansRequest>) -> Answered<ListBansResponse> {
        let caller = looking(&request)?;
        let asked = request.into_inner();
        let room = field("room_id", asked.room_id.as_str())?;
        let from = cursor(&asked.page_token)?;
        let page = self.store.bans(room, caller, from, page_size(asked.page_size)).await?;
        Ok(Response::new(ListBansResponse {
            bans: page.bans.iter().map(|(uid, ban)| model::Ban::of(*uid, ban)).collect(),
            next_page_token: page.next.map(Cursor::to_token).unwrap_or_default(),
        }))
    }

    async fn transfer_host(&self, request: Request<TransferHostRequest>) -> Answered<TransferHostResponse> {
        let (caller, asked) = open(request)?;
        let target = field("target_uid", &asked.target_uid)?;
        let place = self.store.perform(caller, &asked, &TransferHost { caller, target }).await?;
        Ok(Response::new(TransferHostResponse { place }))
    }
}

/// Who calls, and what for.
fn open<T>(request: Request<T>) -> Result<(Uid, T), Status> {
    let caller = field("uid", &Caller::of(&request).require_subject()?)?;
    Ok((caller, request.into_inner()))
}

/// The user who looks; none for a service by itself, which sees every room.
fn looking<T>(request: &Request<T>) -> Result<Option<Uid>, Status> {
    Caller::of(request).subject().map(|uid| field("uid", &uid)).transpose()
}

fn order(list: MemberList) -> Order {
    match list {
        MemberList::Unspecified | MemberList::All => Order::All,
        MemberList::Hands => Order::Hands,
        MemberList::Stage => Order::Stage,
    }
}

fn cursor(token: &str) -> Result<Option<Cursor>, Status> {
    match token {
        "" => Ok(None),
        token => Cursor::parse(token)
            .map(Some)
            .ok_or_else(|| invalid("page_token", "must be one that was given out")),
    }
}

/// The earlier of what is asked for and where the page before ended; none for the newest.
fn created_until(asked: &ListRoomsRequest) -> Result<Option<i64>, Status> {
    if asked.created_until < 0 {
        return Err(invalid("created_until", "must not be negative"));
    }
    let asked_for = Some(asked.created_until).filter(|until| *until != 0);
    let page = match asked.page_token.as_str() {
        "" => None,
        token => Some(token.parse().map_err(|_| invalid("page_token", "must be one that was given out"))?),
    };
    Ok([asked_for, page].into_iter().flatten().min())
}

fn ban_terms(ban: &room::BanTerms) -> Result<BanTerms, Status> {
    let ms =
        u64::try_from(ban.duration_ms).map_err(|_| invalid("ban.duration_ms", "must not be negative"))?;
    if ban.reason.chars().count() > 200 {
        return Err(invalid("ban.reason", "must have at most 200 characters"));
    }
    let duration = Some(Duration::from_millis(ms)).filter(|duration| !duration.is_zero());
    Ok(BanTerms { duration, reason: at_most("ban.reason", &ban.reason, 800)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_rooms_begins_at_the_earlier_bound() {
        let asked = |created_until, token: &str| ListRoomsRequest {
            created_until,
            page_token: token.to_owned(),
            ..ListRoomsRequest::default()
        };
        assert_eq!(created_until(&asked(0, "")).unwrap(), None);
        assert_eq!(created_until(&asked(9, "")).unwrap(), Some(9));
        assert_eq!(created_until(&asked(9, "5")).unwrap(), Some(5));
        assert!(created_until(&asked(-1, "")).is_err());
        assert!(created_until(&asked(0, "x")).is_err());
    }
}
