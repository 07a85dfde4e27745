//! What a later release has written into a record besides is still there after this one has written it.

use std::collections::BTreeMap;

use gochat_domain::{
    ClientId, RoomId, Uid,
    rules::{LeaveStage, LowerAllHands, LowerHand, MuteAll, RaiseHand, Respond, Rule, SetMic, TransferHost},
};
use gochat_store::keys::{RoomKeys, field};
use redis::AsyncCommands;

use crate::world::World;

/// Field 1000, of three bytes.
fn more(of: &str) -> Vec<u8> {
    [b"\xc2\x3e\x03", &of.as_bytes()[of.len() - 3..]].concat()
}

/// A room with a host and others, as a later release would have written it: with something in each record besides.
struct Written {
    world: World,
    room: RoomId,
    names: Vec<String>,
}

impl Written {
    async fn of(world: World, room: RoomId, people: &[Uid]) -> Self {
        let members = people.iter().map(|uid| format!("{}{uid}", field::MEMBER));
        let names = members.chain([field::HEAD.to_owned()]).collect();
        let mut written = Self { world, room, names };
        for name in written.names.clone() {
            let record: Vec<u8> = written.world.raw.hget(written.key(), &name).await.unwrap();
            let record = [record, more(&name)].concat();
            let _: () = written.world.raw.hset(written.key(), &name, record).await.unwrap();
        }
        written
    }

    fn key(&self) -> String {
        RoomKeys::new(self.room, self.world.store.args().partitions).hash()
    }

    async fn records(&self) -> BTreeMap<String, Vec<u8>> {
        let all: BTreeMap<String, Vec<u8>> = self.world.raw.clone().hgetall(self.key()).await.unwrap();
        all.into_iter().filter(|(name, _)| self.names.contains(name)).collect()
    }

    /// Decides, after which these records are others, and all have what they had besides.
    async fn acts(&self, rule: impl Rule, whose: &[&str]) {
        let before = self.records().await;
        self.world.act(self.room, rule).await.unwrap();
        let after = self.records().await;
        let changed = after.iter().filter(|(name, record)| before[*name] != **record);
        assert_eq!(changed.map(|(name, _)| name.as_str()).collect::<Vec<_>>(), whose);
        for (name, record) in after {
            assert!(record.ends_with(&more(&name)), "{name}: {record:?}");
        }
    }
}

#[tokio::test]
async fn whatever_is_done_to_somebody_keeps_what_is_not_known_of_them() {
    let world = World::start().await;
    let (host, caller) = (world.user("host").await, world.user("lea").await);
    let room = world.room(host, 5, 2).await;
    world.join(caller, room).await;
    let token = world.invite(room, host, caller).await;
    let written = Written::of(world, room, &[host, caller]).await;
    let (of_host, lea) = (format!("m:{host}"), format!("m:{caller}"));
    let (lea, of_host) = (lea.as_str(), of_host.as_str());

    written.acts(RaiseHand { caller }, &[lea]).await;
    written.acts(LowerHand { caller: host, target: caller }, &[lea]).await;
    written.acts(RaiseHand { caller }, &[lea]).await;
    written.acts(LowerAllHands { caller: host }, &["head"]).await;
    written.acts(Respond { caller, token, accept: true }, &[lea]).await;
    written.acts(SetMic { caller, target: caller, on: false }, &[lea]).await;
    written.acts(SetMic { caller, target: caller, on: true }, &[lea]).await;
    // Who is on stage was not named: they came with the stage.
    written.acts(MuteAll { caller: host }, &[lea]).await;
    let mut both = ["head", of_host, lea];
    both.sort_unstable();
    written.acts(TransferHost { caller: host, target: caller }, &both).await;
    written.acts(LeaveStage { caller: host, target: host }, &[of_host]).await;
}

#[tokio::test]
async fn who_enters_again_begins_anew() {
    let world = World::start().await;
    let (host, lea) = (world.user("host").await, world.user("lea").await);
    let room = world.room(host, 5, 2).await;
    world.join(lea, room).await;
    let written = Written::of(world, room, &[host, lea]).await;
    let another = ClientId::parse("another client").unwrap();
    written.world.store.join(lea, room, another, None).await.unwrap();
    let records = written.records().await;
    let name = format!("m:{lea}");
    assert!(!records[&name].ends_with(&more(&name)), "it was of the former entry");
    let name = format!("m:{host}");
    assert!(records[&name].ends_with(&more(&name)));
}
