//! What the server is like.

use std::{net::SocketAddr, time::Duration};

use tower_socks::{
    Rules,
    proto::{Address, Method, ReplyCode},
};

use crate::script::Input;

/// The name and the password that are let in.
pub(super) const LOGIN: (&str, &str) = ("joe", "secret");

/// The dial's limit.
pub(super) const DIAL: Duration = Duration::from_secs(30);

/// Of a tunnel.
pub(super) const IDLE: Duration = Duration::from_secs(60);
pub(super) const LINGER: Duration = Duration::from_secs(20);

/// A server, and how its dials go.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) login: Login,
    pub(super) dial: Dial,
    pub(super) bound: Address,
    rules: usize,
}

/// The methods, in order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Login {
    None,
    Password,
    PasswordFirst,
    NoneFirst,
}

impl Login {
    pub(super) const fn methods(self) -> &'static [Method] {
        match self {
            Self::None => &[Method::NO_AUTHENTICATION],
            Self::Password => &[Method::USERNAME_PASSWORD],
            Self::PasswordFirst => &[Method::USERNAME_PASSWORD, Method::NO_AUTHENTICATION],
            Self::NoneFirst => &[Method::NO_AUTHENTICATION, Method::USERNAME_PASSWORD],
        }
    }
}

/// What becomes of a dial that is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dial {
    Succeeds(Duration),
    Fails(ReplyCode),
    Hangs,
}

impl Dial {
    /// What the client is told.
    pub(super) fn code(self) -> ReplyCode {
        match self {
            Self::Succeeds(after) if after < DIAL => ReplyCode::SUCCEEDED,
            Self::Succeeds(_) | Self::Hangs => ReplyCode::TTL_EXPIRED,
            Self::Fails(code) => code,
        }
    }
}

impl Terms {
    /// From two octets: methods and the dial, the rules and BND.
    pub(super) fn read(input: &mut Input<'_>) -> Self {
        let octet = input.octet();
        let login = match octet & 0x03 {
            0 => Login::None,
            1 => Login::Password,
            2 => Login::PasswordFirst,
            _ => Login::NoneFirst,
        };
        let dial = match (octet >> 2) & 0x07 {
            0 | 1 => Dial::Succeeds(Duration::ZERO),
            2 => Dial::Succeeds(Duration::from_secs(1)),
            3 => Dial::Succeeds(Duration::from_secs(29)),
            4 => Dial::Succeeds(Duration::from_secs(31)),
            5 => Dial::Hangs,
            6 => Dial::Fails(ReplyCode::CONNECTION_REFUSED),
            _ => Dial::Fails(ReplyCode(0x5b)),
        };
        let octet = input.octet();
        let bound: SocketAddr = match octet & 0x04 {
            0 => ([198, 51, 100, 7], 4321).into(),
            _ => ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7], 4321).into(),
        };
        Self {
            login,
            dial,
            bound: bound.into(),
            rules: usize::from(octet & 0x03),
        }
    }

    pub(super) fn rules(&self) -> Rules {
        const FILES: [&str; 4] = [
            "default = \"allow\"",
            "default = \"allow\"\nallow_private = true",
            "default = \"deny\"\n[[rules]]\naction = \"allow\"\nuser = \"joe\"\nto = \"*.example\"",
            "default = \"deny\"\n[[rules]]\naction = \"deny\"\nport = 25\n[[rules]]\naction = \
             \"allow\"\ncommand = \"connect\"\nto = [\"10.0.0.0/8\", \"9.0.0.0/8\"]",
        ];
        toml::from_str(FILES[self.rules]).expect("a file of ours")
    }
}

/// The address that a name has here: one that most rules refuse, or one that most allow.
pub(super) fn address_of(target: &Address) -> SocketAddr {
    match target {
        Address::Ip(address) => *address,
        Address::Name(name, port) if name.contains("intern") => ([10, 0, 0, 1], *port).into(),
        Address::Name(_, port) => ([9, 9, 9, 9], *port).into(),
    }
}
