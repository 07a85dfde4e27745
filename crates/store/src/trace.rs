//! The trace of the command that made a commit, as it goes with the commit through Redis: in a field
//! of its own beside those of the contract, which readers of the contract pass over.

use std::collections::VecDeque;

use gochat_domain::Place;
use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use prost::Message;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Commits whose traces wait until they are handed on; those of the oldest are forgotten.
const WAITING: usize = 256;

/// What stands in the message: trace id (16 bytes), span id (8), both big-endian as W3C writes them.
#[derive(Clone, PartialEq, Message)]
struct Carried {
    #[prost(bytes = "vec", tag = "1000")]
    trace: Vec<u8>,
}

/// Which span a commit was made in. There is none where nobody collects traces, or not this one.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace(SpanContext);

impl Trace {
    /// That of the current span, if it is collected.
    pub(crate) fn here() -> Option<Self> {
        let context = Span::current().context();
        let span = context.span();
        let here = span.span_context();
        (here.is_valid() && here.is_sampled()).then(|| Self(here.clone()))
    }

    /// Adds it to an encoded commit.
    pub(crate) fn append_to(&self, message: &mut Vec<u8>) {
        let trace = [&self.0.trace_id().to_bytes()[..], &self.0.span_id().to_bytes()].concat();
        message.extend(Carried { trace }.encode_to_vec());
    }

    /// The one that was added to an encoded commit, if any was.
    pub(crate) fn of(message: &[u8]) -> Option<Self> {
        let Carried { trace } = Carried::decode(message).ok()?;
        let (id, span) = trace.split_first_chunk::<16>()?;
        let (id, span) = (TraceId::from_bytes(*id), SpanId::from_bytes(span.try_into().ok()?));
        let found = SpanContext::new(id, span, TraceFlags::SAMPLED, true, TraceState::NONE);
        found.is_valid().then_some(Self(found))
    }

    /// Makes `span`, which nobody has entered yet, a part of the trace, and links it to the command.
    pub fn lead_to(self, span: &Span) {
        // Fails where this process collects no traces.
        let _ = span.set_parent(Context::new().with_remote_span_context(self.0.clone()));
        span.add_link(self.0);
    }
}

/// Traces of commits that have been read and not handed on yet.
#[derive(Debug, Default)]
pub(crate) struct Traces(VecDeque<(Place, Trace)>);

impl Traces {
    /// Takes note of the trace of a commit, if it has one.
    pub(crate) fn note(&mut self, place: Place, message: &[u8]) {
        let Some(trace) = Trace::of(message) else { return };
        if self.0.len() == WAITING {
            self.0.pop_front();
        }
        self.0.push_back((place, trace));
    }

    /// Adds others.
    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
        let spare = self.0.len().saturating_sub(WAITING);
        self.0.drain(..spare);
    }

    /// The trace of the commit of a place; those of earlier ones are forgotten.
    pub(crate) fn take(&mut self, place: Place) -> Option<Trace> {
        if self.0.is_empty() {
            return None;
        }
        let found = self.0.iter().position(|(at, _)| *at == place).and_then(|at| self.0.remove(at));
        self.0.retain(|(at, _)| at.revision > place.revision);
        found.map(|(_, trace)| trace)
    }
}

#[cfg(test)]
mod tests {
    use gochat_proto::model::Commit;

    use super::*;

    fn trace(span: u64) -> Trace {
        let (id, span) = (TraceId::from(7_u128), SpanId::from(span));
        Trace(SpanContext::new(id, span, TraceFlags::SAMPLED, true, TraceState::NONE))
    }

    fn traced(commit: &Commit, trace: &Trace) -> Vec<u8> {
        let mut message = commit.encode_to_vec();
        trace.append_to(&mut message);
        message
    }

    #[test]
    fn a_trace_goes_along_and_readers_of_the_contract_do_not_see_it() {
        let commit = Commit { revision: 3, operator_name: "ann".into(), ..Commit::default() };
        let message = traced(&commit, &trace(5));
        assert_eq!(Trace::of(&message), Some(trace(5)));
        assert_eq!(Commit::decode(&*message).unwrap(), commit);
        assert_eq!(Commit::decode(&*message).unwrap().encode_to_vec(), commit.encode_to_vec());
        assert_eq!(Trace::of(&commit.encode_to_vec()), None);
    }

    #[test]
    fn what_is_no_trace_is_none() {
        for trace in [vec![1; 23], vec![1; 25], vec![0; 24], vec![]] {
            assert_eq!(Trace::of(&Carried { trace }.encode_to_vec()), None);
        }
        assert_eq!(Trace::of(b"\xff"), None);
    }

    #[test]
    fn nothing_is_carried_where_nothing_is_collected() {
        assert_eq!(Trace::here(), None);
        let span = tracing::info_span!("alone");
        assert_eq!(span.in_scope(Trace::here), None);
    }

    #[test]
    fn traces_are_kept_for_their_commits_and_no_longer() {
        let at = |revision| Place { revision, tag: revision * 10 };
        let mut traces = Traces::default();
        for revision in 1..=WAITING as u64 + 2 {
            traces.note(at(revision), &traced(&Commit::default(), &trace(revision)));
        }
        traces.note(at(9_999), &Commit::default().encode_to_vec());
        assert_eq!(traces.0.len(), WAITING);
        assert_eq!(traces.take(at(2)), None, "forgotten");
        assert_eq!(traces.take(Place { revision: 9, tag: 1 }), None, "another history");
        assert_eq!(traces.take(at(200)), Some(trace(200)));
        assert_eq!(traces.take(at(199)), None);
        let mut others = Traces::default();
        (500..800)
            .for_each(|revision| others.note(at(revision), &traced(&Commit::default(), &trace(revision))));
        traces.extend(others);
        assert_eq!((traces.0.len(), traces.take(at(799))), (WAITING, Some(trace(799))));
        assert!(traces.0.is_empty());
    }
}
