//! `[redis]` of the file: what several servers share, so that their limits are one.

#[cfg(feature = "redis")]
mod joined;
#[cfg(feature = "redis")]
mod stated;
#[cfg(feature = "redis")]
mod table;
#[cfg(not(feature = "redis"))]
mod unbuilt;
#[cfg(feature = "redis")]
mod while_away;

#[cfg(not(feature = "redis"))]
pub(crate) use self::unbuilt::{InForce, Stated, Table};
#[cfg(feature = "redis")]
pub(crate) use self::{joined::InForce, stated::Stated, table::Table};
