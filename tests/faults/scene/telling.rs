//! An objection in few words: what differs, and what came just before.

use gochat_proto::{notifier::subscribe_response::Frame, view::RoomView};

use crate::{
    judge::{Objection, Wrong},
    record::{Record, What},
};

/// So much of anything is enough.
const ENOUGH: usize = 600;

/// The objection, with what differs where views do, and with what the record had around it.
pub(crate) fn tell(objection: &Objection, record: &Record) -> String {
    let said: String = objection.to_string().chars().take(ENOUGH).collect();
    let differs = match &*objection.wrong {
        Wrong::Snapshot { expected, came } => differences(expected, came),
        Wrong::View { expected, came: Some(came) } => differences(expected, came),
        _ => String::new(),
    };
    let at = objection.at.min(record.got.len());
    let around = record.got[at.saturating_sub(4)..].iter().take(6);
    let around: Vec<String> = around.map(|got| format!("    {:?} {}", got.at, in_short(&got.what))).collect();
    let entry = record.entry;
    format!("{said}\n  of entry {entry}, {:?} streams\n{differs}{}", asked(record), around.join("\n"))
}

fn differences(expected: &RoomView, came: &RoomView) -> String {
    let mut lines = Vec::new();
    let mut differ = |what: &str, expected: String, came: String| {
        if expected != came {
            lines.push(format!("  {what}: expected {expected}, came {came}\n"));
        }
    };
    differ("place", format!("{:?}", expected.place), format!("{:?}", came.place));
    differ("room", format!("{:?}", expected.room), format!("{:?}", came.room));
    differ("roster", format!("{:?}", expected.roster), format!("{:?}", came.roster));
    differ("hands", format!("{:?}", expected.hands), format!("{:?}", came.hands));
    differ("stage", format!("{:?}", expected.stage), format!("{:?}", came.stage));
    for uid in expected.members.keys().chain(came.members.keys()) {
        differ("member", format!("{:?}", expected.members.get(uid)), format!("{:?}", came.members.get(uid)));
    }
    lines.dedup();
    lines.concat()
}

fn in_short(what: &What) -> String {
    let text = match what {
        What::Frame(Frame::Commit(commit)) => {
            let place = commit.place().to_token();
            format!("commit {place} by {}: {:?}", commit.operator_uid, commit.events)
        }
        What::Frame(Frame::Snapshot(part)) => format!("snapshot part of {:?}", part.place),
        other => format!("{other:?}"),
    };
    text.chars().take(ENOUGH).collect()
}

/// When and with what the streams were asked for.
fn asked(record: &Record) -> Vec<String> {
    let asked = record.got.iter().filter(|got| matches!(got.what, What::Asked { .. }));
    asked.map(|got| format!("{:?} {:?}", got.at, got.what)).collect()
}
