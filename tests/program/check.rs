//! What the example server prints with `--check`: a file with everything that would be in force.

use std::process::Command;

use crate::support::program::{complaint, file::File, program};

const REFERENCE: &str = include_str!("../../examples/server.toml");

/// Hashes of "secret".
const HASHES: [&str; 2] = [
    "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21l$hU5TnMwlSsWzVJgMLBOYGAhxD2bnnQlNDKIJJ7lBKkY",
    "$2y$04$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
];

/// A file with most of what can be stated, and secrets wherever there can be some.
fn everything() -> String {
    format!(
        "upstream = \"all\"\nopen = true\nsearch_domain = \"corp.example\"\n\
         [users]\n\"joe@example.com\" = \"s3cret\"\n\"o\\\"dd\" = \"s3cret\"\n\
         [password_hashes]\njane = \"{}\"\n\
         [limits]\nsessions = 100\nupload_bytes_per_second = 1_000\nrequests_per_second = 9\n\
         [limits.users.\"joe@example.com\"]\ntunnels = 3\n\
         [acl]\ndefault = \"deny\"\n[[acl.rules]]\naction = \"allow\"\nto = \"*.example\"\n\
         [[routes]]\nto = \"*.onion\"\nupstream = \"tor\"\n\
         [upstreams.all]\nbalance = [\"tor\", \"two\"]\n\
         [upstreams.tor]\nurl = \"socks5h://joe:s3cret@127.0.0.1:9\"\nprobe = {{ every = \"7s\" }}\n\
         [upstreams.two]\nurl = [\"http://joe:s3c%40ret@a.example:1\", \"socks5h://b.example:2\"]\n\
         [access_log]\nfile = \"/nowhere/access.log\"\n[log]\nfile = \"/nowhere/log\"\n\
         [metrics]\nlisten = \"127.0.0.1:9\"\n[admin]\npassword_hash = \"{}\"\n\
         [[outgoing.rules]]\nport = 80\nfamily = \"ipv4\"\n\
         [[listen]]\naddress = \"127.0.0.1:0\"\nprotocols = \"http\"\nudp = {{ ports = \"4000-4999\" }}\n\
         [[listen]]\npath = \"/nowhere/socket\"\n",
        HASHES[0], HASHES[1]
    )
}

/// What it prints.
fn check(text: &str) -> String {
    let file = File::new(text);
    let output = Command::new(program())
        .args(["--config", file.path(), "--check"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_it_prints_is_a_file_that_says_the_same() {
    for text in ["", REFERENCE, &everything()] {
        let printed = check(text);
        assert_eq!(check(&printed), printed);
    }
}

#[test]
fn no_secret_is_printed() {
    let printed = check(&everything());
    for secret in ["s3cret", "s3c%40ret", "c29tZXNhbHR", "hU5TnMwl", "N9qo8uLO"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
    for part in [
        "\"joe@example.com\" = \"***\"\n",
        "\"o\\\"dd\" = \"***\"\n",
        "jane = \"$argon2id$v=19$m=8,t=1,p=1$AAAA",
        "url = \"socks5h://joe:***@127.0.0.1:9\"\n",
    ] {
        assert!(printed.contains(part), "{part} in {printed}");
    }
}

#[test]
fn defaults_follow_from_what_is_stated() {
    let printed = check(&everything());
    for line in [
        "sessions_per_client = 25\n",
        "request_burst = 9\n",
        "upload = 1000\n",
        "dashboard = true\n",
        "every = \"7s\"\ntimeout = \"3s\"\n",
        "by = \"load\"\n",
        "udp_over_tcp = false\n",
        "format = \"json\"\n",
    ] {
        assert!(printed.contains(line), "{line} in {printed}");
    }
}

/// The fields are those that the program says itself that it knows.
#[test]
fn each_field_of_each_table_is_printed_or_named() {
    let printed = check(&everything());
    let tables = [
        "",
        "acl",
        "limits",
        "logins",
        "timeouts",
        "replies",
        "outgoing",
        "udp",
        "resolver",
        "relay",
        "log",
        "access_log",
        "metrics",
        "admin",
        "limits.users.\"joe@example.com\"",
        "upstreams.tor",
        "upstreams.tor.probe",
    ];
    for table in tables {
        let header = match table {
            "" => String::new(),
            table => format!("[{table}]\n"),
        };
        let section = match table {
            "" => printed.as_str(),
            _ => printed.split_once(&format!("\n{header}")).unwrap().1,
        };
        let section = match table {
            "" => section,
            _ => section
                .split_once("\n[")
                .map_or(section, |(section, _)| section),
        };
        let file = File::new(&format!("{header}nonesuch = 1\n"));
        let said = complaint(&["--config", file.path(), "--check"]);
        let known = said.split_once("expected ").unwrap().1;
        let known: Vec<_> = known.split('`').skip(1).step_by(2).collect();
        assert!(!known.is_empty(), "{said}");
        for field in known {
            let is_old = field.ends_with("_bytes_per_second");
            let is_set = section.contains(&format!("{field} = "));
            let is_table = printed.contains(&format!("[{table}.{field}"))
                || table.is_empty() && printed.contains(&format!("[{field}"))
                || printed.contains(&format!("[[{table}.{field}]]"));
            let unset = section.lines().find(|line| line.starts_with("# Not set: "));
            let is_unset = unset.is_some_and(|line| {
                line.trim_end_matches('.')
                    .split([' ', ','])
                    .any(|name| name == field)
            });
            assert!(
                is_old || is_set || is_table || is_unset,
                "{table}: {field} in {printed}"
            );
        }
    }
}

/// The log is the server's, who may be another user.
#[test]
fn a_check_makes_no_files() {
    let folder = std::env::temp_dir().join(format!("tower-socks-check-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let log = folder.join("log");
    check(&format!("[log]\nfile = {log:?}\n"));
    assert!(!log.exists());
    std::fs::remove_dir(&folder).unwrap();
}

/// A check says what the start would fail at, and creates nothing.
#[test]
fn what_cannot_be_written_to_is_said_and_nothing_is_created() {
    let folder = File::new("");
    let beside = folder.0.with_extension("beside");
    let file = File::new(&format!(
        "upgrade_socket = \"/nowhere/upgrade\"\n\
         [log]\nfile = \"{0}.log\"\n[access_log]\nfile = \"/nowhere/access.log\"\n\
         [limits]\nbytes_per_day = \"1 GB\"\nquota_file = \"{1}/quotas\"\n",
        beside.display(),
        folder.path(),
    ));
    let output = Command::new(program())
        .args(["--config", file.path(), "--check"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    let said: Vec<_> = said
        .lines()
        .filter_map(|line| line.strip_prefix("not on this machine: "))
        .collect();
    assert_eq!(
        said,
        [
            "upgrade_socket: /nowhere/upgrade: /nowhere: No such file or directory (os error 2)".to_owned(),
            format!("limits, quota_file: {0}/quotas: {0} is no directory", folder.path()),
            "access_log, file: /nowhere/access.log: /nowhere: No such file or directory (os error 2)".to_owned(),
        ]
    );
    assert!(!beside.with_extension("beside.log").exists());
}
