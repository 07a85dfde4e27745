//! Rooms and attendees as the documented API shows them.

use gochat_proto::model::{self, Role};
use serde::Serialize;
use utoipa::ToSchema;

use crate::json::switch;

/// A voice chat room. Times are Unix milliseconds.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Room {
    #[schema(pattern = "^[0-9]{9}$")]
    room_id: String,
    subject: String,
    /// No two rooms have the same.
    create_time: i64,
    creator_name: String,
    /// The host's uid: always a number, and never the name.
    creator_id: u32,
    online_count: u32,
    on_stage_count: u32,
}

impl From<model::Room> for Room {
    fn from(room: model::Room) -> Self {
        Self {
            room_id: room.room_id,
            subject: room.subject,
            create_time: room.created_at,
            creator_name: room.host_name,
            creator_id: room.host_uid,
            online_count: room.member_count,
            on_stage_count: room.on_stage_count,
        }
    }
}

/// Somebody in a room. Times are Unix milliseconds, 0 for one that never was.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Attendee {
    #[schema(pattern = "^[0-9]{9}$")]
    room_id: String,
    uid: u32,
    nick_name: String,
    avatar: String,
    /// 1 listener, 2 guest speaker, 3 host.
    #[schema(minimum = 1, maximum = 3)]
    role: u8,
    login_timestamp: i64,
    /// 1 off, 2 on.
    #[schema(minimum = 1, maximum = 2)]
    mic: u8,
    /// 1 not raised, 2 raised.
    #[schema(minimum = 1, maximum = 2)]
    raise_hand: u8,
    raise_hand_timestamp: i64,
    /// 1 off stage, 2 on stage.
    #[schema(minimum = 1, maximum = 2)]
    onstage_state: u8,
    onstage_timestamp: i64,
}

impl Attendee {
    /// A member of a room.
    pub(crate) fn new(room_id: &str, member: model::Member) -> Self {
        Self {
            room_id: room_id.to_owned(),
            uid: member.uid,
            role: role(member.role()),
            login_timestamp: member.joined_at,
            mic: switch(member.mic.is_some_and(|mic| mic.on)),
            raise_hand: switch(member.hand_raised_at != 0),
            raise_hand_timestamp: member.hand_raised_at,
            onstage_state: switch(member.on_stage_at != 0),
            onstage_timestamp: member.on_stage_at,
            nick_name: member.nick_name,
            avatar: member.avatar,
        }
    }
}

fn role(role: Role) -> u8 {
    match role {
        Role::Host => 3,
        Role::GuestSpeaker => 2,
        Role::Listener | Role::Unspecified => 1,
    }
}

#[cfg(test)]
mod tests {
    use gochat_proto::model::Mic;
    use serde_json::{json, to_value};

    use super::*;

    #[test]
    fn a_room() {
        let room = model::Room {
            room_id: "123456789".into(),
            subject: "tea".into(),
            created_at: 1_700_000_000_000,
            host_uid: 100_000_001,
            host_name: "ann".into(),
            member_count: 3,
            on_stage_count: 1,
            member_limit: 1000,
            seat_limit: 8,
        };
        let expected = json!({
            "room_id": "123456789", "subject": "tea", "create_time": 1_700_000_000_000_u64,
            "creator_name": "ann", "creator_id": 100_000_001, "online_count": 3, "on_stage_count": 1,
        });
        assert_eq!(to_value(Room::from(room)).unwrap(), expected);
    }

    #[test]
    fn an_attendee_has_all_members_always() {
        let newcomer = model::Member { uid: 7, role: Role::Listener.into(), ..Default::default() };
        let expected = json!({
            "room_id": "123456789", "uid": 7, "nick_name": "", "avatar": "", "role": 1, "login_timestamp": 0,
            "mic": 1, "raise_hand": 1, "raise_hand_timestamp": 0, "onstage_state": 1, "onstage_timestamp": 0,
        });
        assert_eq!(to_value(Attendee::new("123456789", newcomer)).unwrap(), expected);

        let host = model::Member {
            uid: 8,
            nick_name: "ann".into(),
            avatar: "a.png".into(),
            role: Role::Host.into(),
            joined_at: 5,
            mic: Some(Mic { on: true, ..Default::default() }),
            hand_raised_at: 6,
            on_stage_at: 7,
            entry: 9,
        };
        let expected = json!({
            "room_id": "123456789", "uid": 8, "nick_name": "ann", "avatar": "a.png", "role": 3,
            "login_timestamp": 5, "mic": 2, "raise_hand": 2, "raise_hand_timestamp": 6, "onstage_state": 2,
            "onstage_timestamp": 7,
        });
        assert_eq!(to_value(Attendee::new("123456789", host)).unwrap(), expected);
    }
}
