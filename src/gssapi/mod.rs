//! Encapsulation by GSS-API (RFC 1961): what a security context has to offer, and the stream inside it.
//!
//! A [`Mechanism`], of a server, and an [`Initiator`], of a client, begin an [`Establishment`] of a context: an
//! implementation of them is all that knows Kerberos, or the library of the system. No such library is needed here: the
//! module `kerberos` has one, with the feature `gssapi`.
//!
//! A [`Context`] is one that stands: it wraps and unwraps messages. An [`EncapsulatedStream`] puts each piece of what is
//! written into a message of section 5, and takes what is read out of such. It is a
//! [`ClientStream`](crate::io::ClientStream): so an [`Authenticate`](crate::layer::auth::Authenticate) of yours that establishes
//! a context can have it as its `Stream`. Then the request, the replies and the relayed octets are all inside.
//!
//! Datagrams of UDP ASSOCIATE are sealed by the same context, each in a message of its own, on both sides. One that is lost
//! or overtaken costs no other, and one that was changed or comes twice is dropped. So a context for that command is
//! one without protection of sequence.
//!
//! The end of the stream is that of the connection below, which nothing protects: somebody on the path can cut it, though
//! not within a message.
//!
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tower_socks::{BoxError, gssapi::{Context, EncapsulatedStream, Unwrapped}, proto::ProtectionLevel};
//!
//! /// Protects nothing, and shows the messages. A real one has the keys of a security context.
//! struct Bare;
//!
//! impl Context for Bare {
//!     fn wrap(&mut self, confidential: bool, message: &[u8]) -> Result<Vec<u8>, BoxError> {
//!         Ok([&[u8::from(confidential)], message].concat())
//!     }
//!
//!     fn can_encrypt(&self) -> bool {
//!         true
//!     }
//!
//!     fn unwrap(&mut self, token: &[u8]) -> Result<Unwrapped, BoxError> {
//!         let (confidential, message) = token.split_first().ok_or("no token")?;
//!         Ok(Unwrapped::new(message.to_vec(), *confidential == 1))
//!     }
//!
//!     fn longest_message(&mut self, _: bool, token: u16) -> Result<usize, BoxError> {
//!         Ok(usize::from(token) - 1)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! let (near, mut far) = tokio::io::duplex(64);
//! let mut stream = EncapsulatedStream::new(near, Bare, ProtectionLevel::CONFIDENTIALITY)?;
//!
//! stream.write_all(b"hello").await?;
//! let mut message = [0; 10];
//! far.read_exact(&mut message).await?;
//! assert_eq!(&message, b"\x01\x03\x00\x06\x01hello");
//!
//! far.write_all(b"\x01\x03\x00\x04\x01you").await?;
//! let mut read = [0; 3];
//! stream.read_exact(&mut read).await?;
//! assert_eq!(&read, b"you");
//! # Ok(()) }
//! ```

mod context;
mod incoming;
#[cfg(feature = "gssapi")]
pub mod kerberos;
mod mechanism;
mod messages;
mod protection;
mod stream;

pub(crate) use self::messages::{Due, ROUNDS, TokenError, read_token, write_token};
pub use self::{
    context::{Context, Unwrapped},
    mechanism::{Establishment, Initiator, Mechanism, Step},
    stream::EncapsulatedStream,
};
