//! What the gateway reads of requests, laid open for fuzzing alone: the parsers themselves, and the API as a whole
//! with no services behind it.

use std::net::IpAddr;

use axum::body::Body;
use clap::Parser;
use futures::future::BoxFuture;
use gochat_chassis::Shutdown;
use gochat_proto::{
    account::GetMediaTokenRequest,
    notifier::Roster,
    room::{ListRoomsRequest, RemoveMemberRequest},
    stage::RespondToInvitationRequest,
};
use http::{HeaderMap, Request, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower::ServiceExt;
use utoipa::ToSchema;

use crate::{
    Config, Gateway, Secret, account,
    address::{Proxies, share},
    caller::Caller,
    cors,
    error::Failure,
    events::Held,
    identity::Policy,
    json, media, moderation, room, routes, stage,
};

/// Why something was turned down: the return code, and what the caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The return code.
    pub code: u32,
    /// The message.
    pub message: String,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { code: failure.code as u32, message: failure.message().to_owned() }
    }
}

/// A kind of body that a method takes.
pub struct Parameters {
    /// Its name in the code.
    pub name: &'static str,
    read: fn(&[u8]) -> Result<(), Failure>,
    schema: fn() -> Value,
}

impl Parameters {
    const fn of<T: DeserializeOwned + ToSchema>(name: &'static str) -> Self {
        Self { name, read: |body| json::parse::<T>(body).map(drop), schema: || json!(T::schema()) }
    }

    /// Reads a body.
    ///
    /// # Errors
    /// What the caller is told.
    pub fn read(&self, body: &[u8]) -> Result<(), Refused> {
        (self.read)(body).map_err(Refused::from)
    }

    /// What is documented of it, as a JSON schema.
    pub fn schema(&self) -> Value {
        (self.schema)()
    }
}

/// Every kind of body.
pub const PARAMETERS: [Parameters; 14] = [
    Parameters::of::<account::Login>("Login"),
    Parameters::of::<account::Nothing>("Nothing"),
    Parameters::of::<account::Heartbeat>("Heartbeat"),
    Parameters::of::<room::CreateRoom>("CreateRoom"),
    Parameters::of::<room::InRoom>("InRoom"),
    Parameters::of::<room::GetRoomList>("GetRoomList"),
    Parameters::of::<room::AttendeePage>("AttendeePage"),
    Parameters::of::<stage::OperateRaiseHand>("OperateRaiseHand"),
    Parameters::of::<stage::SetUserInfo>("SetUserInfo"),
    Parameters::of::<stage::InviteOnstage>("InviteOnstage"),
    Parameters::of::<stage::ResponseOnstageInvite>("ResponseOnstageInvite"),
    Parameters::of::<moderation::AboutMember>("AboutMember"),
    Parameters::of::<moderation::RemoveMember>("RemoveMember"),
    Parameters::of::<media::GetWebToken>("GetWebToken"),
];

/// A body as the services are asked, where that is more than copied.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// `get_room_list`.
    Rooms(ListRoomsRequest),
    /// `x/remove_member`.
    Removal(RemoveMemberRequest),
    /// `response_onstage_invite`.
    Answer(RespondToInvitationRequest),
    /// `misc/get_web_token`.
    MediaToken(GetMediaTokenRequest),
}

/// What the services are asked for a body of the kind of this name; none for the other kinds, and for what is refused.
pub fn asked(name: &str, body: &[u8]) -> Option<Asked> {
    Some(match name {
        "GetRoomList" => Asked::Rooms(json::parse::<room::GetRoomList>(body).ok()?.into()),
        "RemoveMember" => Asked::Removal(json::parse::<moderation::RemoveMember>(body).ok()?.into()),
        "ResponseOnstageInvite" => {
            Asked::Answer(json::parse::<stage::ResponseOnstageInvite>(body).ok()?.into())
        }
        "GetWebToken" => Asked::MediaToken(json::parse::<media::GetWebToken>(body).ok()?.into()),
        _ => return None,
    })
}

/// Somebody whom a request is from.
pub struct Identified(Caller);

