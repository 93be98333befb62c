use std::net::IpAddr;

use crate::layer::key::{User, UserOrClient};

/// A key that can be written into a file, and read again.
pub trait QuotaKey: Sized {
    /// Writes the key: without white space, and not empty.
    fn write(&self) -> String;

    /// Reads a key that was written; `None`, if nobody has written this one.
    fn read(text: &str) -> Option<Self>;
}

/// `user:` and the name. What is no ASCII, white space, a control character or a backslash is escaped, as in Rust.
impl QuotaKey for User {
    fn write(&self) -> String {
        let mut text = String::from("user:");
        for octet in self.name() {
            match octet {
                b'\\' => text.push_str("\\x5c"),
                b'!'..=b'~' => text.push(char::from(*octet)),
                octet => text.push_str(&format!("\\x{octet:02x}")),
            }
        }
        text
    }

    fn read(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix("user:")?;
        let mut name = Vec::new();
        while let Some(octet) = rest.bytes().next() {
            let after = match rest.strip_prefix("\\x") {
                Some(escaped) => {
                    name.push(u8::from_str_radix(escaped.get(..2)?, 16).ok()?);
                    escaped.get(2..)?
                }
                None if octet == b'\\' || !octet.is_ascii_graphic() => return None,
                None => {
                    name.push(octet);
                    rest.get(1..)?
                }
            };
            rest = after;
        }
        // Written in another form it would be somebody's second line.
        Some(Self::named(name)).filter(|user| user.write() == text)
    }
}

/// The address.
impl QuotaKey for IpAddr {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Self> {
        let address: Self = text.parse().ok()?;
        Some(address).filter(|address| address.write() == text)
    }
}

/// That of the user, or `client:` and the address.
impl QuotaKey for UserOrClient {
    fn write(&self) -> String {
        match self {
            Self::User(user) => user.write(),
            Self::Client(client) => format!("client:{client}"),
        }
    }

    fn read(text: &str) -> Option<Self> {
        match text.strip_prefix("client:") {
            Some(client) => IpAddr::read(client).map(Self::Client),
            None => User::read(text).map(Self::User),
        }
    }
}
