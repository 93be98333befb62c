//! The example server's limits for users and groups, quotas that last, and their reload.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::support::program::{Server, complaint, connect_request, exchange, file::File};

const USERS: &str = "[users]\njoe = \"pw\"\njane = \"pw\"\njim = \"pw\"\n";

/// The reply code to CONNECT by this user, and the connection.
fn connect(server: &Server, user: &str, target: SocketAddr) -> (u8, TcpStream) {
    let mut client = server.connect();
    assert_eq!(exchange(&mut client, b"\x05\x01\x02", 2), b"\x05\x02");
    let mut login = vec![1, user.len() as u8];
    login.extend(user.as_bytes());
    login.extend(b"\x02pw");
    assert_eq!(exchange(&mut client, &login, 2), b"\x01\x00");
    let reply = exchange(&mut client, &connect_request(target), 10);
    (reply[1], client)
}

/// A target that sends what it hears back.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut from = client.try_clone().unwrap();
                let mut to = client;
                std::io::copy(&mut from, &mut to)
            });
        }
    });
    address
}

fn reload(server: &mut Server, file: &File, text: &str) {
    file.write(text);
    server.signal(Signal::HUP);
    server.says("reloaded");
}

/// How many of so many tunnels this user has.
fn admitted(server: &Server, user: &str, target: SocketAddr, asked: usize) -> Vec<TcpStream> {
    let asked = (0..asked).map(|_| connect(server, user, target));
    let admitted = asked.filter(|(code, _)| *code == 0);
    admitted.map(|(_, client)| client).collect()
}

#[test]
fn users_and_groups_have_their_own_numbers_which_a_reload_changes() {
    let head = format!(
        "{USERS}[acl]\ndefault = \"allow\"\nallow_private = true\n[acl.groups]\n\
         few = [\"joe\", \"jane\"]\nmore = [\"jane\"]\n"
    );
    let file = File::new(&format!(
        "{head}[limits]\ntunnels_per_user = 1\n[limits.users.joe]\ntunnels = 2\n\
         [limits.groups.few]\ntunnels = 3\n[limits.groups.more]\ntunnels = 4\n"
    ));
    let mut server = file.server();
    let target = echo();
    let joe = admitted(&server, "joe", target, 5);
    let jane = admitted(&server, "jane", target, 5);
    let jim = admitted(&server, "jim", target, 5);
    assert_eq!((joe.len(), jane.len(), jim.len()), (2, 4, 1));

    // Up and down while they are open.
    reload(
        &mut server,
        &file,
        &format!(
            "{head}[limits]\ntunnels_per_user = 3\n[limits.users.joe]\ntunnels = 4\n\
             [limits.users.jane]\ntunnels = 2\n"
        ),
    );
    assert_eq!(admitted(&server, "joe", target, 5).len(), 2);
    assert_eq!(admitted(&server, "jim", target, 5).len(), 2);
    assert_eq!(admitted(&server, "jane", target, 1).len(), 0);
    drop(jane);
    let started = Instant::now();
    while admitted(&server, "jane", target, 1).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}

/// Has joe use what is left, 6 to 8 kB: the echo of so much is cut off.
fn use_up(server: &mut Server, target: SocketAddr) {
    let (code, mut client) = connect(server, "joe", target);
    assert_eq!(code, 0);
    client.write_all(&[7; 6_000]).unwrap();
    let mut heard = Vec::new();
    let _ = client.read_to_end(&mut heard);
    assert!(heard.len() <= 2_000, "{}", heard.len());
    server.says("has used its quota up");
}

