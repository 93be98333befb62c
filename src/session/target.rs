use std::net::SocketAddr;

use super::Request;
use crate::{
    error::{BoxError, Refusal},
    proto::Address,
};

/// Names a target: what a connector such as [`Direct`](crate::connector::direct::Direct) takes.
///
/// A [`Request`] brings its policies along; an [`Address`], a [`SocketAddr`] and text such as
/// `"example.com:80"` come without any, for use outside of a proxy.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a target to connect to",
    note = "connectors take a `Request`, an `Address`, a `SocketAddr`, a `&'static str`, a `String`, or a type of yours that \
            implements `Target`"
)]
pub trait Target: Send + 'static {
    /// Returns the target's address, or its name.
    ///
    /// # Errors
    ///
    /// When the value names no target.
    fn address(&self) -> Result<Address, BoxError>;

    /// Decides whether an address that the target led to may be used. Everything may, by default.
    ///
    /// # Errors
    ///
    /// The refusal, when it may not.
    fn approve(&self, address: SocketAddr) -> Result<(), Refusal> {
        let _ = address;
        Ok(())
    }

    /// Decides whether the target's name may be handed to another proxy, which resolves it. It may,
    /// by default.
    ///
    /// # Errors
    ///
    /// The refusal, when it may not.
    fn approve_name(&self) -> Result<(), Refusal> {
        Ok(())
    }

    /// Is told which of the approved addresses the stream leads to.
    fn reached(&self, address: SocketAddr) {
        let _ = address;
    }
}

impl Target for Request {
    fn address(&self) -> Result<Address, BoxError> {
        Ok(self.target.clone())
    }

    fn approve(&self, address: SocketAddr) -> Result<(), Refusal> {
        Self::approve(self, address)
    }

    fn approve_name(&self) -> Result<(), Refusal> {
        Self::approve_name(self)
    }

    fn reached(&self, address: SocketAddr) {
        Self::reached(self, address);
    }
}

impl Target for Address {
    fn address(&self) -> Result<Address, BoxError> {
        Ok(self.clone())
    }
}

impl Target for &'static str {
    fn address(&self) -> Result<Address, BoxError> {
        Ok(self.parse()?)
    }
}

impl Target for String {
    fn address(&self) -> Result<Address, BoxError> {
        Ok(self.parse()?)
    }
}

impl Target for SocketAddr {
    fn address(&self) -> Result<Address, BoxError> {
        Ok(Address::Ip(*self))
    }
}
