//! The relay: copies both directions between two streams.
//!
//! [`Relay`] copies between any two streams until both directions have ended. It differs from
//! [`tokio::io::copy_bidirectional`] in what it costs and in what it promises:
//!
//! * **An idle tunnel owns no buffer.** A read goes into a buffer that belongs to the thread, and
//!   straight out again. Only what the other side will not take at once is kept, in an allocation
//!   of its own, until it is written. Its largest size grows with what the tunnel moves, from
//!   16 KiB to 256 KiB a direction.
//! * **Bulk data does not pass through user space.** On Linux, a direction between two raw sockets
//!   that keeps filling large reads continues with `splice(2)` through a pipe. It takes the pipe
//!   when data is there and returns it when it falls idle, so that short and quiet connections
//!   never pay for one. Raw sockets are [`TcpStream`](tokio::net::TcpStream) and
//!   [`UnixStream`](tokio::net::UnixStream), also inside
//!   [`PrefixedStream`](crate::io::PrefixedStream) and [`BoxStream`](crate::io::BoxStream); every
//!   other stream, TLS for one, is read and written.
//! * **Nothing waits for ever.** The [idle limit](Relay::idle_timeout) slides with the traffic of
//!   both directions. Once one direction has ended, the shorter
//!   [half-close limit](Relay::half_close_timeout) takes its place.
//! * **Urgent data is data.** Everything that TCP's URG marks (`MSG_OOB`) arrives in its place in the
//!   stream, without the mark, between sockets with `SO_OOBINLINE`: those that the listeners and
//!   connectors of this crate make. What a read leaves behind a mark follows with the next segment,
//!   or after a second without one.
//! * **Ends and resets are forwarded as what they are.** The end of one direction becomes a
//!   half-close of the other side after the last byte, and leaves the opposite direction open. A
//!   reset is a reset on the other side too, after the last byte as well. A side that takes no more
//!   writes is still read to its end.
//! * **Half of something does not look like all of it.** A tunnel that is cut ends in a reset on both
//!   sides, whatever cuts it: a limit, a meter, a layer or a server that drops the future. That takes
//!   raw sockets, as above. Within TLS the peer misses the `close_notify`; a Unix socket and a
//!   stream in memory have an end only.
//!
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tower_socks::relay::Relay;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let (mut client, near) = tokio::io::duplex(64);
//! let (far, mut target) = tokio::io::duplex(64);
//! let relay = tokio::spawn(Relay::new().run(near, far));
//!
//! client.write_all(b"ping").await?;
//! client.shutdown().await?;
//! let mut said = String::new();
//! target.read_to_string(&mut said).await?;
//! target.write_all(b"pong!").await?;
//! target.shutdown().await?;
//! client.read_to_string(&mut said).await?;
//! assert_eq!(said, "pingpong!");
//!
//! let traffic = relay.await??;
//! assert_eq!((traffic.up, traffic.down), (4, 5));
//! # Ok(())
//! # }
//! ```

mod copier;
pub(crate) mod dropped;
mod ends;
mod error;
mod gate;
mod idle;
mod lazy_timer;
mod moving;
#[cfg(target_os = "linux")]
mod pipe_pool;
#[cfg(target_os = "linux")]
mod pipe_quota;
mod read_size;
#[expect(clippy::module_inception, reason = "the room is named after its type")]
mod relay;
#[cfg(target_os = "linux")]
mod sockets;
#[cfg(target_os = "linux")]
mod splice;
mod traffic;
mod urgent;

pub(crate) use self::lazy_timer::{LazyTimer, after};
pub use self::{
    error::{RelayError, RelayErrorKind},
    relay::Relay,
    traffic::Traffic,
};
