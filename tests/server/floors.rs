//! The architecture: arrows between rooms go down only.
//!
//! Rooms are the modules at the root of the crate; the picture is in `ARCHITECTURE.md`. Rooms on one floor
//! do not know each other, but for an error of the relay; what they share lies below them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Each room from the lowest floor up, and what it may import from.
#[rustfmt::skip]
const HOUSE: &[(&str, &str)] = &[
    // A macro, in scope everywhere below it in lib.rs: no import names it.
    ("opaque_future", ""),

    ("proto", ""),

    ("io", "proto"),
    ("admission", ""),

    ("relay", "io"),
    ("datagram", "proto io"),
    ("error", "proto relay"),

    ("tls", "io admission error"),

    ("gssapi", "proto io error"),

    ("session", "proto io admission relay error"),

    ("client", "proto io admission relay datagram error gssapi session"),
    ("rules", "proto admission error session"),

    ("layer/key", "proto admission session"),
    ("layer/connection", "proto io admission relay error session"),
    ("layer/handshake", "proto io admission relay error session layer/connection"),
    ("layer/socks4", "proto io admission relay error session layer/connection"),
    ("layer/mixed", "proto io admission relay error session layer/connection layer/handshake layer/socks4 layer/http"),
    ("layer/auth", "proto io admission error gssapi session tls"),
    ("layer/http", "proto io admission relay error session layer/connection"),
    ("layer/proxy_protocol", "proto io admission relay error session layer/connection"),
    ("layer/acl", "proto io admission relay error session"),
    ("layer/limit", "proto io admission relay error session layer/key"),
    ("layer/meter", "proto io admission relay error session layer/key"),
    ("layer/metrics", "proto io admission relay error session"),
    ("layer/record", "proto io relay error session"),
    ("layer/request_fn", "error session"),
    ("layer/search_domain", "proto error session"),
    ("layer/tls", "proto io admission relay error session tls layer/connection"),
    ("layer/trace", "proto io relay error session"),
    ("layer/track", "proto io relay error session"),
    ("layer/udp_over_tcp", "proto error session"),
    ("connector", "proto io admission relay datagram error session client rules tls"),
    ("server", "proto io admission error session"),

    ("redis", "proto io admission error session layer/key layer/limit layer/meter layer/auth"),

    ("guide", ""), // pages
];

#[test]
fn imports_go_down_only() {
    let mut arrows = 0;
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let (place, allowed) = match room_of(&file) {
            Some(room) => room,
            None => continue, // lib.rs and layer/mod.rs only name what is there
        };
        for imported in rooms(&fs::read_to_string(&file).unwrap()) {
            arrows += 1;
            let inside = place == imported;
            assert!(
                inside || allowed.split(' ').any(|room| room == imported),
                "{} imports crate::{imported}, which is not below it",
                file.display(),
            );
        }
    }
    assert!(
        arrows > 50,
        "only {arrows} imports found: is this looking at the right place?"
    );
}

/// The connectors, which share what lies beside them and do not know each other.
const CONNECTORS: &[&str] = &[
    "direct",
    "bind",
    "associate",
    "upstream",
    "balance",
    "failover",
    "name_service",
    "proxy_url",
    "route",
    "tls",
];

/// How another proxy is reached, and whose errors tell about one, unless somebody says otherwise.
const DEFAULTS: &[(&str, &str)] = &[
    ("upstream", "direct"),
    ("failover", "upstream"),
    // A balancer is a failover whose order is another one for each request.
    ("balance", "failover"),
    ("proxy_url", "direct"),
    ("proxy_url", "upstream"),
    ("proxy_url", "tls"),
    ("tls", "direct"),
];

#[test]
fn connectors_do_not_know_each_other() {
    let connectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/connector");
    for own in CONNECTORS {
        for file in sources(&connectors.join(own)) {
            let code = fs::read_to_string(&file).unwrap();
            for imported in imports(&code, "connector::") {
                let sibling = CONNECTORS.contains(&imported.as_str())
                    && imported != *own
                    && !DEFAULTS.contains(&(*own, imported.as_str()));
                assert!(!sibling, "{} imports connector::{imported}", file.display());
            }
            assert!(!code.contains("super::super::"), "{}", file.display());
        }
    }
}

#[test]
fn proto_needs_the_standard_library_and_idna_only() {
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/proto")) {
        let code = code(&fs::read_to_string(&file).unwrap());
        for line in code.lines().filter(|line| line.starts_with("use ")) {
            let root = line["use ".len()..].split([':', ';', ' ', '{']).next();
            assert!(
                matches!(root, Some("std" | "super" | "self" | "idna"))
                    || line.starts_with("use crate::proto::"),
                "{}: {line}",
                file.display()
            );
        }
        for other in ["tokio", "tower", "serde", "tracing"] {
            assert!(
                !code.contains(&format!("{other}::")),
                "{}: {other}",
                file.display()
            );
        }
    }
}

#[test]
fn there_is_no_lumber_room() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in sources(&src) {
        // Where the checkout is is nobody's business.
        let inside = file.strip_prefix(&src).unwrap();
        for name in inside.iter().map(|part| part.to_string_lossy()) {
            for lumber in ["util", "utils", "common", "types", "helpers"] {
                assert_ne!(name.trim_end_matches(".rs"), lumber, "{}", file.display());
            }
        }
    }
}

#[test]
fn an_upward_import_is_found() {
    let wrong = "use crate::{\n    error::BoxError,\n    server::{Serve, serve},\n};\nfn f() { crate::relay::lingering_close }";
    assert_eq!(imports(wrong, "crate::"), ["error", "server", "relay"]);
    let documented = "/// [`serve`](crate::serve)\n//! crate::server";
    assert_eq!(imports(documented, "crate::"), [""; 0]);
    let nested = "use crate::{connector::{direct::Direct, ports}, error::BoxError};";
    assert_eq!(imports(nested, "connector::"), ["direct", "ports"]);
}

pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The rooms that a file imports from, layers by their own names.
fn rooms(text: &str) -> Vec<String> {
    let mut rooms = imports(text, "crate::");
    rooms.retain(|room| room != "layer");
    let layers = imports(text, "crate::layer::");
    rooms.extend(layers.iter().map(|layer| format!("layer/{layer}")));
    rooms
}

fn room_of(file: &Path) -> Option<(&'static str, &'static str)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let place = file.strip_prefix(src).unwrap().with_extension("");
    if place == Path::new("lib") || place == Path::new("layer/mod") {
        return None;
    }
    let room = HOUSE.iter().find(|(room, _)| place.starts_with(room));
    Some(*room.unwrap_or_else(|| panic!("{} is in no room of the house", file.display())))
}

/// The text without comments, where documentation may point upwards.
pub(crate) fn code(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The rooms named behind `prefix`, alone or in a group.
fn imports(text: &str, prefix: &str) -> Vec<String> {
    let code = code(text);
    let mut rooms = Vec::new();
    for (at, path) in code.match_indices(prefix) {
        let rest = &code[at + path.len()..];
        let group = match rest.strip_prefix('{') {
            Some(group) => group,
            None => {
                rooms.push(word(rest));
                continue;
            }
        };
        let mut depth = 0;
        let mut member = String::new();
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => rooms.extend(Some(word(&std::mem::take(&mut member)))),
                _ if depth == 0 => member.push(c),
                _ => {}
            }
        }
        rooms.extend(Some(word(&member)));
    }
    rooms.retain(|room| !room.is_empty());
    rooms
}

fn word(text: &str) -> String {
    let word = text.trim_start();
    word.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}
