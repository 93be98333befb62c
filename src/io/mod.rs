//! Streams: boxed, prefixed and metered ones, whole messages, and the lingering close.
//!
//! A client's stream is a [`ClientStream`]: `AsyncRead + AsyncWrite` that can also tell that the
//! client is gone, and what [protects the datagrams](Sealing) that belong to it. The types of this module wrap one another, and [`Relay`](crate::relay::Relay)
//! sees through all of them but the last to the socket inside:
//!
//! | type | a stream |
//! |---|---|
//! | [`PrefixedStream`] | with bytes in front of it that were read ahead |
//! | [`BoxStream`] | of any type |
//! | [`MeteredStream`] | with [meters](Meter), which count its bytes or hold them back |
//! | `TlsStream` (feature `tls`) | inside TLS |
//!
//! [`read_message`] reads one message of a protocol and leaves what is behind it in the stream;
//! [`lingering_close`] closes a stream so that what was written last arrives. [`Keepalive`] says how
//! soon a peer that has vanished is noticed.

mod box_stream;
mod client_stream;
mod control;
mod drop_reason;
mod join;
mod keepalive;
mod lingering_close;
mod message;
mod meter;
mod metered_stream;
mod prefixed_stream;
mod raw;
#[cfg(target_os = "linux")]
mod raw_calls;
mod raw_socket;
mod scratch;
mod sealing;
mod shut;
#[cfg(feature = "tls")]
mod tls_stream;
mod yield_turn;

#[cfg(feature = "tls")]
pub use self::tls_stream::TlsStream;
pub use self::{
    box_stream::BoxStream,
    client_stream::ClientStream,
    drop_reason::DropReason,
    join::Join,
    keepalive::Keepalive,
    lingering_close::lingering_close,
    message::{ReadError, read_message},
    meter::{Direction, Meter},
    metered_stream::MeteredStream,
    prefixed_stream::PrefixedStream,
    sealing::{Sealer, Sealing},
};
pub(crate) use self::{
    control::Control,
    drop_reason::Drops,
    lingering_close::poll_discard,
    message::{refuse, write_reply},
    meter::Meters,
    prefixed_stream::CAPACITY,
    raw::Raw,
    raw_socket::sent,
    scratch::{LARGEST, lend, with_scratch},
    shut::shut,
    yield_turn::yield_turn,
};
