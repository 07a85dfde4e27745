//! Who goes silent is gone, with the reason, when the lease ends; who keeps heartbeating stays.

use std::time::Duration;

use gochat_client::{Kind, LeaveReason};
use tokio::time::timeout;

use crate::{sdk, world::World};

/// The lease, the grace after a start, and five times as much for a busy machine.
const GONE_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_silent_is_gone_with_the_reason() {
    let world = World::with(|store| store.lease = Duration::from_secs(5)).await;
    let [mut host, lea, leo] = sdk::three(&world).await;
    let (_host_is_there, _lea_is_there) = (host.session.keep_alive(), lea.session.keep_alive());
    let lost = |event: &Kind| match event {
        Kind::MemberLeft(left) => Some((left.reason(), left.member.as_ref().map(|member| member.uid))),
        _ => None,
    };
    let gone = timeout(GONE_WITHIN, async {
        loop {
            let update = host.next().await;
            if let gochat_client::Update::Event { event, .. } = &update
                && let Some(left) = lost(event)
            {
                return left;
            }
        }
    });
    assert_eq!(gone.await.unwrap(), (LeaveReason::Lost, Some(leo.uid())));
    let there: Vec<u32> = host.members().await.iter().map(|member| member.uid).collect();
    assert_eq!(there, [host.uid(), lea.uid()]);
}
