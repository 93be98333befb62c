//! Certificates of an ACME authority (RFC 8555) for a [`TlsLayer`](tower_socks::layer::tls::TlsLayer).

mod answers;
mod folder;
mod issued;
mod order;
mod renewal;

pub use self::{
    answers::Answers, folder::Folder, issued::Issued, order::order, renewal::keep_fresh,
};
