//! Verifies users by RADIUS (RFC 2865), and accounts for what they use (RFC 2866).
//!
//! [`Radius`] is a verifier, a `Service<Credentials, Response = Identity>`, that sends the name and the password to a server
//! (PAP). [`Accounting`] is a [`Sink`](crate::layer::record::Sink) that tells servers of each tunnel: when it opens, while
//! it lasts, and what it has moved in the end. One works without the other.
//!
//! | attribute of a request | value |
//! |---|---|
//! | Message-Authenticator | first, in each Access-Request |
//! | User-Name, User-Password | as the client sent them |
//! | NAS-Identifier | [`nas_identifier`](RadiusBuilder::nas_identifier) |
//! | NAS-Port-Type, Service-Type | Virtual, Login |
//! | Calling-Station-Id, Called-Station-Id | the client's address; the address and port that it has reached |
//!
//! | attribute of an Access-Accept | effect |
//! |---|---|
//! | User-Name | the user's name for rules, limits and accounting, where a server takes several spellings for one |
//! | Filter-Id, or Class | [groups](RadiusBuilder::groups), one in each |
//! | WISPr-Bandwidth-Max-Up, WISPr-Bandwidth-Max-Down | `upload` and `download` of [`Amounts`](crate::session::Amounts) |
//! | Port-Limit | `tunnels` of these |
//! | Class, Acct-Interim-Interval | for [`Accounting`] |
//!
//! All others are skipped. Session-Timeout and Idle-Timeout are among them: a proxy has no session of a user that could
//! end, only tunnels of applications. How long a verified user stays one without being asked for is up to a
//! `RememberLayer` (feature `remember`).
//!
//! * **Answers are proved**: source, identifier, Response Authenticator and Message-Authenticator have to be right. What is
//!   anything else is dropped, and the server asked again. Without the last one, who can change packets gets in with any
//!   password (CVE-2024-3596): servers that do not send it have to be [allowed](RadiusBuilder::unsigned_answers).
//! * **What RADIUS cannot say is not asked**: a password that is empty, longer than 128 octets or has an octet 0 is denied.
//! * **Access-Challenge is a no**: clients of proxies cannot answer one.
//! * **It has limits**: so many logins are verified [at once](RadiusBuilder::at_once), and the others
//!   [wait](RadiusBuilder::waiting) in a queue in which each site, client and name has a share. A server that says nothing to
//!   anybody for ([`timeout`](RadiusBuilder::timeout)) times (1 + [`retries`](RadiusBuilder::retries)) is left alone for
//!   250 ms to 4 s, and the next is asked.
//!
//! RADIUS does not tell a name that nobody has from a wrong password. It is not encrypted, and a password is hidden by MD5
//! and the secret alone: it belongs into a network of your own, with a long random secret.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use tower_socks::{
//!     AuthLayer, UserPass,
//!     layer::auth::radius::Radius,
//! };
//!
//! # fn main() -> Result<(), tower_socks::BoxError> {
//! let radius = Radius::builder(["10.0.0.5", "10.0.0.6:1645"], "a long random secret")
//!     .nas_identifier("proxy-1")
//!     .timeout(Duration::from_secs(3))
//!     .build()?;
//! assert_eq!(radius.public().count(), 0);
//! let layer = AuthLayer::new(UserPass::new(radius));
//! # _ = layer;
//!
//! let mistake = Radius::builder(["10.0.0.5:radius"], "a long random secret").build();
//! assert!(mistake.unwrap_err().to_string().contains("is no server"));
//! # Ok(())
//! # }
//! ```

mod accounting;
mod attribute;
mod builder;
mod error;
mod future;
mod groups_from;
mod packet;
mod place;
mod server;
mod service;

pub use self::{
    accounting::{Accounting, AccountingBuilder},
    builder::RadiusBuilder,
    error::{InvalidRadius, RadiusError},
    future::ResponseFuture,
    groups_from::GroupsFrom,
    service::Radius,
};
