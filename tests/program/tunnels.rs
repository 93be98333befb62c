//! Tunnels to a target that gives back what it gets, and clients that open them all the time.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::support::program::connect_request;

/// A target that gives back what it gets, on all of its connections.
pub(super) fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            thread::spawn(move || {
                let mut octet = [0; 1];
                while stream.read_exact(&mut octet).is_ok() && stream.write_all(&octet).is_ok() {}
            });
        }
    });
    address
}

/// A tunnel in which an octet goes there and back.
pub(super) fn tunnel<S: Read + Write>(mut stream: S, target: SocketAddr) -> io::Result<S> {
    let mut said = b"\x05\x01\x00".to_vec();
    said.extend(connect_request(target));
    said.push(b'x');
    stream.write_all(&said)?;
    let mut heard = [0; 13];
    stream.read_exact(&mut heard)?;
    match heard {
        [5, 0, 5, 0, .., b'x'] => Ok(stream),
        other => Err(io::Error::other(format!("{other:?}"))),
    }
}

pub(super) fn tcp(to: SocketAddr, target: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    tunnel(stream, target)
}

pub(super) fn unix(to: &Path, target: SocketAddr) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(to)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    tunnel(stream, target)
}

pub(super) fn is_alive<S: Read + Write>(stream: &mut S) {
    stream.write_all(b"y").unwrap();
    let mut heard = [0; 1];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"y");
}

/// Clients that connect all the time, from several threads.
pub(super) struct Storm {
    over: Arc<AtomicBool>,
    clients: Vec<thread::JoinHandle<(u32, Vec<String>)>>,
}

impl Storm {
    pub(super) fn new(to: SocketAddr, path: PathBuf, target: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let clients = (0..4).map(|number| {
            let (over, path) = (Arc::clone(&over), path.clone());
            thread::spawn(move || {
                let (mut served, mut failures) = (0, Vec::new());
                while !over.load(Ordering::Relaxed) {
                    let outcome = match number {
                        0 => unix(&path, target).map(drop),
                        _ => tcp(to, target).map(drop),
                    };
                    match outcome {
                        Ok(()) => served += 1,
                        Err(error) => failures.push(error.to_string()),
                    }
                }
                (served, failures)
            })
        });
        Self {
            clients: clients.collect(),
            over,
        }
    }

    /// How many were served; none has failed.
    pub(super) fn ends(self) -> u32 {
        self.over.store(true, Ordering::Relaxed);
        let outcomes = self
            .clients
            .into_iter()
            .map(|client| client.join().unwrap());
        let mut all = 0;
        for (served, failures) in outcomes {
            assert_eq!(failures, Vec::<String>::new());
            all += served;
        }
        all
    }
}
