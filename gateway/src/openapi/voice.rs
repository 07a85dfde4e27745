//! The document's part about a room's voice, whose bodies are session descriptions (SDP, RFC 8866).

use serde_json::{Value, json};

use super::{Document, Method, answer, responses, schema};
use crate::{
    error::ReturnCode::{NotInRoom, RoomNotFound},
    voice::{Admission, RoomMedia},
};

/// A line of an offer, so that it is seen what is meant; a whole one has some hundreds.
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
const SDP: &str = "application/sdp";

impl Document {
    /// How a room's voice is opened and ended, and what is to be known before.
    pub(crate) fn add_voice(&mut self) {
        self.referred::<Admission>();
        self.referred::<RoomMedia>();
        self.paths.insert("/chat_room/media".to_owned(), json!({ "post": open() }));
        self.paths.insert("/chat_room/media/info".to_owned(), json!({ "get": info() }));
        self.paths.insert("/chat_room/media/{session}".to_owned(), json!({ "delete": end() }));
    }
}

/// What is said of each: how it is called, and what it answers with HTTP 200.
fn operation(name: &'static str, summary: &str, ok: Value) -> Value {
    let mut responses = responses(ok, json!({}));
    responses["404"] = failed("rooms have no voice here");
    json!({
        "operationId": name,
        "tags": ["voice"],
        "summary": summary,
        "security": [{ "bearer": [] }],
        "parameters": [room()],
        "responses": responses,
    })
}

fn room() -> Value {
    json!({ "name": "room_id", "in": "query", "required": true, "description": "Nine digits.",
        "schema": { "type": "string" } })
}

fn failed(about: &str) -> Value {
    json!({ "description": about, "content": { "application/json": {
        "schema": { "$ref": "#/components/schemas/Failure" } } } })
}

fn open() -> Value {
    let codes = [RoomNotFound, NotInRoom];
    let method = Method { name: "media", about: "", codes: &codes, open: false };
    let mut open = operation(
        "media",
        "Opens the caller's sound in a room: an offer in, the answer out. One line to send, and as many to receive as \
         are to be heard at once; opus alone. Who is on stage and not muted is heard, nobody else.",
        answer(&method, Some(schema::<Admission>())),
    );
    open["requestBody"] = json!({ "required": true, "description": "An SDP offer; empty for a provider's token.",
        "content": { SDP: { "schema": { "type": "string", "maxLength": 65536 },
            "examples": { "offer": { "value": OFFER } } } } });
    open["responses"]["200"]["description"] = "a provider's token, or why not".into();
    open["responses"]["201"] = json!({
        "description": "the answer; all candidates are in it",
        "headers": { "Location": { "description": "where the session is ended, by DELETE",
            "schema": { "type": "string" } } },
        "content": { SDP: { "schema": { "type": "string" } } },
    });
    open["responses"]["400"] = failed("the offer can't be answered");
    open["responses"]["415"] = failed("the body is not application/sdp, or in an encoding other than gzip");
    open
}

fn info() -> Value {
    let codes = [RoomNotFound, NotInRoom];
    let method = Method { name: "media/info", about: "", codes: &codes, open: false };
    operation("media/info", "How a room's sound is carried.", answer(&method, Some(schema::<RoomMedia>())))
}

fn end() -> Value {
    let method = Method { name: "media/{session}", about: "", codes: &[], open: false };
    let refused = answer(&method, None);
    let mut end = operation(
        "media/{session}",
        "Ends a session; one that is not there any more is no error.",
        refused["anyOf"][1].clone(),
    );
    let session = json!({ "name": "session", "in": "path", "required": true,
        "description": "As it stands in `Location`.", "schema": { "type": "string" } });
    if let Some(parameters) = end["parameters"].as_array_mut() {
        parameters.insert(0, session);
    }
    end["responses"]["200"]["description"] = "why not".into();
    end["responses"]["204"] = json!({ "description": "it is over" });
    end
}
