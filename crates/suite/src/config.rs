//! What the suite is told: the six configurations, and whether Redis comes with it.

use std::net::SocketAddr;

use anyhow::Context;
use clap::Parser;
use gochat_chassis::{Config, ServerArgs, TelemetryArgs};
use gochat_store::StoreArgs;

use crate::private_redis;

/// The configuration of everything that the suite runs.
#[derive(Clone, Debug)]
pub struct SuiteConfig {
    /// Of the account service.
    pub account: gochat_account::Config,
    /// Of the room service.
    pub room: gochat_room::Config,
    /// Of the stage service.
    pub stage: gochat_stage::Config,
    /// Of the notifier.
    pub notifier: gochat_notifier::Config,
    /// Of the media service.
    pub media: gochat_media::Config,
    /// Of the gateway; its upstream addresses are replaced by those that the services got.
    pub gateway: gochat_gateway::Config,
    /// How to run a Redis for this suite alone; `None` where the store's address names one.
    pub private_redis: Option<private_redis::Options>,
}

impl SuiteConfig {
    /// Every service as its own variables and defaults say, on the Redis that these name.
    /// Fails where a variable has a value that it can't have.
    pub fn from_environment() -> anyhow::Result<Self> {
        Ok(Self {
            account: of_environment("account")?,
            room: of_environment("room")?,
            stage: of_environment("stage")?,
            notifier: of_environment("notifier")?,
            media: of_environment("media")?,
            gateway: of_environment("gateway")?,
            private_redis: None,
        })
    }

    /// A suite that nobody else sees: free ports, and a private Redis that forgets.
    pub fn for_tests() -> anyhow::Result<Self> {
        let mut config = Self::from_environment()?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        for (listen, admin) in config.listens() {
            (*listen, *admin) = (any, any);
        }
        config.media.embedded.udp_listen = any;
        config.private_redis = Some(private_redis::Options { ephemeral: true, data_dir: None });
        Ok(config)
    }

    /// Changes the settings of the store, for all services alike.
    #[must_use]
    pub fn with_store(mut self, change: impl Fn(&mut StoreArgs)) -> Self {
        let stores = [
            &mut self.account.store,
            &mut self.room.store,
            &mut self.stage.store,
            &mut self.notifier.store,
            &mut self.media.store,
        ];
        stores.into_iter().for_each(change);
        self
    }

    /// Changes the settings of the gRPC servers, for all services alike.
    #[must_use]
    pub fn with_server(mut self, change: impl Fn(&mut ServerArgs)) -> Self {
        let servers = [
            &mut self.account.server,
            &mut self.room.server,
            &mut self.stage.server,
            &mut self.notifier.server,
            &mut self.media.server,
        ];
        servers.into_iter().for_each(change);
        self
    }

    /// Where the gateway was given no token by which the services know it: one that only this process
    /// knows, which acts for users if the gateway is to believe a mere uid.
    #[must_use]
    pub fn with_token_of_its_own(mut self) -> Self {
        let identity = &mut self.gateway.identity;
        let named = identity.service_token_file.as_ref().is_some_and(|path| !path.as_os_str().is_empty());
        if named || identity.service_token.is_some() {
            return self;
        }
        let token = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        identity.service_token = Some(token.clone().into());
        let acts_for_users = identity.trust_uid;
        self.with_server(|server| {
            server.service_tokens = server.service_tokens.clone().with("gateway", &token, acts_for_users);
        })
    }

    pub(crate) fn with_telemetry(mut self, telemetry: &TelemetryArgs) -> Self {
        for of in [
            &mut self.account.telemetry,
            &mut self.room.telemetry,
            &mut self.stage.telemetry,
            &mut self.notifier.telemetry,
            &mut self.media.telemetry,
            &mut self.gateway.telemetry,
        ] {
            of.clone_from(telemetry);
        }
        self
    }

    /// Says what doesn't fit together, before anything is started.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.account.check()?;
        self.room.check()?;
        self.stage.check()?;
        self.notifier.check()?;
        self.media.check()?;
        self.gateway.check()
    }

    fn listens(&mut self) -> [(&mut SocketAddr, &mut SocketAddr); 6] {
        [
            (&mut self.account.listen, &mut self.account.admin_listen),
            (&mut self.room.listen, &mut self.room.admin_listen),
            (&mut self.stage.listen, &mut self.stage.admin_listen),
            (&mut self.notifier.listen, &mut self.notifier.admin_listen),
            (&mut self.media.listen, &mut self.media.admin_listen),
            (&mut self.gateway.listen, &mut self.gateway.admin_listen),
        ]
    }
}

fn of_environment<C: Parser>(name: &str) -> anyhow::Result<C> {
    C::try_parse_from([format!("gochat-{name}")]).with_context(|| format!("the configuration of {name}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn tests_share_nothing() {
        let mut config = SuiteConfig::for_tests().unwrap();
        assert!(config.listens().iter().all(|(listen, admin)| listen.port() == 0 && admin.port() == 0));
        assert_eq!(config.media.embedded.udp_listen.to_string(), "127.0.0.1:0");
        assert!(config.private_redis.is_some_and(|redis| redis.ephemeral));
    }

    #[test]
    fn a_change_reaches_every_service_and_is_checked() {
        let config = SuiteConfig::for_tests().unwrap();
        config.check().unwrap();
        let config = config.with_store(|store| store.lease = Duration::from_millis(1));
        let leases = [config.account.store.lease, config.media.store.lease];
        assert_eq!(leases, [Duration::from_millis(1); 2]);
        assert!(config.check().is_err());
    }
}
