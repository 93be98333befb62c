//! What it costs to go through another proxy.
//!
//! ```text
//! cargo bench --all-features --bench upstream
//! cargo bench --all-features --bench upstream -- memory --rounds 21
//! ```
//!
//! There are two parts, which can be named on the command line:
//!
//! 1. **memory.** A proxy that knows its lines, over `tokio::io::duplex`. `round trips` counts how
//!    often it had to wait for us before it could go on, and is exact: times the distance, it is what
//!    a connection waits for. CPU, allocations and their bytes are those of one connection with one
//!    byte there and back; the proxy's part is in them, and the same on every line of a kind. The
//!    first line is a dialogue that is written by hand.
//! 2. **tcp.** A server with all layers on a thread of its own, whose connector goes straight to the
//!    target or through another server. `CPU us` is what that thread uses per connection, the
//!    other server not included.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]
#![allow(clippy::expect_used, clippy::print_stderr)]

#[path = "../harness/mod.rs"]
mod harness;
mod memory;
mod tcp;

const PARTS: [&str; 2] = ["memory", "tcp"];

fn main() {
    harness::proxy::log_warnings();
    for part in PARTS {
        if harness::wanted(part, &PARTS) {
            match part {
                "memory" => memory::run(),
                _ => tcp::run(),
            }
            println!();
        }
    }
}
