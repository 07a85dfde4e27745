//! Who plays in the demonstration: their calls, and what each of them is told.

use std::{collections::BTreeMap, io::Write, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use futures::future::select_all;
use gochat_client::{
    ChangeCause, Client, Error, KeepAlive, Kind, Member, Page, Session, Subscription, Update,
};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};

use super::{ALL, HOST, kind, words};

/// The whole play takes no longer.
const AT_MOST: Duration = Duration::from_secs(60);
/// The list of rooms is up to a second old, and nothing tells when it is newer.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

struct Person {
    session: Session,
    _alive: KeepAlive,
    /// From entering the room until it is over.
    feed: Option<Subscription>,
    told: Vec<Update>,
    /// So many of `told` were waited for.
    heard: usize,
}

/// Everybody in the play, the host first.
pub(super) struct Cast<'a> {
    people: Vec<Person>,
    names: BTreeMap<u32, String>,
    suffix: String,
    until: Instant,
    out: &'a mut (dyn Write + Send),
}

impl<'a> Cast<'a> {
    pub(super) fn new(out: &'a mut (dyn Write + Send)) -> Self {
        let letters = b"abcdefghijkmnpqrstuvwxyz23456789";
        let letter = |_| char::from(letters[rand::random_range(0..letters.len())]);
        Self {
            people: Vec::new(),
            names: BTreeMap::new(),
            suffix: (0..4).map(letter).collect(),
            until: Instant::now() + AT_MOST,
            out,
        }
    }

    pub(super) fn session(&self, who: usize) -> Result<Session> {
        Ok(self.people.get(who).context("not in the play yet")?.session.clone())
    }

    pub(super) fn flow(&mut self, title: &str) -> Result<()> {
        Ok(writeln!(self.out, "\n{}", words::title(title))?)
    }

    pub(super) fn say(&mut self, text: &str) -> Result<()> {
        Ok(writeln!(self.out, "    {text}")?)
    }

    /// Logs the next person in, under a name that nobody else has, and keeps them there.
    pub(super) async fn enter(&mut self, client: &Client, name: &str) -> Result<()> {
        let nick_name = format!("{name}-{}", self.suffix);
        let who = self.people.len();
        writeln!(self.out, "{}", words::call(who, &nick_name, "login"))?;
        let session = in_time(self.until, "login", client.login(&nick_name, "")).await?.context("login")?;
        self.say(&format!("{nick_name} is user {}", session.uid()))?;
        self.names.insert(session.uid(), nick_name);
        let _alive = session.keep_alive();
        self.people.push(Person { session, _alive, feed: None, told: Vec::new(), heard: 0 });
        Ok(())
    }

    /// Makes a call and writes that it was made.
    pub(super) async fn call<T>(
        &mut self,
        who: usize,
        what: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T> {
        let name = self.people[who].session.nick_name().to_owned();
        writeln!(self.out, "{}", words::call(who, &name, what))?;
        in_time(self.until, what, call).await?.with_context(|| format!("{name}: {what}"))
    }

    pub(super) async fn subscribe(&mut self, who: usize, feed: Subscription) -> Result<()> {
        let person = &mut self.people[who];
        let (name, uid) = (person.session.nick_name().to_owned(), person.session.uid());
        person.feed = Some(feed);
        writeln!(self.out, "{}", words::call(who, &name, "subscribe"))?;
        self.see(&[who], "a snapshot of the room", |update| *update == Update::Snapshot).await?;
        let view = self.people[who].feed.as_ref().and_then(Subscription::view);
        ensure!(
            view.is_some_and(|view| view.members.contains_key(&uid)),
            "{name} is missing in the snapshot that it was sent"
        );
        Ok(())
    }

    /// Looks at the list of rooms until it holds `room`.
    pub(super) async fn find_room(&mut self, who: usize, room: &str) -> Result<()> {
        let session = self.session(who)?;
        let mut looks = interval(LOOK_AGAIN);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            in_time(self.until, "the room in the list of rooms", looks.tick()).await?;
            let rooms = self.call(who, "list_rooms", session.list_rooms(Page::of(1000))).await?.rooms;
            if let Some(found) = rooms.iter().find(|listed| listed.room_id == room) {
                let (subject, host) = (&found.subject, &found.host_name);
                return self.say(&format!("{} open, among them \"{subject}\" by {host}", rooms.len()));
            }
        }
    }

    /// Waits until each of `who` was told what `is_it` recognises, after what they
    /// were seen to be told before. Gives what they were told, in the order of `who`.
    pub(super) async fn see(
        &mut self,
        who: &[usize],
        what: &str,
        is_it: impl Fn(&Update) -> bool,
    ) -> Result<Vec<Update>> {
        let mut seen = Vec::new();
        for &who in who {
            let update = loop {
                let person = &mut self.people[who];
                if let Some(at) = person.told[person.heard..].iter().position(&is_it) {
                    person.heard += at + 1;
                    break person.told[person.heard - 1].clone();
                }
                let name = person.session.nick_name();
                ensure!(person.feed.is_some(), "{name} follows no room and won't see {what}");
                let waited = format!("{name} to see {what}");
                self.arrival(&waited).await?;
            };
            seen.push(update);
        }
        Ok(seen)
    }

