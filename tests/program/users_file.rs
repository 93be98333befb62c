//! `users_file` of the example server: users in the format of htpasswd, which is read again when it changes.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::{PermissionsExt, symlink},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::logins::{hash, log_in};
use crate::support::program::{Server, complaint, connect_request, exchange, file::File, program};

/// Of `s3cret`, made by `htpasswd -nbB -C 4`.
const SECRET: &str = "$2y$04$LYGA6bHyAcETIo70FXXqZOz49.AK1SKAhy9Rtmdxai15VaHtTAQ.G";
/// Of `n3w`.
const NEW: &str = "$2y$04$H9ZI2vDN337GDrwDvXGsjOrSakNJ0IdVS.hUhcNULg8WU0hvMJa7O";

/// A file of users, and one of the server that names it.
fn files(users: &str, more: &str) -> (File, File) {
    let users = File::new(users);
    fs::set_permissions(&users.0, fs::Permissions::from_mode(0o600)).unwrap();
    let config = File::new(&format!("users_file = \"{}\"\n{more}", users.path()));
    (users, config)
}

fn gets_in(server: &Server, name: &str, password: &str) -> bool {
    log_in(server, name, password).0
}

#[test]
fn users_of_the_file_get_in_beside_those_of_the_tables() {
    let argon2 = hash(64, 1);
    let b = SECRET.replace("$2y$", "$2b$");
    let (_users, config) = files(
        &format!("# staff\n\njane:{SECRET}\r\n  jack:{b}  \njill:{argon2}"),
        &format!(
            "[users]\njoe = \"plain\"\n[password_hashes]\njim = \"{argon2}\"\n\
             [logins]\nfree_failures = 100\n"
        ),
    );
    let server = config.server();
    for name in ["jane", "jack", "jill", "jim"] {
        assert!(gets_in(&server, name, "s3cret"), "{name}");
    }
    assert!(gets_in(&server, "joe", "plain"));
    for (name, password) in [
        ("jane", "s3cre"),
        ("jane", "s3cret\0"),
        ("jane", "s3cret\0s3cret"),
        ("jane", SECRET),
        ("jack", "plain"),
        ("jill", "n3w"),
        ("jane\r", "s3cret"),
        ("# staff", "s3cret"),
        ("nobody", "s3cret"),
    ] {
        assert!(!gets_in(&server, name, password), "{name} {password}");
    }
    // And nobody without a password.
    let mut client = server.connect();
    assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), b"\x05\xff");
}

