//! Verification by code that blocks its thread, such as a password hash.

mod future;
use super::queue;
mod turns;
mod verifier;

pub use self::{future::Verification, verifier::BlockingVerifier};
