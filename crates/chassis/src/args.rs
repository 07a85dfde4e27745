//! The flags and variables that every server takes, and how durations are written in them.

use std::{
    net::SocketAddr,
    num::{NonZeroU16, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use anyhow::ensure;

use crate::{Origins, ServiceTokens, TlsArgs};

/// How connections are taken, and how they are ended.
#[derive(clap::Args, Clone, Debug)]
pub struct ConnectionArgs {
    /// How long to go on serving as "not ready" before connections are ended, so that load balancers notice.
    #[arg(long, env = "GOCHAT_DRAIN_DELAY", default_value = "0s", value_parser = duration)]
    pub drain_delay: Duration,
    /// The hard end: what is still open this long after the signal is cut. Includes the delay.
    #[arg(long, env = "GOCHAT_DRAIN_TIMEOUT", default_value = "25s", value_parser = duration)]
    pub drain_timeout: Duration,
    /// Connections held at a time; more wait to be accepted.
    #[arg(long, env = "GOCHAT_MAX_CONNECTIONS", default_value = "20000", value_parser = at_least_one)]
    pub max_connections: u32,
    /// How long a connection's first words may take, its handshake included: the preface of HTTP/2, or as much of HTTP/1.1.
    #[arg(long, env = "GOCHAT_GREETING_TIMEOUT", default_value = "10s", value_parser = some_time)]
    pub greeting_timeout: Duration,
    /// How they are secured.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// Whether other machines may be served in plain text, as behind a proxy that secures what it takes.
    #[arg(long, env = "GOCHAT_PLAIN_TEXT", default_value_t = false, action = clap::ArgAction::Set)]
    pub plain_text: bool,
    /// How often certificates, keys and service tokens are looked at, and read anew where they have changed.
    #[arg(long, env = "GOCHAT_RELOAD_INTERVAL", default_value = "5s", value_parser = some_time)]
    pub reload_interval: Duration,
}

impl ConnectionArgs {
    /// Whether `listen` can be served as these say: files that can't be used are refused, and so is plain text
    /// where other machines can read it, unless that is allowed.
    pub fn check(&self, listen: SocketAddr) -> anyhow::Result<()> {
        self.tls.check()?;
        ensure!(
            self.tls.is_on() || self.plain_text || listen.ip().is_loopback(),
            "{listen} can be reached from other machines, and would be served in plain text: name a certificate \
             with GOCHAT_TLS_CERT and GOCHAT_TLS_KEY, or allow plain text with GOCHAT_PLAIN_TEXT=true"
        );
        Ok(())
    }
}

/// What a gRPC server takes besides its addresses.
#[derive(clap::Args, Clone, Debug)]
pub struct ServerArgs {
    /// Connections and their end.
    #[command(flatten)]
    pub connections: ConnectionArgs,
    /// How long a call may take until it is answered, also where its caller would wait longer. Of a stream, this
    /// is its beginning.
    #[arg(long, env = "GOCHAT_REQUEST_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub request_timeout: Duration,
    /// The largest message that a caller may send, in bytes.
    #[arg(long, env = "GOCHAT_MAX_MESSAGE", default_value = "65536", value_parser = at_least_one)]
    pub max_message: u32,
    /// Calls and streams at a time on one connection; more wait at the caller.
    #[arg(long, env = "GOCHAT_MAX_STREAMS", default_value = "1024", value_parser = at_least_one)]
    pub max_streams: u32,
    /// Calls being answered at a time, over all connections; more are refused. Streams count until they begin.
    #[arg(long, env = "GOCHAT_MAX_IN_FLIGHT", default_value = "4096", value_parser = at_least_one)]
    pub max_in_flight: u32,
    /// Calls a second from each address by who isn't known yet, as logins are; 0 for any number. Peers that show
    /// a certificate are not counted. For servers that users reach themselves: a gateway is one address.
    #[arg(long, env = "GOCHAT_ANONYMOUS_RATE", default_value = "0")]
    pub anonymous_rate: u32,
    /// Whether the contract can be read from the server (gRPC reflection).
    #[arg(long, env = "GOCHAT_REFLECTION", default_value_t = false, action = clap::ArgAction::Set)]
    pub reflection: bool,
    /// Whether pages in browsers can call, by gRPC-Web over HTTP/1.1 or HTTP/2.
    #[arg(long, env = "GOCHAT_GRPC_WEB", default_value_t = false, action = clap::ArgAction::Set)]
    pub grpc_web: bool,
    /// The origins whose pages may call by gRPC-Web, separated by commas, like `https://chat.example.org`; `*` for all.
    #[arg(long, env = "GOCHAT_GRPC_WEB_ORIGINS", default_value = "*")]
    pub grpc_web_origins: Origins,
    /// The services that may call, one a line: `name sha256-of-its-token [act-for-users]
    /// [revoke-sessions]`, or instead of the token `dns:name` or `uri:name` of a certificate. Read anew when it changes.
    #[arg(long, env = "GOCHAT_SERVICE_TOKENS_FILE")]
    pub service_tokens_file: Option<PathBuf>,
    /// Services that may call besides those in the file: for who composes several services in one process.
    #[arg(skip)]
    pub service_tokens: ServiceTokens,
}

impl ServerArgs {
    /// The services that may call: those given in memory and those of the file, as it is at any time.
    /// An unreadable file or a bad line is an error that says which. Needs a Tokio runtime.
    pub fn tokens(&self) -> anyhow::Result<ServiceTokens> {
        match self.service_tokens_file.as_deref().filter(|path| !path.as_os_str().is_empty()) {
            Some(path) => {
                let tokens = ServiceTokens::follow(path, self.connections.reload_interval)?;
                Ok(self.service_tokens.clone().and(tokens))
            }
            None => Ok(self.service_tokens.clone()),
        }
    }
}

/// On how many cores to serve: as many as there are, unless it is said.
pub fn cores(said: Option<NonZeroU16>) -> NonZeroUsize {
    let all = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    said.map_or_else(all, NonZeroUsize::from)
}

/// A duration as people write it (`500ms`, `5s`, `1m 30s`): a clap value parser.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it like 500ms, 5s or 2m"))
}

fn some_time(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be more than nothing".to_owned()),
        time => Ok(time),
    }
}