impl Identified {
    /// Who they say to be.
    pub fn uid(&self) -> Option<u32> {
        self.0.on_behalf_of()
    }

    /// What goes upstream to prove it.
    pub fn authorization(&self) -> Option<&[u8]> {
        self.0.authorization().map(|value| value.as_bytes())
    }

    /// Whether nothing but the uid says who it is.
    pub fn is_believed(&self) -> bool {
        self.0.is_believed()
    }
}

/// Finds out who requests are from.
pub struct Identities(Policy);

impl Identities {
    /// With cookies for pages of `https://a.example`; mere uids are believed where there is a token to act by.
    ///
    /// # Errors
    /// None, unless the environment says otherwise.
    pub fn new(trusted: Option<&str>) -> anyhow::Result<Self> {
        let config = config(trusted)?;
        Ok(Self(Policy::new(&config.identity, &config.origins)?))
    }

    /// Who calls a method, and says to be `uid`.
    ///
    /// # Errors
    /// What the caller is told.
    pub fn caller(&self, headers: &HeaderMap, uid: i64) -> Result<Identified, Refused> {
        Ok(Identified(self.0.caller(headers, uid)?))
    }

    /// Who follows a room.
    ///
    /// # Errors
    /// What the caller is told.
    pub fn watcher(
        &self,
        headers: &HeaderMap,
        ticket: Option<&str>,
        uid: Option<i64>,
    ) -> Result<Identified, Refused> {
        Ok(Identified(self.0.watcher(headers, ticket, uid)?))
    }

    /// A ticket for somebody.
    ///
    /// # Errors
    /// What the caller is told.
    pub fn ticket(&self, caller: &Identified) -> Result<String, Refused> {
        Ok(self.0.ticket(&caller.0)?)
    }
}

/// What a client holds who says that it saw this id last: the token that goes upstream, whom its stream is about, and
/// the id written again.
pub fn held(id: &str) -> (String, Roster, String) {
    let held = Held::read(id);
    (held.token().to_owned(), held.roster(), held.to_string())
}

/// The client of a request that came from `peer`, where these proxies are believed.
///
/// # Errors
/// Why these are no proxies.
pub fn client(proxies: &str, peer: IpAddr, headers: &HeaderMap) -> Result<IpAddr, String> {
    Ok(proxies.parse::<Proxies>()?.client(peer, headers))
}

/// The address by which the calls of a client are counted.
pub fn counted(client: IpAddr) -> IpAddr {
    share(client)
}

/// A function of a request.
type Answer = Box<dyn Fn(Request<Body>) -> BoxFuture<'static, Response<Body>>>;

/// The whole API, with no services behind it and calls without number.
pub struct Api(Answer);

impl Api {
    /// Must be made on a runtime, and used there.
    ///
    /// # Errors
    /// None, unless the environment says otherwise.
    pub fn new(trusted: Option<&str>) -> anyhow::Result<Self> {
        let config = config(trusted)?;
        let service = routes::service(Gateway::new(&config, Shutdown::new())?, cors::layer(&config));
        Ok(Self(Box::new(move |request| {
            let answering = service.clone().oneshot(request);
            Box::pin(async {
                let Ok(response) = answering.await;
                response
            })
        })))
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request<Body>) -> Response<Body> {
        (self.0)(request).await
    }
}

/// Nobody listens where the services are said to be.
fn config(trusted: Option<&str>) -> anyhow::Result<Config> {
    let nowhere = ["account", "room", "stage", "notifier", "media"]
        .map(|name| format!("--{name}-url=http://127.0.0.1:1"));
    let flags = ["gochat-gateway", "--rate=0", "--cores=1", "--cookie=lax", "--origins=https://a.example"];
    let trust = format!("--trust-uid={}", trusted.is_some());
    let mut config =
        Config::try_parse_from(flags.iter().map(|flag| (*flag).to_owned()).chain(nowhere).chain([trust]))?;
    config.identity.service_token = trusted.map(|token| Secret::from(token.to_owned()));
    Ok(config)
}
