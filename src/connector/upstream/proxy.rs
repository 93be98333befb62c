use std::{fmt, sync::Arc};

use super::outage::{Outage, UpstreamError};
use crate::{
    client::ClientError,
    proto::{Address, IntoAddress, ParseAddressError},
};

/// The proxy of an upstream: its address, or why what was given is none, and whether it works. Clones
/// share what is known of that.
#[derive(Clone)]
pub(super) struct Proxy {
    address: Result<Address, ParseAddressError>,
    outage: Arc<Outage>,
}

impl Proxy {
    pub(super) fn new(proxy: impl IntoAddress) -> Self {
        Self {
            address: proxy.into_address(),
            outage: Arc::new(Outage::new()),
        }
    }

    /// Returns its address.
    ///
    /// # Errors
    ///
    /// [`ClientError::InvalidProxy`].
    pub(super) fn address(&self) -> Result<&Address, ClientError> {
        let address = self.address.as_ref();
        address.map_err(|error| ClientError::InvalidProxy(*error))
    }

    /// Notes what became of a request to it.
    pub(super) fn note<S, E: UpstreamError>(&self, outcome: &Result<S, E>) {
        match (&self.address, outcome) {
            (Ok(proxy), Ok(_)) => self.outage.works(proxy),
            (Ok(proxy), Err(error)) => self.outage.failed(proxy, error),
            (Err(_), _) => {}
        }
    }
}

/// What was given is not quoted where it is no address: it may be a URL with a password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Ok(address) => address.fmt(f),
            Err(_) => f.write_str("(invalid)"),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
