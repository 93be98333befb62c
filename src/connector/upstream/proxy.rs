use std::fmt;

use crate::{
    client::ClientError,
    proto::{Address, IntoAddress, ParseAddressError},
};

/// The proxy of an upstream: its address, or why what was given is none.
#[derive(Clone)]
pub(super) struct Proxy(Result<Address, ParseAddressError>);

impl Proxy {
    pub(super) fn new(proxy: impl IntoAddress) -> Self {
        Self(proxy.into_address())
    }

    /// Returns its address.
    ///
    /// # Errors
    ///
    /// [`ClientError::InvalidProxy`].
    pub(super) fn address(&self) -> Result<&Address, ClientError> {
        let address = self.0.as_ref();
        address.map_err(|error| ClientError::InvalidProxy(*error))
    }
}

/// What was given is not quoted where it is no address: it may be a URL with a password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
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
