//! Every record of a member that was ever written, in order: what a later release has put there stays, whoever writes.

use std::collections::HashMap;

use prost::Message;

/// A record, as a later release reads it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Record {
    #[prost(fixed64, tag = "5")]
    pub(crate) entry: u64,
    /// How often such a release has written it.
    #[prost(uint64, tag = "1000")]
    pub(crate) times: u64,
}

/// What became of the field that only the later release knows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// How often it was written by who knows it,
    pub(crate) counted: usize,
    /// and by who doesn't.
    pub(crate) kept: usize,
    pub(crate) lost: Vec<String>,
}

/// Judges by all commands that wrote, as `Redis::written` has them.
pub(crate) fn judge(commands: &[Vec<Vec<u8>>]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut records = HashMap::new();
    for command in commands {
        let [verb, key, words @ ..] = command.as_slice() else { continue };
        if !key.windows(6).any(|part| part == b":room:") {
            continue;
        }
        match verb.to_ascii_uppercase().as_slice() {
            b"HDEL" => words.iter().for_each(|name| {
                records.remove(&(key, name));
            }),
            b"HSET" => {
                for (name, record) in words.chunks_exact(2).map(|pair| (&pair[0], &pair[1])) {
                    if name.starts_with(b"m:") {
                        let record = Record::decode(record.as_slice()).unwrap();
                        let before = records.insert((key, name), record.clone()).unwrap_or_default();
                        verdict.add(&String::from_utf8_lossy(name), &before, &record);
                    }
                }
            }
            _ => {}
        }
    }
    verdict
}

impl Verdict {
    fn add(&mut self, name: &str, before: &Record, now: &Record) {
        let was = if before.entry == now.entry { before.times } else { 0 };
        match now.times {
            0 if was == 0 => {}
            times if times == was => self.kept += 1,
            times if times == was + 1 => self.counted += 1,
            times => self.lost.push(format!("{name}, entry {}: {was}, then {times}", now.entry)),
        }
    }
}

#[test]
fn what_is_lost_is_seen() {
    let key = b"gochat:{1}:room:1".to_vec();
    let set = |name: &str, entry, times| {
        let record = Record { entry, times }.encode_to_vec();
        vec![b"HSET".to_vec(), key.clone(), name.into(), record]
    };
    let gone = vec![b"HDEL".to_vec(), key.clone(), b"m:1".to_vec()];
    let said = |commands: &[Vec<Vec<u8>>]| {
        let Verdict { counted, kept, lost } = judge(commands);
        (counted, kept, lost.len())
    };
    let fine = [set("m:1", 1, 0), set("m:1", 1, 1), set("m:1", 1, 1), set("m:1", 1, 2), set("m:1", 2, 0)];
    assert_eq!(said(&fine), (2, 1, 0));
    assert_eq!(said(&[set("m:1", 1, 1), set("m:2", 1, 0), gone, set("m:1", 1, 0)]), (1, 0, 0));
    assert_eq!(said(&[set("m:1", 1, 1), set("m:1", 1, 0)]), (1, 0, 1));
    assert_eq!(said(&[set("m:1", 1, 1), set("m:1", 1, 2), set("m:1", 1, 1)]), (2, 0, 1));
}
