//! The name that the system has for an address.

use std::{io, net::IpAddr};

use super::known::Source;
use crate::proto::DomainName;

/// Looks up an address as the system is configured: by the hosts file, name servers, and what else there is.
///
/// # Errors
///
/// [`NotFound`](io::ErrorKind::NotFound) where what is found is no name of a host: an IP literal above all,
/// which the owner of the address can have in its place.
pub(super) fn names_of(address: &IpAddr) -> io::Result<(Vec<DomainName>, Source)> {
    let name = dns_lookup::lookup_addr(address)?;
    let name = DomainName::new(&name).map_err(|_| io::ErrorKind::NotFound)?;
    Ok((vec![name], Source::NameServer))
}
