//! Frames of SOCKS4 and SOCKS4a: a request, and a reply of eight octets.
//!
//! SOCKS4 has IPv4 addresses alone. SOCKS4a adds names, behind an address that no host has: 0.0.0.x, where x is not
//! zero. USERID is a claim, and nothing in the protocol proves it.
//!
//! ```
//! use tower_socks::proto::{Decode, Decoded, socks4::Request};
//!
//! // CONNECT to example.com:80 as joe, with one byte of the data behind it.
//! let bytes = b"\x04\x01\x00\x50\x00\x00\x00\x01joe\x00example.com\x00G";
//! let Ok(Decoded::Done(request, taken)) = Request::decode(bytes) else { panic!() };
//!
//! assert_eq!(request.target.to_string(), "example.com:80");
//! assert_eq!(&*request.user_id, b"joe");
//! assert_eq!(taken, bytes.len() - 1);
//! ```

mod reply;
mod request;

pub use self::{
    reply::{Reply, ReplyCode},
    request::{Request, Unencodable},
};

/// The version octet of a request. That of a reply is 0.
pub const VERSION: u8 = 4;
