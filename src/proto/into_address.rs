use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};

use super::{Address, InvalidName, ParseAddressError};

/// Converts to an [`Address`]: from text as in `"127.0.0.1:9050"`, from a host and a port, from a
/// [`SocketAddr`], or from an `Address`.
///
/// Every `TryInto<Address>` is one whose error is a [`ParseAddressError`] or none at all. The trait is
/// sealed: a type of yours implements `TryFrom` or `From`.
///
/// Functions that take one report text that is no address once they do something with it, not when
/// they are given it: a builder stays a chain of calls.
///
/// ```
/// use tower::ServiceExt;
/// use tower_socks::{ClientError, connector::upstream::Socks5Upstream, proto::ParseAddressError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let upstream = Socks5Upstream::new("127.0.0.1"); // no port
/// let error = upstream.oneshot("example.com:80").await.unwrap_err();
/// assert!(matches!(
///     error.downcast_ref(),
///     Some(ClientError::InvalidProxy(ParseAddressError::Port))
/// ));
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an address",
    note = "an address is a `\"HOST:PORT\"`, a `(\"HOST\", PORT)`, a `SocketAddr`, an `Address` or a \
            reference to one"
)]
pub trait IntoAddress {
    /// Converts to an address.
    ///
    /// # Errors
    ///
    /// When text is not the address of a host and a port.
    #[doc(hidden)]
    fn into_address(self) -> Result<Address, ParseAddressError>;
}

#[diagnostic::do_not_recommend]
impl<T> IntoAddress for T
where
    T: TryInto<Address, Error: Into<ParseAddressError>>,
{
    fn into_address(self) -> Result<Address, ParseAddressError> {
        self.try_into().map_err(Into::into)
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl From<(IpAddr, u16)> for Address {
    fn from(address: (IpAddr, u16)) -> Self {
        Self::Ip(address.into())
    }
}

impl From<&Self> for Address {
    fn from(address: &Self) -> Self {
        address.clone()
    }
}

impl TryFrom<&str> for Address {
    type Error = ParseAddressError;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl TryFrom<&String> for Address {
    type Error = ParseAddressError;

    fn try_from(text: &String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl TryFrom<String> for Address {
    type Error = ParseAddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// The host in the notation of [`Address::new`].
impl TryFrom<(&str, u16)> for Address {
    type Error = InvalidName;

    fn try_from((host, port): (&str, u16)) -> Result<Self, InvalidName> {
        Self::new(host, port)
    }
}

/// The host in the notation of [`Address::new`].
impl TryFrom<(String, u16)> for Address {
    type Error = InvalidName;

    fn try_from((host, port): (String, u16)) -> Result<Self, InvalidName> {
        Self::new(&host, port)
    }
}

impl From<InvalidName> for ParseAddressError {
    fn from(reason: InvalidName) -> Self {
        Self::Host(reason)
    }
}

impl From<Infallible> for ParseAddressError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
