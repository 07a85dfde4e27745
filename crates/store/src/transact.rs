//! The one way to write a room: load, decide, commit if nothing that was decided on has
//! changed; after a broken connection, find out whether the commit was made.

use std::time::Duration;

use gochat_domain::{
    Change, Loaded, Place, RoomId, Uid,
    rules::{Load, Rule},
};
use gochat_proto::model;
use prost::Message;
use redis::{RedisResult, ScriptInvocation};
use tokio::time::{Instant, sleep};

use crate::{
    Error, Result, Store, audit,
    load::{Bytes, Guard, Snapshotted},
    meters,
    plan::{Key, Plan, message},
    record::{REVISION_FOLLOWS, RepliesRecord, ReplyRecord},
    trace::{Trace, Traces},
};

/// How often a lost race is decided again.
const TRIES: usize = 16;
/// How many replies are kept of one caller in one room.
const KEPT: usize = 8;
/// A commit that reaches Redis later than this after its load is not made.
const COMMIT_WITHIN: Duration = Duration::from_secs(1);
/// How long the store looks for a commit whose answer was lost, before it says that it doesn't know.
const SEARCH: Duration = Duration::from_millis(1_500);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// A request that must not be done twice.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whose.
    pub caller: Uid,
    /// The caller's own id for it; up to 64 characters.
    pub id: String,
    /// Of what is asked, so that the id can't stand for something else.
    pub digest: u64,
}

/// A decision that was committed, now or when the request first came.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed<R> {
    /// Where the room stood after it.
    pub place: Place,
    /// What is answered.
    pub reply: R,
}

enum Outcome {
    Committed(u64),
    Changed,
    Late,
}

impl Store {
    /// Decides on a room and commits it, as one step: it is done, logged and announced, or
    /// none of these. `reply` makes the answer, which is kept with the request.
    ///
    /// # Errors
    /// [`Error::Refused`] and [`Error::RequestIdReused`]: nothing was changed.
    /// [`Error::Conflict`]: others were faster each time; nothing was changed.
    /// [`Error::Unavailable`]: it may have been done; the same request may be sent again.
    pub async fn transact<R: Message + Default>(
        &self,
        room: RoomId,
        rule: &impl Rule,
        request: Option<&Request>,
        reply: impl Fn(&Loaded, &Change) -> R + Send + Sync,
    ) -> Result<Committed<R>> {
        let load = rule.load();
        for _ in 0..TRIES {
            let snapshotted = self.load(room, &load, request.map(|request| request.caller)).await?;
            let mut kept = read_replies(snapshotted.replies.as_deref())?;
            if let Some(committed) = request.map(|request| find(&kept, request)).transpose()?.flatten() {
                return Ok(committed);
            }
            let change = rule.decide(&snapshotted.loaded)?;
            let body = reply(&snapshotted.loaded, &change);
            if change.is_nothing() {
                return Ok(Committed { place: snapshotted.loaded.place, reply: body });
            }
            let tag = rand::random();
            let receipt = request.map(|request| (request.caller, keep(&mut kept, request, tag, &body)));
            match self.commit(&snapshotted, &change, tag, receipt).await? {
                Outcome::Committed(revision) => {
                    let place = Place { revision, tag };
                    metrics::counter!("gochat_commits_total").increment(1);
                    if let Some(act) = rule.act() {
                        audit::write(room, act, place, (self.request_name)());
                    }
                    return Ok(Committed { place, reply: body });
                }
                Outcome::Changed => metrics::counter!("gochat_commit_conflicts_total").increment(1),
                Outcome::Late => metrics::counter!("gochat_commits_late_total").increment(1),
            }
        }
        metrics::counter!("gochat_commits_given_up_total").increment(1);
        Err(Error::Conflict)
    }

    /// What a request was answered when it first came, while that is kept.
    pub(crate) async fn answered<R: Message + Default>(
        &self,
        room: RoomId,
        request: &Request,
    ) -> Result<Option<Committed<R>>> {
        let loaded = self.load(room, &Load::default(), Some(request.caller)).await?;
        find(&read_replies(loaded.replies.as_deref())?, request)
    }

