//! What a host does to others is written down: once for each act that was committed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use gochat_domain::{
    InvitationToken, Place, Refusal, RoomId, Uid,
    rules::{Invite, LowerHand, MuteAll, RaiseHand},
};
use gochat_store::Error;
use tracing::{Event, Metadata, Subscriber, field::Field, span};

use crate::world::{World, request};

type Line = BTreeMap<&'static str, String>;

/// Takes down what is written under the target of the audit.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Line>>>);

impl Subscriber for Lines {
    fn enabled(&self, of: &Metadata<'_>) -> bool {
        of.target() == "gochat::audit" && *of.level() == tracing::Level::INFO
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::new();
        event.record(&mut |field: &Field, value: &dyn std::fmt::Debug| {
            line.insert(field.name(), format!("{value:?}"));
        });
        self.0.lock().unwrap().push(line);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

fn line(by: Uid, whom: Uid, what: &str, room: RoomId, place: Place) -> Line {
    BTreeMap::from([
        ("message", "moderated".to_owned()),
        ("who", by.to_string()),
        ("whom", whom.to_string()),
        ("what", what.to_owned()),
        ("room", room.to_string()),
        ("revision", place.revision.to_string()),
        ("request_id", "\"order-66\"".to_owned()),
    ])
}

#[tokio::test]
async fn each_act_that_was_committed_is_one_line() {
    let world = World::start().await;
    let store = world.store.clone().naming_requests(|| Some("order-66".to_owned()));
    let (host, lea) = (world.user("host").await, world.user("lea").await);
    let room = world.room(host, 5, 2).await;
    world.join(lea, room).await;

    let lines = Lines::default();
    let _taken_down = tracing::subscriber::set_default(lines.clone());
    let token = InvitationToken("token".to_owned());
    let invite = Invite { caller: host, target: lea, token, lifetime: Duration::from_secs(60) };
    let once = request(host, "once");
    let invited = store.transact(room, &invite, Some(&once), |_, _| ()).await.unwrap();
    assert_eq!(store.transact(room, &invite, Some(&once), |_, _| ()).await.unwrap(), invited);
    store.transact(room, &RaiseHand { caller: lea }, None, |_, _| ()).await.unwrap();
    let lower = LowerHand { caller: host, target: lea };
    let lowered = store.transact(room, &lower, None, |_, _| ()).await.unwrap();
    // Of what is one's own, refused, or comes to nothing, there is nothing to say.
    store.transact(room, &RaiseHand { caller: lea }, None, |_, _| ()).await.unwrap();
    store.transact(room, &LowerHand { caller: lea, target: lea }, None, |_, _| ()).await.unwrap();
    store.transact(room, &MuteAll { caller: host }, None, |_, _| ()).await.unwrap();
    let refused = store.transact(room, &MuteAll { caller: lea }, None, |_, _| ()).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::NotPermitted))), "{refused:?}");

    let written = lines.0.lock().unwrap().clone();
    let expected =
        [line(host, lea, "invite", room, invited.place), line(host, lea, "lower_hand", room, lowered.place)];
    assert_eq!(written, expected);
}
