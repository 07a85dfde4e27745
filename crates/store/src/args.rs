//! What an operator sets about state: which Redis, how long things live, how much a room takes.

use std::{fmt, path::PathBuf, time::Duration};

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use gochat_domain::{
    Limits,
    rules::{HostLoss, SecondClient},
};

/// Settings of the store; the same for every service of a deployment.
#[derive(Args, Clone)]
pub struct StoreArgs {
    /// Redis 7.0 or newer, or Valkey: redis://host:port, rediss://host:port (by TLS) or unix:///path;
    /// user and password may stand before the host, as in user:password@host.
    #[arg(long, env = "GOCHAT_REDIS_URL", default_value = "redis://127.0.0.1:6379")]
    pub redis_url: String,
    /// The file with that address, which goes before the other: for one that carries a password.
    #[arg(long, env = "GOCHAT_REDIS_URL_FILE")]
    pub redis_url_file: Option<PathBuf>,
    /// The authorities that vouch for a Redis at rediss://, in PEM; without, those that this machine believes.
    #[arg(long, env = "GOCHAT_REDIS_CA")]
    pub redis_ca: Option<PathBuf>,
    /// The certificate that is shown to a Redis that asks for one, in PEM.
    #[arg(long, env = "GOCHAT_REDIS_CLIENT_CERT")]
    pub redis_client_cert: Option<PathBuf>,
    /// That certificate's private key, in PEM.
    #[arg(long, env = "GOCHAT_REDIS_CLIENT_KEY")]
    pub redis_client_key: Option<PathBuf>,
    /// Whether a Redis on another machine may be spoken to in plain text (redis://).
    #[arg(long, env = "GOCHAT_REDIS_PLAIN_TEXT", default_value_t = false, action = clap::ArgAction::Set)]
    pub redis_plain_text: bool,
    /// How often it is looked at whether that Redis can still be relied on: its version, what it does when its memory
    /// is full, and whether it keeps what it is given.
    #[arg(long, env = "GOCHAT_REDIS_CHECK_INTERVAL", default_value = "1m", value_parser = humantime::parse_duration)]
    pub redis_check_interval: Duration,
    /// How many partitions rooms are spread over; fixed for the life of a deployment.
    #[arg(long, env = "GOCHAT_PARTITIONS", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=16384))]
    pub partitions: u16,
    /// How long somebody stays in a room without a heartbeat.
    #[arg(long, env = "GOCHAT_LEASE", default_value = "25s", value_parser = humantime::parse_duration)]
    pub lease: Duration,
    /// How much longer a host stays.
    #[arg(long, env = "GOCHAT_HOST_GRACE", default_value = "30s", value_parser = humantime::parse_duration)]
    pub host_grace: Duration,
    /// What becomes of a room whose host is lost: it closes, or the guest speaker longest on stage becomes host.
    #[arg(long, env = "GOCHAT_HOST_LOSS", default_value = "close", value_parser = host_loss())]
    pub host_loss: HostLoss,
    /// What becomes of a second client of somebody in a room: it takes the first one's place, or is refused.
    #[arg(long, env = "GOCHAT_SECOND_CLIENT", default_value = "take_over", value_parser = second_client())]
    pub second_client: SecondClient,
    /// How long a session and its nick name live without a heartbeat.
    #[arg(long, env = "GOCHAT_SESSION", default_value = "2m", value_parser = humantime::parse_duration)]
    pub session: Duration,
    /// How long a session lives at the most, however many heartbeats come: after that, a new login is needed.
    #[arg(long, env = "GOCHAT_SESSION_MAX", default_value = "30d", value_parser = humantime::parse_duration)]
    pub session_max: Duration,
    /// How long an invitation can be answered.
    #[arg(long, env = "GOCHAT_INVITATION", default_value = "60s", value_parser = humantime::parse_duration)]
    pub invitation: Duration,
    /// Members in a room, unless it asks for fewer or, up to the maximum, for more.
    #[arg(long, env = "GOCHAT_MEMBER_LIMIT", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(2..))]
    pub member_limit: u32,
    /// The most members that a room may ask for.
    #[arg(long, env = "GOCHAT_MEMBER_LIMIT_MAX", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..))]
    pub member_limit_max: u32,
    /// Guest speakers on a stage, unless the room asks otherwise.
    #[arg(long, env = "GOCHAT_SEAT_LIMIT", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub seat_limit: u32,
    /// The most seats that a room may ask for.
    #[arg(long, env = "GOCHAT_SEAT_LIMIT_MAX", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub seat_limit_max: u32,
    /// The fewest commits that a room's log keeps; it keeps as many as the room has members, up to the most.
    #[arg(long, env = "GOCHAT_LOG_LEAST", default_value_t = 256)]
    pub log_least: u64,
    /// The most commits that a room's log keeps.
    #[arg(long, env = "GOCHAT_LOG_MOST", default_value_t = 4_096)]
    pub log_most: u64,
    /// To be a later release, whose members have one field more, in tests of updates.
    #[cfg(feature = "switches")]
    #[arg(long, hide = true)]
    pub one_field_more: bool,
}

