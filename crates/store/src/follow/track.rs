//! Where a follower stands in a room's history, as a state machine without I/O: messages and
//! what was read go in; what to hand on, and what to read, come out.

use std::collections::VecDeque;

use gochat_domain::Place;
use gochat_proto::model::Commit;

use super::{
    Step,
    mechanism::{Mechanism, Mechanisms},
    trail::Trail,
};
use crate::Snapshot;

/// What is to be read from Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// The room as it is.
    Snapshot,
    /// Where the room stands, and the log after a place, at one moment.
    Log(Place),
    /// Where the room stands.
    Place,
}

/// What was read.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The room as it is; none where there is no such room.
    Snapshot(Option<Box<Snapshot>>),
    /// Where the room stands, and the commits that the log has after the place asked for.
    Log(Place, Vec<Commit>),
    /// Where the room stands; none where there is no such room.
    Place(Option<Place>),
}

/// What was held at a moment, to compare with what Redis says later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    held: Place,
    /// How often the history had begun anew.
    beginnings: u64,
}

/// What a message, or a comparison, shows.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing new.
    Known,
    /// The commit comes next.
    Next,
    /// Something is missing.
    Behind,
    /// What is held is of a history that Redis no longer has.
    Broken,
    /// It can't be told any more.
    Unclear,
}

/// What has to be read before anything else, by urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Nothing,
    Log,
    Snapshot,
}

/// A read under way.
#[derive(Debug)]
struct Flight {
    /// The comparisons asked for before it was sent: it answers those, and no later ones.
    ticket: u64,
    mark: Option<Mark>,
}

/// One room's history as it is followed.
#[derive(Debug)]
pub struct Track {
    mechanisms: Mechanisms,
    /// None where there is no room, or nothing was read yet.
    held: Option<Place>,
    trail: Trail,
    beginnings: u64,
    need: Need,
    asked: u64,
    verified: u64,
    flight: Option<Flight>,
    steps: VecDeque<Step>,
}

impl Track {
    /// One that holds nothing, and needs a snapshot.
    pub fn new(mechanisms: Mechanisms) -> Self {
        Self {
            mechanisms,
            held: None,
            trail: Trail::default(),
            beginnings: 0,
            need: Need::Snapshot,
            asked: 0,
            verified: 0,
            flight: None,
            steps: VecDeque::new(),
        }
    }

    /// What is next to hand on.
    pub fn step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// Whether nothing is known to be missing. Messages are taken only then; others wait.
    pub fn is_steady(&self) -> bool {
        self.need == Need::Nothing
    }

