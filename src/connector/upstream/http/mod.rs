//! HTTP CONNECT (RFC 9110 section 9.3.6): see [`HttpUpstream`].

mod basic_auth;
mod error;
mod response;
mod service;

pub use self::{basic_auth::BasicAuth, error::HttpError, service::HttpUpstream};
