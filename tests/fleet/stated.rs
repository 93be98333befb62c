//! `[redis]` of the file.

use std::os::unix::fs::PermissionsExt;

use crate::{node::check, support::program::file::File};

fn mistake(table: &str) -> String {
    let output = check(&format!("[redis]\n{table}\n"));
    assert!(!output.status.success(), "{table}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

#[test]
fn mistakes_are_said_without_the_address() {
    const URL: &str = "url = \"redis://:s3cret@127.0.0.1\"\n";
    for (table, expected) in [
        ("", "redis: `url` or `url_file` says where it is"),
        (
            "url = \"s3cret\"",
            "redis, url: an address of Redis is as redis://",
        ),
        ("url = \"http://:s3cret@127.0.0.1\"", "redis, url: "),
        ("url_file = \"/nowhere\"", "redis, url: /nowhere: "),
        (
            &format!("{URL}url_file = \"/nowhere\""),
            "which of them counts?",
        ),
        (
            &format!("{URL}timeout = \"90s\""),
            "redis, timeout: from 1ms to 60s",
        ),
        (
            &format!("{URL}lease = \"100ms\""),
            "redis, lease: from 1s to 86400s",
        ),
        (&format!("{URL}prefix = \"\""), "redis, prefix: "),
        (&format!("{URL}prefix = \"{{a}}\""), "redis, prefix: "),
        (&format!("{URL}node_name = \"a b\""), "redis, node_name: "),
        (&format!("{URL}page = \"javascript:1\""), "redis, page: "),
        (
            &format!("{URL}while_away = \"shut\""),
            "\"local\", \"open\" or \"closed\"",
        ),
        (
            &format!("{URL}while_away = {{ tunnel = \"open\" }}"),
            "\"local\", \"open\" or \"closed\"",
        ),
        (
            &format!("{URL}login_secret = \"s3cret\""),
            "redis, login_secret: at least 16 octets",
        ),
        (
            &format!("{URL}login_secret_file = \"/nowhere\""),
            "redis, login_secret: /nowhere: ",
        ),
        (&format!("{URL}host = \"a\""), "host"),
        (
            &format!("{URL}[limits]\nquota_file = \"/tmp/quotas\""),
            "leave one of them out",
        ),
    ] {
        let said = mistake(table);
        assert!(said.contains(expected), "{table}: {said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[test]
fn what_is_in_force_is_said_without_the_password() {
    let output = check(
        "[redis]\nurl = \"redis://joe:s3cret@127.0.0.1\"\nnode_name = \"proxy-1\"\nwhile_away = { requests = \"open\" }\n",
    );
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    for expected in [
        "# fleet     as proxy-1 of tower-socks; while Redis is away: tunnels local, requests open, bandwidth local, \
         quotas local, and failed logins are counted here alone\n",
        "\nurl = \"redis://joe:***@127.0.0.1\"\n",
        "\nprefix = \"tower-socks\"\n",
        "\ntimeout = \"250ms\"\n",
        "\nlease = \"30s\"\n",
        "\naccounts = false\n",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    assert!(!said.contains("s3cret"), "{said}");

    let secret = File::new("redis://:s3cret@127.0.0.1\nmore\n");
    std::fs::set_permissions(&secret.0, std::fs::Permissions::from_mode(0o600)).unwrap();
    let output = check(&format!(
        "[redis]\nurl_file = \"{}\"\nwhile_away = \"closed\"\nlogin_secret = \"s3cret-of-16-octets\"\n",
        secret.path()
    ));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains(
            "tunnels closed, requests closed, bandwidth closed, quotas closed, logins closed\n"
        ),
        "{said}"
    );
    assert!(!said.contains("s3cret"), "{said}");
}

/// The reference explains each field of it.
#[test]
fn the_reference_is_right() {
    let reference = include_str!("../../examples/server.toml");
    let (_, table) = reference.split_once("\n# [redis]\n").unwrap();
    let lines = table.lines().take_while(|line| line.starts_with("# "));
    let fields = lines.map(|line| line.trim_start_matches("# "));
    let fields: Vec<_> = fields
        .filter(|line| !line.starts_with("url_file") && !line.starts_with("login_secret_file"))
        .collect();
    let (tables, fields): (Vec<&str>, Vec<&str>) = fields
        .into_iter()
        .partition(|line| line.starts_with("while_away = {"));
    for line in [
        fields.join("\n"),
        format!("url = \"redis://127.0.0.1\"\n{}", tables.join("\n")),
    ] {
        let output = check(&format!("[redis]\n{line}\n"));
        assert!(output.status.success(), "{output:?}");
    }
}
