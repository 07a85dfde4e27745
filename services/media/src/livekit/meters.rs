//! What is counted of LiveKit.

use metrics::counter;

use super::plan::Outcome;

/// A call was made.
pub(super) fn called(call: &'static str, outcome: Outcome) {
    let outcome = match outcome {
        Outcome::Done => "done",
        Outcome::Gone => "gone",
        Outcome::Failed => "failed",
    };
    counter!("gochat_media_livekit_calls_total", "call" => call, "outcome" => outcome).increment(1);
}

/// A webhook came.
pub(super) fn webhook(outcome: &'static str) {
    counter!("gochat_media_livekit_webhooks_total", "outcome" => outcome).increment(1);
}
