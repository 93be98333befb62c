//! Upgrades of the example server: another process takes over its sockets, and nobody notices.

use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, net::UnixStream, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::support::program::{Server, connect_request, exchange, file::File, program};

const OPEN: &str = "[acl]\ndefault = \"allow\"\nallow_private = true\n";

/// A directory of this test, for sockets.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tower-socks-upgrade-{}-{number}", std::process::id());
        let directory = Self(std::env::temp_dir().join(name));
        fs::create_dir(&directory.0).unwrap();
        directory.mode(0o700);
        directory
    }

    fn mode(&self, mode: u32) {
        fs::set_permissions(&self.0, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file with the socket for upgrades, and with more.
    fn file(&self, top: &str, more: &str) -> File {
        let path = self.path("upgrade");
        let path = path.display();
        File::new(&format!(
            "upgrade_socket = \"{path}\"\n{top}\n{OPEN}{more}\n[timeouts]\ndrain = \"20s\"\n"
        ))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

const LISTEN: &str = "listen = \"127.0.0.1:0\"\n";

fn start(file: &File) -> Server {
    Server::start(&["--config", file.path()], "info")
}

fn upgrade(file: &File) -> Server {
    Server::start(&["--upgrade", "--config", file.path()], "info")
}

/// What the program says that does not get to serve.
fn fails(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

/// A target that gives back what it gets, on all of its connections.
fn echo() -> SocketAddr {
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
fn tunnel<S: Read + Write>(mut stream: S, target: SocketAddr) -> io::Result<S> {
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

fn tcp(to: SocketAddr, target: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    tunnel(stream, target)
}

fn unix(to: &Path, target: SocketAddr) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(to)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    tunnel(stream, target)
}

fn is_alive<S: Read + Write>(stream: &mut S) {
    stream.write_all(b"y").unwrap();
    let mut heard = [0; 1];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"y");
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}

/// Clients that connect all the time, from several threads.
struct Storm {
    over: Arc<AtomicBool>,
    clients: Vec<thread::JoinHandle<(u32, Vec<String>)>>,
}

impl Storm {
    fn new(to: SocketAddr, path: PathBuf, target: SocketAddr) -> Self {
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
    fn ends(self) -> u32 {
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

#[test]
fn nobody_notices_that_another_process_serves() {
    let directory = Directory::new();
    let path = directory.path("clients");
    let listen = format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\n[[listen]]\npath = \"{}\"\n",
        path.display()
    );
    let (admin, quotas) = (directory.path("admin"), directory.path("quotas"));
    let more = format!(
        "{listen}[metrics]\nlisten = \"127.0.0.1:0\"\n[admin]\nsocket = \"{}\"\n\
         [limits]\nquota_file = \"{}\"\nbytes_per_day = \"1 GB\"\n",
        admin.display(),
        quotas.display()
    );
    let file = directory.file("", &more);
    let mut old = start(&file);
    let metrics = |server: &mut Server| -> SocketAddr {
        let line = server.says("metrics at http://");
        let (_, address) = line.trim_end().split_once("http://").unwrap();
        address.trim_end_matches('/').parse().unwrap()
    };
    let shown = metrics(&mut old);
    let target = echo();
    let mut through_old = tcp(old.address, target).unwrap();
    let mut through_old_unix = unix(&path, target).unwrap();

    let storm = Storm::new(old.address, path.clone(), target);
    thread::sleep(Duration::from_millis(200));
    let mut new = upgrade(&file);
    assert_eq!(new.address, old.address);
    assert_eq!(metrics(&mut new), shown);
    let line = old.says("another process serves");
    assert!(line.contains(&new.process.id().to_string()), "{line}");
    thread::sleep(Duration::from_millis(500));
    assert!(storm.ends() > 20);

    // Tunnels live on in the old one, and new clients are the new one's.
    is_alive(&mut through_old);
    is_alive(&mut through_old_unix);
    let _through_new = tcp(new.address, target).unwrap();
    let mut through_new_unix = unix(&path, target).unwrap();
    assert!(get(shown, "/ready").starts_with("HTTP/1.1 200"));
    drop((through_old, through_old_unix));
    assert!(old.ends().success());
    // The old one has left the sockets' files alone, which are the new one's.
    UnixStream::connect(&admin).unwrap();
    is_alive(&mut through_new_unix);
    unix(&path, target).unwrap();
    drop(through_new_unix);
    // The next one as well.
    let newer = upgrade(&file);
    assert_eq!(newer.address, new.address);
    tcp(newer.address, target).unwrap();
    drop(_through_new);
    assert!(new.ends().success());
    newer.signal(Signal::TERM);
    let mut newer = newer;
    assert!(newer.ends().success());
    for gone in [&path, &admin, &directory.path("upgrade")] {
        assert!(!gone.exists(), "{}", gone.display());
    }
    // Each of them has added what it counted.
    let counted = fs::read_to_string(quotas).unwrap();
    assert!(counted.starts_with("tower-socks quotas 1\n"), "{counted}");
}

#[test]
fn one_that_fails_changes_nothing() {
    let directory = Directory::new();
    let file = directory.file(LISTEN, "");
    let mut old = start(&file);
    let target = echo();
    let mut tunnel = tcp(old.address, target).unwrap();
    // Before it asks, it has checked its file.
    let mistaken = directory.file(LISTEN, "[limits]\nnonsense = 1\n");
    let said = fails(Command::new(program()).args(["--upgrade", "--config", mistaken.path()]));
    assert!(said.contains("nonsense"), "{said}");
    // It asks, and cannot listen where it should as well.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let more = format!("listen = [\"127.0.0.1:0\", \"{address}\"]\n");
    let elsewhere = directory.file(&more, "");
    let said = fails(Command::new(program()).args(["--upgrade", "--config", elsewhere.path()]));
    assert!(said.contains("cannot listen on"), "{said}");
    old.says("no upgrade, this process goes on: the new process ended before its being ready");
    is_alive(&mut tunnel);
    tcp(old.address, target).unwrap();
    // It can be mended.
    let new = upgrade(&file);
    assert_eq!(new.address, old.address);
    drop(tunnel);
    assert!(old.ends().success());
}

#[test]
fn without_a_server_that_runs_there_is_no_upgrade() {
    let directory = Directory::new();
    let file = directory.file(LISTEN, "");
    let said = fails(Command::new(program()).args(["--upgrade", "--config", file.path()]));
    assert!(
        said.contains("--upgrade") && said.contains("No such file"),
        "{said}"
    );
    let without = File::new(LISTEN);
    let said = fails(Command::new(program()).args(["--upgrade", "--config", without.path()]));
    assert!(said.contains("upgrade_socket"), "{said}");
}

/// Messages of the protocol: a length, and JSON.
fn say(stream: &mut UnixStream, message: &str) {
    let length = u32::try_from(message.len()).unwrap();
    stream.write_all(&length.to_be_bytes()).unwrap();
    stream.write_all(message.as_bytes()).unwrap();
}

fn hear(stream: &mut UnixStream) -> io::Result<String> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
    stream.read_exact(&mut message)?;
    Ok(String::from_utf8(message).unwrap())
}

#[test]
fn garbage_and_silence_at_the_socket_stop_nobody() {
    let directory = Directory::new();
    let file = directory.file(LISTEN, "");
    let mut old = start(&file);
    let target = echo();
    let connect = || {
        let stream = UnixStream::connect(directory.path("upgrade")).unwrap();
        let limit = Some(Duration::from_secs(20));
        stream.set_read_timeout(limit).unwrap();
        stream
    };
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\xff\xff\xff\xffx",
        b"\x00\x00\x00\x02{}",
        b"\x00\x00\x00\x05\"end\"",
    ] {
        let mut stream = connect();
        stream.write_all(garbage).unwrap();
        _ = stream.read_to_end(&mut Vec::new());
        old.says("no upgrade, this process goes on");
    }
    let mut stream = connect();
    say(&mut stream, "{\"hello\":{\"protocol\":9}}");
    assert!(hear(&mut stream).unwrap().contains("protocol 9"));
    old.says("no upgrade, this process goes on");
    // One that is silent holds its turn for 5 s, and is not waited for by the others.
    let (began, mut silent) = loop {
        let (began, mut silent) = (Instant::now(), connect());
        let limit = Some(Duration::from_millis(300));
        silent.set_read_timeout(limit).unwrap();
        match hear(&mut silent) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break (began, silent),
            // The one before it had its turn still.
            _ => {}
        }
    };
    let mut refused = 0;
    while began.elapsed() < Duration::from_secs(3) && refused < 300 {
        let heard = hear(&mut connect());
        if began.elapsed() < Duration::from_secs(4) {
            let heard = heard.unwrap();
            assert!(heard.contains("in progress"), "{heard}");
            refused += 1;
        }
    }
    silent
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);
    let held = began.elapsed();
    assert!(held < Duration::from_secs(10), "{held:?}");
    old.says("no upgrade, this process goes on: the new process was silent for 5s");
    // One that has taken all is gone.
    let mut gone = connect();
    say(&mut gone, "{\"hello\":{\"protocol\":1}}");
    while hear(&mut gone).unwrap() != "\"end\"" {}
    drop(gone);
    old.says("no upgrade, this process goes on");
    tcp(old.address, target).unwrap();
    let new = upgrade(&file);
    assert_eq!(new.address, old.address);
    assert!(old.ends().success());
}

/// Root alone can try.
#[test]
fn another_user_gets_nothing() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let directory = Directory::new();
    let file = directory.file(LISTEN, "");
    let mut old = start(&file);
    let socket = directory.path("upgrade");
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Though somebody has opened both.
    directory.mode(0o755);
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.settimeout(10)\ns.connect(sys.argv[1])\n\
                  print(len(s.recv(10)))";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(&socket)
        .current_dir("/")
        .uid(65534)
        .output();
    let Ok(output) = output else { return };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n", "{output:?}");
    old.says("turned away a process of user 65534");
}

#[test]
fn a_directory_that_others_can_write_to_is_refused() {
    let directory = Directory::new();
    directory.mode(0o777);
    let file = directory.file(LISTEN, "");
    let said = fails(Command::new(program()).args(["--config", file.path()]));
    assert!(said.contains("others can write to its directory"), "{said}");
    assert!(!directory.path("upgrade").exists());
}

#[test]
fn a_signal_to_one_that_drains_says_what_a_second_one_does() {
    let directory = Directory::new();
    let file = directory.file(LISTEN, "");
    let mut old = start(&file);
    let target = echo();
    let mut tunnel = tcp(old.address, target).unwrap();
    let new = upgrade(&file);
    old.says("another process serves");
    // systemd, for one, signals all processes of a service.
    old.signal(Signal::TERM);
    old.says("a second signal drops them");
    is_alive(&mut tunnel);
    old.signal(Signal::HUP);
    old.says("another process serves by now");
    old.signal(Signal::TERM);
    assert!(!old.ends().success());
    tcp(new.address, target).unwrap();
}

#[test]
fn processes_that_drain_behind_one_that_serves_are_bounded() {
    let directory = Directory::new();
    let file = directory.file(LISTEN, "");
    let target = echo();
    let mut servers = vec![start(&file)];
    let address = servers[0].address;
    let mut tunnels = vec![tcp(address, target).unwrap()];
    for _ in 0..4 {
        servers.push(upgrade(&file));
        servers[tunnels.len() - 1].says("another process serves");
        tunnels.push(tcp(address, target).unwrap());
    }
    let said = fails(Command::new(program()).args(["--upgrade", "--config", file.path()]));
    assert!(
        said.contains("4 earlier processes still have sessions"),
        "{said}"
    );
    tunnels.iter_mut().for_each(is_alive);
    // Any of them makes room.
    tunnels.remove(2);
    assert!(servers[2].ends().success());
    let _sixth = upgrade(&file);
    tunnels.iter_mut().for_each(is_alive);
    tcp(address, target).unwrap();
    assert_eq!(exchange(&mut tunnels[0], b"z", 1), b"z");
}
