//! Lists page without leaving anybody out: the host, the stage, then the rest.

use gochat_client::{MemberList, Page, Session};

use crate::{
    sdk::{self, Person},
    world::World,
};

/// Every page of a list, in pages of two.
async fn uids(session: &Session, room: &str, list: MemberList) -> Vec<u32> {
    let (mut uids, mut page) = (Vec::new(), Some(Page::of(2)));
    while let Some(asked) = page {
        let members = session.members(room, list, asked).await.unwrap();
        assert!(members.members.len() <= 2);
        uids.extend(members.members.iter().map(|member| member.uid));
        page = members.next;
    }
    uids
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_host_first_then_the_stage_then_the_rest() {
    let world = World::start().await;
    let client = world.client();
    let mut host = Person::host(&client, "host").await;
    let room = host.room();
    let mut people = Vec::new();
    for name in ["ann", "ben", "cid", "dee", "eve"] {
        people.push(Person::listener(&client, name, &room).await);
    }
    let uid: Vec<u32> = people.iter().map(Person::uid).collect();
    for at in [3, 1] {
        sdk::onto_stage(&mut host, &mut people[at]).await;
    }
    for at in [4, 0] {
        people[at].session.raise_hand(&room).await.unwrap();
    }
    let all = [host.uid(), uid[3], uid[1], uid[0], uid[2], uid[4]];
    assert_eq!(uids(&host.session, &room, MemberList::All).await, all);
    assert_eq!(uids(&host.session, &room, MemberList::Stage).await, all[..3]);
    assert_eq!(uids(&host.session, &room, MemberList::Hands).await, [uid[4], uid[0]]);

    host.session.transfer_host(&room, uid[1]).await.unwrap();
    let stage = [uid[1], uid[3], host.uid()];
    assert_eq!(uids(&host.session, &room, MemberList::Stage).await, stage, "the former host stepped up last");
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_come_newest_first_with_ones_own() {
    let world = World::start().await;
    let client = world.client();
    let mut rooms = Vec::new();
    for name in ["ann", "ben", "cid"] {
        rooms.push(Person::host(&client, name).await);
    }
    let newest: Vec<String> = rooms.iter().rev().map(Person::room).collect();
    let own = &rooms[2].session;
    // The list may be a second old, but never misses the caller's own room.
    let listed = own.list_rooms(Page::of(1)).await.unwrap();
    assert_eq!(listed.rooms[0].room_id, newest[0]);
    let before = rooms[2].entered.room.created_at - 1;
    let older = own.list_rooms_until(before, Page::of(1)).await.unwrap();
    assert_eq!(older.rooms[0].room_id, newest[1]);
    let last = own.list_rooms_until(before, older.next.unwrap()).await.unwrap();
    assert_eq!((last.rooms[0].room_id.as_str(), last.next), (newest[2].as_str(), None));
}
