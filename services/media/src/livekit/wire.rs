//! What LiveKit says of a room and who is in it: the part of its messages that is read, as protobuf's JSON has them.

use serde::Deserialize;
use serde_json::Value;

use super::plan::Participant;

/// `livekit.ListParticipantsResponse`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Listing {
    participants: Vec<ParticipantInfo>,
}

/// `livekit.ParticipantInfo`. Names of fields come in either of protobuf's two manners; what has its default may
/// be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ParticipantInfo {
    identity: String,
    state: Value,
    kind: Value,
    permission: Option<Permission>,
    tracks: Vec<Track>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Permission {
    #[serde(alias = "canPublish")]
    can_publish: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Track {
    sid: String,
    muted: bool,
}

/// `livekit.WebhookEvent`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Webhook {
    pub(super) event: String,
    room: Option<Room>,
    participant: Option<ParticipantInfo>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Room {
    name: String,
}

/// The body of Twirp's errors.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) msg: String,
}

impl Listing {
    /// Who is there of those that are clients; see [`ParticipantInfo::client`].
    pub(super) fn clients(self) -> Vec<Participant> {
        let there = self.participants.into_iter().filter(|one| !is(&one.state, "DISCONNECTED", 3));
        there.filter_map(ParticipantInfo::client).collect()
    }
}

impl ParticipantInfo {
    /// None for what whoever has the key sends into the room itself, such as a recorder: no token of ours makes one.
    fn client(self) -> Option<Participant> {
        let is_client = self.kind.is_null() || is(&self.kind, "STANDARD", 0);
        let sounds = self.unmuted().next().is_some();
        is_client.then(|| Participant {
            sounds,
            may_publish: self.permission.map(|permission| permission.can_publish),
            identity: self.identity,
        })
    }

    /// The tracks that are published and not muted.
    pub(super) fn unmuted(&self) -> impl Iterator<Item = &str> {
        self.tracks.iter().filter(|track| !track.muted).map(|track| track.sid.as_str())
    }
}

impl Webhook {
    /// The room that it is about.
    pub(super) fn room(&self) -> Option<&str> {
        self.room.as_ref().map(|room| room.name.as_str())
    }

    /// The participant that it is about. What it leaves unsaid of someone's rights is not known.
    pub(super) fn participant(self) -> Option<Option<Participant>> {
        self.participant.map(ParticipantInfo::client)
    }
}

/// Whether a value of an enumeration is this one.
fn is(value: &Value, name: &str, number: u64) -> bool {
    *value == name || *value == number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str) -> Vec<Participant> {
        serde_json::from_str::<Listing>(text).unwrap().clients()
    }

    fn one(identity: &str, may_publish: Option<bool>, sounds: bool) -> Participant {
        Participant { identity: identity.to_owned(), may_publish, sounds }
    }

    /// As LiveKit's API answers: names as in the proto, defaults written out.
    #[test]
    fn a_listing_is_read_as_the_api_writes_it() {
        let text = r#"{"participants":[
            {"sid":"PA_1","identity":"7-3-00000000000000ff","state":"ACTIVE","joined_at":"1700000000","kind":"STANDARD",
             "permission":{"can_subscribe":true,"can_publish":true,"can_publish_sources":["MICROPHONE"],"hidden":false},
             "tracks":[{"sid":"TR_1","type":"AUDIO","muted":true},{"sid":"TR_2","type":"AUDIO","muted":false}]},
            {"sid":"PA_2","identity":"8","state":"JOINED","kind":"STANDARD","permission":null,"tracks":[]},
            {"sid":"PA_3","identity":"9","state":"DISCONNECTED","kind":"STANDARD","permission":null,"tracks":[]},
            {"sid":"PA_4","identity":"EG_1","state":"ACTIVE","kind":"EGRESS","permission":null,"tracks":[]}]}"#;
        assert_eq!(listed(text), [one("7-3-00000000000000ff", Some(true), true), one("8", None, false)]);
        assert_eq!(listed("{}"), []);
    }

    /// As its webhooks are, and as an API with other options answers: camel case, defaults left out.
    #[test]
    fn the_other_manner_is_read_as_well() {
        let text = r#"{"participants":[{"identity":"7","state":"ACTIVE","permission":{"canPublish":true}},
            {"identity":"8","permission":{"canSubscribe":true},"tracks":[{"sid":"TR_1"}]},
            {"identity":"9","kind":4},{"identity":"10","kind":0}]}"#;
        let expected = [one("7", Some(true), false), one("8", Some(false), true), one("10", None, false)];
        assert_eq!(listed(text), expected);
        let text = r#"{"event":"participant_joined","id":"EV_1","createdAt":"1700000000",
            "room":{"sid":"RM_1","name":"100000005"},"participant":{"sid":"PA_1","identity":"7"}}"#;
        let webhook: Webhook = serde_json::from_str(text).unwrap();
        assert_eq!(webhook.room(), Some("100000005"));
        assert_eq!(webhook.participant(), Some(Some(one("7", None, false))));
    }
}
