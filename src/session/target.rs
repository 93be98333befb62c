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

    /// Returns the request that the target is, or that it was made of: its policies are asked, and
    /// its command has to be CONNECT. `None` for a target that no client asked for, which is under no
    /// policy. A type that wraps a [`Request`] returns it here, or its policies are passed by.
    fn request(&self) -> Option<&Request>;

    /// Decides whether an address that the target led to may be used: what the policies of its
    /// [request](Self::request) say.
    ///
    /// # Errors
    ///
    /// The refusal, when it may not.
    fn approve(&self, address: SocketAddr) -> Result<(), Refusal> {
        self.request()
            .map_or(Ok(()), |request| request.approve(address))
    }

    /// Decides whether the target's name may be handed to another proxy, which resolves it: what the
    /// policies of its [request](Self::request) say.
    ///
    /// # Errors
    ///
    /// The refusal, when it may not.
    fn approve_name(&self) -> Result<(), Refusal> {
        self.request().map_or(Ok(()), Request::approve_name)
    }

    /// Is told which of the approved addresses the stream leads to.
    fn reached(&self, address: SocketAddr) {
        if let Some(request) = self.request() {
            request.reached(address);
        }
    }

    /// Is told that the stream leads to the approved name, which another proxy has resolved.
    fn handed_on(&self) {
        if let Some(request) = self.request() {
            request.handed_on();
        }
    }
}

impl Target for Request {
    fn address(&self) -> Result<Address, BoxError> {
        Ok(self.target.clone())
    }

    fn request(&self) -> Option<&Request> {
        Some(self)
    }
}

impl Target for Address {
    fn address(&self) -> Result<Address, BoxError> {
        Ok(self.clone())
    }

    fn request(&self) -> Option<&Request> {
        None
    }
}

impl Target for &'static str {
    fn address(&self) -> Result<Address, BoxError> {
        Ok(self.parse()?)
    }

    fn request(&self) -> Option<&Request> {
        None
    }
}

impl Target for String {
    fn address(&self) -> Result<Address, BoxError> {
        Ok(self.parse()?)
    }

    fn request(&self) -> Option<&Request> {
        None
    }
}

impl Target for SocketAddr {
    fn address(&self) -> Result<Address, BoxError> {
        Ok(Address::Ip(*self))
    }

    fn request(&self) -> Option<&Request> {
        None
    }
}
