use super::ClientAuth;
use crate::{
    error::BoxError,
    proto::{Method, MethodSet},
};

/// Both offer what they have, and the proxy selects. A method of both is the first one's. Pairs of
/// pairs make more.
impl<Io, ClientStream, A, B> ClientAuth<Io> for (A, B)
where
    Io: Send,
    A: ClientAuth<Io, Stream = ClientStream>,
    B: ClientAuth<Io, Stream = ClientStream>,
    ClientStream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send,
{
    type Stream = ClientStream;

    fn offers(&self) -> MethodSet {
        let (a, b) = (self.0.offers(), self.1.offers());
        a.iter().chain(b.iter()).collect()
    }

    fn say(&self, method: Method) -> Vec<u8> {
        match self.0.offers().contains(method) {
            true => self.0.say(method),
            false => self.1.say(method),
        }
    }

    async fn hear(&self, method: Method, io: Io) -> Result<ClientStream, BoxError> {
        match self.0.offers().contains(method) {
            true => self.0.hear(method, io).await,
            false => self.1.hear(method, io).await,
        }
    }

    fn pipelined(&self) -> Option<Method> {
        self.0.pipelined().or_else(|| self.1.pipelined())
    }
}
