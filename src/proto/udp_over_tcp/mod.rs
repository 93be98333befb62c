//! Messages of UDP over TCP: datagrams that travel in a stream, each in a frame.

mod framing;
mod protocol;
mod request;

pub use self::{
    framing::{FrameHeader, Framing},
    protocol::UdpOverTcp,
    request::UdpOverTcpRequest,
};
