//! Frames of RFC 1928, RFC 1929, [RFC 1961](GssapiHeader), [SOCKS4](socks4) and [UDP over TCP](UdpOverTcp): decoding and
//! encoding, without I/O.
//!
//! Every frame decodes from a byte slice through [`Decode`], with one of three results:
//!
//! * [`Decoded::Done`] with the value and the number of bytes it took,
//! * [`Decoded::Need`] with the number of bytes that are certainly missing. Reading exactly that
//!   many never takes a byte that belongs to the next frame,
//! * an [`Error`]: no continuation makes these bytes a frame.
//!
//! Nothing here allocates from a length that has not been checked, and nothing panics, whatever the
//! bytes are. Frames encode into an [`Encoded`], which lives on the stack and is sized from the
//! longest form of the message. [`io::read_message`](crate::io::read_message) decodes from a
//! stream.
//!
//! ```
//! use tower_socks::proto::{Command, Decode, Decoded, Request};
//!
//! // CONNECT to example.com:80, with one byte of the next message behind it.
//! let bytes = b"\x05\x01\x00\x03\x0bexample.com\x00\x50G";
//! let Ok(Decoded::Done(request, taken)) = Request::decode(bytes) else { panic!() };
//!
//! assert_eq!(request.command, Command::CONNECT);
//! assert_eq!(request.target.to_string(), "example.com:80");
//! assert_eq!(taken, bytes.len() - 1);
//!
//! // Of a part, it says how much is missing.
//! assert!(matches!(Request::decode(&bytes[..10]), Ok(Decoded::Need(8))));
//! ```

mod address;
mod command;
mod decode;
mod domain_name;
mod encoded;
mod greeting;
mod gssapi;
mod host;
mod into_address;
mod invalid_name;
mod ip_literal;
mod method;
mod network;
mod proxy_protocol;
mod reader;
mod reply;
mod request;
pub mod socks4;
mod udp;
mod udp_over_tcp;
mod username_password;

pub(crate) use self::address::{canonical, unmapped};
#[cfg(feature = "rules")]
pub(crate) use self::host::Host;
pub use self::{
    address::{Address, ParseAddressError},
    command::Command,
    decode::{Decode, Decoded, Error},
    domain_name::DomainName,
    encoded::Encoded,
    greeting::{Greeting, Selection},
    gssapi::{GssapiHeader, ProtectionLevel},
    into_address::IntoAddress,
    invalid_name::InvalidName,
    method::{Method, MethodSet},
    network::{InvalidNetwork, Network},
    proxy_protocol::{
        InvalidProxyHeader, ProxyHeader, ProxyTls, ProxyTlv, ProxyTlvs, ProxyVersion,
    },
    reply::{Reply, ReplyCode},
    request::Request,
    udp::UdpHeader,
    udp_over_tcp::{FrameHeader, Framing, UdpOverTcp, UdpOverTcpRequest},
    username_password::{Credentials, Password, UserPassStatus},
};

/// The version octet that opens every message of RFC 1928.
pub const VERSION: u8 = 5;
