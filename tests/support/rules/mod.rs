//! The special-purpose address registries, and what tests of rules ask.

pub mod files;
pub mod linear;
pub mod universe;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tower_socks::{
    Request, Rules,
    proto::{Address, Command},
    rules::{Decision, Effect},
};

/// A block of addresses, without the help of the library's own arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialPurpose {
    pub is_v4: bool,
    pub first: u128,
    pub last: u128,
}

/// `10.0.0.0/8`, or a single address.
pub fn block(text: &str) -> SpecialPurpose {
    let (address, len) = text.split_once('/').unwrap_or((text, ""));
    let (is_v4, first) = number(address.parse().unwrap());
    let bits: u32 = if is_v4 { 32 } else { 128 };
    let len: u32 = if len.is_empty() {
        bits
    } else {
        len.parse().unwrap()
    };
    let size_less_one = u128::MAX.checked_shr(128 - (bits - len)).unwrap_or(0);
    assert_eq!(first & size_less_one, 0, "{text}");
    SpecialPurpose {
        is_v4,
        first,
        last: first | size_less_one,
    }
}

impl SpecialPurpose {
    pub fn contains(&self, address: IpAddr) -> bool {
        let (is_v4, bits) = number(address);
        is_v4 == self.is_v4 && self.first <= bits && bits <= self.last
    }

    /// Whether all of another block lies in this one.
    pub fn includes(&self, other: &Self) -> bool {
        self.is_v4 == other.is_v4 && self.first <= other.first && other.last <= self.last
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        self.is_v4 == other.is_v4 && self.first <= other.last && other.first <= self.last
    }

    pub fn is_single(&self) -> bool {
        self.first == self.last
    }

    pub fn first(&self) -> IpAddr {
        address(self.is_v4, self.first)
    }

    pub fn middle(&self) -> IpAddr {
        address(self.is_v4, self.first + (self.last - self.first) / 2)
    }

    pub fn last(&self) -> IpAddr {
        address(self.is_v4, self.last)
    }

    /// The addresses just before and just after it.
    pub fn neighbours(&self) -> impl Iterator<Item = IpAddr> {
        let most = if self.is_v4 {
            u32::MAX.into()
        } else {
            u128::MAX
        };
        let before = self.first.checked_sub(1);
        let after = self.last.checked_add(1).filter(|bits| *bits <= most);
        let is_v4 = self.is_v4;
        [before, after]
            .into_iter()
            .flatten()
            .map(move |bits| address(is_v4, bits))
    }
}

/// Whether it is an IPv4 address, and its bits.
pub fn number(address: IpAddr) -> (bool, u128) {
    match address {
        IpAddr::V4(address) => (true, address.to_bits().into()),
        IpAddr::V6(address) => (false, address.to_bits()),
    }
}