    async fn commit(
        &self,
        snapshotted: &Snapshotted,
        change: &Change,
        tag: u64,
        receipt: Option<(Uid, Vec<u8>)>,
    ) -> Result<Outcome> {
        let deadline = (snapshotted.loaded.now + COMMIT_WITHIN).0;
        let call = self.commit_call(snapshotted, change, tag, deadline, receipt);
        let answer: RedisResult<Vec<String>> = self.redis.write("commit", &call).await;
        match answer {
            Ok(words) => read_outcome(&words),
            Err(error) if error.is_io_error() || error.is_unrecoverable_error() => {
                tracing::info!(room = %snapshotted.loaded.room, %error, "the answer to a commit was lost");
                let found = self.search(&snapshotted.loaded, tag, deadline).await;
                meters::searched(found.is_ok());
                found
            }
            Err(error) => Err(error.into()),
        }
    }

    fn commit_call(
        &self,
        Snapshotted { loaded, guards, rests, .. }: &Snapshotted,
        change: &Change,
        tag: u64,
        deadline: i64,
        receipt: Option<(Uid, Vec<u8>)>,
    ) -> ScriptInvocation<'_> {
        let keys = self.keys(loaded.room);
        let plan = Plan::of(loaded, rests, change, &self.args);
        let mut call = self.scripts.commit.prepare_invoke();
        for key in [keys.hash(), keys.log(), keys.feed(), keys.roster(), keys.hands()] {
            call.key(key);
        }
        for key in [keys.stage(), keys.bans(), keys.rooms(), keys.due()] {
            call.key(key);
        }
        let public = change.events.iter().any(gochat_domain::Event::is_public);
        call.arg(deadline).arg(&tag.to_le_bytes()[..]).arg(i32::from(public));
        call.arg(self.args.log_cap(loaded.counts.members)).arg(loaded.now.0);
        let mut message = message(loaded, change);
        if let Some(trace) = Trace::here() {
            trace.append_to(&mut message);
        }
        call.arg(message);
        match receipt {
            Some((caller, bytes)) => {
                call.arg(format!("{}{caller}", crate::keys::field::REPLIES)).arg(bytes);
            }
            None => {
                call.arg("").arg("");
            }
        }
        write_guards(&mut call, guards);
        write_counters(&mut call, loaded, change, &plan);
        write_effects(&mut call, &plan);
        call
    }

    /// Looks in the log for a commit whose answer was lost. While its deadline hasn't
    /// passed it may still be on its way, so "not there" is no answer until then, and it
    /// is never decided again.
    async fn search(&self, loaded: &Loaded, tag: u64, deadline: i64) -> Result<Outcome> {
        let unknown = || Error::Unavailable("the answer to a commit was lost".to_owned());
        let until = Instant::now() + SEARCH;
        let first = loaded.place.revision + 1;
        while Instant::now() < until {
            sleep(BETWEEN_LOOKS).await;
            let Ok(history) = self.history(loaded.room, first).await else { continue };
            if let Some(found) = history.commits.iter().find(|commit| commit.tag == tag) {
                return Ok(Outcome::Committed(found.revision));
            }
            let reaches_back = history.commits.first().is_none_or(|commit| commit.revision == first);
            if !reaches_back || history.time > deadline {
                return Err(unknown());
            }
        }
        Err(unknown())
    }
}

fn write_guards(call: &mut ScriptInvocation<'_>, guards: &[Guard]) {
    call.arg(guards.len());
    for guard in guards {
        match guard {
            Guard::Field(name, value) => {
                call.arg("h").arg(Key::Hash as u8).arg(name).arg(expected(value.as_deref()));
            }
            Guard::Due(name, deadline) => {
                let deadline = deadline.to_string();
                call.arg("z").arg(Key::Due as u8).arg(name).arg(expected(Some(deadline.as_bytes())));
            }
        }
    }
}

fn expected(value: Option<&[u8]>) -> Vec<u8> {
    match value {
        Some(value) => [b"=", value].concat(),
        None => b"-".to_vec(),
    }
}

fn write_counters(call: &mut ScriptInvocation<'_>, loaded: &Loaded, change: &Change, plan: &Plan) {
    use crate::keys::field::{MEMBERS, SPEAKERS};
    let limits = change.head.as_ref().or(loaded.head.as_ref()).map(|head| head.limits);
    let most = limits.map_or((0, 0), |limits| (limits.members, limits.seats));
    let counters = [(MEMBERS, plan.members, most.0), (SPEAKERS, plan.speakers, most.1)];
    let moved: Vec<_> = counters.into_iter().filter(|(_, difference, _)| *difference != 0).collect();
    call.arg(moved.len());
    for (name, difference, most) in moved {
        call.arg(name).arg(difference).arg(most);
    }
}

