//! People who change the rooms at random, as the rules allow: what a fault happens to.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gochat_client::{Banned, Entered, Error, Kind, MemberList, Page, Refusal, Session, Subscription, Update};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    sync::{OwnedRwLockWriteGuard, RwLock},
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

/// Called with what an actor's entry into the room answered.
pub(crate) type OnEntry = Arc<dyn Fn(&Session, &Entered) + Send + Sync>;

/// Who takes part, and where.
pub(crate) struct Part {
    pub(crate) session: Session,
    pub(crate) room_id: String,
    /// As the host was answered when it opened the room, or this person when they joined.
    pub(crate) entered: Entered,
    pub(crate) is_host: bool,
    /// Everybody else who is in the room as a rule, by uid.
    pub(crate) others: Vec<u32>,
    /// Of these, those who act too: the rest are left in the room.
    pub(crate) actors: Vec<u32>,
}

/// All of them. They stop when this is dropped.
pub(crate) struct Actors {
    crew: Arc<Crew>,
    /// Held while they pause.
    pause: Option<OwnedRwLockWriteGuard<()>>,
    _tasks: JoinSet<()>,
}

struct Crew {
    /// Held by each for as long as a deed takes.
    turn: Arc<RwLock<()>>,
    done: AtomicU64,
    failed: Mutex<Vec<String>>,
    on_entry: OnEntry,
}

impl Actors {
    /// Begins to act, each once in every `pace`.
    pub(crate) fn start(parts: Vec<Part>, pace: Duration, seed: u64, on_entry: OnEntry) -> Self {
        println!("the actors' seed is {seed}");
        let crew = Arc::new(Crew {
            turn: Arc::default(),
            done: AtomicU64::new(0),
            failed: Mutex::default(),
            on_entry,
        });
        let mut tasks = JoinSet::new();
        for (n, part) in (0..).zip(parts) {
            let rng = StdRng::seed_from_u64(seed.wrapping_add(n));
            let actor = Actor::new(part, rng, crew.clone());
            tasks.spawn(actor.act(pace));
        }
        Self { crew, pause: None, _tasks: tasks }
    }

    /// Returns once nobody is about anything any more.
    pub(crate) async fn pause(&mut self) {
        if self.pause.is_none() {
            self.pause = Some(self.crew.turn.clone().write_owned().await);
        }
    }

    pub(crate) fn resume(&mut self) {
        self.pause = None;
    }

    /// How many deeds succeeded.
    pub(crate) fn done(&self) -> u64 {
        self.crew.done.load(Ordering::Relaxed)
    }

    /// What failed since this was asked last; refusals are no failures.
    pub(crate) fn failed(&self) -> Vec<String> {
        std::mem::take(&mut self.crew.failed.lock().unwrap())
    }
}

struct Actor {
    part: Part,
    rng: StdRng,
    crew: Arc<Crew>,
    inside: bool,
    /// The host's: who is kept out until its next deed.
    banned: Option<u32>,
    /// The token of an invitation not yet answered.
    invitation: Arc<Mutex<Option<String>>>,
    following: JoinSet<()>,
}

impl Actor {
    fn new(part: Part, rng: StdRng, crew: Arc<Crew>) -> Self {
        let (inside, banned, following) = (true, None, JoinSet::new());
        Self { part, rng, crew, inside, banned, invitation: Arc::default(), following }
    }

    async fn act(mut self, pace: Duration) {
        let entered = self.part.entered.clone();
        self.follow(&entered);
        let mut turns = interval(pace);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let crew = self.crew.clone();
        loop {
            turns.tick().await;
            let _turn = crew.turn.read().await;
            let deed = if self.inside { self.deed().await } else { self.join().await };
            match deed {
                Ok(()) => drop(crew.done.fetch_add(1, Ordering::Relaxed)),
                Err(error) => self.take(error),
            }
        }
    }

    fn take(&mut self, error: Error) {
        match error {
            Error::Refused { refusal, .. } => {
                let outside = matches!(refusal, Refusal::NotInRoom | Refusal::RoomNotFound);
                self.inside &= !outside || self.part.is_host;
            }
            failed => self.crew.failed.lock().unwrap().push(failed.to_string()),
        }
    }

    async fn join(&mut self) -> Result<(), Error> {
        let (session, room_id) = (&self.part.session, self.part.room_id.as_str());
        let entered = match session.join_room(room_id).await {
            Err(error) if error.refusal() == Some(Refusal::AlreadyInRoom) => self.found_inside().await?,
            entered => entered?,
        };
        self.inside = true;
        self.follow(&entered);
        Ok(())
    }

