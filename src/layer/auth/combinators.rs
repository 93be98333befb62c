//! Several methods: tuples in order of preference, and one of two at run time.

use std::mem;

use tower::util::Either;

use super::{Authenticate, AuthenticateStated};
use crate::{
    error::{AuthError, BoxError, find},
    io::{ClientStream, Join},
    proto::{Method, MethodSet},
    session::{Identity, Negotiation, Stated},
};

/// The stream of two methods.
type Joined<A, B> = <A as Join<B>>::Stream;

macro_rules! tuple {
    (
        $stream:ty, [$($bounds:tt)*],
        $($member:ident: $type:ident = $join:expr;)+
    ) => {
        /// Methods in order of preference: the first member that takes one of the offered methods
        /// is used. Their streams are of one type, or [joined](Join) in a box.
        impl<Io, $($type),+> Authenticate<Io> for ($($type,)+)
        where
            Io: Send,
            $($type: Authenticate<Io>,)+
            $($bounds)*
        {
            type Stream = $stream;

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
                    let (io, identity) = $member.authenticate(method, negotiation).await?;
                    return Ok(($join(io), identity));
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

tuple! {
    Joined<A::Stream, B::Stream>,
    [
        A::Stream: Join<B::Stream>,
        Joined<A::Stream, B::Stream>: ClientStream,
    ],
    a: A = <A::Stream as Join<B::Stream>>::first;
    b: B = <A::Stream as Join<B::Stream>>::second;
}
tuple! {
    Joined<Joined<A::Stream, B::Stream>, C::Stream>,
    [
        A::Stream: Join<B::Stream>,
        Joined<A::Stream, B::Stream>: Join<C::Stream>,
        Joined<Joined<A::Stream, B::Stream>, C::Stream>: ClientStream,
    ],
    a: A = |io| Join::<C::Stream>::first(Join::<B::Stream>::first(io));
    b: B = |io| Join::<C::Stream>::first(<A::Stream as Join<B::Stream>>::second(io));
    c: C = <Joined<A::Stream, B::Stream> as Join<C::Stream>>::second;
}
tuple! {
    Joined<Joined<Joined<A::Stream, B::Stream>, C::Stream>, D::Stream>,
    [
        A::Stream: Join<B::Stream>,
        Joined<A::Stream, B::Stream>: Join<C::Stream>,
        Joined<Joined<A::Stream, B::Stream>, C::Stream>: Join<D::Stream>,
        Joined<Joined<Joined<A::Stream, B::Stream>, C::Stream>, D::Stream>: ClientStream,
    ],
    a: A = |io| {
        Join::<D::Stream>::first(Join::<C::Stream>::first(Join::<B::Stream>::first(io)))
    };
    b: B = |io| {
        let joined = <A::Stream as Join<B::Stream>>::second(io);
        Join::<D::Stream>::first(Join::<C::Stream>::first(joined))
    };
    c: C = |io| {
        Join::<D::Stream>::first(<Joined<A::Stream, B::Stream> as Join<C::Stream>>::second(io))
    };
    d: D = <Joined<Joined<A::Stream, B::Stream>, C::Stream> as Join<D::Stream>>::second;
}

/// The method that was decided on at run time. The streams of both are of one type, or [joined](Join) in a box.
impl<Io, A, B> Authenticate<Io> for Either<A, B>
where
    Io: Send,
    A: Authenticate<Io>,
    B: Authenticate<Io>,
    A::Stream: Join<B::Stream>,
    Joined<A::Stream, B::Stream>: ClientStream,
{
    type Stream = Joined<A::Stream, B::Stream>;

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
            Self::Left(a) => {
                let (io, identity) = a.authenticate(method, negotiation).await?;
                Ok((io.first(), identity))
            }
            Self::Right(b) => {
                let (io, identity) = b.authenticate(method, negotiation).await?;
                Ok((<A::Stream as Join<B::Stream>>::second(io), identity))
            }
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
