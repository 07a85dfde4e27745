//! `/openapi.json`: the document about the API (OpenAPI 3.1), made of the very types that are served.

mod voice;

use std::{any::TypeId, collections::BTreeMap, sync::LazyLock};

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::{error::ReturnCode, methods::NoData};

/// A call of each method, what is answered to it, and refusals in the services' words.
static EXAMPLES: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("examples.json")).expect("the examples are a JSON object")
});

const ABOUT: &str = "Voice chat rooms: hosts, listeners, guest speakers on a stage, raised hands, invitations, mutes. \
    Every answer of a method is HTTP 200 with the code in `ret.code`; other statuses are the transport's. \
    Unknown members of a body are ignored. Times are Unix milliseconds. 1 is off or no, 2 is on or yes.";

/// What a method is called, is for, and may answer.
pub(crate) struct Method<'a> {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Beyond those that any method may answer.
    pub(crate) codes: &'a [ReturnCode],
    /// Whether anybody may call.
    pub(crate) open: bool,
}

/// Paths and schemas, as far as they are known.
#[derive(Default)]
pub(crate) struct Document {
    paths: Map<String, Value>,
    schemas: BTreeMap<String, Value>,
}

impl Document {
    /// Adds a method that takes the parameters `B` and gives the data `D`.
    pub(crate) fn add<B: ToSchema, D: ToSchema + 'static>(&mut self, path: &str, method: &Method<'_>) {
        self.referred::<B>();
        self.referred::<D>();
        let data = (TypeId::of::<D>() != TypeId::of::<NoData>()).then(schema::<D>);
        let example = &EXAMPLES[method.name];
        let body = parameters(schema::<B>(), method.open);
        let mut operation = json!({
            "operationId": method.name,
            "tags": [tag(method.name)],
            "summary": method.about,
            "requestBody": { "required": true, "content": { "application/json": {
                "schema": body, "examples": { "call": { "value": example["call"] } },
            } } },
            "responses": responses(answer(method, data), named(&example["answers"])),
        });
        if !method.open {
            operation["security"] = json!([{ "bearer": [] }]);
        }
        self.paths.insert(path.to_owned(), json!({ "post": operation }));
    }

    /// The event stream, which isn't a method.
    pub(crate) fn add_events(&mut self, path: &str) {
        let query = |name: &str, kind: &str, about: &str, required: bool| {
            json!({ "name": name, "in": "query", "required": required, "description": about,
                "schema": { "type": kind } })
        };
        let failure = answer(
            &Method {
                name: "events",
                about: "",
                codes: &[ReturnCode::RoomNotFound, ReturnCode::NotInRoom],
                open: false,
            },
            None,
        );
        let mut responses = responses(failure["anyOf"][1].clone(), json!({}));
        responses["101"] = json!({ "description": "the same frames over WebSocket, where the request asks to upgrade: \
            `{\"id\",\"event\",\"data\"}`" });
        responses["200"]["content"]["text/event-stream"] =
            json!({ "schema": { "type": "string" }, "examples": named(&EXAMPLES["events"]) });
        let operation = json!({
            "operationId": "events",
            "tags": ["events"],
            "summary": "What happens in a room: a snapshot, then notifications. `id` is where to go on from.",
            "security": [{ "bearer": [] }, { "ticket": [] }],
            "parameters": [
                query("room_id", "string", "Nine digits.", true),
                query("last_event_id", "string", "Where to go on from; the header `Last-Event-ID` says the same.", false),
            ],
            "responses": responses,
        });
        self.paths.insert(path.to_owned(), json!({ "get": operation }));
    }

    fn referred<T: ToSchema>(&mut self) {
        let mut referred = Vec::new();
        T::schemas(&mut referred);
        for (name, schema) in referred {
            self.schemas.entry(name).or_insert_with(|| closed(json!(schema)));
        }
    }

    /// The whole document.
    pub(crate) fn into_json(mut self) -> Value {
        self.schemas.insert("Failure".to_owned(), failure(&[ReturnCode::BadParameter, ReturnCode::Fault]));
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "GoChat",
                "version": env!("CARGO_PKG_VERSION"),
                "description": ABOUT,
                "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            },
            "paths": self.paths,
            "components": {
                "schemas": self.schemas,
                "securitySchemes": {
                    "bearer": { "type": "http", "scheme": "bearer", "description": "The `token` of `login`." },
                    "ticket": { "type": "apiKey", "in": "query", "name": "ticket",
                        "description": "Of `misc/get_event_ticket`, for who can set no headers." },
                },
            },
        })
    }
}

