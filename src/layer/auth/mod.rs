//! Authentication of clients: method selection (RFC 1928 section 3) and the sub-negotiation.
//!
//! [`AuthLayer`] takes an [`Authenticate`], selects a method, and lets it find out who the client
//! is. It never calls the service that it wraps. It returns a clone of it with the [`Identity`], in a
//! [`Authenticated`](crate::session::Authenticated), and the handshake calls it with the request. That is why
//! tower's `timeout` above this layer bounds authentication alone, and below it the dial alone.
//!
//! | method | `Authenticate` |
//! |---|---|
//! | X'00' no authentication | [`NoAuth`], said aloud |
//! | X'01' GSS-API (RFC 1961), such as Kerberos | [`Gssapi`] over a [`Mechanism`](crate::gssapi::Mechanism) |
//! | X'02' username/password (RFC 1929) | [`UserPass`] over any `Service<Credentials, Response = Identity>` |
//! | X'80' to X'FE' private methods | a type of yours |
//! | none of SOCKS5: USERID of SOCKS4, as a claim | [`AcceptUserId`] |
//! | X'00', by a certificate | `ClientCertificate` (feature `tls`), inside [TLS](crate::layer) with client certificates |
//! | several, in order of preference | tuples: `(UserPass::new(users), NoAuth)` |
//! | chosen at run time | [`tower::util::Either`] |
//!
//! A verifier that blocks, such as a password hash, is wrapped in a [`BlockingVerifier`]. What a verifier has said is
//! remembered for a short time by a `RememberLayer` in front of it (module `remember`, feature `remember`).
//!
//! Answers are exact: `05 M` with an offered method, or `05 FF` and close. A method that fails
//! closes the connection, and nothing that a client pipelined behind its credentials is executed.
//!
//! **HTTP and SOCKS4** have no sub-negotiation: their clients state who they are with the request
//! ([`Stated`](crate::session::Stated)). The same layer judges that, with the same verifier, for methods that
//! implement [`AuthenticateStated`]; the protocol tells the client the outcome. [`UserPass`] takes the name and the
//! password of HTTP's Basic authentication and no USERID, which proves nothing; [`AcceptUserId`] takes those that a
//! policy of yours accepts, and [`NoAuth`] takes everything.
//!
//! Methods and verifiers see the client's address and what layers above learned of it: see
//! [`Authenticate`] and [`Credentials`](crate::Credentials). The log says under which name an attempt
//! failed ([`FailedAttempt`](crate::error::FailedAttempt)).
//!
//! # Example
//!
//! ```
//! use tower_socks::{AuthLayer, Credentials, Identity, UserPass, error::AuthError};
//! # use tower::{Layer, ServiceExt};
//! # use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! # use tower_socks::{Connector, io::PrefixedStream, proto::Method, session::Negotiation};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! // Verified by a function, which may ask a database.
//! let verify = tower::service_fn(async |credentials: Credentials| {
//!     match credentials.name() {
//!         b"joe" if credentials.password().as_bytes() == b"secret" => Ok(Identity::named("joe")),
//!         _ => Err(AuthError::Denied),
//!     }
//! });
//! let layer = AuthLayer::new(UserPass::new(verify));
//!
//! # let (mut client, server) = tokio::io::duplex(512);
//! # let nowhere = ([127, 0, 0, 1], 0).into();
//! # let server = PrefixedStream::new(server);
//! # let offered = Method::USERNAME_PASSWORD.into();
//! # let negotiation = Negotiation::new(server, offered, nowhere, nowhere);
//! client.write_all(b"\x01\x03joe\x06secret").await.unwrap();
//! let authenticated = layer.layer(Connector::direct()).oneshot(negotiation).await.unwrap();
//! assert_eq!(authenticated.identity.name(), Some(&b"joe"[..]));
//!
//! let mut answer = [0; 4];
//! client.read_exact(&mut answer).await.unwrap();
//! assert_eq!(&answer, b"\x05\x02\x01\x00");
//! # }
//! ```
//!
//! [`Identity`]: crate::Identity

mod accept_user_id;
mod authenticate;
mod authenticate_stated;
#[cfg(any(
    feature = "http-auth",
    feature = "ldap",
    feature = "postgres",
    feature = "radius"
))]
mod availability;
mod blocking_verifier;
#[cfg(feature = "tls")]
mod client_certificate;
mod combinators;
mod future;
mod gate;
mod gssapi;
#[cfg(feature = "http-auth")]
pub mod http_call_out;
mod layer;
#[cfg(feature = "ldap")]
pub mod ldap;
mod no_auth;
#[cfg(any(feature = "http-auth", feature = "redis"))]
mod object;
#[cfg(feature = "postgres")]
pub mod postgres;
mod queue;
#[cfg(feature = "radius")]
pub mod radius;
#[cfg(feature = "remember")]
pub mod remember;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod stored_hash;
mod userpass;
#[cfg(feature = "users")]
mod users;

#[cfg(feature = "tls")]
pub use self::client_certificate::ClientCertificate;
#[cfg(any(feature = "http-auth", feature = "redis"))]
pub(crate) use self::object::Object;
#[cfg(any(feature = "postgres", feature = "redis"))]
pub use self::stored_hash::StoredHash;
#[cfg(feature = "users")]
pub use self::users::Users;
pub use self::{
    accept_user_id::AcceptUserId,
    authenticate::Authenticate,
    authenticate_stated::AuthenticateStated,
    blocking_verifier::{BlockingVerifier, Verification},
    future::ResponseFuture,
    gssapi::Gssapi,
    layer::{Auth, AuthLayer},
    no_auth::NoAuth,
    userpass::UserPass,
};
