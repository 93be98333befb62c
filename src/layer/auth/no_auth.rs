use super::{Authenticate, AuthenticateStated};
use crate::{
    error::BoxError,
    io::ClientStream,
    proto::Method,
    session::{Identity, Negotiation, Stated},
};

/// Lets everyone in as [anonymous](Identity::anonymous): X'00', no authentication.
///
/// There is no default that lets everyone in: a stack that does has this name in it.
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

/// Whatever is stated.
impl AuthenticateStated for NoAuth {
    async fn authenticate_stated(&self, _: &Negotiation<Stated>) -> Result<Identity, BoxError> {
        Ok(Identity::anonymous())
    }
}