    /// The entry that an answer lost on its way made, or that a store which went back still has.
    async fn found_inside(&self) -> Result<Entered, Error> {
        let (session, room_id) = (&self.part.session, self.part.room_id.as_str());
        let found = session.members(room_id, MemberList::All, Page::of(1_000)).await?;
        let member = found.members.into_iter().find(|member| member.uid == session.uid());
        let member = member.ok_or(Error::Malformed("in the room, and not"))?;
        let (room, _) = session.room(room_id).await?;
        Ok(Entered { place: found.place, room, member })
    }

    fn follow(&mut self, entered: &Entered) {
        (self.crew.on_entry)(&self.part.session, entered);
        let feed = self.part.session.subscribe(&self.part.room_id).min(entered.place);
        *self.invitation.lock().unwrap() = None;
        self.following.abort_all();
        self.following.spawn(keep_invitation(feed, self.part.session.uid(), self.invitation.clone()));
    }

    async fn deed(&mut self) -> Result<(), Error> {
        match self.part.is_host {
            true => self.host_deed().await,
            false => self.member_deed().await,
        }
    }

    async fn member_deed(&mut self) -> Result<(), Error> {
        let (session, room) = (self.part.session.clone(), self.part.room_id.clone());
        let invitation = self.invitation.lock().unwrap().take();
        if let Some(token) = invitation {
            let accept = self.rng.random_bool(0.7);
            return session.respond(&room, &token, accept).await.map(drop);
        }
        match self.rng.random_range(0..12) {
            0..4 => session.raise_hand(&room).await.map(drop),
            4 => session.lower_hand(&room).await.map(drop),
            5 => session.leave_stage(&room).await.map(drop),
            6..8 => session.set_mic(&room, true).await.map(drop),
            8..10 => session.set_mic(&room, false).await.map(drop),
            10 => {
                session.leave_room(&room).await?;
                self.inside = false;
                Ok(())
            }
            _ => session.lower_hand(&room).await.map(drop),
        }
    }

    async fn host_deed(&mut self) -> Result<(), Error> {
        let (session, room) = (self.part.session.clone(), self.part.room_id.clone());
        if let Some(banned) = self.banned {
            session.unban(&room, banned).await?;
            self.banned = None;
            return Ok(());
        }
        let somebody = self.one_of(|part| &part.others);
        match self.rng.random_range(0..20) {
            0 => session.lower_all_hands(&room).await.map(drop),
            1 => session.lower_hand_of(&room, somebody).await.map(drop),
            2..9 => session.invite(&room, somebody).await.map(drop),
            9 => session.withdraw_invitation(&room, somebody).await.map(drop),
            10..12 => session.take_off_stage(&room, somebody).await.map(drop),
            12..14 => session.set_mic_of(&room, somebody, false).await.map(drop),
            14 => session.set_mic_of(&room, somebody, true).await.map(drop),
            15 => session.mute_all(&room).await.map(drop),
            16 => session.set_mic(&room, false).await.map(drop),
            17 => session.set_mic(&room, true).await.map(drop),
            18 => self.keep_out().await,
            _ => session.lower_hand_of(&room, somebody).await.map(drop),
        }
    }

    async fn keep_out(&mut self) -> Result<(), Error> {
        let target = self.one_of(|part| &part.actors);
        // Whether it is done or not, the next deed undoes it.
        self.banned = Some(target);
        let ban = Banned { lasts: None, reason: "a while".to_owned() };
        self.part.session.remove_member(&self.part.room_id, target, Some(ban)).await.map(drop)
    }

    fn one_of(&mut self, list: impl Fn(&Part) -> &Vec<u32>) -> u32 {
        let list = list(&self.part);
        list[self.rng.random_range(0..list.len())]
    }
}

/// Keeps the invitation that is not yet answered, as the subscription tells of it.
async fn keep_invitation(mut feed: Subscription, uid: u32, kept: Arc<Mutex<Option<String>>>) {
    while let Some(Ok(update)) = feed.next().await {
        let now = match update {
            Update::Snapshot => None,
            Update::Invitation(invitation) => Some(invitation.token),
            Update::Event { event: Kind::InvitationSent(sent), .. } => match sent.invitation {
                Some(invitation) if !invitation.token.is_empty() => Some(invitation.token),
                _ => continue,
            },
            Update::Event { event: Kind::InvitationWithdrawn(gone), .. } if gone.target_uid == uid => None,
            Update::Event { event: Kind::InvitationExpired(gone), .. } if gone.target_uid == uid => None,
            _ => continue,
        };
        *kept.lock().unwrap() = now;
    }
}
