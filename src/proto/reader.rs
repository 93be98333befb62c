use super::{
    Address, Decoded, Error, InvalidName,
    address::{AddressTypes, SOCKS5},
};

/// Reads the fields of one message, and notes what is missing.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    taken: usize,
}

/// The reason why reading stopped before the end of the message.
#[derive(Debug)]
pub(super) enum Stop {
    Need(usize),
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl<'a> Reader<'a> {
    /// Reads a message from `bytes` by `read`, and turns its stops into results of `Decode`.
    ///
    /// The shortest form of the message has `shortest` octets: so many can be asked for at once,
    /// which saves a reader of a bare socket most of its system calls.
    pub(super) fn decode<T>(
        bytes: &'a [u8],
        shortest: usize,
        read: impl FnOnce(&mut Self) -> Result<T, Stop>,
    ) -> Result<Decoded<T>, Error> {
        let mut reader = Self {
            rest: bytes,
            taken: 0,
        };
        match read(&mut reader) {
            Ok(value) => Ok(Decoded::Done(value, reader.taken)),
            Err(Stop::Need(missing)) => Ok(Decoded::Need(
                missing.max(shortest.saturating_sub(bytes.len())),
            )),
            Err(Stop::Error(error)) => Err(error),
        }
    }

    /// Asks for all of a field whose length is known, so that it is not asked for in pieces.
    fn require(&self, len: usize) -> Result<(), Stop> {
        match len.saturating_sub(self.rest.len()) {
            0 => Ok(()),
            missing => Err(Stop::Need(missing)),
        }
    }

    pub(super) fn slice(&mut self, len: usize) -> Result<&'a [u8], Stop> {
        let Some((head, rest)) = self.rest.split_at_checked(len) else {
            return Err(Stop::Need(len - self.rest.len()));
        };
        self.rest = rest;
        self.taken += len;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(Stop::Need(N - self.rest.len()));
        };
        self.rest = rest;
        self.taken += N;
        Ok(*head)
    }

    pub(super) fn octet(&mut self) -> Result<u8, Stop> {
        let [octet] = self.array()?;
        Ok(octet)
    }

    /// Reads a field of at most `longest` octets that ends with NUL, which is not part of it. `None` where it is
    /// longer.
    pub(super) fn until_nul(&mut self, longest: usize) -> Result<Option<&'a [u8]>, Stop> {
        match self
            .rest
            .iter()
            .take(longest + 1)
            .position(|octet| *octet == 0)
        {
            Some(len) => {
                let field = self.slice(len)?;
                self.octet()?;
                Ok(Some(field))
            }
            None if self.rest.len() > longest => Ok(None),
            None => Err(Stop::Need(1)),
        }
    }

    pub(super) fn version(&mut self, expected: u8) -> Result<(), Stop> {
        match self.octet()? {
            found if found == expected => Ok(()),
            found => Err(Error::Version { expected, found }.into()),
        }
    }

    /// Reads ATYP, address and port (RFC 1928 section 5). A name that is an IP literal is an address.
    pub(super) fn address(&mut self) -> Result<Address, Stop> {
        self.address_as(SOCKS5)
    }

    /// Reads an address whose type is one of these. All of it is taken before a name is rejected.
    pub(super) fn address_as(&mut self, types: AddressTypes) -> Result<Address, Stop> {
        let kind = self.octet()?;
        if kind == types.ipv4 {
            self.require(4 + 2)?;
            let octets: [u8; 4] = self.array()?;
            Ok(Address::Ip((octets, self.port()?).into()))
        } else if kind == types.ipv6 {
            self.require(16 + 2)?;
            let octets: [u8; 16] = self.array()?;
            Ok(Address::Ip((octets, self.port()?).into()))
        } else if kind == types.name {
            let len = usize::from(self.octet()?);
            // The port too: a bad name is rejected only once the whole request is here, so that
            // the failure reply does not cross the rest of it.
            self.require(len + 2)?;
            let name = self.slice(len)?;
            let port = self.port()?;
            let name = std::str::from_utf8(name).map_err(|_| InvalidName::Octet);
            let address = name.and_then(|name| Address::new(name, port));
            Ok(address.map_err(Error::from)?)
        } else {
            Err(Error::AddressType(kind).into())
        }
    }

    /// Returns the octets that were read.
    pub(super) const fn taken(&self) -> usize {
        self.taken
    }

    pub(super) fn port(&mut self) -> Result<u16, Stop> {
        Ok(u16::from_be_bytes(self.array()?))
    }
}
