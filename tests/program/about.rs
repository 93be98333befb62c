//! What the example server prints of itself: its version, and a file with its defaults.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use crate::support::program::{complaint, file::File, program};

const REFERENCE: &str = include_str!("../../examples/server.toml");

/// What it prints, with nothing to complain about.
fn prints(flags: &[&str]) -> String {
    let output = Command::new(program()).args(flags).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stderr, b"");
    String::from_utf8(output.stdout).unwrap()
}

/// What would be in force with this file.
fn check(text: &str) -> String {
    let file = File::new(text);
    // It may have passwords.
    std::fs::set_permissions(&file.0, Permissions::from_mode(0o600)).unwrap();
    prints(&["--config", file.path(), "--check"])
}

#[test]
fn hashing_a_password_can_be_asked_about() {
    // It would wait for a password.
    let help = prints(&["hash-password", "--help"]);
    assert!(help.contains("hash-password"), "{help}");
    let said = complaint(&["hash-password", "s3cret"]);
    assert!(
        said.contains("standard input") && !said.contains("s3cret"),
        "{said}"
    );
}

#[test]
fn its_version_has_the_features() {
    for flag in ["--version", "-V"] {
        let said = prints(&[flag]);
        let (version, features) = said.split_once('\n').unwrap();
        assert_eq!(version, concat!("tower-socks ", env!("CARGO_PKG_VERSION")));
        let features = features.trim_end().strip_prefix("features: ").unwrap();
        // Those that the tests build it with.
        assert_eq!(
            features,
            "http-connect, http-server, limit, metrics, proxy-url, remember, reverse-dns, rules, tls, users"
        );
    }
}

/// A feature that is new is said as well.
#[test]
fn its_version_knows_all_features() {
    let manifest: toml::Table = include_str!("../../Cargo.toml").parse().unwrap();
    let known = include_str!("../../examples/server/about.rs");
    let features = manifest["features"].as_table().unwrap().keys();
    for feature in features.filter(|feature| *feature != "default") {
        assert!(known.contains(&format!("\"{feature}\"")), "{feature}");
    }
}

/// The package has the program with all features by their names, and the version of the crate.
#[test]
fn the_package_has_all_features() {
    let of_crate: toml::Table = include_str!("../../Cargo.toml").parse().unwrap();
    let package: toml::Table = include_str!("../../examples/packages/Cargo.toml")
        .parse()
        .unwrap();
    assert_eq!(
        package["package"]["version"],
        of_crate["package"]["version"]
    );
    assert_eq!(
        package["package"]["rust-version"],
        of_crate["package"]["rust-version"]
    );
    let names = |of: &toml::Table| {
        let features = of["features"].as_table().unwrap().keys();
        let mut names: Vec<_> = features
            .filter(|name| *name != "default")
            .cloned()
            .collect();
        names.sort();
        names
    };
    let all = names(&of_crate);
    assert_eq!(names(&package), all);
    let features = &package["features"];
    for name in &all {
        let forwarded = [toml::Value::from(format!("tower-socks/{name}"))];
        assert_eq!(features[name].as_array().unwrap(), &forwarded, "{name}");
    }
    let default = features["default"].as_array().unwrap();
    let mut default: Vec<_> = default.iter().map(|name| name.as_str().unwrap()).collect();
    default.sort_unstable();
    // The one that brings a library of C is asked for.
    let all: Vec<_> = all.iter().filter(|name| *name != "gssapi").collect();
    assert_eq!(default, all);
}

/// All that it has are comments: it can be started with as it is, and nobody has a password that others know.
#[test]
fn the_file_that_it_prints_changes_nothing() {
    let printed = prints(&["--print-config"]);
    assert_eq!(check(&printed), check(""));
    let settings = printed
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(settings.count(), 0, "{printed}");
}

/// Its settings are those of the reference, which works.
#[test]
fn the_file_that_it_prints_is_the_reference() {
    let printed = prints(&["--print-config"]);
    let (_, printed) = printed.split_once("\n#\n").unwrap();
    let uncommented = printed.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|next: char| next == '[' || next.is_lowercase()) => {
            setting
        }
        _ => line,
    });
    let uncommented: Vec<_> = uncommented.collect();
    assert_eq!(uncommented, REFERENCE.lines().collect::<Vec<_>>());
}

/// Besides users, rules and limits, which are examples, the reference says the defaults.
#[test]
fn the_reference_says_the_defaults() {
    let parsed = |text| check(text).parse::<toml::Table>().unwrap();
    let (said, default) = (parsed(REFERENCE), parsed(""));
    for name in [
        "listen",
        "protocols",
        "udp_over_tcp",
        "resolve",
        "open",
        "logins",
        "timeouts",
        "replies",
        "outgoing",
        "udp",
        "resolver",
        "relay",
        "log",
    ] {
        assert_eq!(said[name], default[name], "{name}");
    }
    for name in [
        "sessions",
        "sessions_per_client",
        "sessions_per_user",
        "unauthenticated_per_client",
        "associations_per_user",
        "backlog_bytes_per_association",
        "binds_per_user",
        "quota_day",
    ] {
        assert_eq!(said["limits"][name], default["limits"][name], "{name}");
    }
}

#[test]
fn a_reader_that_has_gone_is_no_panic() {
    for flag in ["--help", "--print-config", "--version", "--man=file"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(program());
        command.arg(flag).stdout(writer).stderr(Stdio::piped());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{flag}: {output:?}");
        assert_eq!(output.stderr, b"", "{flag}");
    }
}
