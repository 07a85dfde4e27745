//! A Redis that speaks TLS alone, to a user of its own.

use std::{fs, net::SocketAddr, process::Stdio};

use clap::Parser;
use gochat_domain::NickName;
use gochat_rig::{AT_MOST, free_addresses, until};
use gochat_store::{Error, Login, Store, StoreArgs};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::certificates::Authority;

/// Killed when it is dropped.
pub(crate) struct Redis {
    address: SocketAddr,
    data: tempfile::TempDir,
    _child: Child,
}

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    store: StoreArgs,
}

impl Redis {
    /// One that shows the authority's certificate, for `name` or else its own address, and demands one if it `asks`.
    /// Nobody is let in but `gochat`, by `secret`, who may not do what is dangerous.
    pub(crate) async fn start(authority: &Authority, name: Option<&str>, asks: bool) -> Self {
        let [address] = free_addresses();
        let own = authority.issue(name.unwrap_or(&address.ip().to_string()));
        let data = tempfile::tempdir().unwrap();
        let config = format!(
            "bind {}\nport 0\ntls-port {}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\n\
             tls-auth-clients {}\nsave \"\"\nappendonly yes\nuser default off\n\
             user gochat on >secret ~gochat:* &gochat:* +@all -@dangerous +info\n",
            address.ip(),
            address.port(),
            own.cert.display(),
            own.key.display(),
            authority.pem().display(),
            if asks { "yes" } else { "no" },
        );
        fs::write(data.path().join("redis.conf"), config).unwrap();
        let child = Command::new("redis-server")
            .arg(data.path().join("redis.conf"))
            .arg("--dir")
            .arg(data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        until("redis to listen", AT_MOST, async || TcpStream::connect(address).await.ok()).await;
        Self { address, data, _child: child }
    }

    /// Arguments for it: the address in a file, as for `user` of that password, and flags besides.
    pub(crate) fn args(&self, user: &str, flags: &[&str]) -> StoreArgs {
        let file = self.data.path().join(user.replace(':', "-"));
        fs::write(&file, format!("rediss://{user}@{}\n", self.address)).unwrap();
        let file = file.display().to_string();
        Flags::parse_from(["test", "--redis-url-file", &file].iter().chain(flags)).store
    }
}

async fn opened(args: StoreArgs) -> Result<u32, Error> {
    let store = Store::open(args).await?;
    let login = Login { nick_name: NickName::parse("ann").unwrap(), avatar: String::new(), external: None };
    Ok(store.login(&login).await?.uid.get())
}

#[tokio::test]
async fn a_redis_is_believed_by_its_authority_and_its_name_and_lets_its_user_in() {
    let (authority, other) = (Authority::new(), Authority::new());
    let redis = Redis::start(&authority, None, false).await;
    let elsewhere = Redis::start(&authority, Some("redis.example.org"), false).await;
    let (ca, wrong) = (authority.pem().display().to_string(), other.pem().display().to_string());
    let (right, stranger, misnamed, locked_out) = tokio::join!(
        opened(redis.args("gochat:secret", &["--redis-ca", &ca])),
        opened(redis.args("gochat:secret", &["--redis-ca", &wrong])),
        opened(elsewhere.args("gochat:secret", &["--redis-ca", &ca])),
        opened(redis.args("gochat:guess", &["--redis-ca", &ca])),
    );
    right.unwrap();
    for refused in [stranger, misnamed] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("certificate"), "{error}");
    }
    let error = locked_out.unwrap_err();
    assert!(!error.to_string().contains("guess"), "{error}");
}

#[tokio::test]
async fn a_redis_that_asks_for_a_certificate_is_shown_one() {
    let authority = Authority::new();
    let redis = Redis::start(&authority, None, true).await;
    let (ca, own) = (authority.pem().display().to_string(), authority.issue("gochat.example.org"));
    let (cert, key) = (own.cert.display().to_string(), own.key.display().to_string());
    let shown = ["--redis-ca", &ca, "--redis-client-cert", &cert, "--redis-client-key", &key];
    let (shown, nothing) = tokio::join!(
        opened(redis.args("gochat:secret", &shown)),
        opened(redis.args("gochat:secret", &["--redis-ca", &ca])),
    );
    shown.unwrap();
    nothing.unwrap_err();
}
