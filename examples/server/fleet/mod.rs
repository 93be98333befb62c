//! `[redis]` of the file: what several servers share, so that their limits are one.

#[cfg(feature = "redis")]
mod closing;
#[cfg(feature = "redis")]
mod follow;
#[cfg(feature = "redis")]
mod joined;
mod node;
#[cfg(feature = "redis")]
mod place;
#[cfg(feature = "redis")]
mod stated;
#[cfg(feature = "redis")]
mod table;
#[cfg(not(feature = "redis"))]
mod unbuilt;
#[cfg(feature = "redis")]
mod users;
#[cfg(feature = "redis")]
mod while_away;

pub(crate) use self::node::{Node, Others};
#[cfg(not(feature = "redis"))]
pub(crate) use self::unbuilt::{InForce, Stated, Table, follow};
#[cfg(feature = "redis")]
pub(crate) use self::{
    follow::follow, joined::InForce, stated::Stated, table::Table, users::FleetUsers,
};
