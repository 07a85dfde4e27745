//! The embedded engine's configuration: where clients reach it, and its bounds.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    num::{NonZeroU16, NonZeroU32},
};

use anyhow::{Context, ensure};
use clap::Args;
use nix::ifaddrs::getifaddrs;

use super::turn::TurnArgs;

/// Sound over WebRTC, from this process itself.
#[derive(Clone, Debug, Args)]
pub struct EmbeddedArgs {
    /// Where clients' sound is received, over UDP: on this port, and on one more for each further thread; port 0
    /// picks free ones.
    #[arg(long, env = "GOCHAT_MEDIA_UDP_LISTEN", default_value = "0.0.0.0:7882")]
    pub udp_listen: SocketAddr,
    /// Addresses that clients are told to send their sound to, separated by commas: as they are seen from
    /// outside, with the ports that are listened on. The loopback's and the machine's own, unless it is said.
    #[arg(long = "public-addresses", env = "GOCHAT_MEDIA_PUBLIC_ADDRESSES", value_delimiter = ',')]
    pub public_addresses: Vec<IpAddr>,
    /// How many threads carry sound; a room is on one of them.
    #[arg(long = "media-threads", env = "GOCHAT_MEDIA_THREADS", default_value = "1")]
    pub threads: NonZeroU16,
    /// How many can be heard at once in a room; where more speak, the loudest.
    #[arg(long = "media-slots", env = "GOCHAT_MEDIA_SLOTS", default_value = "10")]
    pub slots: NonZeroU16,
    /// Sessions that may be open at a time on this node; one more is refused.
    #[arg(long = "media-sessions", env = "GOCHAT_MEDIA_SESSIONS", default_value = "5000")]
    pub most_sessions: NonZeroU32,
    /// Sessions of one room that may be open at a time; one more is refused.
    #[arg(long = "media-sessions-per-room", env = "GOCHAT_MEDIA_SESSIONS_PER_ROOM", default_value = "2000")]
    pub sessions_per_room: NonZeroU32,
    /// Datagrams a second that one client may send, and as many at once after a pause; more are dropped.
    /// A client that speaks needs about 60.
    #[arg(long = "media-packets-per-second", env = "GOCHAT_MEDIA_PACKETS_PER_SECOND", default_value = "200")]
    pub packets_per_second: NonZeroU32,
    /// A way round what lets no UDP through.
    #[command(flatten)]
    pub turn: TurnArgs,
}

impl EmbeddedArgs {
    /// What is wrong with it, if something is.
    ///
    /// # Errors
    /// In words for who configured it.
    pub fn check(&self) -> anyhow::Result<()> {
        let last = u32::from(self.udp_listen.port()) + u32::from(self.threads.get()) - 1;
        ensure!(
            self.udp_listen.port() == 0 || last <= u32::from(u16::MAX),
            "GOCHAT_MEDIA_UDP_LISTEN leaves no ports for GOCHAT_MEDIA_THREADS"
        );
        ensure!(self.slots.get() <= 32, "GOCHAT_MEDIA_SLOTS is at most 32");
        for address in &self.public_addresses {
            ensure!(
                !address.is_unspecified() && !address.is_multicast(),
                "GOCHAT_MEDIA_PUBLIC_ADDRESSES has {address}, where nobody is reached"
            );
            ensure!(
                self.serves(address),
                "GOCHAT_MEDIA_PUBLIC_ADDRESSES has {address}, which GOCHAT_MEDIA_UDP_LISTEN doesn't serve"
            );
        }
        Ok(())
    }

    /// Where a thread listens.
    pub(super) fn listen(&self, thread: u16) -> SocketAddr {
        let port = match self.udp_listen.port() {
            0 => 0,
            port => port.saturating_add(thread),
        };
        SocketAddr::new(self.udp_listen.ip(), port)
    }

    /// What clients are told.
    ///
    /// # Errors
    /// Where there is nothing to tell.
    pub(super) fn advertised(&self) -> anyhow::Result<Vec<IpAddr>> {
        let own = || -> anyhow::Result<BTreeSet<IpAddr>> {
            let interfaces = getifaddrs().context("reading the machine's own addresses")?;
            let ips = interfaces.filter_map(|interface| {
                let address = interface.address?;
                let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
                v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
            });
            Ok(ips.collect())
        };
        let chosen = match (self.public_addresses.is_empty(), self.udp_listen.ip()) {
            (false, _) => self.public_addresses.clone(),
            (true, ip) if !ip.is_unspecified() => vec![ip],
            (true, _) => own()?.into_iter().filter(|ip| self.serves(ip) && !is_link_local(ip)).collect(),
        };
        ensure!(!chosen.is_empty(), "there is no address to tell clients; set GOCHAT_MEDIA_PUBLIC_ADDRESSES");
        if chosen.iter().all(is_private) {
            tracing::warn!(
                addresses = ?chosen,
                "sound reaches only who is on this machine or its network; set GOCHAT_MEDIA_PUBLIC_ADDRESSES"
            );
        }
        Ok(chosen)
    }

    /// Whether what is sent to an address can come in where it is listened.
    fn serves(&self, address: &IpAddr) -> bool {
        match self.udp_listen.ip() {
            IpAddr::V4(_) => address.is_ipv4(),
            // Linux takes both families in there.
            IpAddr::V6(ip) => ip.is_unspecified() || address.is_ipv6(),
        }
    }
}

/// Of no use without the name of an interface.
fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

fn is_private(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_loopback() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: EmbeddedArgs,
    }

    fn args(line: &[&str]) -> EmbeddedArgs {
        Cli::parse_from([&["media"], line].concat()).args
    }

    #[test]
    fn each_thread_has_a_port() {
        let args = args(&["--udp-listen", "127.0.0.1:65534", "--media-threads", "2"]);
        args.check().unwrap();
        assert_eq!([0, 1].map(|thread| args.listen(thread).port()), [65_534, 65_535]);
        assert!(EmbeddedArgs { threads: 3.try_into().unwrap(), ..args }.check().is_err());
    }

    #[test]
    fn what_nobody_reaches_is_refused() {
        for wrong in ["0.0.0.0", "::1", "224.0.0.1"] {
            assert!(args(&["--public-addresses", wrong]).check().is_err(), "{wrong}");
        }
        assert!(args(&["--udp-listen", "[::]:0", "--public-addresses", "::1,127.0.0.1"]).check().is_ok());
    }

    #[test]
    fn the_loopback_is_told_unless_it_is_said_otherwise() {
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        assert!(args(&[]).advertised().unwrap().contains(&loopback));
        assert_eq!(args(&["--udp-listen", "127.0.0.1:0"]).advertised().unwrap(), [loopback]);
        let told = args(&["--public-addresses", "192.0.2.1"]).advertised().unwrap();
        assert_eq!(told, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
    }
}
