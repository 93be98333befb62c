//! A connector and a transport for datagrams that lead through a shadowsocks server.
//!
//! Policies are asked here, about each address and about each name that is handed on, as with any upstream; the
//! server may have policies of its own. It never says what became of a request: a CONNECT succeeds once the server
//! is reached, and a target that is not ends the stream.

mod connector;
mod server_sessions;
mod stack;
mod stream;
mod transport;

pub use self::{
    connector::ShadowsocksUpstream,
    stack::{run, stack},
    stream::ShadowsocksStream,
    transport::{MakeShadowsocks, ShadowsocksTransport},
};
