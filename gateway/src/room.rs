//! Rooms and who is in them: open, enter, leave, close, and the lists.

use axum::extract::State;
use gochat_proto::{
    model,
    room::{
        CloseRoomRequest, CreateRoomRequest, GetRoomRequest, JoinRoomRequest, LeaveRoomRequest,
        ListMembersRequest, ListMembersResponse, ListRoomsRequest, ListRoomsResponse, MemberList,
    },
};
use serde::{Deserialize, Serialize};
use tonic::Status;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, schema::Schema},
};

use crate::{
    caller::{Call, Caller},
    error::{Failure, ReturnCode},
    json::{Answer, Data, Done},
    model::{Attendee, Room},
    upstream::Upstreams,
};

/// The most that a list gives at once.
const PAGE_LIMIT: u32 = 1000;

/// What a room list gives where no `count` is named.
const DEFAULT_COUNT: u64 = 100;

#[derive(Deserialize, ToSchema)]
pub(crate) struct CreateRoom {
    /// What it is about.
    #[schema(min_length = 1, max_length = 64)]
    subject: String,
}

pub(crate) async fn create_room(
    State(up): State<Upstreams>,
    Call { caller, body, .. }: Call<CreateRoom>,
) -> Answer<Data<Room>> {
    let request = CreateRoomRequest { subject: body.subject, ..Default::default() };
    let created = up.room().create_room(caller.request(request)).await?;
    shown(created.into_inner().room)
}

/// A call about one room.
#[derive(Deserialize, ToSchema)]
pub(crate) struct InRoom {
    /// Nine digits.
    pub(crate) room_id: String,
}

/// Who is in the room already is told so, and shown the room all the same.
pub(crate) async fn login_room(
    State(up): State<Upstreams>,
    Call { caller, body, .. }: Call<InRoom>,
) -> Answer<Data<Room>> {
    let request = JoinRoomRequest { room_id: body.room_id.clone(), ..Default::default() };
    match up.room().join_room(caller.request(request)).await.map_err(Failure::from) {
        Ok(joined) => shown(joined.into_inner().room),
        Err(failure) if failure.code == ReturnCode::AlreadyInRoom => {
            let Data(room) = get_room(&up, &caller, body.room_id).await?;
            Err(failure.with_data(room))
        }
        Err(failure) => Err(failure),
    }
}

async fn get_room(up: &Upstreams, caller: &Caller, room_id: String) -> Answer<Data<Room>> {
    let found = up.room().get_room(caller.request(GetRoomRequest { room_id })).await?;
    shown(found.into_inner().room)
}

fn shown(room: Option<model::Room>) -> Answer<Data<Room>> {
    let missing = || Failure::new(ReturnCode::Fault, "internal fault");
    room.map(|room| Data(room.into())).ok_or_else(missing)
}

pub(crate) async fn quit_room(
    State(up): State<Upstreams>,
    Call { caller, body, .. }: Call<InRoom>,
) -> Answer<Done> {
    let request = LeaveRoomRequest { room_id: body.room_id, ..Default::default() };
    up.room().leave_room(caller.request(request)).await?;
    Ok(Done)
}

pub(crate) async fn close_room(
    State(up): State<Upstreams>,
    Call { caller, body, .. }: Call<InRoom>,
) -> Answer<Done> {
    let request = CloseRoomRequest { room_id: body.room_id, ..Default::default() };
    up.room().close_room(caller.request(request)).await.map_err(not_the_host)?;
    Ok(Done)
}

