use std::net::SocketAddr;

/// What a header says of the two ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Addresses {
    /// The sender opened the connection for itself.
    Local,
    /// It says nothing that can be used.
    Unknown,
    /// The client's, and the one that it connected to. Of a header they are never IPv4-mapped.
    Stated((SocketAddr, SocketAddr)),
}
