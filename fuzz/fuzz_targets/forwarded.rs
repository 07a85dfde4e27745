//! Where a request comes from, as it and the proxies before it say: nobody but a believed proxy changes that.
#![no_main]

use std::net::{IpAddr, SocketAddr};

use gochat_fuzz::{first_line, headers};
use gochat_gateway::border::{client, counted};
use http::HeaderMap;
use libfuzzer_sys::{Corpus, fuzz_target};

// The believed proxies, the peer, and headers.
fuzz_target!(|data: &[u8]| -> Corpus {
    let (proxies, rest) = first_line(data);
    let (peer, rest) = first_line(rest);
    let (headers, _) = headers(rest);
    let (Ok(proxies), Ok(peer)) = (std::str::from_utf8(proxies), std::str::from_utf8(peer)) else {
        return Corpus::Reject;
    };
    let Ok(peer) = peer.parse::<IpAddr>() else { return Corpus::Reject };
    assert_eq!(client("", peer, &headers), Ok(peer.to_canonical()), "nobody is believed");
    match client(proxies, peer, &headers) {
        Ok(client) => assert_told(client, peer, &headers),
        Err(why) => assert!(why.contains("write it like") && why.len() <= 8 * proxies.len() + 60, "{why}"),
    }
    Corpus::Keep
});

fn assert_told(client: IpAddr, peer: IpAddr, headers: &HeaderMap) {
    assert_eq!(client, client.to_canonical());
    assert_eq!(counted(counted(client)), counted(client));
    assert_eq!(counted(client).is_ipv4(), client.is_ipv4());
    let lines = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
    let mut hops = lines.flat_map(|line| line.split(',')).map(str::trim);
    assert!(client == peer.to_canonical() || hops.any(|hop| is(hop, client)), "{client} was named by nobody");
}

/// Whether a hop is this address, with or without a port or brackets.
fn is(hop: &str, client: IpAddr) -> bool {
    let bare = hop.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    let with_port = hop.parse::<SocketAddr>().ok().map(|at| at.ip());
    bare.into_iter().chain(with_port).any(|address| address.to_canonical() == client)
}