pub(crate) fn at_least_one(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        server: ServerArgs,
    }

    #[test]
    fn defaults_are_those_documented() {
        let args = Flags::try_parse_from(["x"]).unwrap().server;
        assert_eq!(args.connections.drain_delay, Duration::ZERO);
        assert_eq!(args.connections.drain_timeout, Duration::from_secs(25));
        assert_eq!(args.request_timeout, Duration::from_secs(10));
        assert_eq!(args.max_message, 64 * 1024);
        assert!(!args.reflection);
        assert!(!args.grpc_web);
    }

    #[test]
    fn bad_values_are_refused_with_what_to_write() {
        let error = Flags::try_parse_from(["x", "--drain-delay", "5"]).err().unwrap().to_string();
        assert!(error.contains("--drain-delay") && error.contains("write it like"), "{error}");
        assert!(Flags::try_parse_from(["x", "--max-streams", "0"]).is_err());
        assert!(Flags::try_parse_from(["x", "--reflection", "maybe"]).is_err());
        assert!(Flags::try_parse_from(["x", "--grpc-web-origins", "true"]).is_err());
    }

    #[test]
    fn plain_text_stays_on_this_machine_unless_allowed() {
        let check = |flags: &[&str], listen: &str| {
            let args = Flags::try_parse_from(["x"].iter().chain(flags)).unwrap().server;
            args.connections.check(listen.parse().unwrap()).map_err(|error| format!("{error:#}"))
        };
        for listen in ["127.0.0.1:1", "127.8.9.1:1", "[::1]:1"] {
            assert_eq!(check(&[], listen), Ok(()));
        }
        for listen in ["0.0.0.0:50051", "[::]:50051", "192.0.2.1:50051"] {
            let error = check(&[], listen).unwrap_err();
            for part in [listen, "GOCHAT_TLS_CERT", "GOCHAT_TLS_KEY", "GOCHAT_PLAIN_TEXT=true"] {
                assert!(error.contains(part), "{error}");
            }
            assert_eq!(check(&["--plain-text", "true"], listen), Ok(()));
        }
        let files = ["--tls-cert", "/nowhere/cert", "--tls-key", "/nowhere/key"];
        let error = check(&files, "0.0.0.0:1").unwrap_err();
        assert!(error.contains("/nowhere/cert"), "{error}");
        for one in ["--tls-cert", "--tls-key", "--tls-client-ca"] {
            let error = check(&[one, "/nowhere/one"], "127.0.0.1:1").unwrap_err();
            assert!(error.contains("needs GOCHAT_TLS_"), "{error}");
        }
    }

    #[tokio::test]
    async fn tokens_come_from_memory_and_file() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "media {}", "ab".repeat(32)).unwrap();
        let mut args = Flags::try_parse_from(["x"]).unwrap().server;
        args.service_tokens = ServiceTokens::none().with("gateway", "secret", true);
        assert_eq!(args.tokens().unwrap().len(), 1);
        args.service_tokens_file = Some(file.path().to_owned());
        assert_eq!(args.tokens().unwrap().len(), 2);
        args.service_tokens_file = Some("/nowhere/tokens".into());
        assert!(format!("{:#}", args.tokens().unwrap_err()).contains("/nowhere/tokens"));
    }
}
