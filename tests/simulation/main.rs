//! The whole stack, deterministically, with something going wrong at every step.
//!
//! A session runs on one thread with a paused clock, which jumps where there is nothing to do.
//! Its client is in memory, and so is its target; for BIND, UDP ASSOCIATE and dials the far side is
//! sockets on loopback. The streams count every operation that the stack asks of them: reads, writes,
//! flushes and shutdowns, those that have to wait included. At the n-th the peer stalls, stops
//! reading, closes, resets, half-closes, dribbles or takes nothing any more ([`fault`]). Every
//! dialogue is run for every n, until a run is over before its fault, with every fault, on either
//! side, and with pieces of several sizes ([`sweep`]).
//!
//! Whatever goes wrong:
//!
//! * the session ends within the limit of the phase that it was in, by the clock of the runtime;
//! * each side has heard a prefix of what the other one has said, and the client of the replies that
//!   are right; all of it, where nothing is lost;
//! * nothing is asked of the target before the client has its reply;
//! * what is said to have passed through the tunnel has passed;
//! * both streams are closed the moment the session is over; permits, limits and lists are back to
//!   where they were, and no task is left.
//!
//! # What "every step" means
//!
//! Each `.await` and each `ready!` of the state machines ends in one of four things: an operation on
//! one of the two streams, a timer, the dial, or whoever verifies passwords. The first is swept. The
//! limits of the others are waited for, by peers that stall, by dials, lookups and verifiers that
//! hang, and by peers of a BIND that never come. [`awaits`] counts those places in the sources, so
//! that a new one does not go unnoticed, and says which of them are not reached like this: UDP sockets
//! that have no room for a datagram, which `.ci/namespaces` brings about. Bulk data, which moves by
//! `splice(2)`, is swept between sockets of the system, by octets instead of operations ([`bulk`]). Pools,
//! upstream proxies and the accept loop are not here.
//!
//! ```text
//! cargo test --test simulation -- --nocapture
//! ```
//!
//! says how many places each dialogue has at which something can go wrong, and how many runs that
//! makes. Each has a least number, so that none shrinks to nothing.

#![cfg(all(feature = "limit", feature = "users"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub
)]

mod associate;
mod awaits;
mod bind;
#[cfg(target_os = "linux")]
mod bulk;
mod connect;
mod dial;
mod fault;
mod frames;
mod lookups;
mod mixed;
mod own;
mod peer;
mod scenarios;
mod session;
mod sockets;
mod socks4;
mod stack;
mod sweep;
