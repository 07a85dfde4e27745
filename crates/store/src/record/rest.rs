//! What a later release has written into a record besides what this one knows: it is kept when the record is
//! written back.

use std::collections::HashMap;

use prost::encoding::{DecodeContext, decode_key, skip_field};

use super::{HeadRecord, MemberRecord};
use crate::keys::field;

/// What there is besides of the records that a decision was made on, by the names of their fields in the room's hash.
/// Most have nothing.
#[derive(Debug, Default)]
pub(crate) struct Rests(HashMap<String, Vec<u8>>);

impl Rests {
    /// Takes note of what the room's hash has in a field, where that is a record that is written back: the head,
    /// or a member. Whatever else is there is written anew or not at all.
    pub(crate) fn note(&mut self, name: &str, record: &[u8]) {
        let highest = match name {
            field::HEAD => HeadRecord::HIGHEST,
            _ if name.starts_with(field::MEMBER) => MemberRecord::HIGHEST,
            _ => return,
        };
        let rest = rest(record, highest);
        if !rest.is_empty() {
            self.0.insert(name.to_owned(), rest);
        }
    }

    /// The record as it is to be written now, with what there was besides.
    pub(crate) fn added_to(&self, name: &str, mut record: Vec<u8>) -> Vec<u8> {
        if let Some(rest) = self.0.get(name) {
            record.extend_from_slice(rest);
        }
        record
    }
}

/// The fields above the highest that this release knows, in their order, byte for byte. Of a record that is none,
/// what came before the fault; but such a one isn't read to begin with.
fn rest(record: &[u8], highest: u32) -> Vec<u8> {
    let mut rest = Vec::new();
    let mut ahead = record;
    while let Some((number, field)) = next(&mut ahead) {
        if number > highest {
            rest.extend_from_slice(field);
        }
    }
    rest
}

/// The next field, its number and all its bytes.
fn next<'a>(ahead: &mut &'a [u8]) -> Option<(u32, &'a [u8])> {
    let from = *ahead;
    let (number, wire_type) = decode_key(ahead).ok()?;
    skip_field(wire_type, number, ahead, DecodeContext::default()).ok()?;
    Some((number, &from[..from.len() - ahead.len()]))
}

#[cfg(test)]
mod tests {
    use prost::{
        Message,
        encoding::{WireType, encode_key},
    };

    use super::*;
    use crate::record::FORMAT;

    /// What a later release might have: fields of each kind.
    #[derive(Clone, PartialEq, Message)]
    struct Later {
        #[prost(uint64, tag = "101")]
        number: u64,
        #[prost(string, tag = "102")]
        text: String,
        #[prost(fixed32, repeated, tag = "103")]
        few: Vec<u32>,
        #[prost(double, tag = "104")]
        share: f64,
        #[prost(message, optional, boxed, tag = "1000")]
        more: Option<Box<Later>>,
    }

    fn later() -> Later {
        let inner = Later { number: 1, ..Later::default() };
        let (number, text, few, share) = (u64::MAX, "ÿ".to_owned(), vec![1, 2], 0.5);
        Later { number, text, few, share, more: Some(Box::new(inner)) }
    }

    fn member(role: u32) -> MemberRecord {
        MemberRecord {
            format: FORMAT,
            nick_name: "n".to_owned(),
            avatar: "a".to_owned(),
            client: "c".to_owned(),
            entry: 1,
            joined_at: 1,
            role,
            hand_raised_at: Some(0),
            on_stage_at: 1,
            muted_by_self: true,
            muted_by_host: true,
        }
    }

    fn head() -> HeadRecord {
        HeadRecord {
            format: FORMAT,
            subject: "s".to_owned(),
            host: 1,
            host_name: "h".to_owned(),
            created_at: 1,
            member_limit: 1,
            seat_limit: 1,
            hands_lowered_at: 1,
            closed: true,
            hand_overs: 1,
        }
    }

    #[test]
    fn what_is_not_known_is_kept_whole() {
        let mut rests = Rests::default();
        let later = later().encode_to_vec();
        rests.note("m:7", &[member(1).encode_to_vec(), later.clone()].concat());
        rests.note("m:8", &member(1).encode_to_vec());
        rests.note(field::HEAD, &[later.clone(), head().encode_to_vec()].concat());
        rests.note(field::REV, b"12");
        let written = rests.added_to("m:7", member(2).encode_to_vec());
        assert_eq!(written, [member(2).encode_to_vec(), later.clone()].concat());
        assert_eq!(MemberRecord::decode(written.as_slice()).unwrap(), member(2));
        rests.note("m:7", &written);
        assert_eq!(rests.added_to("m:7", Vec::new()), later, "however often it is written back");
        assert_eq!(rests.added_to(field::HEAD, Vec::new()), later);
        assert_eq!(rests.added_to("m:8", b"record".to_vec()), b"record");
        assert_eq!(rests.0.len(), 2);
    }

    #[test]
    fn what_is_known_is_not_kept_and_the_next_number_is_free() {
        // With everything that each has: what was kept of it would be written twice.
        for (record, highest) in [
            (head().encode_to_vec(), HeadRecord::HIGHEST),
            (member(3).encode_to_vec(), MemberRecord::HIGHEST),
        ] {
            assert!(rest(&record, highest).is_empty());
            assert!(!rest(&record, highest - 1).is_empty());
            let mut next = Vec::new();
            encode_key(highest + 1, WireType::Varint, &mut next);
            next.push(7);
            assert_eq!(rest(&[record, next.clone()].concat(), highest), next);
        }
    }

    #[test]
    fn what_is_no_record_does_no_harm() {
        let later = later().encode_to_vec();
        for end in 0..later.len() {
            assert!(later.starts_with(&rest(&later[..end], 100)), "{end}");
        }
        assert!(rest(&[0xff; 64], 100).is_empty());
    }
}
