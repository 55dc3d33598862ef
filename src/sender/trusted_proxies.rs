//! Whether the peer of a connection is a trusted proxy.

use std::net::IpAddr;

use ipnet::IpNet;

/// An IPv6 socket shows IPv4 peers as `::ffff:10.0.0.1`; they are the same. An unknown peer is not trusted.
pub(crate) fn is_trusted(proxies: &[IpNet], peer: Option<IpAddr>) -> bool {
    let peer = peer.map(|peer| peer.to_canonical());
    peer.is_some_and(|peer| proxies.iter().any(|network| network.contains(&peer)))
}
