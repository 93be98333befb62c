//! The reply, from the client's side.

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    client::{
        ClientError,
        handshake::{read_error, send},
    },
    error::Step,
    io::read_message,
    proto::{
        Address, Decode, Decoded, Encoded, Error,
        socks4::{Reply, ReplyCode},
    },
};

/// Exchanges the two messages, and returns BND. Until the reply is there, the step is that of the request: the
/// proxy has said nothing.
pub(super) async fn request<Io>(io: &mut Io, request: Encoded<520>) -> Result<Address, ClientError>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    send(io, &request, Step::Request).await?;
    read_reply(io, Step::Request).await
}

/// Reads a reply, and returns its BND if it is one of success.
pub(in crate::client) async fn read_reply<Io>(
    io: &mut Io,
    step: Step,
) -> Result<Address, ClientError>
where
    Io: AsyncRead + Unpin,
{
    let reply = read_message(io, &mut [0; Socks4Reply::MAX_LEN]).await;
    match reply.map_err(|error| read_error(step, error))? {
        Socks4Reply::Granted(bound) => Ok(bound),
        Socks4Reply::Rejected(code) => Err(ClientError::Rejected(code)),
    }
}

/// The part of a reply that means something to a client.
#[derive(Debug)]
enum Socks4Reply {
    /// X'5A', with BND.
    Granted(Address),
    /// Any other code. What follows it, if anything does, says nothing.
    Rejected(ReplyCode),
}

impl Decode for Socks4Reply {
    const MAX_LEN: usize = Reply::MAX_LEN;

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, Error> {
        if let [0, code, ..] = *bytes
            && ReplyCode(code) != ReplyCode::GRANTED
        {
            return Ok(Decoded::Done(Self::Rejected(ReplyCode(code)), 2));
        }
        Ok(match Reply::decode(bytes)? {
            Decoded::Done(reply, taken) => {
                Decoded::Done(Self::Granted(Address::Ip(reply.bound.into())), taken)
            }
            Decoded::Need(missing) => Decoded::Need(missing),
        })
    }
}
