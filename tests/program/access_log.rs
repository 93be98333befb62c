//! The access log of the example server: its lines, and what becomes of its file.

use std::{
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::program::{
    Server, carried, complaint, connect_request, exchange, file::File, http::get,
};

const METRICS: &str = "[metrics]\nlisten = \"127.0.0.1:0\"\n";

/// A folder of this test, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("tower-socks-access-log-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn log(&self) -> PathBuf {
        self.0.join("access.log")
    }

    fn settings(&self, more: &str) -> File {
        let path = self.log();
        let path = path.display();
        File::new(&format!("[access_log]\nfile = \"{path}\"\n{more}"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// The lines of a file, once there are so many.
fn lines(path: &Path, count: usize) -> Vec<String> {
    let started = Instant::now();
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        if lines.len() >= count {
            assert_eq!(lines.len(), count, "{text}");
            return lines;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{text}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn line(path: &Path) -> Value {
    serde_json::from_str(&lines(path, 1)[0]).unwrap()
}

/// A target that takes four octets and gives five.
fn target() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if stream.read_exact(&mut [0; 4]).is_ok() {
                _ = stream.write_all(b"hello");
            }
        }
    });
    address
}

/// A session from its greeting to its end. Returns the address of its client.
fn session(server: &Server, target: SocketAddr) -> SocketAddr {
    let mut client = server.connect();
    let address = client.local_addr().unwrap();
    exchange(&mut client, b"\x05\x01\x00", 2);
    exchange(&mut client, &connect_request(target), 10);
    assert_eq!(exchange(&mut client, b"ping", 5), b"hello");
    address
}

#[test]
fn a_session_is_one_line_of_json_with_numbers_as_numbers() {
    let folder = Folder::new("json");
    let file = folder.settings("");
    let server = file.server();
    let target = target();
    let client = session(&server, target);
    let line = line(&folder.log());
    assert_eq!(line["event.name"], "session.end");
    assert_eq!(line["client.address"], "127.0.0.1");
    assert_eq!(line["client.port"], client.port());
    assert_eq!(line["server.address"], "127.0.0.1");
    assert_eq!(line["server.port"], target.port());
    assert_eq!(line["network.peer.address"], "127.0.0.1");
    assert_eq!(line["network.peer.port"], target.port());
    assert_eq!(line["network.protocol.name"], "socks");
    assert_eq!(line["network.protocol.version"], "5");
    assert_eq!(line["command"], "CONNECT");
    assert_eq!(line["request"], 1);
    assert_eq!(line["reply_code"], 0);
    assert_eq!(
        (&line["bytes.up"], &line["bytes.down"]),
        (&4.into(), &5.into())
    );
    assert_eq!(line["outcome"], "done");
    assert!(line["duration"].as_f64().unwrap() < 20.0, "{line}");
    assert!(line["dial.duration"].is_f64(), "{line}");
    assert!(
        line["listener"].as_str().unwrap().starts_with("127.0.0.1"),
        "{line}"
    );
    let id = line["session.id"].as_str().unwrap();
    assert!(id.ends_with("-1") && id.len() == 18, "{id}");
    let time: jiff::Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
    let age = jiff::Timestamp::now().duration_since(time).as_secs();
    assert!((0..60).contains(&age), "{line}");
    assert_eq!(line.get("user.name"), None);
    // Each field once.
    let text = &lines(&folder.log(), 1)[0];
    let keys = line.as_object().unwrap().len();
    assert_eq!(text.matches("\":").count(), keys, "{text}");
}

#[test]
fn what_fails_has_a_line_that_says_at_what() {
    let folder = Folder::new("failures");
    let file = folder.settings(
        "[users]\n'jo\"e' = \"secret\"\n[acl]\ndefault = \"allow\"\n[[acl.rules]]\naction = \"deny\"\nname = \"no mail\"\nport = 25\n",
    );
    let server = file.server();
    let log_in = |password: &[u8]| {
        let mut client = server.connect();
        exchange(&mut client, b"\x05\x01\x02", 2);
        let length = [u8::try_from(password.len()).unwrap()];
        let login = [&b"\x01\x04jo\"e"[..], &length, password].concat();
        let status = exchange(&mut client, &login, 2)[1];
        (client, status)
    };
    let (client, status) = log_in(b"guessed");
    assert_eq!(status, 1);
    drop(client);
    lines(&folder.log(), 1);
    let (mut client, status) = log_in(b"secret");
    assert_eq!(status, 0);
    let refused = exchange(&mut client, b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x19", 10);
    assert_eq!(refused[1], 2);
    drop(client);
    // Nobody has asked for anything.
    drop(server.connect());
    let text = lines(&folder.log(), 2);
    assert!(!text.concat().contains("guessed"), "{text:?}");
    let [login, refusal]: [Value; 2] =
        [&text[0], &text[1]].map(|line| serde_json::from_str(line).unwrap());
    assert_eq!(login["event.name"], "login.failed");
    assert_eq!(login["login.name"], "jo\\\"e");
    assert_eq!(login["outcome"], "login_failed");
    assert_eq!(login.get("command"), None);
    assert_eq!(refusal["user.name"], "jo\\\"e");
    assert_eq!(refusal["outcome"], "refused");
    assert_eq!(refusal["reply_code"], 2);
    assert_eq!(refusal["rule"], "rule 1 (no mail)");
    assert_eq!(refusal["server.port"], 25);
}

#[test]
fn squids_format_is_as_squid_writes_it() {
    let folder = Folder::new("squid");
    let file = folder.settings("format = \"squid\"\n");
    let server = file.server();
    let target = target();
    session(&server, target);
    let line = lines(&folder.log(), 1).remove(0);
    let fields: Vec<_> = line.split_ascii_whitespace().collect();
    assert_eq!(fields.len(), 10, "{line}");
    let (seconds, millis) = fields[0].split_once('.').unwrap();
    assert!(seconds.len() == 10 && millis.len() == 3, "{line}");
    fields[1].parse::<u64>().unwrap();
    assert_eq!(
        fields[2..6],
        ["127.0.0.1", "TCP_TUNNEL/200", "5", "CONNECT"]
    );
    assert_eq!(fields[6], target.to_string());
    assert_eq!(fields[7..], ["-", "HIER_DIRECT/127.0.0.1", "-"]);
    // The time has its column.
    assert_eq!(&line[14..15], " ", "{line}");

    let mut client = server.connect();
    exchange(&mut client, b"\x05\x01\x00", 2);
    exchange(&mut client, b"\x05\x01\x00\x03\x0aa'\"%.local\x00\x50", 10);
    drop(client);
    let line = lines(&folder.log(), 2).remove(1);
    assert!(
        line.contains(" NONE error:") || line.contains(" CONNECT "),
        "{line}"
    );
    assert_eq!(line.split_ascii_whitespace().count(), 10, "{line}");
}

/// A server of HTTP that has nothing.
fn origin() -> SocketAddr {
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = origin.local_addr().unwrap();
    thread::spawn(move || {
        for stream in origin.incoming() {
            let mut stream = stream.unwrap();
            let mut head = BufReader::new(stream.try_clone().unwrap()).lines();
            while head.next().unwrap().unwrap() != "" {}
            let answer =
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
            stream.write_all(answer).unwrap();
        }
    });
    target
}

/// Posts nothing there through the proxy, which is not found.
fn posts(server: &Server, target: SocketAddr, path: &str) {
    let mut client = server.connect();
    let request = format!(
        "POST http://{target}{path} HTTP/1.1\r\nHost: {target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    client.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

#[test]
fn squids_format_has_what_was_forwarded() {
    let target = origin();
    for (privacy, url) in [
        ("", format!("http://{target}/a%20b'/c")),
        (
            "[log]\ntargets = \"domain\"\n",
            format!("http://127.0.0.0:{}/", target.port()),
        ),
        ("[log]\ntargets = \"none\"\n", "-".to_owned()),
    ] {
        let folder = Folder::new("forwarded");
        let file = folder.settings(&format!("format = \"squid\"\n{privacy}"));
        let server = file.server();
        posts(&server, target, "/a%20b'/c?secret=1");
        let line = lines(&folder.log(), 1).remove(0);
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        assert_eq!(fields[3], "TCP_MISS/404", "{line}");
        assert_eq!(fields[5..7], ["POST", &url.replace('\'', "%27")], "{line}");
    }
}

#[test]
fn json_has_what_was_forwarded() {
    let target = origin();
    for (privacy, path) in [
        ("", Some("/a%20b\"/c")),
        ("[log]\ntargets = \"domain\"\n", None),
        ("[log]\ntargets = \"none\"\n", None),
    ] {
        let folder = Folder::new("json-forwarded");
        let file = folder.settings(privacy);
        let server = file.server();
        posts(&server, target, "/a%20b\"/c?secret=1");
        let line = line(&folder.log());
        assert_eq!(line["http.request.method"], "POST", "{line}");
        assert_eq!(line["http.response.status_code"], 404, "{line}");
        assert_eq!(
            line.get("url.path").map(|it| it.as_str().unwrap()),
            path,
            "{line}"
        );
        assert!(!line.to_string().contains("secret"), "{line}");
    }
}

#[test]
fn an_association_names_its_destinations() {
    let folder = Folder::new("udp");
    let file = folder.settings("");
    let server = file.server();
    let target = carried::echo();
    drop(carried::Carrier::V2.exchanges_by_socks5(&server, target));
    let line = line(&folder.log());
    assert_eq!(line["command"], "UDP ASSOCIATE");
    assert_eq!(line["udp_over_tcp"], true);
    assert_eq!(line["datagrams.up"], 3);
    let destinations = line["destinations"].as_array().unwrap();
    assert_eq!(destinations.len(), 1);
    assert_eq!(destinations[0]["server.port"], target.port());
    assert_eq!(destinations[0]["bytes.up"], 1_004);
    assert_eq!(line.get("server.address"), None);
}

#[test]
fn an_open_tunnel_has_lines_if_asked_for() {
    let folder = Folder::new("interim");
    let file = folder.settings("interim = \"1s\"\n");
    let server = file.server();
    let target = target();
    let mut client = server.connect();
    exchange(&mut client, b"\x05\x01\x00", 2);
    exchange(&mut client, &connect_request(target), 10);
    client.write_all(b"pi").unwrap();
    let line = line(&folder.log());
    assert_eq!(line["event.name"], "session.interim");
    assert_eq!(line["bytes.up"], 2);
    assert_eq!(line.get("outcome"), None);
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew_at_sighup_and_no_line_is_lost() {
    let folder = Folder::new("moved");
    let file = folder.settings("");
    let server = file.server();
    let target = target();
    let old = folder.0.join("access.log.1");
    session(&server, target);
    lines(&folder.log(), 1);
    // As logrotate does it: moved, created, SIGHUP.
    fs::rename(folder.log(), &old).unwrap();
    session(&server, target);
    lines(&old, 2);
    fs::write(folder.log(), "").unwrap();
    server.signal(Signal::HUP);
    let started = Instant::now();
    let mut sessions = 2;
    while fs::read_to_string(folder.log()).unwrap().is_empty() {
        session(&server, target);
        sessions += 1;
        thread::sleep(Duration::from_millis(20));
        assert!(started.elapsed() < Duration::from_secs(20));
    }
    let count = |path: &Path| fs::read_to_string(path).unwrap().lines().count();
    while count(&old) + count(&folder.log()) < sessions {
        assert!(started.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(20));
    }
    // Or copied and cut off, without a word.
    OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(folder.log())
        .unwrap();
    session(&server, target);
    lines(&folder.log(), 1);
}

#[test]
fn what_waits_is_written_before_the_program_ends() {
    let folder = Folder::new("end");
    let file = folder.settings("");
    let mut server = file.server();
    let target = target();
    let mut client = server.connect();
    exchange(&mut client, b"\x05\x01\x00", 2);
    exchange(&mut client, &connect_request(target), 10);
    server.signal(Signal::TERM);
    server.says("stopping");
    server.signal(Signal::TERM);
    server.ends();
    let line = line(&folder.log());
    assert!(
        line["outcome"] == "dropped" || line["outcome"] == "drained",
        "{line}"
    );
}

#[test]
fn a_full_disk_stops_nobody_and_what_is_lost_is_counted() {
    let file = File::new(&format!("{METRICS}[access_log]\nfile = \"/dev/full\"\n"));
    let mut server = file.server();
    let said = server.says("metrics at ");
    let (_, address) = said.trim_end().split_once("http://").unwrap();
    let metrics: SocketAddr = address.trim_end_matches('/').parse().unwrap();
    let target = target();
    for _ in 0..3 {
        session(&server, target);
    }
    server.says("lines are dropped, /dev/full cannot be written: No space left on device");
    let started = Instant::now();
    let expected = "access_log_lines_total{outcome=\"dropped\"} 3\n";
    while !get(metrics, "/metrics").1.contains(expected) {
        assert!(started.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(50));
    }
    let said = server.says("lines were dropped, and it goes on");
    assert!(said.contains("dropped=3"), "{said}");
}

#[test]
fn mistakes_are_told_at_the_start() {
    let squid = "[access_log]\nfile = \"stdout\"\nformat = \"squid\"\ninterim = \"5m\"\n";
    for (text, expected) in [
        (squid, "remove `interim`"),
        (
            "[access_log]\nfile = \"/nowhere/access.log\"\n",
            "/nowhere/access.log cannot be opened",
        ),
        ("[access_log]\nformat = \"json\"\n", "missing field `file`"),
        (
            "[access_log]\nfile = \"stdout\"\nformat = \"text\"\n",
            "text",
        ),
    ] {
        let file = File::new(text);
        let said = complaint(&["--listen", "127.0.0.1:0", "--config", file.path()]);
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_reload_changes_it() {
    let folder = Folder::new("reload");
    let file = File::new("");
    let mut server = file.server();
    let target = target();
    session(&server, target);
    file.write(&format!(
        "[access_log]\nfile = \"{}\"\n",
        folder.log().display()
    ));
    server.signal(Signal::HUP);
    server.says("reloaded");
    session(&server, target);
    let first = line(&folder.log());
    assert_eq!(first["outcome"], "done");
    file.write("");
    server.signal(Signal::HUP);
    server.says("reloaded");
    session(&server, target);
    server.signal(Signal::TERM);
    server.ends();
    lines(&folder.log(), 1);
}
