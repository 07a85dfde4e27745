//! An internal service as a caller: for its users, or on its own behalf, looking on.

use gochat_proto::{
    account::LoginRequest,
    model::{Place, Room},
    room::MemberList,
};

use crate::{Error, Members, Page, Rooms, Session, Subscription, caller::Caller};

/// A service that was given a token in the deployment's configuration.
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) caller: Caller,
}

impl Service {
    /// Logs a user of the service's own in: the same `external_id` (at most 128
    /// bytes) always gives the same uid. The session is the user's.
    /// Refusals: `NickNameInUse`, `NotPermitted`.
    pub async fn login(&self, nick_name: &str, avatar: &str, external_id: &str) -> Result<Session, Error> {
        let request = LoginRequest {
            nick_name: nick_name.to_owned(),
            avatar: avatar.to_owned(),
            external_id: external_id.to_owned(),
        };
        Session::open(&self.caller, request).await
    }

    /// Calls on behalf of a user who is logged in. The session it gives knows
    /// neither name nor token.
    pub fn acting_for(&self, uid: u32) -> Session {
        Session::acting(self.caller.acting_for(uid), uid)
    }

    /// Follows a room without being in it: public events only.
    pub fn subscribe(&self, room_id: &str) -> Subscription {
        Subscription::new(self.caller.clone(), room_id)
    }

    /// As [`Session::list_rooms`].
    pub async fn list_rooms(&self, page: Page) -> Result<Rooms, Error> {
        self.caller.list_rooms(page, 0).await
    }

    /// As [`Session::room`].
    pub async fn room(&self, room_id: &str) -> Result<(Room, Place), Error> {
        self.caller.get_room(room_id).await
    }

    /// As [`Session::members`].
    pub async fn members(&self, room_id: &str, list: MemberList, page: Page) -> Result<Members, Error> {
        self.caller.list_members(room_id, list, page).await
    }
}