fn write_effects(call: &mut ScriptInvocation<'_>, plan: &Plan) {
    call.arg(plan.effects.len());
    for effect in &plan.effects {
        call.arg(effect.words.len()).arg(effect.command).arg(effect.key as u8);
        for word in &effect.words {
            call.arg(word);
        }
    }
}

fn read_outcome(words: &[String]) -> Result<Outcome> {
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["committed", revision] => revision
            .parse()
            .map(Outcome::Committed)
            .map_err(|_| Error::Unreadable("a revision is a number".to_owned())),
        ["changed"] => Ok(Outcome::Changed),
        ["late"] => Ok(Outcome::Late),
        _ => Err(Error::Unreadable("an unknown answer to a commit".to_owned())),
    }
}

fn read_replies(bytes: Option<&[u8]>) -> Result<RepliesRecord> {
    let Some(bytes) = bytes else { return Ok(RepliesRecord::default()) };
    RepliesRecord::decode(bytes).map_err(|why| Error::Unreadable(format!("replies: {why}")))
}

/// The answer that a request was given when it first came.
fn find<R: Message + Default>(kept: &RepliesRecord, request: &Request) -> Result<Option<Committed<R>>> {
    let found = kept.replies.iter().zip(&kept.revisions).find(|(reply, _)| reply.request_id == request.id);
    let Some((reply, revision)) = found else { return Ok(None) };
    if reply.digest != request.digest {
        return Err(Error::RequestIdReused);
    }
    let body = R::decode(reply.body.as_slice()).map_err(|why| Error::Unreadable(format!("reply: {why}")))?;
    Ok(Some(Committed { place: Place { revision: *revision, tag: reply.tag }, reply: body }))
}

/// The replies to keep with one more; its revision is appended by the commit.
fn keep(kept: &mut RepliesRecord, request: &Request, tag: u64, body: &impl Message) -> Vec<u8> {
    let spare = (kept.replies.len() + 1).saturating_sub(KEPT);
    kept.replies.drain(..spare);
    kept.revisions.drain(..spare.min(kept.revisions.len()));
    kept.replies.push(ReplyRecord {
        request_id: request.id.clone(),
        digest: request.digest,
        tag,
        body: body.encode_to_vec(),
    });
    let mut bytes = kept.encode_to_vec();
    bytes.push(REVISION_FOLLOWS);
    bytes
}

/// What came after a place in a room's history, and where it stands now.
pub(crate) struct History {
    /// Redis's time, in milliseconds.
    pub time: i64,
    pub place: Place,
    pub commits: Vec<model::Commit>,
    pub traces: Traces,
}

impl Store {
    /// Reads the log from a revision on, at one moment with where the room stands.
    pub(crate) async fn history(&self, room: RoomId, first: u64) -> Result<History> {
        let keys = self.keys(room);
        let mut call = self.scripts.history.prepare_invoke();
        call.key(keys.hash()).key(keys.log());
        // The cap is approximate: a stream gives up whole nodes of a hundred entries.
        call.arg(format!("{first}-0")).arg(self.args.log_most * 2);
        let (time, rev, tag, messages): (i64, Bytes, Bytes, Vec<Vec<u8>>) =
            self.redis.read("history", &call).await?;
        let mut traces = Traces::default();
        let commit = |bytes: &Vec<u8>| {
            let commit = decode_commit(bytes)?;
            traces.note(commit.place().into(), bytes);
            Ok(commit)
        };
        let commits = messages.iter().map(commit).collect::<Result<_>>()?;
        let place =
            Place { revision: crate::load::number(rev.as_deref())?, tag: crate::load::tag(tag.as_deref())? };
        Ok(History { time, place, commits, traces })
    }
}

impl Store {
    /// The commit that made a revision, while the log reaches back to it.
    pub(crate) async fn commit_at(&self, room: RoomId, revision: u64) -> Result<Option<model::Commit>> {
        let history = self.history(room, revision).await?;
        Ok(history.commits.into_iter().next().filter(|commit| commit.revision == revision))
    }
}

/// A commit as it is logged and published.
pub(crate) fn decode_commit(bytes: &[u8]) -> Result<model::Commit> {
    model::Commit::decode(bytes).map_err(|why| Error::Unreadable(format!("commit: {why}")))
}
