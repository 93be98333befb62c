//! Verifies users by a directory of LDAP (RFC 4511): OpenLDAP, 389, Active Directory.
//!
//! Names and passwords of a company are in its directory, and so is who has left. [`Ldap`] is a verifier, a
//! `Service<Credentials, Response = Identity>`, that asks there: it finds the entry of a user, [by a
//! search](Ldap::by_search) of a service account or [by its DN](Ldap::by_dn), and binds as that entry with the password. Its
//! [`Identity`](crate::Identity) has the user's groups, and [`Amounts`](crate::session::Amounts) where attributes state them.
//!
//! What the clients of LDAP that exist leave to their users is done here:
//!
//! * **An empty password is never sent.** A bind without one says nobody in particular, and succeeds. One with an octet 0 is
//!   not sent either: some servers end it there.
//! * **A name is a value**, in filters (the encoded request has it, not a text) and in DNs (RFC 4514 escapes). So nothing in
//!   it has a meaning.
//! * **A user has one name**, that of [`name_attribute`](LdapBuilder::name_attribute): to a directory `joe`, `JOE` and `joe `
//!   are the same, and limits and rules by user would take them for three.
//! * **Errors of operators are theirs**: a service account that cannot bind, two entries that fit, a group too many. They are
//!   no wrong passwords, count as no failed logins, and say what is to be mended.
//! * **Servers may be silent, slow, or send anything.** Connections and answers have a limit in time, a message has 256 KiB at
//!   most, an answer 1 MiB, and nothing recurs or is allocated by what a server announces. One that fails is left alone for 250 ms
//!   to 4 s, and the next is asked. Referrals are not followed.
//! * **A flood waits.** So many logins are verified [at once](LdapBuilder::connections); the others [wait](LdapBuilder::waiting)
//!   in a queue in which each site, client and name has a share, and are refused beyond that.
//!
//! A name that nobody has fails with [`UnknownUser`](crate::error::UnknownUser), after as many round trips as one with a wrong
//! password; the time that a directory takes itself is not hidden.
//!
//! # Cost
//!
//! A login takes two round trips by search, or two by DN, with connections that are kept for a minute; one more for a search of
//! groups. Put a `RememberLayer` (feature `remember`) in front: then a browser's thirty connections are one login.
//!
//! # Example
//!
//! ```
//! use tower_socks::{AuthLayer, UserPass, layer::auth::ldap::Ldap};
//!
//! # fn main() -> Result<(), tower_socks::BoxError> {
//! # let settings = {
//! #     let own = rcgen::generate_simple_self_signed(["ldap.example".to_owned()])?;
//! #     let authorities = tower_socks::tls::Authorities::from_pem(own.cert.pem().as_bytes())?;
//! #     tower_socks::tls::ClientSettings::new(authorities).build()?
//! # };
//! let servers = ["ldaps://ldap.example", "ldaps://ldap2.example"];
//! let ldap = Ldap::by_search(servers, "ou=people,dc=example,dc=com", "(uid={user})")
//!     .account("cn=proxy,dc=example,dc=com", "its password")
//!     .groups_attribute("memberOf")
//!     .groups_below("ou=groups,dc=example,dc=com")
//! #   .tls(settings)
//!     .build()?;
//! assert_eq!(ldap.clear_text().count(), 0);
//! let layer = AuthLayer::new(UserPass::new(ldap));
//! # _ = layer;
//!
//! // Mistakes are said before anybody logs in.
//! let mistake = Ldap::by_search(servers, "dc=example,dc=com", "(uid=joe)").build();
//! assert!(mistake.unwrap_err().to_string().contains("has no {user}"));
//! # Ok(())
//! # }
//! ```

mod ber;
mod builder;
mod connection;
mod dn;
mod error;
mod facts;
mod filter;
mod future;
mod message;
mod servers;
mod service;
mod settings;
mod url;
mod verify;

pub use self::{
    builder::LdapBuilder,
    error::{InvalidLdap, LdapError},
    future::ResponseFuture,
    service::Ldap,
};
