//! What became of a session, collected while it lives, and given to sinks.

mod counter;
mod destinations;
mod end;
mod facts;
mod id;
mod recording;
mod sink;
mod snapshot;

pub(crate) use self::{counter::Counter, facts::Sinks, id::SessionIds, recording::Recording};
pub use self::{
    destinations::{Destination, Destinations},
    end::{End, EndKind},
    id::SessionId,
    sink::Sink,
    snapshot::{Forwarded, Record},
};
