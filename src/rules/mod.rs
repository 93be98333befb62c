//! Rules: a [`Policy`](crate::session::Policy) in code, or read from TOML or JSON.
//!
//! ```
//! use tower_socks::{Request, Rules, proto::{Address, Command}};
//!
//! let rules: Rules = toml::from_str(r#"
//!     default = "deny"
//!
//!     [groups]
//!     staff = ["joe", "jane"]
//!
//!     [[rules]]
//!     name = "no mail"
//!     action = "deny"
//!     port = [25, 465, 587]
//!
//!     [[rules]]
//!     name = "the web, for the staff"
//!     action = "allow"
//!     group = "staff"
//!     command = "connect"
//!     port = [80, 443]
//!
//!     [[rules]]
//!     action = "allow"
//!     to = ["example.com", "*.example.com", "10.1.0.0/16"]
//! "#)?;
//!
//! let request = |target: &str| Request::new(Command::CONNECT, target.parse().unwrap());
//! assert_eq!(rules.explain(&request("www.example.com:443")).rule(), Some(3));
//! assert!(rules.explain(&request("9.9.9.9:443")).is_refused());
//! # Ok::<(), toml::de::Error>(())
//! ```
//!
//! # Evaluation
//!
//! * **The first rule that matches decides.** If none does, `default` decides, which has to be
//!   stated.
//! * **All conditions of a rule have to hold**; one with a list holds if one value of the list does.
//!   A rule without conditions always matches.
//! * **They are asked twice**, as every policy: about the request as stated, and about each address
//!   before it is used. A request by name is refused at once where no address could change that, and
//!   otherwise it goes on, and each of its addresses is judged with all that is known.
//! * **Special-purpose addresses are refused** (loopback, private, link-local, multicast and all
//!   others of the IANA registries, and those at which a cloud platform serves its own machines), and so
//!   is **the proxy's own host**: the addresses of its interfaces, which are asked for anew after 5 s, and
//!   those in `own`, at any port, and where it listens. A rule that allows matches those only if it
//!   states them: with a network in `to` that lies within such a block, or for the own host with
//!   that single address. A name, or `0.0.0.0/0`, does not open them. `allow_private = true` makes
//!   them addresses like any other.
//! * **Special-purpose names are refused where an upstream would resolve them**, by its own network:
//!   `localhost`, `*.local`, `*.internal`, `*.home.arpa` and others, and names of a single label. Only a
//!   rule opens them that states them, or a name below them, in `to`; or `allow_private = true`. Where
//!   they are resolved here, their addresses are judged.
//! * **A name that an upstream resolves** is judged as a name alone. A rule that allows a network does
//!   not match it, and one that denies a network refuses it, since nobody here can tell whether it
//!   lies there: an earlier rule that allows the name lets it pass, and `allow_unresolved = true`
//!   lets all such names pass those rules.
//! * **IPv4 in IPv6 is judged by what it embeds.** An IPv4-mapped address is an IPv4 address.
//!   64:ff9b::/96, 6to4, Teredo and ISATAP stand for the IPv4 addresses in them: a deny rule
//!   matches if it states the address or one that it embeds, an allow rule only if it states all
//!   that it embeds, or a network within the form's own prefix. `nat64` lists other prefixes by
//!   which your network translates (RFC 6052).
//!
//! * **Names are compared normalised**: small letters, no dot at the end, IDNA's A-labels. A
//!   non-canonical IP literal (`0x7f.1`, `127.1`) is that address. What could mean one thing here
//!   and another to a resolver (a backslash, a percent sign, a number that is no address) is
//!   refused. A short name is that name only; whether a resolver's search list makes it a longer
//!   one is for the rules about addresses to judge.
//!
//! # Conditions
//!
//! | field | what | values |
//! |---|---|---|
//! | `user` | the client's name | `"joe"` |
//! | `group` | a group of the client's, from `groups` or of its [`Identity`](crate::Identity) | `"staff"` |
//! | `client` | the client's address | `"192.0.2.0/24"`, `"2001:db8::1"` |
//! | `protocol` | the protocol in which the client asks | `"socks5"`, `"socks4"`, `"http"` |
//! | `command` | the command of the request | `"connect"`, `"bind"`, `"udp"`, `"resolve"`, `"resolve_ptr"` |
//! | `to` | the destination | [`Destination`]: a name; `*.` and a name for all below, without the name itself; a network |
//! | `port` | the destination's port | `443`, `"8000-8999"` |
//! | `time` | the time of day | [`TimeRange`]: `"08:00-18:00"` |
//! | `weekday` | the day | [`Weekdays`]: `"sat"`, `"mon-fri"` |
//!
//! For UDP, whether by UDP ASSOCIATE or [over TCP](crate::layer::udp_over_tcp), `to` and `port` are about the
//! destination of each datagram, and for BIND about the peer,
//! with the port that the request states. A lookup (RESOLVE, RESOLVE_PTR) has port 0, and `to` is about the name
//! and each address that is found, or the address and each name. Each field takes a value or a list. Besides, a rule has an
//! `action` (`allow`, `deny`, or `report`, which allows and logs what `deny` would have done: a hundred lines at
//! once, ten a second from then on, and how many there were besides) and
//! may have a `name` for the log. Next to `rules` and `default` stand `allow_private`, `allow_unresolved`, `own`,
//! `nat64`, `groups` and `time_zone`, an IANA name; the system's is the default. `UTC` is always known, the
//! others where the machine has them (tzdata).
//!
//! Nothing unknown, nothing empty and nothing doubtful is taken: a file with a mistake in it gives an
//! error that says what was expected, and no rules.
//!
//! # Speed
//!
//! Networks are in a prefix trie and names in a map of suffixes, and each rule has its home at its
//! rarest condition. A decision takes the same time with a million names as with ten, unless a
//! great many rules share all of their conditions but the protocols, ports, commands and times.
//!
//! # Logs
//!
//! A refusal says which rule it was, or which block of addresses, and how to allow it.
//! [`Rules::explain`] says the same without a request being made.

mod address_forms;
mod builder;
mod candidates;
mod compiled;
mod de;
mod de_values;
mod decision;
mod destination;
mod error;
mod evaluate;
mod explain;
mod index;
mod index_builder;
mod ipv4_in_ipv6;
mod nat64;
mod network;
mod own_host;
mod ports;
mod postings;
mod protections;
mod query;
mod rule;
mod rule_map;
#[expect(
    clippy::module_inception,
    reason = "the rules themselves, beside their parts"
)]
mod rules;
mod schedule;
mod special_names;
mod special_purpose;
mod unreachable;

pub use self::{
    builder::RulesBuilder,
    decision::{Decision, Effect},
    destination::Destination,
    error::{InvalidCondition, InvalidRule, Undecided},
    network::Network,
    ports::PortRange,
    rule::{Action, Rule},
    rule_map::RuleMap,
    rules::Rules,
    schedule::{TimeRange, Weekdays},
    special_purpose::SpecialPurpose,
    unreachable::Unreachable,
};
