//! Accounting by RADIUS, as `[radius.accounting]` states it.

#[cfg(feature = "radius")]
mod built;
#[cfg(not(feature = "radius"))]
mod unbuilt;

#[cfg(feature = "radius")]
pub(crate) use self::built::{InForce, Stated};
#[cfg(not(feature = "radius"))]
pub(crate) use self::unbuilt::{InForce, Stated};
