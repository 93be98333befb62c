//! Addresses of shadowsocks and ours, which are the same on the wire.

use shadowsocks::relay::Address as Theirs;
use tower_socks::proto::{Address, InvalidName};

/// Takes an address from shadowsocks in the one form that it has here: a name in normal form, and what is only
/// written like a name (`0x7f.1`) as the address that it stands for. Policies are never asked about another.
pub(crate) fn ours(address: Theirs) -> Result<Address, InvalidName> {
    match address {
        Theirs::SocketAddress(address) => Address::Ip(address).canonical(),
        Theirs::DomainNameAddress(name, port) => Address::new(&name, port),
    }
}

/// Gives an address to shadowsocks.
pub(crate) fn theirs(address: &Address) -> Theirs {
    match address {
        Address::Ip(address) => Theirs::SocketAddress(*address),
        Address::Name(name, port) => Theirs::DomainNameAddress(name.as_str().to_owned(), *port),
    }
}
