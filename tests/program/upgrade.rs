//! Upgrades of the example server: another process takes over its sockets, and nobody notices.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use rustix::process::Signal;

use super::tunnels::{Storm, echo, is_alive, tcp, unix};
use crate::support::program::{Server, exchange, file::File, program};

pub(super) const OPEN: &str = "[acl]\ndefault = \"allow\"\nallow_private = true\n";

/// A directory of this test, for sockets.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tower-socks-upgrade-{}-{number}", std::process::id());
        let directory = Self(std::env::temp_dir().join(name));
        fs::create_dir(&directory.0).unwrap();
        directory.mode(0o700);
        directory
    }

    pub(super) fn mode(&self, mode: u32) {
        fs::set_permissions(&self.0, fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file with the socket for upgrades, and with more.
    pub(super) fn file(&self, top: &str, more: &str) -> File {
        let path = self.path("upgrade");
        let path = path.display();
        File::new(&format!(
            "upgrade_socket = \"{path}\"\n{top}\n{OPEN}{more}\n[timeouts]\ndrain = \"5m\"\n"
        ))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) const LISTEN: &str = "listen = \"127.0.0.1:0\"\n";

pub(super) fn start(file: &File) -> Server {
    Server::start(&["--config", file.path()], "info")
}

pub(super) fn upgrade(file: &File) -> Server {
    Server::start(&["--upgrade", "--config", file.path()], "info")
}

/// Waits until the accept loops of a process have retired: each holds the socket, and may take one connection more.
#[cfg(target_os = "linux")]
fn no_longer_listens(server: &Server) {
    use std::{path::Path, time::Instant};

    let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
    let place = format!("0100007F:{:04X} 00000000:0000 0A", server.address.port());
    let line = sockets.lines().find(|line| line.contains(&place)).unwrap();
    let socket = format!("socket:[{}]", line.split_whitespace().nth(9).unwrap());
    let folder = format!("/proc/{}/fd", server.process.id());
    let holds = || {
        let mut open = fs::read_dir(&folder).unwrap();
        open.any(|it| fs::read_link(it.unwrap().path()).is_ok_and(|it| it == Path::new(&socket)))
    };
    let started = Instant::now();
    while holds() {
        assert!(started.elapsed() < Duration::from_secs(20), "{socket}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// What the program says that does not get to serve.
pub(super) fn fails(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

pub(super) fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
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
fn the_script_of_browsers_is_where_it_was() {
    let directory = Directory::new();
    let pac = "[pac]\nhost = \"127.0.0.1\"\nlisten = \"127.0.0.1:0\"\n";
    let file = directory.file(LISTEN, pac);
    let mut old = start(&file);
    let place = |server: &mut Server| {
        let line = server.says("pac at http://");
        let (_, at) = line.split_once("http://").unwrap();
        at.split_once('/').unwrap().0.parse::<SocketAddr>().unwrap()
    };
    let at = place(&mut old);
    let mut new = upgrade(&file);
    assert_eq!(place(&mut new), at);
    assert!(old.ends().success());
    assert!(get(at, "/proxy.pac").contains("FindProxyForURL"));
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

#[cfg(target_os = "linux")]
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
        let old = &mut servers[tunnels.len() - 1];
        old.says("another process serves");
        no_longer_listens(old);
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
