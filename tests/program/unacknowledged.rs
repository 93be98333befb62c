//! `unacknowledged` of `[timeouts]`: peers that take nothing, and the connections to them.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use rustix::process::Signal;

use crate::support::program::{Server, connect_request, exchange, file::File};

const OPEN: &str = "[acl]\ndefault = \"allow\"\nallow_private = true\n";

/// A client and what it is connected to through the server.
type Ends = (TcpStream, TcpStream);

fn connected(server: &Server) -> Ends {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = server.connect();
    exchange(&mut client, b"\x05\x01\x00", 2);
    let request = connect_request(target.local_addr().unwrap());
    assert_eq!(exchange(&mut client, &request, 10)[1], 0);
    (client, target.accept().unwrap().0)
}

fn bound(server: &Server) -> Ends {
    let mut client = server.connect();
    exchange(&mut client, b"\x05\x01\x00", 2);
    let mut request = connect_request(SocketAddr::from(([127, 0, 0, 1], 0)));
    request[1] = 2;
    let reply = exchange(&mut client, &request, 10);
    let port = u16::from_be_bytes([reply[8], reply[9]]);
    let peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut second = [0; 10];
    client.read_exact(&mut second).unwrap();
    assert_eq!(second[1], 0);
    (client, peer)
}

/// How writing without end to an end that reads nothing comes to its own end, or does not within this time.
fn writing(mut writer: &TcpStream, patience: Duration) -> ErrorKind {
    writer.set_write_timeout(Some(patience)).unwrap();
    loop {
        if let Err(error) = writer.write(&[7; 65_536]) {
            return error.kind();
        }
    }
}

/// The same for each end of some tunnels, in turn the one that reads nothing.
fn each(server: &Server, patience: Duration) -> Vec<ErrorKind> {
    let open = [connected, bound];
    thread::scope(|scope| {
        let ends = open.map(|open| {
            let ((client, _target), (_client, target)) = (open(server), open(server));
            [
                scope.spawn(move || (writing(&client, patience), drop(_target)).0),
                scope.spawn(move || (writing(&target, patience), drop(_client)).0),
            ]
        });
        ends.into_iter()
            .flatten()
            .map(|end| end.join().unwrap())
            .collect()
    })
}

/// Longer than any of them takes.
const LONG: Duration = Duration::from_secs(30);

/// Longer than the limit.
const LONGER: Duration = Duration::from_secs(4);

fn assert_reset(ends: &[ErrorKind]) {
    for end in ends {
        let reset = matches!(end, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe);
        assert!(reset, "{ends:?}");
    }
}

fn reload(server: &mut Server, file: &File, text: &str) {
    file.write(text);
    server.signal(Signal::HUP);
    server.says("reloaded");
}

#[test]
fn who_acknowledges_nothing_is_reset_after_so_long_or_stays_as_a_reload_says() {
    let limited = format!("{OPEN}[timeouts]\nunacknowledged = \"1s\"\n");
    let file = File::new(&limited);
    let mut server = file.server();
    assert_reset(&each(&server, LONG));

    // The socket that listens is the same, and has the limit no more.
    reload(&mut server, &file, OPEN);
    assert_eq!(each(&server, LONGER), [ErrorKind::WouldBlock; 4]);

    // Without probes as well.
    let text = format!("{limited}keepalive = \"off\"\n");
    reload(&mut server, &file, &text);
    assert_reset(&each(&server, LONG));
}

#[cfg(feature = "proxy-url")]
#[test]
fn an_upstream_is_no_exception() -> io::Result<()> {
    let upstream = TcpListener::bind("127.0.0.1:0")?;
    let at = upstream.local_addr()?;
    let file = File::new(&format!(
        "upstream = \"socks5h://{at}\"\n{OPEN}[timeouts]\nunacknowledged = \"1s\"\n"
    ));
    let server = file.server();
    let mut client = server.connect();
    exchange(&mut client, b"\x05\x01\x00", 2);
    client.write_all(&connect_request(at))?;
    let (mut proxy, _) = upstream.accept()?;
    let mut greeting = [0; 3];
    proxy.read_exact(&mut greeting)?;
    proxy.write_all(b"\x05\x00")?;
    proxy.read_exact(&mut [0; 10])?;
    proxy.write_all(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x09")?;
    client.read_exact(&mut [0; 10])?;
    assert_reset(&[writing(&client, LONG)]);
    Ok(())
}
