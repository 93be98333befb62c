//! The example server's drain: idle sessions go first, and busy ones have all of it.

use std::{
    io::{Read, Write},
    net::TcpListener,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::support::program::{Server, connect_request, exchange, file::File};

const FILE: &str = "[acl]\ndefault = \"allow\"\nallow_private = true\n\
                    [timeouts]\ndrain = \"15s\"\ndrain_idle = \"300ms\"\n";

#[test]
fn idle_tunnels_end_first_and_the_log_says_so() {
    let file = File::new(FILE);
    let mut server = Server::start(
        &["--listen", "127.0.0.1:0", "--config", file.path()],
        "info",
    );
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let tunnel = || {
        let mut client = server.connect();
        exchange(&mut client, b"\x05\x01\x00", 2);
        let request = connect_request(target.local_addr().unwrap());
        assert_eq!(exchange(&mut client, &request, 10)[1], 0);
        (client, target.accept().unwrap().0)
    };
    let (mut idle, _idle) = tunnel();
    let (mut busy, mut far) = tunnel();
    server.signal(Signal::TERM);
    let asked = Instant::now();
    idle.set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    loop {
        busy.write_all(b"x").unwrap();
        let mut heard = [0; 1];
        far.read_exact(&mut heard).unwrap();
        match idle.read(&mut heard) {
            Ok(0) => break,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            outcome => assert!(outcome.is_err(), "{outcome:?}"),
        }
        assert!(asked.elapsed() < Duration::from_secs(10));
    }
    let line = server.says("stopping");
    assert!(
        line.contains("sessions have 15s to end, idle ones 300ms"),
        "{line}"
    );
    let line = server.says("session ended");
    for part in ["outcome=drained", "idle for 300ms (drain_idle)"] {
        assert!(line.contains(part), "{line}");
    }
    // The other one ends by itself, and its server with it.
    drop((busy, far));
    assert!(server.says("session ended").contains("outcome=done"));
    assert!(server.ends().success());
}
