use std::net::Ipv4Addr;

use crate::proto::{Address, Decode, Decoded, Error, Reply, ReplyCode, VERSION};

/// A reply as a client has to take it: as much of it as means something.
#[derive(Debug)]
pub(super) enum Answer {
    /// REP X'00', with BND.
    Yes(Address),
    /// Any other REP. What follows it, if anything does, says nothing.
    No(ReplyCode),
}

impl Decode for Answer {
    const MAX_LEN: usize = Reply::MAX_LEN;

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, Error> {
        if let [VERSION, code, ..] = *bytes
            && !ReplyCode(code).is_success()
        {
            return Ok(Decoded::Done(Self::No(ReplyCode(code)), 2));
        }
        match Reply::decode(bytes) {
            Ok(Decoded::Done(reply, taken)) => Ok(Decoded::Done(Self::Yes(reply.bound), taken)),
            Ok(Decoded::Need(missing)) => Ok(Decoded::Need(missing)),
            Err(Error::Name(reason)) => nameless(bytes).ok_or(Error::Name(reason)),
            Err(error) => Err(error),
        }
    }
}

/// A name that cannot be one, an empty one for instance, says as little as zeros do. It must not
/// cost a connection that the proxy has made.
fn nameless(bytes: &[u8]) -> Option<Decoded<Answer>> {
    const HEAD: usize = 5; // VER, REP, RSV, ATYP, and the length of the name
    let port = HEAD + usize::from(*bytes.get(HEAD - 1)?);
    let octets = bytes.get(port..)?.first_chunk()?;
    let bound = (Ipv4Addr::UNSPECIFIED, u16::from_be_bytes(*octets));
    let bound = Address::Ip(bound.into());
    Some(Decoded::Done(Answer::Yes(bound), port + octets.len()))
}
