//! Mistakes in what the example server is told about its listeners: each is said with its place.

use std::process::Command;

use rustix::process::Signal;

use crate::support::program::{complaint, file::File, program};

#[test]
fn a_mistake_is_said_with_the_listener_and_its_field() {
    for (listen, expected) in [
        (
            "[[listen]]\n",
            "listener 1: a listener has an `address` or a `path`",
        ),
        (
            "[[listen]]\naddress = \"127.0.0.1:0\"\npath = \"/x\"\n",
            "listener 1: a listener has an `address` or a `path`, one of them",
        ),
        (
            "[[listen]]\naddress = \"127.0.0.1:0\"\n[[listen]]\npath = \"/x\"\nmode = \"9\"\n",
            "listener 2, mode: permissions",
        ),
        (
            "[[listen]]\naddress = \"127.0.0.1:0\"\nmode = \"0600\"\n",
            "listener 1: `mode`",
        ),
        (
            "[[listen]]\npath = \"/x\"\nmode = 660\n",
            "listener 1, mode: ",
        ),
        ("[[listen]]\npath = \"\"\n", "listener 1: the path is empty"),
        (
            "[[listen]]\naddress = \"1080\"\n",
            "listener 1: 1080: expected ADDR:PORT",
        ),
        (
            "[[listen]]\nadress = \"127.0.0.1:0\"\n",
            "listener 1, adress: unknown field",
        ),
        (
            "listen = [\"127.0.0.1:0\", \"x\"]\n",
            "listener 2: x: expected ADDR:PORT",
        ),
        (
            "listen = []\n",
            "listen: nobody could connect to an empty list",
        ),
        (
            "protocols = [\"gopher\"]\n",
            "protocols: `gopher` is not socks5, socks4 or http",
        ),
        ("protocols = []\n", "protocols: nobody could speak"),
        (
            "[[listen]]\naddress = \"127.0.0.1:0\"\nprotocols = [\"SOCKS5\"]\n",
            "listener 1, protocols: `SOCKS5` is not",
        ),
        (
            "[[listen]]\naddress = \"127.0.0.1:0\"\ntls = true\n",
            "listener at 127.0.0.1:0, tls: `true` takes the settings of `[tls]`",
        ),
        (
            "[[listen]]\naddress = \"127.0.0.1:0\"\ntls = { certificate = \"/x\" }\n",
            "listener 1, tls: missing field `key`",
        ),
        (
            "[[listen]]\naddress = \"127.0.0.1:0\"\ntls = { certificate = \"/x\", key = \"/y\", identity = \"common_name\" }\n",
            "listener at 127.0.0.1:0, tls: `identity` is about certificates of clients",
        ),
        (
            "[tls]\ncertificate = \"/nowhere/c.pem\"\nkey = \"/nowhere/k.pem\"\n",
            "listener at 127.0.0.1:1080, tls: /nowhere/c.pem: ",
        ),
        (
            "[[listen]]\npath = \"/x\"\nproxy_protocol = { from = [\"10.0.0.0/8\"] }\n",
            "listener at /x, proxy_protocol: nobody comes to a Unix socket from a network",
        ),
        (
            "[proxy_protocol]\nfrom = [\"10.0.0.1/8\"]\n",
            "proxy_protocol, from: `10.0.0.1/8`: ",
        ),
        (
            "[proxy_protocol]\nfrom = []\n",
            "proxy_protocol, from: nobody is in an empty list",
        ),
        (
            "[[listen]]\npath = \"/x\"\nname = \"a\"\n[[listen]]\npath = \"/y\"\nname = \"a\"\n",
            "listen: two listeners have one name",
        ),
    ] {
        let file = File::new(listen);
        let said = complaint(&["--config", file.path(), "--check"]);
        assert!(said.contains(expected), "{listen}: {said}");
    }
}

#[test]
fn flags_that_do_not_go_together_are_said() {
    for (flags, expected) in [
        (
            &["--tls-key", "/x"][..],
            "--tls-key needs --tls-certificate",
        ),
        (
            &["--tls-certificate", "/x"],
            "--tls-certificate needs --tls-key",
        ),
        (
            &["--protocols", "socks5,gopher"],
            "--protocols: `gopher` is not",
        ),
        (&["--protocols", ""], "--protocols: "),
        (
            &["--proxy-protocol-from", "x"],
            "--proxy-protocol-from `x`: ",
        ),
    ] {
        let said = complaint(flags);
        assert!(said.contains(expected), "{flags:?}: {said}");
    }
}

