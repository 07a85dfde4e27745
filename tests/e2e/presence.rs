//! Who goes silent is gone, with the reason, when the lease ends; who keeps heartbeating stays; who logs
//! out is gone at once.

use std::time::Duration;

use gochat_client::{CloseReason, GoodbyeReason, Kind, LeaveReason, Refusal, Role, Update};
use gochat_domain::rules::HostLoss;
use gochat_suite::SuiteConfig;
use serde_json::json;
use tokio::time::{interval, timeout};

use crate::{
    sdk::{self, Person},
    web,
    world::{World, soon},
};

/// The lease, the grace after a start, and five times as much for a busy machine.
const GONE_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_silent_is_gone_with_the_reason() {
    let world = World::with(|store| store.lease = Duration::from_secs(5)).await;
    let [mut host, lea, leo] = sdk::three(&world).await;
    let (_host_is_there, _lea_is_there) = (host.session.keep_alive(), lea.session.keep_alive());
    assert_eq!(in_the_end(&mut host, left).await, (LeaveReason::Lost, leo.uid()));
    let there: Vec<u32> = host.members().await.iter().map(|member| member.uid).collect();
    assert_eq!(there, [host.uid(), lea.uid()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn account_service_and_gateway_show_that_heartbeats_get_through() {
    let config = SuiteConfig::for_tests().unwrap().with_token_of_its_own();
    let world = World::of(config).await;
    let store = world.store().await;
    let mut looks = interval(Duration::from_millis(50));
    let both = async {
        loop {
            looks.tick().await;
            let ages = store.ages().await.unwrap();
            if ages.account.is_some() && ages.gateway.is_some() {
                return;
            }
        }
    };
    soon("a stamp of each", both).await;
}

/// Waits, for as long as leases take to end, for an event.
async fn in_the_end<T>(person: &mut Person, pick: impl Fn(&Kind) -> Option<T>) -> T {
    let told = timeout(GONE_WITHIN, async {
        loop {
            let update = person.next().await;
            if let Update::Event { event, .. } = &update
                && let Some(picked) = pick(event)
            {
                return picked;
            }
        }
    });
    told.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_longest_on_stage_follows_a_lost_host() {
    let world = World::with(|store| {
        (store.lease, store.host_grace) = (Duration::from_secs(5), Duration::ZERO);
        store.host_loss = HostLoss::Promote;
    })
    .await;
    let [mut host, mut lea, mut leo] = sdk::three(&world).await;
    let room = host.room();
    sdk::onto_stage(&mut host, &mut lea).await;
    host.session.invite(&room, leo.uid()).await.unwrap();
    let token = leo.invitation().await;
    let (lea_is_there, _leo_is_there) = (lea.session.keep_alive(), leo.session.keep_alive());

    let changed = in_the_end(&mut lea, |event| match event {
        Kind::HostChanged(changed) => Some((changed.former_host_uid, changed.host_uid)),
        _ => None,
    });
    assert_eq!(changed.await, (host.uid(), lea.uid()));
    assert_eq!(lea.event("the host go", left).await, (LeaveReason::Lost, host.uid()));
    let there: Vec<(u32, Role)> =
        lea.members().await.iter().map(|member| (member.uid, member.role())).collect();
    assert_eq!(there, [(lea.uid(), Role::Host), (leo.uid(), Role::Listener)]);
    let late = leo.session.respond(&room, &token, true).await;
    sdk::refused(late, Refusal::InvitationInvalid, "the invitation is not valid");

    // Nobody is on stage with lea.
    drop(lea_is_there);
    let closed = in_the_end(&mut leo, |event| match event {
        Kind::RoomClosed(closed) => Some(closed.reason()),
        _ => None,
    });
    assert_eq!(closed.await, CloseReason::HostLost);
}

/// Why somebody is gone, and who.
fn left(event: &Kind) -> Option<(LeaveReason, u32)> {
    match event {
        Kind::MemberLeft(left) => Some((left.reason(), left.member.as_ref()?.uid)),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_out_is_gone_with_the_reason() {
    let world = World::start().await;
    let [mut host, mut lea, mut leo] = sdk::three(&world).await;
    lea.session.logout().await.unwrap();
    lea.sees("the end", |update| *update == Update::Ended(GoodbyeReason::LoggedOut)).await;
    assert_eq!(host.event("lea go", left).await, (LeaveReason::LoggedOut, lea.uid()));
    host.session.logout().await.unwrap();
    let closed = leo.event("the room close", |event| match event {
        Kind::RoomClosed(closed) => Some(closed.reason()),
        _ => None,
    });
    assert_eq!(closed.await, CloseReason::HostLeft, "as when leaving");
    for person in [&mut host, &mut leo] {
        person.sees("the end", |update| *update == Update::Ended(GoodbyeReason::RoomClosed)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_of_who_logs_out_ends_for_good() {
    let world = World::start().await;
    let ([mut host, mut lea, mut leo], room) = web::three(&world).await;
    lea.done("logout", json!({})).await;
    lea.ends().await;
    let gone = |user: &serde_json::Value| user["uid"] == lea.uid && user["delta"] == -1;
    host.sees("room_extra_info", 6003, |data| gone(&data["users"][0])).await;
    host.done("logout", json!({})).await;
    let closed = leo.sees("room_extra_info", 6006, |_| true).await;
    assert_eq!((&closed["room_id"], &closed["operator_uid"]), (&json!(room), &json!(host.uid)));
    leo.ends().await;
    host.ends().await;
}
