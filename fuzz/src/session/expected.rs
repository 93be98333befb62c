//! What the RFCs have a server answer, whenever a client says this: the dialogue once more, without
//! a stream, a timer or a decoder of the crate's.

use tower_socks::{
    Identity, Request,
    proto::{Address, Command, Method},
    session::Policy,
};

use super::{
    LOCAL, PEER,
    terms::{LOGIN, Terms, address_of},
};

/// All that a server says before it relays, and from where on the client's octets are relayed.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) answers: Vec<u8>,
    pub(super) relayed_from: Option<usize>,
    /// The last of the answers is a no, which ends the connection.
    pub(super) refused: bool,
}

impl Expected {
    /// Of a client that says so much and no more.
    pub(super) fn of(said: &[u8], terms: &Terms) -> Self {
        let mut expected = Self::default();
        // Where something is missing, nothing more is said.
        let _ = expected.dialogue(said, terms);
        expected
    }

    fn says(&mut self, octets: &[u8]) {
        self.answers.extend_from_slice(octets);
    }

    fn refuses(&mut self, octets: &[u8]) -> Option<()> {
        self.says(octets);
        self.refused = true;
        None
    }

    fn fails(&mut self, code: u8) -> Option<()> {
        self.refuses(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0])
    }

    fn dialogue(&mut self, said: &[u8], terms: &Terms) -> Option<()> {
        let mut rest = said;
        let mut octets = |count: usize| -> Option<&[u8]> {
            let (head, tail) = rest.split_at_checked(count)?;
            rest = tail;
            Some(head)
        };

        // RFC 1928 section 3.
        if octets(1)? != [5] {
            return None;
        }
        let count = octets(1)?[0];
        let offered = octets(count.into())?;
        let methods = terms.login.methods().iter();
        let method = methods.copied().find(|Method(it)| offered.contains(it));
        let Some(method) = method else {
            return self.refuses(&[5, 0xff]);
        };
        self.says(&[5, method.0]);

        // RFC 1929.
        let mut identity = Identity::anonymous();
        if method == Method::USERNAME_PASSWORD {
            if octets(1)? != [1] {
                return self.refuses(&[1, 1]);
            }
            let len = octets(1)?[0];
            let name = octets(len.into())?;
            let len = octets(1)?[0];
            let password = octets(len.into())?;
            if (name, password) != (LOGIN.0.as_bytes(), LOGIN.1.as_bytes()) {
                return self.refuses(&[1, 1]);
            }
            identity = Identity::named(name);
            self.says(&[1, 0]);
        }

        // RFC 1928 sections 4 to 6.
        if octets(1)? != [5] {
            return self.fails(1);
        }
        let head = octets(3)?;
        let command = Command(head[0]);
        let (name, len) = match head[2] {
            1 => (false, 4),
            3 => (true, usize::from(octets(1)?[0])),
            4 => (false, 16),
            _ => return self.fails(8),
        };
        let host = octets(len + 2)?;
        let (host, port) = host.split_at(len);
        let port = match command {
            // The port of a lookup means nothing.
            Command::RESOLVE | Command::RESOLVE_PTR => 0,
            _ => u16::from_be_bytes([port[0], port[1]]),
        };
        let target = if name {
            let name = str::from_utf8(host).ok();
            name.and_then(|name| Address::new(name, port).ok())
        } else {
            let v4 = <[u8; 4]>::try_from(host).map(|ip| (ip, port).into());
            let address = v4.or_else(|_| <[u8; 16]>::try_from(host).map(|ip| (ip, port).into()));
            address.ok().map(Address::Ip)
        };
        let Some(Ok(target)) = target.map(Address::canonical) else {
            return self.fails(1);
        };
        if command == Command::CONNECT && port == 0 {
            return self.fails(1);
        }
        let mut request = Request::new(command, target);
        request.peer = PEER;
        request.local = LOCAL;
        request.identity = identity;
        let rules = terms.rules();
        if rules.check(&request).is_err() {
            return self.fails(2);
        }
        if command != Command::CONNECT {
            return self.fails(7);
        }
        if rules
            .check_address(&request, address_of(&request.target))
            .is_err()
        {
            return self.fails(2);
        }
        let code = terms.dial.code();
        if !code.is_success() {
            return self.fails(code.0);
        }
        self.says(&[5, 0, 0]);
        match terms.bound.ip()? {
            std::net::SocketAddr::V4(address) => {
                self.says(&[1]);
                self.says(&address.ip().octets());
            }
            std::net::SocketAddr::V6(address) => {
                self.says(&[4]);
                self.says(&address.ip().octets());
            }
        }
        self.says(&terms.bound.port().to_be_bytes());
        self.relayed_from = Some(said.len() - rest.len());
        Some(())
    }
}