/// What is said of a file that is wrong, a mistake a line, and the status.
fn said(text: &str) -> Vec<String> {
    let file = File::new(text);
    let output = Command::new(program())
        .args(["--config", file.path(), "--check"])
        .output()
        .unwrap();
    assert!(!output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    let start = file.path();
    let lines = said.lines().map(|line| match line.split_once(start) {
        Some((_, line)) => line.to_owned(),
        None => line.to_owned(),
    });
    lines.collect()
}

#[test]
fn all_mistakes_are_said_at_once_in_the_order_of_the_file() {
    let lines = said(
        "protocols = [\"gopher\"]\nopne = true\n[limits]\nsesions = 7\ntunnels_per_user = \"many\"\n\
         [timeouts]\nidle = \"soon\"\n[log]\nformat = \"jsno\"\n\
         [acl]\ndefault = \"deny\"\n[[acl.rules]]\naction = \"deny\"\n[[acl.rules]]\naction = \"allow\"\nprot = 25\nto = \"10.0.0.1/8\"\n\
         [[listen]]\naddress = \"127.0.0.1:0\"\nmode = 1\n",
    );
    let expected = [
        ":1:13: protocols: `gopher` is not",
        ":2:1: opne: unknown field `opne`: did you mean `open`?",
        ":4:1: limits, sesions: unknown field `sesions`: did you mean `sessions`?",
        ":5:20: limits, tunnels_per_user: ",
        ":7:8: timeouts, idle: `soon` is no time",
        ":9:10: log, format: unknown variant `jsno`: did you mean `json`?",
        ":16:1: acl, rule 2, prot: unknown field `prot`: did you mean `port`?",
        ":17:6: acl, rule 2, to: ",
        ":20:8: listener 1, mode: ",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{expected} in {lines:#?}");
    }
}

#[test]
fn what_only_the_whole_file_shows_is_said_at_once_as_well() {
    let lines = said(
        "[users]\njoe = \"s3cret\"\n[limits.users.jo]\ntunnels = 1\n[acl]\ndefault = \"deny\"\n\
         [[acl.rules]]\naction = \"deny\"\nuser = \"joseph\"\n[[routes]]\nuser = \"jim\"\nupstream = \"direct\"\n",
    );
    for expected in [
        ":9:8: acl, rule 1, user: there is no user `joseph`",
        ": limits, users: there is no user `jo`",
        ": routes, route 1, user: there is no user `jim`",
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(expected)),
            "{expected} in {lines:#?}"
        );
    }
    assert!(!lines.concat().contains("s3cret"));
}

#[test]
fn very_many_mistakes_are_cut_short() {
    let many: String = (0..1_000).map(|n| format!("field{n} = 1\n")).collect();
    assert_eq!(said(&many).len(), 20);
}

#[test]
fn names_that_take_quotes_and_tables_that_are_there_twice_have_a_hint() {
    for (text, expected) in [
        (
            "[users]\njoe@example.com = \"s3cret\"\n",
            "is in quotes: \"joe@example.com\" = ..",
        ),
        (
            "[users]\njoe.smith = \"s3cret\"\n",
            "a name with a dot is in quotes, as in \"joe.smith\" = ..",
        ),
        (
            "[users]\njane doe = \"s3cret\"\n",
            "is in quotes: \"jane doe\" = ..",
        ),
        (
            "[users]\njoe = \"s3cret\"\n[acl]\ndefault = \"deny\"\n[users]\njane = \"s3cret\"\n",
            "[users] is there already: a table has one place in a file",
        ),
        (
            "[users]\njoe = \"s3cret\"\njoe = \"s3cret\"\n",
            "it is there already, in the same table",
        ),
    ] {
        let lines = said(text);
        assert!(
            lines.len() == 1 && lines[0].contains(expected),
            "{text}: {lines:#?}"
        );
        assert!(!lines[0].contains("s3cret"), "{lines:#?}");
    }
}

#[test]
fn rules_and_routes_that_are_never_reached_are_warned_about() {
    let file = File::new(
        "upstream = \"socks5h://127.0.0.1:9\"\n[acl]\ndefault = \"allow\"\n\
         [[acl.rules]]\nname = \"no mail\"\naction = \"deny\"\nport = [25, \"465-587\"]\n\
         [[acl.rules]]\nname = \"joe's mail\"\naction = \"allow\"\nuser = \"joe\"\nport = 587\n\
         [[acl.rules]]\naction = \"allow\"\nport = 443\n\
         [[routes]]\nupstream = \"direct\"\n[[routes]]\nto = \"*.onion\"\nupstream = \"refuse\"\n",
    );
    let warnings = [
        "acl, rule 2 (joe's mail) is never reached: rule 1 (no mail) matches all that it matches",
        "routes, route 2 is never reached: route 1 matches all that it matches",
    ];
    let output = Command::new(program())
        .args(["--config", file.path(), "--check"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.matches("is never reached").count(), 2, "{said}");
    for warning in warnings {
        assert!(said.contains(warning), "{said}");
    }
    let mut server = file.strict_server();
    // At the start it is said after the line that the server waits for, and after a reload again.
    for _ in 0..2 {
        for warning in warnings {
            let line = server.says(warning);
            assert!(line.contains("WARN"), "{line}");
        }
        server.signal(Signal::HUP);
    }
}

#[test]
fn mistakes_of_other_files_are_said_with_those_of_the_file() {
    let others = "users_file = \"/nowhere/users\"\n[tls]\ncertificate = \"/nowhere/chain\"\nkey = \"/nowhere/key\"\n\
                  [log]\nusers = \"hashed\"\nusers_key_file = \"/nowhere/log.key\"\n\
                  [upstreams.rome]\nfailover = [\"paris\"]\n[[routes]]\nupstream = \"berlin\"\n";
    let all = [
        "users_file /nowhere/users: ",
        "users_key_file: /nowhere/log.key: ",
        "/nowhere/chain",
        "route 1, upstream: `berlin` is not",
        "upstreams.rome: `paris` is not",
    ];
    for (more, own) in [
        ("", None),
        (
            "[timeouts]\ndial = \"soon\"\n[udp]\nfiltering = \"x\"\n",
            Some(["timeouts, dial", "udp, filtering"]),
        ),
    ] {
        let file = File::new(&format!("{others}{more}"));
        let output = Command::new(program())
            .args(["--config", file.path(), "--check"])
            .output()
            .unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        for expected in all.iter().chain(own.iter().flatten()) {
            let lines = said.lines().filter(|line| line.contains(expected));
            assert_eq!(lines.count(), 1, "{expected}: {said}");
        }
        assert_eq!(
            said.lines().count(),
            all.len() + own.map_or(0, |own| own.len()),
            "{said}"
        );
    }
}