    /// Asks for a comparison by a read that is sent after this. [`Step::Verified`] names the
    /// number given here, or a later one, when all that it found was handed on.
    pub fn verify(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    /// Messages may have been lost.
    pub fn missed(&mut self) {
        self.needs(Need::Log);
    }

    /// What to read now; one read is under way at a time. Its answer, or that there is none,
    /// must be told.
    pub fn send(&mut self) -> Option<Read> {
        if self.flight.is_some() {
            return None;
        }
        let read = match (self.need, self.held) {
            (Need::Nothing, _) if self.asked == self.verified => return None,
            (Need::Nothing, Some(_)) => Read::Place,
            (Need::Log, Some(held)) => Read::Log(held),
            (Need::Snapshot, _) | (_, None) => Read::Snapshot,
        };
        self.flight = Some(Flight { ticket: self.asked, mark: self.mark() });
        Some(read)
    }

    /// The read under way found this.
    pub fn answer(&mut self, answer: Answer) {
        let Some(flight) = self.flight.take() else { return };
        match answer {
            // Where something else has come to be needed meanwhile, that read will tell.
            Answer::Place(found) => {
                if let Some(mark) = flight.mark.filter(|_| self.is_steady())
                    && self.compared(mark, found)
                {
                    self.is_verified(flight.ticket);
                }
            }
            Answer::Log(place, commits) => self.repair(place, commits, flight.ticket),
            Answer::Snapshot(found) => self.begin(found, flight.ticket),
        }
    }

    /// The read under way found out nothing.
    pub fn failed(&mut self) {
        self.flight = None;
    }

    /// What is held now, to be compared with a read that is sent after this.
    pub fn mark(&self) -> Option<Mark> {
        self.held.map(|held| Mark { held, beginnings: self.beginnings })
    }

    /// Compares with what a read found that was sent when `mark` was held; whether that was
    /// conclusive, and all is well.
    pub fn compared(&mut self, mark: Mark, found: Option<Place>) -> bool {
        if mark.beginnings != self.beginnings {
            return false;
        }
        match self.compare(mark.held, found) {
            Verdict::Behind => self.needs(Need::Log),
            Verdict::Broken => self.needs(Need::Snapshot),
            Verdict::Unclear => {}
            Verdict::Known | Verdict::Next => return true,
        }
        false
    }

    /// Takes a message of the feed.
    pub fn message(&mut self, commit: Commit) {
        let Some(held) = self.held else { return self.needs(Need::Snapshot) };
        match self.judge(held, &commit) {
            Verdict::Next => self.advance(commit),
            Verdict::Behind => self.needs(Need::Log),
            Verdict::Broken => self.needs(Need::Snapshot),
            Verdict::Known | Verdict::Unclear => {}
        }
    }

    fn judge(&self, held: Place, commit: &Commit) -> Verdict {
        if self.continues(commit, held) {
            return Verdict::Next;
        }
        if commit.revision <= held.revision {
            return self.known_as(commit.revision, commit.tag);
        }
        if self.mechanisms.has(Mechanism::GapCheck) { Verdict::Behind } else { Verdict::Next }
    }

    /// An answer older than what was held when its read was sent, or equal with another tag,
    /// means that Redis went back. Newer than what is held now: something is missing. In
    /// between, it must be known.
    fn compare(&self, sent: Place, found: Option<Place>) -> Verdict {
        let (Some(found), Some(held)) = (found, self.held) else { return Verdict::Broken };
        if !self.mechanisms.has(Mechanism::TagCheck) {
            return if found.revision > held.revision { Verdict::Behind } else { Verdict::Known };
        }
        if found.revision < sent.revision || (found.revision == sent.revision && found.tag != sent.tag) {
            return Verdict::Broken;
        }
        if found.revision > held.revision {
            return Verdict::Behind;
        }
        if found == sent { Verdict::Known } else { self.known_as(found.revision, found.tag) }
    }

    /// Whether a revision that is not newer than what is held is of the same history.
    fn known_as(&self, revision: u64, tag: u64) -> Verdict {
        match self.trail.tag_at(revision) {
            Some(known) if known != tag && self.mechanisms.has(Mechanism::TagCheck) => Verdict::Broken,
            Some(_) => Verdict::Known,
            None => Verdict::Unclear,
        }
    }

    fn continues(&self, commit: &Commit, held: Place) -> bool {
        if self.mechanisms.has(Mechanism::TagCheck) {
            return commit.continues(held.into());
        }
        commit.revision == held.revision + 1
    }

    fn needs(&mut self, need: Need) {
        self.need = self.need.max(need);
    }

    fn advance(&mut self, commit: Commit) {
        let place = commit.place().into();
        self.held = Some(place);
        self.trail.push(place);
        self.steps.push_back(Step::Commit(Box::new(commit)));
    }

    /// Hands on what the log has, if that leads from the place held to where the room stands.
    fn repair(&mut self, place: Place, commits: Vec<Commit>, ticket: u64) {
        if self.need != Need::Log {
            return;
        }
        if !self.leads_to(place, &commits) {
            return self.needs(Need::Snapshot);
        }
        if !commits.is_empty() {
            metrics::counter!("gochat_gaps_repaired_total", "source" => "log").increment(1);
        }
        commits.into_iter().for_each(|commit| self.advance(commit));
        self.need = Need::Nothing;
        self.is_verified(ticket);
    }

    fn leads_to(&self, place: Place, commits: &[Commit]) -> bool {
        let Some(mut at) = self.held else { return false };
        for commit in commits {
            if !self.continues(commit, at) {
                return false;
            }
            at = commit.place().into();
        }
        at == place || (!self.mechanisms.has(Mechanism::TagCheck) && at.revision >= place.revision)
    }

    fn begin(&mut self, found: Option<Box<Snapshot>>, ticket: u64) {
        if self.beginnings > 0 {
            metrics::counter!("gochat_gaps_repaired_total", "source" => "snapshot").increment(1);
        }
        self.beginnings += 1;
        self.need = Need::Nothing;
        self.held = found.as_ref().map(|snapshot| snapshot.view.place.into());
        if let Some(place) = self.held {
            self.trail.restart(place);
        }
        self.steps.push_back(found.map_or(Step::Gone, Step::Snapshot));
        self.is_verified(ticket);
    }

    fn is_verified(&mut self, ticket: u64) {
        if ticket > self.verified {
            self.verified = ticket;
            self.steps.push_back(Step::Verified(ticket));
        }
    }
}
