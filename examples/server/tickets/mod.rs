//! `[gssapi]` of the file: clients who have a ticket of Kerberos.

#[cfg(feature = "gssapi")]
mod built;
#[cfg(feature = "gssapi")]
mod keytab;
#[cfg(not(feature = "gssapi"))]
mod unbuilt;

#[cfg(not(feature = "gssapi"))]
pub(crate) use self::unbuilt::{Stated, Stream, Table, enter, in_clear};
#[cfg(feature = "gssapi")]
pub(crate) use self::{
    built::{Stated, Stream, Table, in_clear},
    keytab::enter,
};

/// In the extensions of an identity that a ticket has proved: the KDC vouches for it, and the file need not know it.
pub(crate) struct ByTicket;
