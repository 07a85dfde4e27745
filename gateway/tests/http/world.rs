//! A gateway of its own for each test, and a client for it.

use std::net::SocketAddr;

use clap::Parser;
use gochat_chassis::{Listeners, Shutdown};
use gochat_gateway::Config;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::standin::Standin;

pub(crate) struct World {
    pub(crate) services: Standin,
    pub(crate) shutdown: Shutdown,
    pub(crate) client: Client,
    /// The gateway's end.
    pub(crate) serving: Option<JoinHandle<anyhow::Result<()>>>,
    address: SocketAddr,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(flags: &[&str]) -> Self {
        let services = Standin::start().await;
        let mut flags: Vec<String> =
            ["gochat-gateway"].iter().chain(flags).map(|f| (*f).to_owned()).collect();
        if !flags.iter().any(|flag| flag.starts_with("--rate=")) {
            flags.push("--rate=0".to_owned());
        }
        for service in ["account", "room", "stage", "notifier"] {
            flags.push(format!("--{service}-url=http://{}", services.address));
        }
        if !flags.iter().any(|flag| flag.starts_with("--media-url=")) {
            flags.push(format!("--media-url=http://{}", services.address));
        }
        let config = Config::try_parse_from(flags).unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = Listeners::bind("gateway", any, any).await.unwrap();
        let address = listeners.service_addr().unwrap();
        let shutdown = Shutdown::new();
        let serving = Some(tokio::spawn(gochat_gateway::serve(config, listeners, shutdown.clone())));
        Self { services, shutdown, client: Client::new(), serving, address }
    }

    /// The address of a page outside of the API.
    pub(crate) fn page(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/chat_room/{path}", self.address)
    }

    /// A call without a token.
    pub(crate) fn post(&self, method: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        let request = self.client.post(self.url(method));
        request.header("content-type", "application/json;charset=utf-8").body(body)
    }

    /// What somebody with the token "t" is answered, which comes with HTTP status 200.
    pub(crate) async fn call(&self, method: &str, body: Value) -> Value {
        let response = self.post(method, body.to_string()).bearer_auth("t").send().await.unwrap();
        assert_eq!(response.status(), 200);
        envelope(response).await
    }
}

/// The envelope, checked to be of JSON.
pub(crate) async fn envelope(response: Response) -> Value {
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

pub(crate) fn done() -> Value {
    json!({ "ret": { "code": 0, "message": "succeed" } })
}

pub(crate) fn with(data: Value) -> Value {
    json!({ "ret": { "code": 0, "message": "succeed" }, "data": data })
}

/// The return code of an answer that has no data.
pub(crate) fn code(answer: &Value) -> u64 {
    assert!(answer.get("data").is_none(), "{answer}");
    assert!(!answer["ret"]["message"].as_str().unwrap().is_empty());
    answer["ret"]["code"].as_u64().unwrap()
}