#[test]
fn a_mistake_is_said_with_its_line_and_without_the_hash() {
    let md5 = "$apr1$Cq5pXsLm$Jlz3RK6ZcWjEOAFrh8N0f.";
    for (users, expected) in [
        (
            format!("joe:{SECRET}\njane:{md5}\n"),
            ":2: user \"jane\": hashes of MD5 are found too fast: make one by `htpasswd -B` or",
        ),
        (
            "joe:{SHA}s3cretd/8sScCsSaWo8Vw0pk2g=\n".into(),
            ":1: user \"joe\": hashes of SHA-1 are found too fast: make one by `htpasswd -B` or",
        ),
        (
            "joe:$6$s3cretsalt$s3cret\n".into(),
            ":1: user \"joe\": hashes of crypt are not taken: make one by",
        ),
        (
            format!("joe:{}\n", SECRET.replace("$2y$", "$2a$")),
            ":1: user \"joe\": this kind of bcrypt has had mistakes: make one by",
        ),
        (
            format!("joe:{}\n", SECRET.replace("$04$", "$15$")),
            ":1: user \"joe\": bcrypt with a cost of 15 is not taken, but 4 to 14",
        ),
        (
            format!("joe:{}\n", &SECRET[..40]),
            ":1: user \"joe\": this is a part of a bcrypt hash, or has more behind it",
        ),
        (
            format!("joe:{SECRET}:more\n"),
            ":1: user \"joe\": this is a part of a bcrypt hash, or has more behind it",
        ),
        (
            "joe:$argon2id$v=19$m=4000000000,t=2,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ\n".into(),
            ":1: user \"joe\": this is no hash of argon2, or takes more than 1 GiB",
        ),
        (
            "joe:s3cret\n".into(),
            ":1: user \"joe\": this is no hash that is taken, and may be a password: make one by",
        ),
        (
            "joe:\n".into(),
            ":1: user \"joe\": this is no hash that is taken",
        ),
        (
            "\n# joe\ns3cret\n".into(),
            ":3: this is no user: a line is NAME:HASH",
        ),
        (
            format!(":{SECRET}\n"),
            ":1: the name of a user must have 1 to 255 octets",
        ),
        (
            format!("joe:{SECRET}\njane:{SECRET}\n\njoe:{NEW}\n"),
            ":4: user \"joe\" is there twice, first in line 1",
        ),
        ("# nobody yet\n".into(), ": has no users: write one by"),
        (
            format!("stated:{SECRET}\n"),
            "user \"stated\" is in the users_file, and is stated beside it",
        ),
        (
            format!("hashed:{SECRET}\n"),
            "user \"hashed\" is in the users_file, and is stated beside it",
        ),
    ] {
        let tables = format!(
            "[users]\nstated = \"plain\"\n[password_hashes]\nhashed = \"{}\"\n",
            hash(64, 1)
        );
        let (file, config) = files(&users, &tables);
        let said = complaint(&["--config", config.path()]);
        assert!(said.contains(expected), "{said}");
        let place = format!("users_file {}", file.path());
        assert!(
            said.contains("stated beside it") || said.contains(&place),
            "{said}"
        );
        for secret in ["s3cret", "plain", &SECRET[8..], &NEW[8..], md5] {
            assert!(!said.contains(secret), "{said}");
        }
    }
    let (_users, config) = files(&format!("joe:{SECRET}\n"), "");
    let said = complaint(&["--config", config.path(), "--user", "joe:plain"]);
    assert!(said.contains("user \"joe\" is in the users_file"), "{said}");

    let (users, config) = files("", "");
    fs::remove_file(&users.0).unwrap();
    let said = complaint(&["--config", config.path()]);
    assert!(said.contains("No such file"), "{said}");
    let config = File::new("users_file = \"/\"\n");
    let said = complaint(&["--config", config.path()]);
    assert!(said.contains("users_file /: is no file"), "{said}");
}

#[test]
fn a_file_that_is_written_to_is_read_again_and_old_passwords_end_at_once() {
    let (users, config) = files(&format!("jane:{SECRET}\njack:{SECRET}\njoe:{SECRET}\n"), "");
    let mut server = config.server();
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let request = connect_request(target.local_addr().unwrap());
    let mut tunnels = ["jane", "jack", "joe"].map(|name| {
        let (right, mut client) = log_in(&server, name, "s3cret");
        assert!(right, "{name}");
        assert_eq!(exchange(&mut client, &request, 10)[1], 0);
        (client, target.accept().unwrap().0)
    });
    assert!(!gets_in(&server, "jill", "s3cret"));
    // Jane has another password, Jack is gone, and Jill has come.
    users.write(&format!("jane:{NEW}\njoe:{SECRET}\njill:{SECRET}\n"));
    let line = server.says("reloaded");
    assert!(
        line.contains(users.path()) && line.contains("users=3"),
        "{line}"
    );
    // What was remembered, right or wrong.
    assert!(!gets_in(&server, "jane", "s3cret"));
    assert!(!gets_in(&server, "jack", "s3cret"));
    assert!(gets_in(&server, "jane", "n3w"));
    assert!(gets_in(&server, "jill", "s3cret"));
    assert!(gets_in(&server, "joe", "s3cret"));
    for (client, _) in &mut tunnels[..2] {
        assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
    }
    let (client, target) = &mut tunnels[2];
    target.write_all(b"!").unwrap();
    client.read_exact(&mut [0]).unwrap();

    // At SIGHUP without waiting.
    users.write(&format!("jane:{SECRET}\n"));
    server.signal(Signal::HUP);
    server.says("reloaded");
    assert!(gets_in(&server, "jane", "s3cret"));
    assert!(!gets_in(&server, "joe", "s3cret"));
}

