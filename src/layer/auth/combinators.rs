//! Several methods: tuples in order of preference, and one of two at run time.

use std::mem;

use tower::util::Either;

use super::Authenticate;
use crate::{
    error::{AuthError, BoxError},
    proto::{Method, MethodSet},
    session::{Identity, Negotiation},
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
    };
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
