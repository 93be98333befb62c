//! HTTP CONNECT (RFC 9110 section 9.3.6): see [`HttpUpstream`].

mod basic;
mod error;
mod head;
mod service;

pub use self::{basic::Basic, error::HttpError, service::HttpUpstream};
