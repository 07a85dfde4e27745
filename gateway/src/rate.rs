//! How often a method may be called: so many times a second by each user, and `login` from each address.

use std::{
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use axum::extract::{ConnectInfo, Request};
use gochat_chassis::{ServiceTokens, http::Peer};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
    state::keyed::DashMapStateStore,
};

use crate::{
    address::{Proxies, share},
    caller::Caller,
    error::Failure,
};

/// After so many calls those are forgotten who have all of their calls left.
const SWEEP: u32 = 1_024;

/// How often clients may call.
#[derive(clap::Args, Clone, Debug)]
pub struct RateArgs {
    /// Calls a second of each method by each user, and of `login` from each address; 0 for any number.
    #[arg(long, env = "GOCHAT_GATEWAY_RATE", default_value = "10")]
    pub rate: u32,
    /// The networks of proxies that say truly in `X-Forwarded-For` for whom they call, separated by commas.
    #[arg(long, env = "GOCHAT_GATEWAY_TRUSTED_PROXIES", default_value = "")]
    pub trusted_proxies: Proxies,
    /// The services that may call, as the services know them: they may call as often as they like.
    #[arg(long, env = "GOCHAT_SERVICE_TOKENS_FILE")]
    pub service_tokens_file: Option<PathBuf>,
}

impl RateArgs {
    /// Whether the services can be read.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.services(ServiceTokens::load).map(drop)
    }

    fn services(
        &self,
        read: impl FnOnce(&Path) -> anyhow::Result<ServiceTokens>,
    ) -> anyhow::Result<ServiceTokens> {
        let file = self.service_tokens_file.as_deref().filter(|path| !path.as_os_str().is_empty());
        file.map_or_else(|| Ok(ServiceTokens::none()), read)
    }
}

/// Whose calls are counted together.
#[derive(Debug, Hash)]
pub(crate) enum Who<'a> {
    /// Whoever calls from there.
    Address(IpAddr),
    /// The holder of a token. It is not known yet whether it is good.
    Token(&'a str),
    /// Who is believed to be this user.
    Uid(u32),
}

impl<'a> Who<'a> {
    /// By the token, so that nobody uses up what is another's.
    pub(crate) fn of(caller: &'a Caller) -> Self {
        let token = caller.authorization().filter(|_| !caller.is_believed());
        match token.and_then(|token| token.to_str().ok()) {
            Some(token) => Self::Token(token.split_once(' ').map_or(token, |(_, token)| token)),
            None => Self::Uid(caller.on_behalf_of().unwrap_or(0)),
        }
    }
}

type Limiter<C> = RateLimiter<u64, DashMapStateStore<u64>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Counts calls. What it keeps has the size of the calls of one second: who hasn't called for a second has
/// all calls left, and needs no memory.
pub(crate) struct Rates<C: Clock = DefaultClock> {
    limiter: Option<Limiter<C>>,
    clock: C,
    proxies: Proxies,
    services: ServiceTokens,
    /// Makes a key of a fixed size, which nobody outside can foresee.
    hasher: RandomState,
    calls: AtomicU32,
}

impl Rates {
    /// Fails where the services can't be read, whose file is looked at as often as `reload` says.
    pub(crate) fn new(args: &RateArgs, reload: Duration) -> anyhow::Result<Self> {
        let services = args.services(|path| ServiceTokens::follow(path, reload))?;
        Ok(Self::by(DefaultClock::default(), args, services))
    }
}

impl<C: Clock + Clone> Rates<C> {
    fn by(clock: C, args: &RateArgs, services: ServiceTokens) -> Self {
        let limiter = NonZeroU32::new(args.rate).map(|rate| {
            RateLimiter::new(Quota::per_second(rate), DashMapStateStore::default(), clock.clone())
        });
        let (proxies, hasher) = (args.trusted_proxies.clone(), RandomState::new());
        Self { limiter, clock, proxies, services, hasher, calls: AtomicU32::new(0) }
    }

    /// Counts a call. Fails with HTTP 429, and when to come again, where it is one too many.
    pub(crate) fn admit(&self, method: &str, who: &Who<'_>) -> Result<(), Failure> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        if self.calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(SWEEP) {
            limiter.retain_recent();
        }
        let Err(not_until) = limiter.check_key(&self.hasher.hash_one((method, who))) else { return Ok(()) };
        // Asked only now: it costs a digest.
        if let Who::Token(token) = who
            && self.services.knows(token)
        {
            return Ok(());
        }
        let wait = not_until.wait_time_from(self.clock.now());
        Err(Failure::too_many(Duration::from_secs(wait.as_secs() + 1)))
    }

    /// Where a request comes from.
    pub(crate) fn client(&self, request: &Request) -> IpAddr {
        let peer = request.extensions().get::<ConnectInfo<Peer>>();
        let peer = peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |ConnectInfo(Peer(peer))| peer.ip());
        share(self.proxies.client(peer, request.headers()))
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn rates(rate: u32) -> Rates<FakeRelativeClock> {
        let args = RateArgs { rate, trusted_proxies: Proxies::default(), service_tokens_file: None };
        Rates::by(FakeRelativeClock::default(), &args, ServiceTokens::none().with("bot", "service", false))
    }

    #[tokio::test]
    async fn a_new_service_is_known_without_a_restart() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (proxies, path) = (Proxies::default(), Some(file.path().to_owned()));
        let args = RateArgs { rate: 1, trusted_proxies: proxies, service_tokens_file: path };
        let rates = Rates::new(&args, Duration::from_millis(1)).unwrap();
        // SHA-256 of `test`.
        let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        std::fs::write(file.path(), format!("bot {hash}\n")).unwrap();
        let known = async {
            while !rates.services.knows("test") {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), known).await.expect("it isn't read anew");
    }

    #[test]
    fn each_user_has_ten_calls_of_each_method_a_second() {
        let rates = rates(10);
        let call = |method, token| rates.admit(method, &Who::Token(token)).is_ok();
        assert!((0..10).all(|_| call("/a", "ann")));
        assert!(!call("/a", "ann"), "one too many");
        assert!(call("/b", "ann") && call("/a", "bob"), "another method, another user");
        rates.clock.advance(Duration::from_millis(100));
        assert!(call("/a", "ann") && !call("/a", "ann"), "one more after a tenth of a second");
        rates.clock.advance(Duration::from_secs(1));
        assert!((0..10).all(|_| call("/a", "ann")) && !call("/a", "ann"));
    }

    #[test]
    fn services_call_as_often_as_they_like_and_so_does_anybody_where_there_is_no_limit() {
        let one = rates(1);
        assert!((0..100).all(|_| one.admit("/a", &Who::Token("service")).is_ok()));
        let none = rates(0);
        assert!((0..100).all(|_| none.admit("/a", &Who::Uid(7)).is_ok()));
    }

    #[test]
    fn who_has_all_calls_left_is_forgotten() {
        let rates = rates(10);
        for uid in 1..=50_000 {
            assert!(rates.admit("/a", &Who::Uid(uid)).is_ok());
            rates.clock.advance(Duration::from_millis(1));
        }
        let kept = rates.limiter.as_ref().map_or(0, RateLimiter::len);
        assert!(kept < 3_000, "{kept}");
    }
}
