use super::Authenticate;
use crate::{
    error::BoxError,
    io::ClientStream,
    proto::{Method, MethodSet},
    session::Identity,
};

/// X'00': everyone is let in, and is [anonymous](Identity::anonymous).
///
/// There is no default that lets everyone in; whoever wants that writes this name.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAuth;

impl<Io: ClientStream> Authenticate<Io> for NoAuth {
    type Stream = Io;

    fn select(&self, offered: &MethodSet) -> Option<Method> {
        Some(Method::NO_AUTHENTICATION).filter(|method| offered.contains(*method))
    }

    async fn authenticate(&self, _: Method, io: Io) -> Result<(Io, Identity), BoxError> {
        Ok((io, Identity::anonymous()))
    }
}
