//! Bulk data, and the pipes it takes.

use std::{
    fs,
    sync::{Mutex, PoisonError},
    thread,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime,
};

/// Runs a test in a thread of its own while no other test of this kind runs.
///
/// Descriptors belong to the process, so these tests take turns. A thread keeps pipes for the next
/// tunnel that needs one: they are gone with the thread.
pub fn alone<F>(test: impl FnOnce() -> F + Send + 'static)
where
    F: Future<Output = ()>,
{
    static TURN: Mutex<()> = Mutex::new(());
    // A test that has failed is no obstacle to the others.
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let run = move || {
        let mut runtime = runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(test());
    };
    thread::spawn(run).join().unwrap();
}

/// Ends of pipes that this process has open.
pub fn pipe_ends() -> usize {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap();
    descriptors
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .filter(|target| target.to_string_lossy().starts_with("pipe:"))
        .count()
}

/// Sends so many bytes from one end of a tunnel to the other, where they have to arrive as they
/// were sent.
pub async fn carry(from: &mut TcpStream, to: &mut TcpStream, len: usize) {
    let sent: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
    let mut heard = vec![0; sent.len()];
    let (write, read) = tokio::join!(from.write_all(&sent), to.read_exact(&mut heard));
    write.unwrap();
    read.unwrap();
    assert!(sent == heard, "bytes are lost, invented or out of order");
}

/// Sends enough that the relay splices it, and has to.
pub async fn is_spliced(from: &mut TcpStream, to: &mut TcpStream, what: &str) {
    let before = pipe_ends();
    carry(from, to, 16_000_000).await;
    assert!(pipe_ends() > before, "bulk data was not spliced: {what}");
}