/// Whether somebody else is in the room at all is no question here: the method is documented without 80011.
fn not_the_host(status: Status) -> Failure {
    Failure::from(status).instead(ReturnCode::NotInRoom, ReturnCode::NotPermitted)
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct GetRoomList {
    /// At most; up to 1,000 are given.
    count: Option<u64>,
    /// An inclusive upper bound on `create_time`, in Unix milliseconds; 0 for none.
    begin_timestamp: Option<u64>,
}

impl From<GetRoomList> for ListRoomsRequest {
    fn from(list: GetRoomList) -> Self {
        let count = list.count.filter(|count| *count != 0).unwrap_or(DEFAULT_COUNT);
        Self {
            page_size: count.min(PAGE_LIMIT.into()) as u32,
            page_token: String::new(),
            created_until: list.begin_timestamp.unwrap_or(0).try_into().unwrap_or(i64::MAX),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RoomList {
    room_list: Vec<Room>,
}

impl From<ListRoomsResponse> for RoomList {
    fn from(list: ListRoomsResponse) -> Self {
        Self { room_list: list.rooms.into_iter().map(Room::from).collect() }
    }
}

pub(crate) async fn get_room_list(
    State(up): State<Upstreams>,
    Call { caller, body, .. }: Call<GetRoomList>,
) -> Answer<Data<RoomList>> {
    let request = ListRoomsRequest::from(body);
    let list = up.room().list_rooms(caller.request(request)).await?;
    Ok(Data(list.into_inner().into()))
}

/// One page of the members of a room, counted from 1.
#[derive(Deserialize)]
#[serde(try_from = "PageNumber")]
pub(crate) struct AttendeePage {
    room_id: String,
    page_size: u32,
    skip: u32,
}

#[derive(Deserialize, ToSchema)]
struct PageNumber {
    /// Nine digits.
    room_id: String,
    /// Counted from 1.
    #[schema(minimum = 1)]
    page: u64,
    #[schema(minimum = 1, maximum = 1000)]
    page_size: u32,
}

impl PartialSchema for AttendeePage {
    fn schema() -> RefOr<Schema> {
        PageNumber::schema()
    }
}

impl ToSchema for AttendeePage {}

impl TryFrom<PageNumber> for AttendeePage {
    type Error = &'static str;

    fn try_from(PageNumber { room_id, page, page_size }: PageNumber) -> Result<Self, Self::Error> {
        if page == 0 {
            return Err("page: counted from 1");
        }
        if !(1..=PAGE_LIMIT).contains(&page_size) {
            return Err("page_size: expected 1 to 1000");
        }
        // A page past the end of any room is empty, however far it is.
        let skip = (page - 1).saturating_mul(page_size.into()).try_into().unwrap_or(u32::MAX);
        Ok(Self { room_id, page_size, skip })
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AttendeeList {
    attendee_list_seq: u64,
    gb_personal_state_seq: u64,
    room_id: String,
    attendee_list: Vec<Attendee>,
}

impl AttendeeList {
    fn new(room_id: String, list: ListMembersResponse) -> Self {
        Self {
            attendee_list_seq: list.roster_revision,
            gb_personal_state_seq: list.place.unwrap_or_default().revision,
            attendee_list: list.members.into_iter().map(|m| Attendee::new(&room_id, m)).collect(),
            room_id,
        }
    }
}

pub(crate) async fn get_attendee_list(
    State(up): State<Upstreams>,
    Call { caller, body, .. }: Call<AttendeePage>,
) -> Answer<Data<AttendeeList>> {
    let AttendeePage { room_id, page_size, skip } = body;
    let list = MemberList::All.into();
    let request =
        ListMembersRequest { room_id: room_id.clone(), list, page_size, skip, ..Default::default() };
    let page = up.room().list_members(caller.request(request)).await?;
    Ok(Data(AttendeeList::new(room_id, page.into_inner())))
}

pub(crate) async fn get_raise_hand_list(
    State(up): State<Upstreams>,
    Call { caller, body, .. }: Call<InRoom>,
) -> Answer<Data<AttendeeList>> {
    whole_list(up, &caller, body.room_id, MemberList::Hands).await
}

pub(crate) async fn get_stateful_list(
    State(up): State<Upstreams>,
    Call { caller, body, .. }: Call<InRoom>,
) -> Answer<Data<AttendeeList>> {
    whole_list(up, &caller, body.room_id, MemberList::Stage).await
}

/// Every page of a list, at the place of the first: what happened since comes as events.
async fn whole_list(
    up: Upstreams,
    caller: &Caller,
    room_id: String,
    list: MemberList,
) -> Answer<Data<AttendeeList>> {
    let mut request = ListMembersRequest {
        room_id: room_id.clone(),
        list: list.into(),
        page_size: PAGE_LIMIT,
        ..Default::default()
    };
    let mut whole = up.room().list_members(caller.request(request.clone())).await?.into_inner();
    while !whole.next_page_token.is_empty() {
        request.page_token = whole.next_page_token;
        let page = up.room().list_members(caller.request(request.clone())).await?.into_inner();
        whole.members.extend(page.members);
        whole.next_page_token = page.next_page_token;
    }
    Ok(Data(AttendeeList::new(room_id, whole)))
}
