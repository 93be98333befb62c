//! The example server in a container: what it says there and nowhere else.

use std::{io::Read, process::Command};

use rustix::process::Signal;

use crate::support::program::{Server, program};

fn in_a_container(engine: &str, flags: &[&str]) -> Command {
    let mut command = Command::new(program());
    command
        .args(flags)
        .env("container", engine)
        .env("RUST_LOG", "info");
    command
}

#[test]
fn without_a_user_it_says_the_command_that_adds_one() {
    let exposed = ["--listen", "0.0.0.0:0"];
    let says = |engine| {
        let output = in_a_container(engine, &exposed).output().unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
        assert!(
            said.contains("--user NAME:PASSWORD, or users to the file"),
            "{said}"
        );
        said
    };
    let command = "docker run -p 1080:1080 IMAGE --user NAME:PASSWORD";
    assert!(says("oci").contains(command));
    assert!(says("podman").contains(command));
    // Set, and empty: no engine does that.
    assert!(!says("").contains("docker"));
}

#[test]
fn it_says_what_holds_there() {
    let lines = |engine| {
        let mut server = Server::spawn(&mut in_a_container(engine, &["--listen", "127.0.0.1:0"]));
        server.signal(Signal::TERM);
        assert!(server.ends().success());
        let mut log = String::new();
        server.log.read_to_string(&mut log).unwrap();
        log.lines()
            .filter(|line| line.contains("in a container: "))
            .count()
    };
    assert_eq!(lines("docker"), 1);
    assert_eq!(lines(""), 0);
}