#[test]
fn a_file_of_the_same_length_and_time_is_another_one_at_a_reload() {
    let (users, config) = files(&format!("jane:{SECRET}\n"), "");
    let written = fs::metadata(&users.0).unwrap().modified().unwrap();
    // Long enough ago that a reload takes its users from memory, where nothing has changed.
    while written.elapsed().unwrap() < Duration::from_millis(3_100) {
        thread::sleep(Duration::from_millis(50));
    }
    let mut server = config.server();
    for _ in 0..2 {
        server.signal(Signal::HUP);
        let line = server.says("reloaded");
        assert!(line.contains("users=1"), "{line}");
        assert!(gets_in(&server, "jane", "s3cret"));
    }
    users.write(&format!("jane:{NEW}\n"));
    let file = fs::File::options().write(true).open(&users.0).unwrap();
    file.set_modified(written).unwrap();
    server.signal(Signal::HUP);
    server.says("reloaded");
    assert!(!gets_in(&server, "jane", "s3cret"));
    assert!(gets_in(&server, "jane", "n3w"));
}

#[test]
fn a_directory_that_is_swapped_by_a_link_is_noticed() {
    // As Kubernetes mounts a ConfigMap or a Secret.
    let root = File::new("");
    fs::remove_file(&root.0).unwrap();
    let place = |name: &str| root.0.join(name);
    for (generation, hash) in [("..1", SECRET), ("..2", NEW)] {
        fs::create_dir_all(place(generation)).unwrap();
        fs::write(place(generation).join("users"), format!("jane:{hash}\n")).unwrap();
    }
    symlink("..1", place("..data")).unwrap();
    symlink("..data/users", place("users")).unwrap();
    let config = File::new(&format!("users_file = \"{}\"\n", place("users").display()));
    let mut server = config.server();
    assert!(gets_in(&server, "jane", "s3cret"));
    symlink("..2", place("..new")).unwrap();
    fs::rename(place("..new"), place("..data")).unwrap();
    server.says("reloaded");
    assert!(!gets_in(&server, "jane", "s3cret"));
    assert!(gets_in(&server, "jane", "n3w"));
    drop(server);
    fs::remove_dir_all(&root.0).unwrap();
}

#[test]
fn a_broken_file_keeps_the_users_and_is_warned_about_once() {
    let (users, config) = files(&format!("jane:{SECRET}\n"), "");
    let mut server = config.server();
    for (broken, expected) in [
        (Some("jane:n3w\n"), ":1: user \"jane\": this is no hash"),
        (Some(""), "has no users"),
        (None, "No such file"),
    ] {
        match broken {
            Some(text) => users.write(text),
            None => fs::remove_file(&users.0).unwrap(),
        }
        let line = server.says("kept the users that were in force");
        assert!(line.contains("WARN") && line.contains(expected), "{line}");
        assert!(!line.contains("n3w"), "{line}");
        assert!(gets_in(&server, "jane", "s3cret"));
        server.signal(Signal::HUP);
        let line = server.says("kept what was in force");
        assert!(line.contains(expected), "{line}");
        assert!(gets_in(&server, "jane", "s3cret"));
    }
    // Not once for each look.
    std::thread::sleep(Duration::from_secs(5));
    users.write(&format!("jane:{NEW}\n"));
    server.silent_until("reloaded", "kept");
    assert!(gets_in(&server, "jane", "n3w"));
}

#[test]
fn ten_thousand_users_are_there_at_once() {
    // Some 100 ms each, if one of them were hashed.
    let hash = SECRET.replace("$04$", "$10$");
    let many: String = (0..10_000).map(|n| format!("user{n}:{hash}\n")).collect();
    let (_users, config) = files(&many, "");
    let started = Instant::now();
    let output = Command::new(program())
        .args(["--check", "--config", config.path()])
        .output()
        .unwrap();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("users     10000"), "{said}");
}

#[test]
fn rules_may_name_users_who_are_not_in_the_file() {
    let rules = "[acl]\ndefault = \"deny\"\n[[acl.rules]]\naction = \"allow\"\nuser = \"gone\"\n";
    let (_users, config) = files(&format!("jane:{SECRET}\n"), rules);
    let server = config.server();
    assert!(gets_in(&server, "jane", "s3cret"));
}

#[test]
fn a_file_of_users_that_everybody_can_read_is_warned_about() {
    let (users, config) = files(&format!("jane:{SECRET}\n"), "");
    fs::set_permissions(&users.0, fs::Permissions::from_mode(0o644)).unwrap();
    let mut server = config.server();
    let line = server.says("everybody on this machine can read it");
    assert!(
        line.contains("WARN") && line.contains(users.path()),
        "{line}"
    );
}