fn host_loss() -> impl TypedValueParser<Value = HostLoss> {
    PossibleValuesParser::new(["close", "promote"]).map(|word| match word.as_str() {
        "promote" => HostLoss::Promote,
        _ => HostLoss::Close,
    })
}

fn second_client() -> impl TypedValueParser<Value = SecondClient> {
    PossibleValuesParser::new(["take_over", "reject"]).map(|word| match word.as_str() {
        "reject" => SecondClient::Reject,
        _ => SecondClient::TakeOver,
    })
}

/// The address may carry a password.
impl fmt::Debug for StoreArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreArgs").field("partitions", &self.partitions).finish_non_exhaustive()
    }
}

impl StoreArgs {
    /// Says what doesn't fit together.
    pub fn check(&self) -> Result<(), String> {
        let at_least = |name: &str, value: Duration, least: Duration| {
            if value < least { Err(format!("{name} must be at least {least:?}")) } else { Ok(()) }
        };
        if self.names_redis() {
            self.client()?;
        }
        at_least("GOCHAT_LEASE", self.lease, Duration::from_secs(5))?;
        at_least("GOCHAT_SESSION", self.session, self.lease)?;
        at_least("GOCHAT_SESSION_MAX", self.session_max, self.session)?;
        at_least("GOCHAT_INVITATION", self.invitation, Duration::from_secs(1))?;
        if self.member_limit > self.member_limit_max {
            return Err("GOCHAT_MEMBER_LIMIT must not be above GOCHAT_MEMBER_LIMIT_MAX".to_owned());
        }
        if self.seat_limit > self.seat_limit_max {
            return Err("GOCHAT_SEAT_LIMIT must not be above GOCHAT_SEAT_LIMIT_MAX".to_owned());
        }
        if self.log_least > self.log_most {
            return Err("GOCHAT_LOG_LEAST must not be above GOCHAT_LOG_MOST".to_owned());
        }
        Ok(())
    }

    /// How often clients are to say that they are there: two fifths of a lease.
    pub fn heartbeat(&self) -> Duration {
        self.lease * 2 / 5
    }

    /// How long silence of ours may last before heartbeats may have been lost by it.
    pub fn gap(&self) -> Duration {
        Duration::from_secs(3).min((self.lease - self.heartbeat()) / 2)
    }

    /// How often leases are swept, and carriers show that heartbeats get through: each second,
    /// or as often as a shorter gap needs.
    pub fn pulse(&self) -> Duration {
        Duration::from_secs(1).min(self.gap() / 3)
    }

    /// What a room takes that asks for so many (0: whatever is usual).
    pub fn limits(&self, members: u32, seats: u32) -> Limits {
        let within = |asked: u32, usual: u32, most: u32| if asked == 0 { usual } else { asked.min(most) };
        Limits {
            members: within(members, self.member_limit, self.member_limit_max),
            seats: within(seats, self.seat_limit, self.seat_limit_max),
        }
    }

    /// How many commits the log of a room with so many members keeps.
    pub fn log_cap(&self, members: u32) -> u64 {
        u64::from(members).clamp(self.log_least, self.log_most)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        store: StoreArgs,
    }

    fn args(flags: &[&str]) -> StoreArgs {
        Cli::parse_from(["test"].iter().chain(flags)).store
    }

    #[test]
    fn defaults_fit_together() {
        let args = args(&[]);
        args.check().unwrap();
        assert_eq!(args.heartbeat(), Duration::from_secs(10));
        assert_eq!(args.session_max, Duration::from_secs(30 * 24 * 60 * 60));
        assert_eq!(args.limits(0, 0), Limits { members: 1_000, seats: 10 });
        assert_eq!(args.limits(u32::MAX, u32::MAX), Limits { members: 10_000, seats: 50 });
        assert_eq!([1, 1_000, 10_000].map(|members| args.log_cap(members)), [256, 1_000, 4_096]);
    }

    #[test]
    fn what_becomes_of_hosts_and_second_clients_is_chosen_by_name() {
        let chosen = |flags: &[&str]| {
            let args = args(flags);
            (args.host_loss, args.second_client)
        };
        assert_eq!(chosen(&[]), (HostLoss::Close, SecondClient::TakeOver));
        let others = ["--host-loss", "promote", "--second-client", "reject"];
        assert_eq!(chosen(&others), (HostLoss::Promote, SecondClient::Reject));
        assert!(Cli::try_parse_from(["test", "--host-loss", "abdicate"]).is_err());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (flag, value) in
            [("--lease", "1s"), ("--session", "10s"), ("--session-max", "1m"), ("--member-limit", "20000")]
        {
            let told = args(&[flag, value]).check().unwrap_err();
            assert!(told.to_lowercase().contains(&flag[2..].replace('-', "_")), "{told}");
        }
    }
}
