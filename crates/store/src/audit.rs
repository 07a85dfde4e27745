//! The record of moderation: one line in the log for each act that was committed.

use gochat_domain::{Act, Place, RoomId};

/// What the request that is being answered is called; none outside of any.
pub type RequestName = fn() -> Option<String>;

/// Writes who did what to whom. `request` is what the request is called in logs and answers.
pub(crate) fn write(room: RoomId, act: Act, place: Place, request: Option<String>) {
    tracing::info!(
        target: "gochat::audit",
        who = act.by.get(),
        whom = act.whom.map(gochat_domain::Uid::get),
        what = %act.what,
        %room,
        revision = place.revision,
        request_id = request,
        "moderated"
    );
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        process::{Child, Command, Stdio},
        sync::{Arc, Mutex},
        time::Duration,
    };

    use clap::Parser;
    use gochat_domain::{
        ClientId, InvitationToken, Limits, NickName, Refusal, Subject, Uid,
        rules::{Invite, LowerHand, MuteAll, RaiseHand},
    };
    use tempfile::TempDir;
    use tokio::time::{interval, timeout};
    use tracing::{Event, Metadata, Subscriber, field::Field, span};

    use super::*;
    use crate::{Error, Login, NewRoom, Request, Store, StoreArgs};

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        store: StoreArgs,
    }

    /// A server that ends with the test.
    struct Redis {
        server: Child,
        dir: TempDir,
    }

    impl Redis {
        fn start() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let mut command = Command::new("redis-server");
            command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(dir.path().join("socket"));
            let server = command.current_dir(dir.path()).stdout(Stdio::null()).spawn().unwrap();
            Self { server, dir }
        }

        async fn store(&self) -> Store {
            let url = format!("unix://{}", self.dir.path().join("socket").display());
            let args = Cli::parse_from(["test", "--redis-url", &url]).store;
            let mut ticks = interval(Duration::from_millis(20));
            let opened = async {
                loop {
                    ticks.tick().await;
                    if let Ok(store) = Store::open(args.clone()).await {
                        return store;
                    }
                }
            };
            timeout(Duration::from_secs(10), opened).await.unwrap()
        }
    }

    impl Drop for Redis {
        fn drop(&mut self) {
            let _ = self.server.kill();
            let _ = self.server.wait();
        }
    }

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

    async fn login(store: &Store, name: &str) -> Uid {
        let nick_name = NickName::parse(name).unwrap();
        store.login(&Login { nick_name, avatar: String::new(), external: None }).await.unwrap().uid
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
        let redis = Redis::start();
        let store = redis.store().await.naming_requests(|| Some("order-66".to_owned()));
        let (host, lea) = (login(&store, "host").await, login(&store, "lea").await);
        let new =
            NewRoom { subject: Subject::parse("tea").unwrap(), limits: Limits { members: 5, seats: 2 } };
        let opened = store.create(host, ClientId::default(), new, None).await.unwrap();
        let room: RoomId = opened.room.room_id.parse().unwrap();
        store.join(lea, room, ClientId::default(), None).await.unwrap();

        let lines = Lines::default();
        let _taken_down = tracing::subscriber::set_default(lines.clone());
        let token = InvitationToken("token".to_owned());
        let invite = Invite { caller: host, target: lea, token, lifetime: Duration::from_secs(60) };
        let request = Request { caller: host, id: "once".to_owned(), digest: 1 };
        let invited = store.transact(room, &invite, Some(&request), |_, _| ()).await.unwrap();
        assert_eq!(store.transact(room, &invite, Some(&request), |_, _| ()).await.unwrap(), invited);
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
        let expected = [
            line(host, lea, "invite", room, invited.place),
            line(host, lea, "lower_hand", room, lowered.place),
        ];
        assert_eq!(written, expected);
    }
}
