//! systemd's descriptor store: sockets that it keeps from one process to the next.

mod manager;

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt, net::UnixStream},
    },
    path::Path,
};

use rustix::{
    net::{getsockname, sockopt::socket_acceptconn},
    process::Signal,
};

use self::manager::Systemd;
use crate::support::{
    program::{exchange, file::File},
    udp::quiet_port,
};

/// Says the greeting, which nobody has to hear yet.
fn greet<S: Write>(mut stream: S) -> S {
    stream.write_all(b"\x05\x01\x00").unwrap();
    stream
}

fn is_served<S: Read>(mut stream: S) {
    let mut selection = [0; 2];
    stream.read_exact(&mut selection).unwrap();
    assert_eq!(selection, [5, 0]);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_next_process_has_the_sockets_and_who_came_between_is_served() {
    let mut systemd = Systemd::new();
    let path = systemd.directory.path("clients");
    let text = |mode: &str| {
        let path = path.display();
        format!(
            "[[listen]]\naddress = \"127.0.0.1:0\"\n[[listen]]\npath = \"{path}\"\nmode = \"{mode}\"\n"
        )
    };
    let file = File::new(&text("0666"));
    let mut first = systemd.start(&file, 16);
    let address = first.address;
    systemd.hears_until("READY=1\n");
    let mut names: Vec<_> = systemd.kept.iter().map(|(name, _)| name.clone()).collect();
    names.sort();
    let port = address.port();
    assert_eq!(
        names[0],
        format!("tower-socks,tcp,127.0.0.1%3a0,127.0.0.1%3a{port}")
    );
    assert_eq!(names[1], format!("tower-socks,unix,{}", path.display()));

    // A crash.
    first.signal(Signal::KILL);
    first.ends();
    let tcp = greet(TcpStream::connect(address).unwrap());
    let unix = greet(UnixStream::connect(&path).unwrap());
    let file = File::new(&text("0600"));
    let mut second = systemd.start(&file, 16);
    assert_eq!(second.address, address);
    is_served(tcp);
    is_served(unix);
    assert_eq!(mode(&path), 0o600);
    second.says("took sockets that systemd has kept sockets=2");
    // systemd knows that it has them already.
    systemd.kept.clear();
    systemd.hears_until("READY=1\n");
    assert_eq!(systemd.kept.len(), 2);

    // A restart: the file is that of a socket that somebody has.
    second.signal(Signal::TERM);
    systemd.hears_until("STOPPING=1\n");
    assert!(second.ends().success());
    let tcp = greet(TcpStream::connect(address).unwrap());
    let unix = greet(UnixStream::connect(&path).unwrap());
    let third = systemd.start(&file, 16);
    assert_eq!(third.address, address);
    is_served(tcp);
    is_served(unix);
}

#[test]
fn what_the_file_no_longer_states_is_closed_and_forgotten() {
    let mut systemd = Systemd::new();
    let twice = File::new("listen = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\n");
    let mut first = systemd.start(&twice, 16);
    systemd.hears_until("READY=1\n");
    // One place in the file, and two names.
    assert_eq!(systemd.kept.len(), 2);
    assert_ne!(systemd.kept[0].0, systemd.kept[1].0);
    first.signal(Signal::KILL);
    first.ends();

    // One of both goes on, and the other one listens no more, though others have a descriptor of it.
    let once = File::new("listen = \"127.0.0.1:0\"\n");
    let held: Vec<_> = systemd
        .kept
        .iter()
        .map(|(_, socket)| socket.try_clone().unwrap())
        .collect();
    let mut second = systemd.start(&once, 16);
    let told = systemd.hears_until("READY=1\n");
    let removed = told
        .iter()
        .filter(|text| text.starts_with("FDSTOREREMOVE=1\n"));
    assert_eq!(removed.count(), 1, "{told:?}");
    is_served(greet(TcpStream::connect(second.address).unwrap()));
    // Others may have the port already: the sockets tell, not what answers there.
    for socket in &held {
        let address = getsockname(socket).unwrap();
        let goes_on = SocketAddr::try_from(address).ok() == Some(second.address);
        assert_eq!(socket_acceptconn(socket).unwrap(), goes_on);
    }
    second.signal(Signal::KILL);
    second.ends();
}

#[test]
fn another_address_with_the_same_port_is_opened_anew() {
    let mut systemd = Systemd::new();
    // Nobody else gets it in the moment between both sockets, nor at another address.
    let port = quiet_port();
    let file = File::new(&format!("listen = \"127.0.0.1:{port}\"\n"));
    let mut first = systemd.start(&file, 16);
    systemd.hears_until("READY=1\n");
    first.signal(Signal::KILL);
    first.ends();
    let kept = systemd.kept[0].1.try_clone().unwrap();
    let mut second = systemd.start(&file, 16);
    second.says("took sockets that systemd has kept sockets=1");
    systemd.kept.remove(0);
    systemd.hears_until("READY=1\n");
    second.signal(Signal::KILL);
    second.ends();
    // It would find its port taken by what was kept.
    let file = File::new(&format!(
        "[users]\njoe = \"x\"\n[acl]\ndefault = \"allow\"\n[[listen]]\naddress = \"0.0.0.0:{port}\"\n"
    ));
    let third = systemd.start(&file, 16);
    assert_eq!(third.address.to_string(), format!("0.0.0.0:{port}"));
    let told = systemd.hears_until("READY=1\n");
    assert!(told[0].starts_with("FDSTOREREMOVE=1\n"), "{told:?}");
    drop(kept);
}

#[test]
fn a_name_of_ours_that_says_nothing_is_closed() {
    let mut systemd = Systemd::new();
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    for name in [
        "tower-socks,tcp,%",
        "tower-socks,",
        "tower-socks,unix,/nowhere",
        "tower-socks,tcp,127.0.0.2%3a0,127.0.0.2%3a1080",
    ] {
        let socket = match socket.try_clone() {
            Ok(socket) if name.ends_with('%') => socket,
            _ => std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
        };
        systemd.kept = vec![(name.to_owned(), OwnedFd::from(socket))];
        let file = File::new("listen = \"127.0.0.1:0\"\n");
        let server = systemd.start(&file, 16);
        assert_ne!(server.address, address);
        assert_eq!(systemd.hears(), format!("FDSTOREREMOVE=1\nFDNAME={name}\n"));
        systemd.hears_until("READY=1\n");
        drop(server);
    }
    // Who connected there now might find what others listen on.
    assert!(!socket_acceptconn(&socket).unwrap());
}

#[test]
fn a_reload_and_an_upgrade_change_what_is_kept() {
    let mut systemd = Systemd::new();
    let file = File::new("listen = [\"127.0.0.1:0\", \"127.0.0.2:0\"]\n");
    let mut server = systemd.start(&file, 16);
    systemd.hears_until("READY=1\n");
    assert_eq!(systemd.kept.len(), 2);
    fs::write(&file.0, "listen = [\"127.0.0.1:0\", \"127.0.0.3:0\"]\n").unwrap();
    server.signal(Signal::HUP);
    systemd.hears_until("READY=1\n");
    let has = |systemd: &Systemd, address: &str| {
        let mut kept = systemd.kept.iter();
        kept.any(|(name, _)| name.contains(address))
    };
    assert_eq!(systemd.kept.len(), 2);
    assert!(has(&systemd, "127.0.0.1") && has(&systemd, "127.0.0.3"));

    fs::write(&file.0, "listen = \"127.0.0.1:0\"\n").unwrap();
    server.signal(Signal::USR2);
    let named = systemd.hears();
    let pid = named.strip_prefix("MAINPID=").unwrap().trim_end();
    let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
    systemd.hears_until("READY=1\n");
    systemd.kept.dedup_by(|one, other| one.0 == other.0);
    assert_eq!(
        systemd
            .kept
            .iter()
            .map(|(name, _)| name)
            .collect::<std::collections::HashSet<_>>()
            .len(),
        1
    );
    assert!(has(&systemd, "127.0.0.1"));
    assert!(server.ends().success());
    let mut client = server.connect();
    assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), b"\x05\x00");
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
}

#[test]
fn a_store_that_is_too_small_is_said() {
    let mut systemd = Systemd::new();
    let file = File::new("listen = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\n");
    let mut server = systemd.start(&file, 1);
    server.says("FileDescriptorStoreMax= of the unit is too small");
    systemd.hears_until("READY=1\n");
    assert_eq!(systemd.kept.len(), 1);
}
