use std::net::Ipv4Addr;

use crate::proto::{Address, Decode, Decoded, Error, Reply, ReplyCode, VERSION};

/// The part of a reply that means something to a client.
#[derive(Debug)]
pub(super) enum ClientReply {
    /// REP X'00', with BND.
    Succeeded(Address),
    /// Any other REP. What follows it, if anything does, says nothing.
    Failed(ReplyCode),
}

impl Decode for ClientReply {
    const MAX_LEN: usize = Reply::MAX_LEN;

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, Error> {
        if let [VERSION, code, ..] = *bytes
            && !ReplyCode(code).is_success()
        {
            return Ok(Decoded::Done(Self::Failed(ReplyCode(code)), 2));
        }
        match Reply::decode(bytes) {
            Ok(Decoded::Done(reply, taken)) => {
                Ok(Decoded::Done(Self::Succeeded(reply.bound), taken))
            }
            Ok(Decoded::Need(missing)) => Ok(Decoded::Need(missing)),
            Err(Error::Name(reason)) => without_name(bytes).ok_or(Error::Name(reason)),
            Err(error) => Err(error),
        }
    }
}

/// Decodes a reply whose BND is no valid name, an empty one for instance, as one with zeros. It must
/// not cost a connection that the proxy has made.
fn without_name(bytes: &[u8]) -> Option<Decoded<ClientReply>> {
    const HEAD: usize = 5; // VER, REP, RSV, ATYP, and the length of the name
    let port = HEAD + usize::from(*bytes.get(HEAD - 1)?);
    let octets = bytes.get(port..)?.first_chunk()?;
    let bound = (Ipv4Addr::UNSPECIFIED, u16::from_be_bytes(*octets));
    let bound = Address::Ip(bound.into());
    Some(Decoded::Done(
        ClientReply::Succeeded(bound),
        port + octets.len(),
    ))
}
