//! Kerberos 5 for GSS-API (RFC 4121), by the library of the system: MIT's, where this is tested.
//!
//! A [`KerberosMechanism`] lets clients in who have a ticket for the proxy's service; a [`KerberosInitiator`] has tickets, and
//! knows the service. Both wait for nobody but the library: for files, and the initiator for the KDC. The functions of
//! [`Mechanism`](super::Mechanism), [`Initiator`](super::Initiator) and [`Establishment`](super::Establishment) block their
//! thread meanwhile; those of the [`KerberosContext`] do not.
//!
//! **What it needs.** To build: the headers of the library and libclang (Debian's `libkrb5-dev` and `libclang-dev`). To run: the
//! library, and what it reads: `/etc/krb5.conf`, or the file that `KRB5_CONFIG` names; a server its keytab, `/etc/krb5.keytab`
//! or what `KRB5_KTNAME` names; a client its tickets, from where `kinit` puts them, or `KRB5CCNAME` says. These variables are those of the
//! process. There is no function for them here, since the library's safe interface has none: set them before the process starts.
//! The keytab is read for each client, so a new one needs no restart.
//!
//! **Names.** By RFC 1961 the service is `socks`, so the principal of a proxy is `socks/proxy.example.com@EXAMPLE.COM`. curl
//! and dante ask for `rcmd` unless told otherwise. The name of a client is all of `joe@EXAMPLE.COM`.
//!
//! **Tokens** come once. 64 of them may overtake each other, where they are datagrams; what is late by more is dropped, as what was
//! changed or repeated. In a stream each has its turn, whether the client asks for that or not.
//!
//! **Not here.** Delegation: what a client hands over is dropped, and [nothing](KerberosInitiator::delegate) is handed
//! over. SPNEGO, and keys of RC4 and DES: such clients are refused.
//!
//! # Errors
//!
//! They say what was tried, and what the library says of it:
//!
//! ```text
//! keytab: Key table file '/etc/krb5.keytab' not found
//! ticket of the client: Clock skew too great
//! ticket of the client: Request ticket server socks/proxy@EXAMPLE.COM kvno 3 not found in keytab; keytab is likely out of date
//! ticket: No Kerberos credentials available (default cache: FILE:/tmp/krb5cc_1000)
//! ticket for the proxy: Cannot contact any KDC for realm 'EXAMPLE.COM'
//! ```
//!
//! # Examples
//!
//! A server for who has a ticket or a password, and a client with tickets:
//!
//! ```
//! use tower_socks::{
//!     AuthLayer, Client, UserPass, Users, client,
//!     gssapi::kerberos::{KerberosInitiator, KerberosMechanism},
//!     layer::auth,
//! };
//!
//! # use tower::{Layer, ServiceExt};
//! # use tower_socks::{Connector, io::PrefixedStream, proto::Method, session::Negotiation};
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let tickets = auth::Gssapi::new(KerberosMechanism::service("socks"));
//! let users = Users::from_iter([("joe", "secret")]);
//! let layer = AuthLayer::new((tickets, UserPass::new(users)));
//!
//! let proxy = KerberosInitiator::service_on("socks", "proxy.example.com");
//! let client = Client::with(client::Gssapi::new(proxy));
//! # let (near, mut far) = tokio::io::duplex(512);
//! # let (_far, server) = tokio::io::duplex(512);
//! # let nowhere = ([127, 0, 0, 1], 0).into();
//! # let negotiation = Negotiation::new(PrefixedStream::new(server), Method::NO_AUTHENTICATION.into(), nowhere, nowhere);
//! # let outside = layer.layer(Connector::direct()).oneshot(negotiation).await;
//! # assert!(outside.is_err(), "who has neither stays outside");
//! # tokio::io::AsyncWriteExt::write_all(&mut far, b"\x05\xff").await.unwrap();
//! # assert!(client.connect(near, "192.0.2.1:80").await.is_err(), "the proxy takes no tickets");
//! # }
//! ```
//!
//! What is missing is said:
//!
//! ```
//! use tower_socks::gssapi::kerberos::KerberosMechanism;
//!
//! // No keytab has a key for this one: no client is let in, and this is why.
//! let mechanism = KerberosMechanism::service_on("socks", "proxy.invalid");
//! let missing = mechanism.check().unwrap_err().to_string();
//! assert!(missing.starts_with("keytab: "), "{missing}");
//! ```

mod client;
mod context;
mod failure;
mod server;
mod token;
mod window;

pub use self::{
    client::{KerberosInitiation, KerberosInitiator},
    context::KerberosContext,
    server::{KerberosAcceptance, KerberosMechanism},
};