    /// Waits until all were told of the same change of a member.
    pub(super) async fn see_change(&mut self, uid: u32, cause: ChangeCause) -> Result<Member> {
        let name = self.names.get(&uid).cloned().unwrap_or_default();
        let what = format!("that {name} {}", words::cause(cause));
        let seen =
            self.see(&ALL, &what, |update| change(update, cause).is_some_and(|member| member.uid == uid));
        let seen = seen.await?;
        let mut states = seen.iter().filter_map(|update| change(update, cause));
        let first = states.next().context("nobody was told")?;
        ensure!(states.all(|state| state == first), "not all were told the same: {what}");
        Ok(first.clone())
    }

    /// Waits for whatever anybody is told next, and writes it down.
    async fn arrival(&mut self, waited_for: &str) -> Result<()> {
        let until = self.until;
        let feeds = self.people.iter_mut().enumerate().filter_map(|(who, person)| {
            let feed = person.feed.as_mut()?;
            Some(Box::pin(async move { (who, feed.next().await) }))
        });
        let ((who, update), ..) = in_time(until, waited_for, select_all(feeds)).await?;
        let person = &mut self.people[who];
        let name = person.session.nick_name();
        let Some(update) = update else {
            person.feed = None;
            return Ok(());
        };
        let update = update.with_context(|| format!("{name} follows the room, waiting for {waited_for}"))?;
        writeln!(self.out, "{}", words::arrival(who, name, &update, &self.names))?;
        person.told.push(update);
        Ok(())
    }

    /// What was for one person alone must have reached nobody else. To be called
    /// when the streams have ended: what comes comes in order, so nothing is under way.
    pub(super) fn check_who_saw_what(&self) -> Result<()> {
        for (who, person) in self.people.iter().enumerate() {
            let (name, uid) = (person.session.nick_name(), person.session.uid());
            for update in &person.told {
                if !meant_for(update, uid, who == HOST) {
                    bail!("{name} was told what was not for it: {}", words::update(update, &self.names));
                }
            }
        }
        Ok(())
    }

    /// After a failure: whoever is there logs out, so that neither room nor names stay.
    pub(super) async fn go_home(&mut self) {
        let logouts = self.people.drain(..).map(|person| async move { person.session.logout().await });
        for left in
            timeout(Duration::from_secs(5), futures::future::join_all(logouts)).await.into_iter().flatten()
        {
            if let Err(error) = left {
                tracing::debug!(%error, "logout failed, the leases will end it");
            }
        }
    }
}

/// Waits for one step, but for no longer than the whole play takes.
async fn in_time<T>(until: Instant, what: &str, step: impl Future<Output = T>) -> Result<T> {
    timeout_at(until, step).await.with_context(|| format!("waited {AT_MOST:?} in all, at last for {what}"))
}

fn change(update: &Update, cause: ChangeCause) -> Option<&Member> {
    match kind(update) {
        Some(Kind::MemberChanged(changed)) if changed.cause() == cause => changed.member.as_ref(),
        _ => None,
    }
}

/// Whether a member may be told this: invitations are for the person invited and,
/// without their token, for the host; that one was declined is for the host alone.
fn meant_for(told: &Update, uid: u32, is_host: bool) -> bool {
    match kind(told) {
        Some(Kind::InvitationSent(sent)) => sent.invitation.as_ref().is_none_or(|invitation| {
            invitation.target_uid == uid || (is_host && invitation.token.is_empty())
        }),
        Some(Kind::InvitationDeclined(_)) => is_host,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use gochat_client::{Invitation, InvitationDeclined, InvitationSent};

    use super::*;

    fn told(event: Kind) -> Update {
        let to = Vec::new();
        Update::Event {
            revision: 1,
            committed_at: 0,
            operator_uid: 1,
            operator_name: String::new(),
            to,
            event,
        }
    }

    fn invited(uid: u32, token: &str) -> Update {
        let invitation = Invitation { target_uid: uid, token: token.into(), ..Invitation::default() };
        told(Kind::InvitationSent(InvitationSent { invitation: Some(invitation) }))
    }

    #[test]
    fn an_invitation_is_for_its_person_and_the_host() {
        assert!(meant_for(&invited(2, "secret"), 2, false));
        assert!(!meant_for(&invited(2, "secret"), 3, false));
        assert!(!meant_for(&invited(2, ""), 3, false));
        assert!(meant_for(&invited(2, ""), 1, true));
        assert!(!meant_for(&invited(2, "secret"), 1, true), "the token is not for the host");
    }

    #[test]
    fn that_one_was_declined_is_for_the_host_alone() {
        let declined = told(Kind::InvitationDeclined(InvitationDeclined::default()));
        assert!(meant_for(&declined, 1, true));
        assert!(!meant_for(&declined, 2, false));
    }
}
