//! The JSON body of every method: taken only as documented, refused by the member that is wrong.
#![no_main]

use std::fmt::Debug;

use gochat_gateway::border::{Asked, PARAMETERS, Parameters, Refused, asked};
use libfuzzer_sys::{Corpus, fuzz_target};
use prost::Message;
use serde_json::{Map, Value};

const BAD_PARAMETER: u32 = 80_001;

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((kind, body)) = data.split_first() else { return Corpus::Reject };
    let parameters = &PARAMETERS[usize::from(*kind) % PARAMETERS.len()];
    let schema = parameters.schema();
    let documented = schema["properties"].as_object().cloned().unwrap_or_default();
    // Where a member that nobody reads is amiss, nobody minds; a reader of everything would.
    let object = serde_json::from_slice::<Map<String, Value>>(body).ok();
    match (parameters.read(body), object) {
        (Ok(()), Some(object)) => {
            assert_documented(parameters, &schema, &documented, &object);
            if let Some(asked) = asked(parameters.name, body) {
                assert_asked(&asked, &object);
            }
        }
        (Ok(()), None) => assert_eq!(body.trim_ascii_start().first(), Some(&b'{')),
        (Err(refused), object) => assert_refused(&refused, body, object.map(|_| &documented)),
    }
    Corpus::Keep
});

/// Every member that has to be there is, and each has the type that it is documented with.
fn assert_documented(
    parameters: &Parameters,
    schema: &Value,
    documented: &Map<String, Value>,
    object: &Map<String, Value>,
) {
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().expect("a name is a text");
        assert!(object.contains_key(name), "{}: no {name} in {object:?}", parameters.name);
    }
    for (name, schema) in documented {
        let fits = object.get(name).is_none_or(|value| is_of(schema, value));
        assert!(fits, "{}: {name} is {:?}, documented as {schema}", parameters.name, object.get(name));
    }
}

fn is_of(schema: &Value, value: &Value) -> bool {
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        Value::Null => return matches!(value.as_u64(), Some(1 | 2)),
        kind => vec![kind.clone()],
    };
    kinds.iter().any(|kind| match kind.as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("null") => value.is_null(),
        _ => false,
    })
}

/// The caller is told which member is wrong, and not more than what they sent.
fn assert_refused(refused: &Refused, body: &[u8], documented: Option<&Map<String, Value>>) {
    assert_eq!(refused.code, BAD_PARAMETER);
    assert!(refused.message.len() <= 8 * body.len() + 200, "{}", refused.message.len());
    if let Some(documented) = documented {
        let named = documented.keys().any(|name| refused.message.contains(name.as_str()));
        assert!(named, "{:?} names none of {:?}", refused.message, documented.keys().collect::<Vec<_>>());
    }
}

fn assert_asked(asked: &Asked, object: &Map<String, Value>) {
    let number = |name: &str| object.get(name).and_then(Value::as_u64).unwrap_or(0);
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    match asked {
        Asked::Rooms(rooms) => {
            again(rooms);
            let count = if number("count") == 0 { 100 } else { number("count").min(1_000) };
            assert_eq!(u64::from(rooms.page_size), count);
            assert_eq!(rooms.created_until, number("begin_timestamp").min(i64::MAX as u64) as i64);
        }
        Asked::Removal(removal) => {
            again(removal);
            assert_eq!(
                (removal.room_id.as_str(), u64::from(removal.target_uid)),
                (text("room_id"), number("target_uid"))
            );
            let terms = removal.ban.as_ref().map(|ban| (ban.duration_ms as u64, ban.reason.as_str()));
            let seconds = number("ban_seconds");
            assert_eq!(terms, (seconds != 0).then(|| (seconds * 1_000, text("reason"))));
        }
        Asked::Answer(answer) => {
            again(answer);
            assert_eq!(answer.invitation_token, text("invite_token"));
            assert_eq!(u64::try_from(answer.answer), Ok(number("respond")));
        }
        Asked::MediaToken(token) => {
            again(token);
            assert_eq!(token.room_id, text("room_id"));
            assert_eq!(token.ttl_ms as u64, number("ttl").saturating_mul(1_000).min(i64::MAX as u64));
        }
    }
}

/// What the services read is what was written.
fn again<M: Message + Default + PartialEq + Debug>(message: &M) {
    assert_eq!(M::decode(message.encode_to_vec().as_slice()).as_ref(), Ok(message));
}
