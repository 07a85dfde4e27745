//! A room's records as bytes of Redis: what is read and written again is the same, what isn't says which record it was.
#![no_main]

use gochat_domain::{Millis, Standing, Uid};
use gochat_proto::model;
use gochat_store::{Error, Result, border};
use libfuzzer_sys::{Corpus, fuzz_target};
use prost::Message;

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((kind, bytes)) = data.split_first() else { return Corpus::Reject };
    let uid = Uid::try_from(u32::from(*kind) + 1).expect("a uid");
    match kind % 5 {
        0 => again("head", border::read_head(bytes), border::write_head, border::read_head),
        1 => member(uid, bytes),
        2 => {
            let read = |bytes: &[u8]| border::read_invitation(uid, bytes);
            again("invitation", read(bytes), border::write_invitation, read);
        }
        3 => again("ban", border::read_ban(bytes), border::write_ban, border::read_ban),
        _ => again("commit", border::read_commit(bytes), model::Commit::encode_to_vec, border::read_commit),
    }
    Corpus::Keep
});

fn again<T: PartialEq + std::fmt::Debug>(
    what: &str,
    read: Result<T>,
    write: impl Fn(&T) -> Vec<u8>,
    read_again: impl Fn(&[u8]) -> Result<T>,
) {
    match read {
        Ok(value) => assert_eq!(read_again(&write(&value)).expect("was just written"), value),
        Err(Error::Unreadable(why)) => {
            let named = [what, "format", "uid"].iter().any(|name| why.starts_with(name));
            assert!(named && why.len() <= 400, "{why}");
        }
        Err(Error::Unavailable(why)) => assert!(why.contains("newer release"), "{why}"),
        Err(other) => panic!("{other:?}"),
    }
}

/// A member is shown as it stands, and with a floor for hands no other than with a hand that is down.
fn member(uid: Uid, bytes: &[u8]) {
    let read = |bytes: &[u8]| border::read_member(uid, bytes, None);
    again("member", read(bytes), border::write_member, read);
    let Ok(member) = read(bytes) else { return };
    let shown = model::Member::from(&member);
    let mic = shown.mic.expect("is always shown");
    assert_eq!(mic.on, member.standing.mic().is_some() && !mic.muted_by_self && !mic.muted_by_host);
    assert_eq!(shown.role() == model::Role::Listener, matches!(member.standing, Standing::Listener { .. }));
    assert_eq!(model::Member::decode(shown.encode_to_vec().as_slice()).as_ref(), Ok(&shown));
    if let Some(Millis(at)) = member.standing.hand_raised_at() {
        assert!(at > 0 && shown.hand_raised_at == at && shown.on_stage_at == 0);
    }
}
