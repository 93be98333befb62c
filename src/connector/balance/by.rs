use crate::{
    admission::client_network,
    proto::Address,
    session::{Request, UserOrClient},
};

/// What a [`Balance`](super::Balance) chooses by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum By {
    /// The alternative that has the fewest open tunnels for its weight.
    #[default]
    Load,
    /// The same one for all requests of a client: an IPv4 address, an IPv6 /64. Those without an address, on a Unix socket,
    /// are one client.
    Client,
    /// The same one for all requests of a user, and of a client without a name.
    User,
    /// The same one for all requests to a host, at whatever port. An association has one for all of its datagrams: it states
    /// no target, and takes that of its client.
    Target,
}

impl By {
    /// Returns a number that is the same for all requests that are to take the same alternative; `None` where the load
    /// decides.
    pub(super) fn key(self, request: &Request) -> Option<u64> {
        let client = || match client_network(request.peer.ip()) {
            Some(network) => digest([b"client", network.to_string().as_bytes()]),
            None => digest([b"client", b""]),
        };
        match self {
            Self::Load => None,
            Self::Client => Some(client()),
            Self::User => match UserOrClient::of(request) {
                Some(UserOrClient::User(name)) => Some(digest([b"user", name.name()])),
                _ => Some(client()),
            },
            Self::Target => Some(match request.destination() {
                Some(Address::Name(name, _)) => digest([b"target", name.as_str().as_bytes()]),
                Some(Address::Ip(address)) => digest([
                    b"target",
                    address.ip().to_canonical().to_string().as_bytes(),
                ]),
                None => client(),
            }),
        }
    }
}

/// The place of an alternative for a key: the least comes first. Rendezvous hashing: where one goes, all others keep
/// their keys. A weight of 2 gets twice as many of them.
pub(super) fn place(key: u64, name: &str, weight: u32) -> f64 {
    let mixed = mixed(key ^ digest([b"name", name.as_bytes()]));
    // From 0 to 1, without both.
    let random =
        (f64::from(u32::try_from(mixed >> 32).unwrap_or(u32::MAX)) + 0.5) / 4_294_967_296.0;
    -random.ln() / f64::from(weight)
}

/// FNV-1a, and the same on every machine and after each restart: who chooses names that meet wins nothing but the
/// alternative that others have as well.
fn digest(parts: [&[u8]; 2]) -> u64 {
    let octets = parts.iter().flat_map(|part| part.iter().chain([&0]));
    octets.fold(0xcbf2_9ce4_8422_2325, |digest, octet| {
        (digest ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The finalizer of `SplitMix64`: each bit depends on all.
const fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
