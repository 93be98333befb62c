//! The socket at which an upgrade is asked for: who may, and what becomes of those who may not.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream, process::CommandExt},
    process::Command,
    time::{Duration, Instant},
};

use super::{
    tunnels::{echo, tcp},
    upgrade::{Directory, LISTEN, fails, start, upgrade},
};
use crate::support::program::program;

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
    // Others may have been silent for their turn.
    let said = old.says("before its being ready");
    assert!(said.contains("no upgrade, this process goes on"), "{said}");
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