pub fn address(is_v4: bool, bits: u128) -> IpAddr {
    if is_v4 {
        Ipv4Addr::from_bits(bits.try_into().unwrap()).into()
    } else {
        Ipv6Addr::from_bits(bits).into()
    }
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The IANA IPv4 special-purpose address registry and the multicast block, with the block that is
/// named in a refusal of the address in the middle.
pub const V4: &[(&str, &str)] = &[
    ("0.0.0.0/8", "0.0.0.0/8"),
    ("0.0.0.0/32", "0.0.0.0/8"),
    ("10.0.0.0/8", "10.0.0.0/8"),
    ("100.64.0.0/10", "100.64.0.0/10"),
    ("127.0.0.0/8", "127.0.0.0/8"),
    // No registry has it: Azure's machines do.
    ("168.63.129.16/32", "168.63.129.16/32"),
    ("169.254.0.0/16", "169.254.0.0/16"),
    ("172.16.0.0/12", "172.16.0.0/12"),
    ("192.0.0.0/24", "192.0.0.0/24"),
    ("192.0.0.0/29", "192.0.0.0/24"),
    ("192.0.0.8/32", "192.0.0.0/24"),
    ("192.0.0.9/32", "192.0.0.0/24"),
    ("192.0.0.10/32", "192.0.0.0/24"),
    ("192.0.0.170/32", "192.0.0.0/24"),
    ("192.0.0.171/32", "192.0.0.0/24"),
    ("192.0.2.0/24", "192.0.2.0/24"),
    ("192.31.196.0/24", "192.31.196.0/24"),
    ("192.52.193.0/24", "192.52.193.0/24"),
    ("192.88.99.0/24", "192.88.99.0/24"),
    ("192.168.0.0/16", "192.168.0.0/16"),
    ("192.175.48.0/24", "192.175.48.0/24"),
    ("198.18.0.0/15", "198.18.0.0/15"),
    ("198.51.100.0/24", "198.51.100.0/24"),
    ("203.0.113.0/24", "203.0.113.0/24"),
    ("224.0.0.0/4", "224.0.0.0/4"),
    ("240.0.0.0/4", "240.0.0.0/4"),
    ("255.255.255.255/32", "255.255.255.255/32"),
];

/// The IANA IPv6 special-purpose address registry, and what lies outside of 2000::/3. Without the
/// forms that embed IPv4 addresses.
pub const V6: &[(&str, &str)] = &[
    ("::/128", "::/128"),
    ("::1/128", "::1/128"),
    ("64:ff9b:1::/48", "64:ff9b:1::/48"),
    ("100::/64", "100::/64"),
    ("100:0:0:1::/64", "100:0:0:1::/64"),
    ("2001::/23", "2001::/23"),
    ("2001:1::1/128", "2001::/23"),
    ("2001:1::2/128", "2001::/23"),
    ("2001:1::3/128", "2001::/23"),
    ("2001:2::/48", "2001:2::/48"),
    ("2001:3::/32", "2001:3::/32"),
    ("2001:4:112::/48", "2001:4:112::/48"),
    ("2001:10::/28", "2001:10::/28"),
    ("2001:20::/28", "2001:20::/28"),
    ("2001:30::/28", "2001:30::/28"),
    ("2001:db8::/32", "2001:db8::/32"),
    ("2620:4f:8000::/48", "2620:4f:8000::/48"),
    ("3fff::/20", "3fff::/20"),
    ("5f00::/16", "5f00::/16"),
    ("fc00::/7", "fc00::/7"),
    ("fe80::/10", "fe80::/10"),
    ("ff00::/8", "ff00::/8"),
    // Given to nobody.
    ("::2/127", "::/0"),
    ("::7f00:0/104", "::/0"),
    ("::ffff:0:0:0/96", "::/0"),
    ("64:ff9c::/32", "::/0"),
    ("200::/7", "::/0"),
    ("1000::/4", "::/0"),
    ("4000::/4", "::/0"),
    ("6000::/3", "::/0"),
    ("8000::/2", "::/0"),
    ("e000::/4", "::/0"),
    ("fe00::/9", "::/0"),
    ("fec0::/10", "::/0"),
];

/// Prefixes of addresses that are judged by the IPv4 addresses that they embed.
pub const FORMS: [&str; 3] = ["64:ff9b::/96", "2001::/32", "2002::/16"];

/// Whether the registries have an address itself, whatever it embeds.
pub fn is_special(address: IpAddr) -> bool {
    if FORMS.iter().any(|form| block(form).contains(address)) {
        return false;
    }
    let mut registries = V4.iter().chain(V6);
    registries.any(|(registered, _)| block(registered).contains(address))
        || (address.is_ipv6() && !block("2000::/3").contains(address))
}

pub fn toml(text: &str) -> Rules {
    toml::from_str(text).unwrap()
}

/// Rules of one action before the default.
pub fn with(default: &str, rule: &str) -> Rules {
    toml(&format!("default = {default:?}\nrules = [{{ {rule} }}]"))
}

/// Rules that allow one destination.
pub fn only(to: &str) -> Rules {
    with("deny", &format!("action = \"allow\", to = \"{to}\""))
}

/// Whether a request by name is allowed as stated.
pub fn allows(rules: &Rules, name: &str) -> bool {
    rules.explain(&named(name)).effect() == Effect::Allowed
}

fn client(mut request: Request) -> Request {
    request.peer = "198.51.100.9:50000".parse().unwrap();
    request.local = "198.51.100.1:1080".parse().unwrap();
    request
}

/// CONNECT to an address, port 443.
pub fn literal(address: IpAddr) -> Request {
    let target = SocketAddr::new(address, 443);
    client(Request::new(Command::CONNECT, target.into()))
}

/// CONNECT to a host as a client writes it, port 443.
pub fn named(name: &str) -> Request {
    client(Request::new(
        Command::CONNECT,
        Address::new(name, 443).unwrap(),
    ))
}

/// About an address in a request by itself, and behind a name.
pub fn both_ways(rules: &Rules, address: IpAddr) -> [Decision; 3] {
    let (stated, name) = (literal(address), named("name.example"));
    let used = SocketAddr::new(address, 443);
    [
        rules.explain(&stated),
        rules.explain_address(&stated, used),
        rules.explain_address(&name, used),
    ]
}

/// What a refusal says to write into `to`.
pub fn remedy(decision: &Decision) -> String {
    let text = decision.to_string();
    let (_, rest) = text.split_once("action = \"allow\" and to = ").unwrap();
    let (to, _) = rest.split_once(" would allow it").unwrap();
    to.to_owned()
}
