//! What an open tunnel keeps room for. There may be a hundred thousand of them.

use std::mem::{size_of, size_of_val};

use tokio::io::DuplexStream;
use tower_socks::{
    Identity, Request,
    io::MeteredStream,
    layer::{
        acl::recheck::RecheckTunnel,
        limit::{ConcurrentTunnels, Limiter},
        track::TrackTunnel,
    },
    relay::Relay,
    session::Extensions,
};

/// On machines with addresses of 64 bits.
#[test]
#[cfg(target_pointer_width = "64")]
fn what_each_open_tunnel_holds_is_small() {
    assert_eq!(size_of::<Extensions>(), 8, "one pointer, and null for none");
    assert_eq!(size_of::<Identity>(), 24);
    assert!(size_of::<Request>() <= 168);
    assert_eq!(size_of::<RecheckTunnel<()>>(), 72);
    assert_eq!(size_of::<TrackTunnel<()>>(), 16);
    assert_eq!(
        size_of::<<ConcurrentTunnels<fn(&Request) -> Option<u64>> as Limiter>::Permit>(),
        8,
        "no limit, no room for its permit"
    );
}

/// What a relay takes beside both of its ends: two directions, a timer and the limits.
#[test]
#[cfg(target_pointer_width = "64")]
fn a_relay_takes_little_beside_its_ends() {
    let (client, target) = (tokio::io::duplex(1).0, tokio::io::duplex(1).0);
    let relayed = Relay::new().run(client, target);
    let own = size_of_val(&relayed) - 2 * size_of::<DuplexStream>();
    assert!(own <= 416, "{own} octets");
    assert!(size_of::<MeteredStream>() <= 32);
}