fn tag(name: &str) -> &'static str {
    match name.split_once('/') {
        Some(("x", _)) => "additions",
        Some(_) => "misc",
        None => "documented",
    }
}

fn schema<T: ToSchema>() -> Value {
    json!(T::schema())
}

/// An object of ours has no other members than those told.
fn closed(mut schema: Value) -> Value {
    if schema["type"] == "object" {
        schema["additionalProperties"] = false.into();
    }
    schema
}

/// The parameters with the caller's own uid, where there must be one.
fn parameters(mut schema: Value, open: bool) -> Value {
    if !open {
        schema["properties"]["uid"] = json!({ "type": "integer", "minimum": 1, "maximum": i32::MAX,
            "description": "The caller: whose the token is." });
        match schema["required"].as_array_mut() {
            Some(required) => required.insert(0, "uid".into()),
            None => schema["required"] = json!(["uid"]),
        }
    }
    schema
}

/// What a method answers with HTTP 200.
fn answer(method: &Method<'_>, data: Option<Value>) -> Value {
    let mut codes = vec![ReturnCode::BadParameter];
    codes.extend((!method.open).then_some(ReturnCode::NotLoggedIn));
    codes.extend(method.codes.iter().filter(|code| **code != ReturnCode::AlreadyInRoom));
    codes.push(ReturnCode::Fault);
    let ret = |code: u32, message: Value| envelope(json!({ "const": code }), message, data.clone());
    let mut any = vec![ret(0, json!({ "const": "succeed" })), failure(&codes)];
    if method.codes.contains(&ReturnCode::AlreadyInRoom) {
        any.push(ret(ReturnCode::AlreadyInRoom as u32, json!({ "type": "string" })));
    }
    json!({ "anyOf": any })
}

fn failure(codes: &[ReturnCode]) -> Value {
    let codes: Vec<u32> = codes.iter().map(|code| *code as u32).collect();
    envelope(json!({ "type": "integer", "enum": codes }), json!({ "type": "string", "minLength": 1 }), None)
}

fn envelope(code: Value, message: Value, data: Option<Value>) -> Value {
    let ret = json!({ "type": "object", "required": ["code", "message"], "additionalProperties": false,
        "properties": { "code": code, "message": message } });
    let mut envelope = json!({ "type": "object", "required": ["ret"], "properties": { "ret": ret } });
    if let Some(data) = data {
        envelope["required"] = json!(["ret", "data"]);
        envelope["properties"]["data"] = closed(data);
    }
    closed(envelope)
}

/// Examples by their names.
fn named(examples: &Value) -> Value {
    let examples = examples.as_object().into_iter().flatten();
    examples.map(|(name, value)| (name.clone(), json!({ "value": value }))).collect::<Map<_, _>>().into()
}

fn responses(answer: Value, examples: Value) -> Value {
    let mut responses = json!({ "200": { "description": "the answer, whatever it is",
        "content": { "application/json": { "schema": answer, "examples": examples } } } });
    let transport = [
        ("408", "the body took too long"),
        ("413", "the body has more than 64 KiB"),
        ("415", "the body is not application/json, or in an encoding other than gzip"),
        ("429", "too many calls; `Retry-After` says in how many seconds to come back"),
        ("503", "the gateway goes away; `Retry-After` as above"),
    ];
    for (status, about) in transport {
        responses[status] = json!({ "description": about, "content": { "application/json": {
            "schema": { "$ref": "#/components/schemas/Failure" } } } });
    }
    responses
}
