//! People who use the SDK, and what each of them is told.

use gochat_client::{
    ChangeCause, Client, Entered, Error, Kind, Member, MemberList, Page, Refusal, Role, Session,
    Subscription, Update,
};

use crate::world::{World, soon};

/// Somebody in a room, who listens to what happens there.
pub(crate) struct Person {
    pub(crate) session: Session,
    pub(crate) entered: Entered,
    feed: Subscription,
    told: Vec<Update>,
}

impl Person {
    /// Logs in and opens a room.
    pub(crate) async fn host(client: &Client, name: &str) -> Self {
        let session = client.login(name, "").await.unwrap();
        let entered = session.create_room("tea").await.unwrap();
        Self::listen(session, entered).await
    }

    /// Logs in and joins a room.
    pub(crate) async fn listener(client: &Client, name: &str, room: &str) -> Self {
        let session = client.login(name, "").await.unwrap();
        let entered = session.join_room(room).await.unwrap();
        Self::listen(session, entered).await
    }

    async fn listen(session: Session, entered: Entered) -> Self {
        let feed = session.subscribe(&entered.room.room_id).min(entered.place);
        let mut person = Self { session, entered, feed, told: Vec::new() };
        person.sees("the room as it is", |update| *update == Update::Snapshot).await;
        person
    }

    pub(crate) fn uid(&self) -> u32 {
        self.session.uid()
    }

    pub(crate) fn room(&self) -> String {
        self.entered.room.room_id.clone()
    }

    /// The next update, however long it takes.
    pub(crate) async fn next(&mut self) -> Update {
        self.feed.next().await.expect("the stream goes on").unwrap()
    }

    /// Waits for an update.
    pub(crate) async fn sees(&mut self, what: &str, wanted: impl Fn(&Update) -> bool) -> Update {
        loop {
            let update = soon(what, self.feed.next()).await.expect("the stream goes on").unwrap();
            self.told.push(update.clone());
            if wanted(&update) {
                return update;
            }
        }
    }

    /// Waits for an event of a kind, and gives what `pick` takes from it.
    pub(crate) async fn event<T>(&mut self, what: &str, pick: impl Fn(&Kind) -> Option<T>) -> T {
        let found = |update: &Update| match update {
            Update::Event { event, .. } => pick(event),
            _ => None,
        };
        let update = self.sees(what, |update| found(update).is_some()).await;
        found(&update).unwrap()
    }

    /// Waits for a change of a member, and gives the member as it is then.
    pub(crate) async fn change(&mut self, uid: u32, cause: ChangeCause) -> Member {
        self.event(&format!("{cause:?}"), |event| match event {
            Kind::MemberChanged(changed) if changed.cause() == cause => {
                changed.member.clone().filter(|member| member.uid == uid)
            }
            _ => None,
        })
        .await
    }

    /// Waits for an invitation, and gives its token.
    pub(crate) async fn invitation(&mut self) -> String {
        let uid = self.uid();
        let invitation = self.event("the invitation", |event| match event {
            Kind::InvitationSent(sent) => sent.invitation.clone().filter(|sent| sent.target_uid == uid),
            _ => None,
        });
        invitation.await.token
    }

    /// Whether any event so far was of a kind.
    pub(crate) fn was_told(&self, of: impl Fn(&Kind) -> bool) -> bool {
        self.told.iter().any(|update| matches!(update, Update::Event { event, .. } if of(event)))
    }

    /// Everybody in the room, in the order of the list.
    pub(crate) async fn members(&self) -> Vec<Member> {
        let room = &self.entered.room.room_id;
        let list = self.session.members(room, MemberList::All, Page::default());
        list.await.unwrap().members
    }
}

/// A host with two listeners, lea and leo, in a room.
pub(crate) async fn three(world: &World) -> [Person; 3] {
    let client = world.client();
    let host = Person::host(&client, "host").await;
    let lea = Person::listener(&client, "lea", &host.room()).await;
    let leo = Person::listener(&client, "leo", &host.room()).await;
    [host, lea, leo]
}

/// Invites `guest` and has it accept; waits until everybody has seen that.
pub(crate) async fn onto_stage(host: &mut Person, guest: &mut Person) {
    host.session.invite(&host.room(), guest.uid()).await.unwrap();
    let token = guest.invitation().await;
    guest.session.respond(&guest.room(), &token, true).await.unwrap();
    let uid = guest.uid();
    guest.change(uid, ChangeCause::InvitationAccepted).await;
    host.change(uid, ChangeCause::InvitationAccepted).await;
}

pub(crate) fn is_guest(member: &Member) {
    assert_eq!(member.role(), Role::GuestSpeaker);
    assert!(member.on_stage_at > 0 && member.hand_raised_at == 0 && mic_on(member), "{member:?}");
}

pub(crate) fn is_listener(member: &Member) {
    assert_eq!(member.role(), Role::Listener);
    assert!(member.on_stage_at == 0 && !mic_on(member), "{member:?}");
}

pub(crate) fn mic_on(member: &Member) -> bool {
    member.mic.is_some_and(|mic| mic.on)
}

/// The call was turned down for this reason, in these words.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Error>, reason: Refusal, words: &str) {
    match answer.unwrap_err() {
        Error::Refused { refusal, message, .. } => assert_eq!((refusal, message.as_str()), (reason, words)),
        other => panic!("{other:?}"),
    }
}
