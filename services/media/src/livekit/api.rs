//! Calls to LiveKit's RoomService: Twirp over HTTP, in JSON.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use axum::body::{Body, to_bytes};
use http::{
    Request, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT},
    uri::PathAndQuery,
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, time::timeout};

use super::{
    keys::{ADMISSION, Keys, now},
    plan::{Call, Outcome, Participant},
    wire::{Listing, ParticipantInfo, Refusal},
};

/// The most that an answer may have, in bytes: a listing has about a kilobyte of each participant.
const MOST: usize = 32 * 1024 * 1024;
/// Looks at a time, over all rooms; more wait. What is to be done about somebody doesn't wait for looks.
const LOOKS: usize = 16;
/// How long a connection that isn't used is kept.
const IDLE: Duration = Duration::from_secs(30);

/// LiveKit's API.
pub(super) struct Api {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    uri: Uri,
    keys: Arc<Keys>,
    /// How long a call may take.
    patience: Duration,
    looks: Semaphore,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("not found")]
    Gone,
    #[error("{0}")]
    Other(String),
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(format!("{error:#}"))
    }
}

/// An answer of which nothing is read.
#[derive(Deserialize)]
struct Nothing {}

impl Api {
    /// Connects to nothing yet.
    pub(super) fn new(uri: Uri, keys: Arc<Keys>, patience: Duration) -> anyhow::Result<Self> {
        let roots =
            if uri.scheme_str() == Some("https") { of_this_machine()? } else { RootCertStore::empty() };
        Self::believing(roots, uri, keys, patience)
    }

    /// As [`Api::new`], with these authorities.
    pub(super) fn believing(
        roots: RootCertStore,
        uri: Uri,
        keys: Arc<Keys>,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().context("TLS")?;
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self { client, uri, keys, patience, looks: Semaphore::new(LOOKS) })
    }

    /// Has a room, if it isn't there already, that waits for who is admitted.
    pub(super) async fn open(&self, room: &str) -> Result<(), Failed> {
        let body = json!({ "name": room, "empty_timeout": ADMISSION.as_secs() });
        self.ask::<Nothing>("CreateRoom", json!({ "roomCreate": true }), &body).await.map(drop)
    }

    /// Who is in a room; nobody, if it isn't there.
    pub(super) async fn look(&self, room: &str) -> Result<Vec<Participant>, Failed> {
        // Fails only when the semaphore is closed, which nobody does.
        let _place = self.looks.acquire().await;
        match self.ask::<Listing>("ListParticipants", admin(room), &json!({ "room": room })).await {
            Ok(listing) => Ok(listing.clients()),
            Err(Failed::Gone) => Ok(Vec::new()),
            Err(failed) => Err(failed),
        }
    }

    /// Makes a call, and says in the log why it failed if it did.
    pub(super) async fn perform(&self, room: &str, call: &Call) -> Outcome {
        let done = match call {
            Call::Delete => self.delete(room).await,
            Call::Remove(identity) => self.remove(room, identity).await,
            Call::Lower(identity) => self.lower(room, identity).await,
            Call::Raise(identity) => self.permit(room, identity, true).await.map(drop),
        };
        match done {
            Ok(()) => Outcome::Done,
            Err(Failed::Gone) => Outcome::Gone,
            Err(Failed::Other(error)) => {
                tracing::warn!(
                    room,
                    call = call.label(),
                    error,
                    "livekit didn't do as it was told; trying again"
                );
                Outcome::Failed
            }
        }
    }

    async fn delete(&self, room: &str) -> Result<(), Failed> {
        let grants = json!({ "roomCreate": true });
        self.ask::<Nothing>("DeleteRoom", grants, &json!({ "room": room })).await.map(drop)
    }

    async fn remove(&self, room: &str, identity: &str) -> Result<(), Failed> {
        let body = json!({ "room": room, "identity": identity });
        self.ask::<Nothing>("RemoveParticipant", admin(room), &body).await.map(drop)
    }

    /// LiveKit unpublishes what may not be published; what it hasn't by the time of its answer is muted.
    async fn lower(&self, room: &str, identity: &str) -> Result<(), Failed> {
        let left = self.permit(room, identity, false).await?;
        for track in left.unmuted() {
            let body = json!({ "room": room, "identity": identity, "track_sid": track, "muted": true });
            match self.ask::<Nothing>("MutePublishedTrack", admin(room), &body).await {
                Ok(_) | Err(Failed::Gone) => {}
                Err(failed) => return Err(failed),
            }
        }
        Ok(())
    }

    /// The whole of somebody's rights: to listen, and to publish a microphone or nothing.
    async fn permit(&self, room: &str, identity: &str, publish: bool) -> Result<ParticipantInfo, Failed> {
        let sources: &[&str] = if publish { &["MICROPHONE"] } else { &[] };
        let permission = json!({
            "can_publish": publish,
            "can_publish_data": false,
            "can_publish_sources": sources,
            "can_subscribe": true,
        });
        let body = json!({ "room": room, "identity": identity, "permission": permission });
        self.ask("UpdateParticipant", admin(room), &body).await
    }

    async fn ask<T: DeserializeOwned>(&self, method: &str, grants: Value, body: &Value) -> Result<T, Failed> {
        let asking = async { self.answer(self.request(method, grants, body)?).await };
        let late = |_| Failed::Other(format!("no answer to {method} within {:?}", self.patience));
        timeout(self.patience, asking).await.map_err(late)?
    }

    fn request(&self, method: &str, grants: Value, body: &Value) -> anyhow::Result<Request<Body>> {
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(format!("/twirp/livekit.RoomService/{method}"))?);
        let mut authorization = HeaderValue::try_from(self.keys.order(grants, now()))?;
        authorization.set_sensitive(true);
        Ok(Request::post(Uri::from_parts(parts)?)
            .header(AUTHORIZATION, authorization)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("gochat/", env!("CARGO_PKG_VERSION")))
            .body(Body::from(body.to_string()))?)
    }

    async fn answer<T: DeserializeOwned>(&self, request: Request<Body>) -> Result<T, Failed> {
        let response = self.client.request(request).await.context("no answer")?;
        let status = response.status();
        let body = to_bytes(Body::new(response.into_body()), MOST).await.context("no whole answer")?;
        if status == StatusCode::OK {
            return Ok(serde_json::from_slice(&body).context("an answer that can't be read")?);
        }
        let Refusal { code, msg } = serde_json::from_slice(&body).unwrap_or_default();
        // `bad_route` has the same status: another server answers there.
        if code == "not_found" {
            Err(Failed::Gone)
        } else {
            Err(Failed::Other(format!("{status} {code} {msg}")))
        }
    }
}

fn admin(room: &str) -> Value {
    json!({ "room": room, "roomAdmin": true })
}

/// Whom this machine believes; what of it can't be read is left out.
fn of_this_machine() -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    ensure!(!roots.is_empty(), "this machine believes no authority; name some with SSL_CERT_FILE");
    Ok(roots)
}
