use crate::{error::Refusal, io::Meter, session::Request};

/// Puts a meter on each tunnel: [`Bandwidth`](super::Bandwidth), [`ByteQuota`](super::ByteQuota), or
/// one of yours for [`MeterLayer`](super::MeterLayer).
pub trait MakeMeter: Clone + Send + Sync + 'static {
    /// What counts and bounds the bytes of one tunnel.
    type Meter: Meter;

    /// The meter for the tunnel of this request; `None`, if it needs none, which costs nothing then.
    ///
    /// # Errors
    ///
    /// The refusal, if it may move nothing at all.
    fn meter(&self, request: &Request) -> Result<Option<Self::Meter>, Refusal>;
}
