//! Remembers for a short time what a verifier has said of a name and a password.
//!
//! A browser opens thirty connections for a page, and each of them logs in. A good password hash takes 20 ms of a core,
//! a directory a round trip, and both are asked the same question again and again. [`RememberLayer`] stands in front of
//! any verifier, a `Service<Credentials, Response = Identity>`, and asks it once:
//!
//! * **a right password** is right for [a minute](RememberLayer::right_for): who comes back has the [`Identity`] of
//!   before, groups and extensions included.
//! * **a wrong one** is wrong for [five seconds](RememberLayer::wrong_for). It is a failed login like any other: with
//!   `FailedLoginsLayer` it counts, and waits.
//! * **the same question is asked once at a time**. Who comes with the same name and password meanwhile waits for the
//!   same answer. Where the client that asked first goes away, the others take its question over, as it is.
//! * **a failure is nothing to remember**. A directory that is away, a panic, or a [`Refusal`](crate::error::Refusal)
//!   says nothing about a password. A failure goes to those who wait for it. A refusal is for the client that asked: the
//!   others ask for themselves.
//!
//! A cache or `buffer` of other crates would keep passwords, and would not know which errors are answers.
//!
//! # Who is let in by it
//!
//! What is remembered holds for everybody who sends the same name and password. **A verifier that also looks at the
//! client's address, or at what layers above have learned of it, must not stand below this layer as it is**: say by
//! [`key_by`](RememberLayer::key_by) what it looks at, and that becomes a part of the question. Clones of a layer share
//! what is remembered, so that one layer is for one verifier.
//!
//! A password that was changed goes on for a minute, and a new one that was tried too early fails for five seconds,
//! unless somebody says so: [`forget`](RememberLayer::forget) and [`clear`](RememberLayer::clear), of any clone of the layer.
//! Then the old one is looked at again at once, also where it is being verified at that moment.
//!
//! # What is kept
//!
//! Neither names nor passwords: a code of 32 octets of each (HMAC-SHA-256) under a random key that is in this layer alone
//! and gone with it, and the identity. Codes cannot be chosen by who does not know the key, so how long it takes to look one
//! up tells nothing of another; that an answer comes at once tells that the same question was asked a moment ago.
//!
//! Of right and of wrong ones at most [16,384 each](RememberLayer::most); new ones take the place of the oldest, wrong
//! ones never that of right ones. A few hundred octets each, which are given back as they expire: at the
//! next login, or the next [`len`](RememberLayer::len). Questions that are being asked are no more than clients that wait.
//!
//! A remembered login costs two HMACs, a lock and an allocation: below 2 µs (`benches/users.rs`).
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use tower::{Layer, ServiceExt};
//! use tower_socks::{
//!     Credentials, Identity, UserPass, error::AuthError,
//!     layer::auth::{BlockingVerifier, remember::RememberLayer},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! # use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
//! # let hashed = Arc::new(AtomicUsize::new(0));
//! # let count = Arc::clone(&hashed);
//! let hashing = BlockingVerifier::new(move |credentials: &Credentials| {
//! #   count.fetch_add(1, Ordering::Relaxed);
//!     match (credentials.name(), credentials.password().as_bytes()) {
//!         (b"joe", b"secret") => Ok(Identity::named("joe")), // a hash takes its time here
//!         _ => Err(AuthError::Denied),
//!     }
//! });
//! let remembered = RememberLayer::new().unwrap().right_for(Duration::from_secs(120));
//! let verifier = remembered.layer(hashing);
//! let joe = Credentials::new("joe", "secret").unwrap();
//! for _ in 0..30 {
//!     assert!(verifier.clone().oneshot(joe.clone()).await.is_ok());
//! }
//! assert_eq!(hashed.load(Ordering::Relaxed), 1);
//!
//! // Joe has another password now.
//! remembered.forget("joe");
//! assert!(remembered.is_empty());
//! let method = UserPass::new(verifier);
//! # _ = method;
//! # }
//! ```
//!
//! [`Identity`]: crate::Identity

mod future;
mod kept;
mod layer;
mod memory;

pub use self::{
    future::ResponseFuture,
    layer::{Remember, RememberLayer},
};