#[test]
fn quotas_survive_a_restart_and_a_reload_changes_them() {
    let folder = std::env::temp_dir().join(format!("tower-socks-quotas-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("quotas");
    let text = |most: &str| {
        format!(
            "{USERS}[acl]\ndefault = \"allow\"\nallow_private = true\n[limits]\nquota_file = {path:?}\n\
             [limits.users.joe]\nbytes_per_month = \"{most}\"\n"
        )
    };
    let file = File::new(&text("20 kB"));
    let mut server = file.server();
    let target = echo();
    let (code, mut client) = connect(&server, "joe", target);
    assert_eq!(code, 0);
    exchange(&mut client, &[7; 6_000], 6_000);
    drop(client);
    server.says("outcome=done");
    server.signal(Signal::TERM);
    assert!(server.ends().success());
    let saved = fs::read_to_string(&path).unwrap();
    assert!(saved.contains("\n12000 12000 user:joe\nend 1\n"), "{saved}");

    let mut server = file.server();
    use_up(&mut server, target);
    assert_eq!(connect(&server, "joe", target).0, 2);
    reload(&mut server, &file, &text("40 kB"));
    let (code, mut client) = connect(&server, "joe", target);
    assert_eq!(code, 0);
    exchange(&mut client, &[7; 6_000], 6_000);
    reload(&mut server, &file, &text("20 kB"));
    assert_eq!(connect(&server, "joe", target).0, 2);
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn quotas_go_on_in_another_file_and_with_other_days() {
    let folder = std::env::temp_dir().join(format!("tower-socks-moved-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (first, second) = (folder.join("first"), folder.join("second"));
    let text = |quotas: &str| {
        format!(
            "{USERS}[acl]\ndefault = \"allow\"\nallow_private = true\n[limits]\n{quotas}\n\
             [limits.users.joe]\nbytes_per_month = \"20 kB\"\n"
        )
    };
    let file = File::new(&text(&format!("quota_file = {first:?}")));
    let mut server = file.server();
    let target = echo();
    let (code, mut client) = connect(&server, "joe", target);
    assert_eq!(code, 0);
    exchange(&mut client, &[7; 6_000], 6_000);
    // Nobody has to restart for it, and the tunnel goes on.
    file.write(&text(&format!(
        "quota_file = {second:?}\nquota_time_zone = \"Asia/Tokyo\""
    )));
    server.signal(Signal::HUP);
    server.silent_until("reloaded", "restart only");
    exchange(&mut client, &[7; 1_000], 1_000);
    drop(client);
    server.says("outcome=done");
    server.signal(Signal::TERM);
    assert!(server.ends().success());
    let saved = fs::read_to_string(&second).unwrap();
    assert!(saved.contains(" 14000 user:joe\nend 1\n"), "{saved}");

    // A later start has all of it, and counts on.
    let mut server = file.server();
    use_up(&mut server, target);
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn an_open_tunnel_has_a_new_bandwidth_at_once() {
    let text = |rate: &str| {
        format!(
            "{USERS}[acl]\ndefault = \"allow\"\nallow_private = true\n[limits]\n\
             download = \"{rate}\"\ndownload_burst = \"1 kB\"\n"
        )
    };
    let file = File::new(&text("1 kB/s"));
    let mut server = file.server();
    let (code, mut client) = connect(&server, "joe", echo());
    assert_eq!(code, 0);
    // At the old rate it is two minutes.
    client.write_all(&[7; 120_000]).unwrap();
    client.read_exact(&mut [0; 1_000]).unwrap();
    reload(&mut server, &file, &text("100 MB/s"));
    let started = Instant::now();
    client.read_exact(&mut [0; 119_000]).unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn requests_have_a_burst_and_old_names_are_still_known() {
    let file = File::new(&format!(
        "{USERS}[acl]\ndefault = \"allow\"\nallow_private = true\n[limits]\nrequests_per_second = 1\n\
         request_burst = 4\nupload_bytes_per_second = 12_500_000\n[timeouts]\nidle = \"off\"\n\
         half_closed = \"off\"\nudp_rebind = \"off\"\nkeepalive = \"off\"\nunacknowledged = \"off\"\n"
    ));
    let server = file.server();
    let target = echo();
    let count = admitted(&server, "joe", target, 12).len();
    assert!((4..=6).contains(&count), "{count}");
    assert!(!admitted(&server, "jane", target, 1).is_empty());

    let both = "[limits]\nupload = 1\nupload_bytes_per_second = 1";
    let complaint = complaint(&["--config", File::new(both).path()]);
    assert!(
        complaint.contains("duplicate field `upload`"),
        "{complaint}"
    );
}
