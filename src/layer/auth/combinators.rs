//! Several methods: tuples in order of preference, and one of two at run time.

use std::mem;

use tower::util::Either;

use super::{Authenticate, AuthenticateStated};
use crate::{
    error::{AuthError, BoxError, find},
    proto::{Method, MethodSet},
    session::{Identity, Negotiation, Stated},
};

macro_rules! tuple {
    ($($member:ident: $type:ident),+) => {
        /// Methods in order of preference: the first member that takes one of the offered methods
        /// is used.
        impl<Io, ClientStream, $($type),+> Authenticate<Io> for ($($type,)+)
        where
            Io: Send,
            ClientStream: crate::io::ClientStream,
            $($type: Authenticate<Io, Stream = ClientStream>,)+
        {
            type Stream = ClientStream;

            fn select(&self, negotiation: &Negotiation<Io>) -> Option<Method> {
                let ($($member,)+) = self;
                None$(.or_else(|| $member.select(negotiation)))+
            }

            async fn authenticate(
                &self,
                method: Method,
                mut negotiation: Negotiation<Io>,
            ) -> Result<(Self::Stream, Identity), BoxError> {
                let ($($member,)+) = self;
                // Whose method it is: the first that takes it where it is the only one.
                let offered = mem::replace(&mut negotiation.offered, MethodSet::from(method));
                $(if $member.select(&negotiation).is_some() {
                    negotiation.offered = offered;
                    return $member.authenticate(method, negotiation).await;
                })+
                Err(AuthError::NoAcceptableMethod.into())
            }
        }

        /// Methods in order of preference: the first member that takes what is stated decides.
        impl<$($type: AuthenticateStated),+> AuthenticateStated for ($($type,)+) {
            async fn authenticate_stated(
                &self,
                negotiation: &Negotiation<Stated>,
            ) -> Result<Identity, BoxError> {
                let ($($member,)+) = self;
                $(match $member.authenticate_stated(negotiation).await {
                    Err(error) if is_for_others(&error) => {}
                    decided => return decided,
                })+
                Err(AuthError::NoAcceptableMethod.into())
            }
        }
    };
}

/// Whether a method does not take what is stated.
fn is_for_others(error: &BoxError) -> bool {
    matches!(find(&**error), Some(AuthError::NoAcceptableMethod))
}

tuple!(a: A, b: B);
tuple!(a: A, b: B, c: C);
tuple!(a: A, b: B, c: C, d: D);

/// The method that was decided on at run time.
impl<Io, ClientStream, A, B> Authenticate<Io> for Either<A, B>
where
    Io: Send,
    ClientStream: crate::io::ClientStream,
    A: Authenticate<Io, Stream = ClientStream>,
    B: Authenticate<Io, Stream = ClientStream>,
{
    type Stream = ClientStream;

    fn select(&self, negotiation: &Negotiation<Io>) -> Option<Method> {
        match self {
            Self::Left(a) => a.select(negotiation),
            Self::Right(b) => b.select(negotiation),
        }
    }

    async fn authenticate(
        &self,
        method: Method,
        negotiation: Negotiation<Io>,
    ) -> Result<(Self::Stream, Identity), BoxError> {
        match self {
            Self::Left(a) => a.authenticate(method, negotiation).await,
            Self::Right(b) => b.authenticate(method, negotiation).await,
        }
    }
}

impl<A, B> AuthenticateStated for Either<A, B>
where
    A: AuthenticateStated,
    B: AuthenticateStated,
{
    async fn authenticate_stated(
        &self,
        negotiation: &Negotiation<Stated>,
    ) -> Result<Identity, BoxError> {
        match self {
            Self::Left(a) => a.authenticate_stated(negotiation).await,
            Self::Right(b) => b.authenticate_stated(negotiation).await,
        }
    }
}
