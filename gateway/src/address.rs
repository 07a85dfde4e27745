//! Whose address a request comes from, also where proxies of ours stand in between.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The networks of the proxies whose word about their clients is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Vec<IpNet>);

impl FromStr for Proxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(network).collect::<Result<_, _>>().map(Self)
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let one = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| one()).map_err(|_| format!("not a network: {text:?}; write it like 10.0.0.0/8"))
}

impl Proxies {
    /// The client of a request that came from `peer`: going back through what each proxy added, the
    /// first that is none of ours. What stands before that, anybody may have written.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all(FORWARDED_FOR).iter().rev().filter_map(|line| line.to_str().ok());
        let mut hops = lines.flat_map(|line| line.rsplit(','));
        let mut client = peer.to_canonical();
        while self.0.iter().any(|network| network.contains(&client)) {
            let Some(before) = hops.next().and_then(|hop| address(hop.trim())) else { break };
            client = before;
        }
        client
    }
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse().ok().map(|at: SocketAddr| at.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// What one client has of the address space: of IPv6 a whole /64.
pub(crate) fn share(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_who_stands_before_the_proxies() {
        let proxies: Proxies = "10.0.0.0/8, fd00::/8,192.0.2.1".parse().unwrap();
        let client = |peer: &str, lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(FORWARDED_FOR, line.parse().unwrap());
            }
            proxies.client(peer.parse().unwrap(), &headers).to_string()
        };
        assert_eq!(client("203.0.113.9", &["198.51.100.1"]), "203.0.113.9", "anybody may write that");
        assert_eq!(client("10.1.1.1", &[]), "10.1.1.1");
        assert_eq!(client("10.1.1.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("10.1.1.1", &["1.1.1.1, 198.51.100.1, 192.0.2.1"]), "198.51.100.1");
        assert_eq!(client("10.1.1.1", &["1.1.1.1", "198.51.100.1:443 , 10.2.2.2"]), "198.51.100.1");
        assert_eq!(client("10.1.1.1", &["[2001:db8::7]:443, fd00::1"]), "2001:db8::7");
        assert_eq!(client("10.1.1.1", &["unknown"]), "10.1.1.1");
        assert_eq!(client("::ffff:10.1.1.1", &["::ffff:198.51.100.1"]), "198.51.100.1");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        assert_eq!("".parse(), Ok(Proxies::default()));
        for text in ["proxy.example", "10.0.0.0/33", "10.0.0.0/8;::1"] {
            assert!(text.parse::<Proxies>().unwrap_err().contains("write it like"), "{text}");
        }
    }

    #[test]
    fn a_client_has_a_whole_network_of_ipv6() {
        let of = |text: &str| share(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
