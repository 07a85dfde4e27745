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
