use super::Authenticate;
use crate::{
    error::BoxError,
    io::ClientStream,
    proto::Method,
    session::{Identity, Negotiation},
};

/// X'00': everyone is let in, and is [anonymous](Identity::anonymous).
///
/// There is no default that lets everyone in; whoever wants that writes this name.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAuth;

impl<Io: ClientStream> Authenticate<Io> for NoAuth {
    type Stream = Io;

    fn select(&self, negotiation: &Negotiation<Io>) -> Option<Method> {
        Some(Method::NO_AUTHENTICATION).filter(|method| negotiation.offered.contains(*method))
    }

    async fn authenticate(
        &self,
        _: Method,
        negotiation: Negotiation<Io>,
    ) -> Result<(Io, Identity), BoxError> {
        Ok((negotiation.io, Identity::anonymous()))
    }
}
