//! What one connection costs: greeting, CONNECT, reply, one byte there and back, close.
//!
//! ```text
//! cargo bench --bench connection
//! cargo bench --bench connection -- memory --rounds 21
//! ```
//!
//! A stack of all layers under `serve`, with a log at level warn, is compared with a proxy that is
//! written by hand on tokio (`benches/harness/handwritten.rs`). There are three parts, which can be
//! named on the command line:
//!
//! 1. **syscalls.** The proxy runs under strace on one thread, connections come one after the
//!    other, and what strace saw without any connections is taken off. Calls per connection, and
//!    in brackets how many of them had nothing to do (`EAGAIN`).
//! 2. **tcp.** The proxy runs in a process of its own on one thread, and 4 clients visit it at the
//!    same time. `CPU us` is all that the process used per connection, and `user us` the part of it
//!    outside the kernel, which is an estimate: the kernel samples it with its clock tick. The
//!    difference is taken round by round.
//! 3. **memory.** Sessions over `tokio::io::duplex`, so that the kernel has no part. Client, target
//!    and proxy share a thread and all are counted: what the layers cost is the difference to
//!    the hand-written session with the same relay.
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
mod syscalls;
mod tcp;

const PARTS: [&str; 3] = ["syscalls", "tcp", "memory"];

fn main() {
    harness::child::serve_if_child();
    let target = harness::peers::start_echo();
    for part in PARTS {
        if harness::wanted(part, &PARTS) {
            match part {
                "syscalls" => syscalls::run(target),
                "tcp" => tcp::run(target),
                _ => memory::run(),
            }
            println!();
        }
    }
}
