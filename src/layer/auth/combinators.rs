//! Several methods: tuples in order of preference, and one of two at run time.

use tower::util::Either;

use super::Authenticate;
use crate::{
    error::{AuthError, BoxError},
    proto::{Method, MethodSet},
    session::Identity,
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

            fn select(&self, offered: &MethodSet) -> Option<Method> {
                let ($($member,)+) = self;
                None$(.or_else(|| $member.select(offered)))+
            }

            async fn authenticate(
                &self,
                method: Method,
                io: Io,
            ) -> Result<(Self::Stream, Identity), BoxError> {
                let ($($member,)+) = self;
                let chosen = MethodSet::from(method);
                $(if $member.select(&chosen).is_some() {
                    return $member.authenticate(method, io).await;
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

    fn select(&self, offered: &MethodSet) -> Option<Method> {
        match self {
            Self::Left(a) => a.select(offered),
            Self::Right(b) => b.select(offered),
        }
    }

    async fn authenticate(
        &self,
        method: Method,
        io: Io,
    ) -> Result<(Self::Stream, Identity), BoxError> {
        match self {
            Self::Left(a) => a.authenticate(method, io).await,
            Self::Right(b) => b.authenticate(method, io).await,
        }
    }
}
