//! Where the state machines wait, and which of these places the sweeps go through.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file, how many times it waits (`.await` and `ready!`), how many of these the sweeps reach, and
/// why not the rest.
const WAITS: &[(&str, usize, usize, &str)] = &[
    ("layer/connection/hold.rs", 7, 3, BESIDE),
    ("layer/connection/dial.rs", 1, 1, ""),
    ("layer/socks4/connection.rs", 10, 9, SHARES),
    ("layer/connection/foreign.rs", 7, 6, FOREIGN),
    ("layer/handshake/connection.rs", 12, 11, SHARES),
    ("layer/mixed/connection.rs", 1, 1, ""),
    ("layer/auth/layer.rs", 5, 4, STATED),
    ("layer/auth/accept_user_id.rs", 1, 0, LOGINS),
    ("layer/auth/userpass.rs", 9, 7, LOGINS),
    (
        "layer/auth/availability.rs",
        1,
        0,
        "a test in the file itself",
    ),
    ("layer/auth/stored_hash.rs", 1, 0, DIRECTORIES),
    ("layer/auth/gate.rs", 1, 0, DIRECTORIES),
    ("layer/auth/gssapi/dialogue.rs", 11, 0, GSSAPI),
    ("layer/auth/gssapi/method.rs", 3, 0, GSSAPI),
    ("layer/auth/gssapi/steps.rs", 2, 0, GSSAPI),
    ("session/login_attempts.rs", 1, 0, LOGINS),
    ("layer/auth/combinators.rs", 6, 3, STATED),
    ("session/allowed_or_refused.rs", 1, 1, ""),
    ("io/message.rs", 6, 6, ""),
    ("gssapi/incoming.rs", 4, 0, ENCAPSULATED),
    ("gssapi/messages.rs", 4, 0, GSSAPI),
    ("gssapi/stream.rs", 6, 0, ENCAPSULATED),
    ("session/admission.rs", 1, 0, BALANCER),
    ("session/share.rs", 3, 0, STORES),
    ("session/draining.rs", 2, 0, DRAIN),
    ("connector/direct/happy_eyeballs.rs", 5, 5, ""),
    ("connector/direct/service.rs", 7, 6, ANNOUNCED),
    ("connector/direct/connect.rs", 1, 1, ""),
    ("connector/bind/service.rs", 1, 1, ""),
    ("connector/name_service/service.rs", 4, 4, ""),
    ("connector/name_service/tunnel.rs", 1, 1, ""),
    ("connector/second_reply.rs", 4, 4, ""),
    ("connector/bind/tunnel.rs", 5, 4, ACCEPT),
    ("connector/associate/service.rs", 1, 1, ""),
    ("connector/associate/tunnel.rs", 3, 3, ""),
    ("connector/associate/lifetime.rs", 2, 2, ""),
    ("connector/associate/relay.rs", 6, 4, UNWRITABLE),
    ("connector/associate/client/frames.rs", 4, 4, ""),
    ("connector/associate/client/socket.rs", 3, 2, UNWRITABLE),
    ("connector/associate/direct.rs", 3, 0, UNWRITABLE),
    ("connector/associate/lookups.rs", 1, 1, ""),
    (
        "datagram/filter.rs",
        2,
        0,
        "a wrapper of a user's: tests/udp/filter.rs",
    ),
    ("datagram/send.rs", 2, 0, UNWRITABLE),
    ("datagram/frames/reader.rs", 2, 2, ""),
    ("datagram/frames/writer.rs", 1, 1, ""),
    ("datagram/batch_socket.rs", 2, 0, UNWRITABLE),
    ("datagram/receive_errors.rs", 1, 1, ""),
    ("relay/relay.rs", 6, 4, SLOW),
    ("relay/moving.rs", 1, 1, ""),
    ("relay/idle.rs", 1, 1, ""),
    ("io/lingering_close.rs", 5, 5, ""),
    ("io/client_stream.rs", 1, 0, FULL),
    ("io/control.rs", 1, 1, ""),
    ("io/raw_socket.rs", 3, 0, SLOW),
    ("io/raw_calls.rs", 2, 2, ""),
    ("io/tls_stream.rs", 4, 0, TLS),
    ("io/prefixed_stream.rs", 7, 5, FULL),
    ("relay/copier.rs", 8, 8, ""),
    ("relay/sockets.rs", 6, 6, ""),
    ("relay/splice.rs", 3, 3, ""),
    ("io/meter.rs", 2, 2, ""),
    ("io/metered_stream.rs", 5, 5, ""),
];

const BESIDE: &str = "TLS before a protocol, requests of HTTP: tests/tls, tests/http";
const FOREIGN: &str = "SOCKS5 where it is not served: tests/protocol/mixed.rs";
const SHARES: &str = "a user with too many sessions: tests/limits/sessions.rs";
const LOGINS: &str = "an attempt that waits for others: tests/limits/logins.rs";
const DIRECTORIES: &str = "a login that waits for a directory: tests/directories";
const STORES: &str = "a store that answers later: tests/limits/stores.rs";
const STATED: &str = "what is stated with a request: tests/protocol/stated.rs";
const ANNOUNCED: &str = "a target that the client is announced to: tests/connect/announce.rs";
const BALANCER: &str = "a client behind a balancer, in the queue: tests/limits/senders.rs";
const DRAIN: &str = "a server that drains: tests/http/draining.rs";
const TLS: &str = "a stream of TLS: tests/tls";
const ACCEPT: &str = "a connection that broke before it was accepted: tests/server/accept.rs";
const SLOW: &str = "a slow receiver behind a reset: tests/relay/resets.rs";
const ENCAPSULATED: &str = "a stream of messages: tests/protocol/encapsulation.rs";
const GSSAPI: &str = "a sub-negotiation with a mechanism: tests/protocol/gssapi.rs";
const FULL: &str = "a client behind more than is read ahead, a PROXY header: tests/protocol/early_data.rs, proxy_protocol.rs";
const UNWRITABLE: &str = "a UDP socket without room, which takes a slow network: .ci/namespaces";

/// Where they are.
const ROOMS: &[&str] = &[
    "layer/connection",
    "layer/handshake",
    "layer/socks4",
    "layer/mixed",
    "layer/auth",
    "layer/auth/gssapi",
    "session",
    "connector",
    "connector/direct",
    "connector/bind",
    "connector/name_service",
    "connector/associate",
    "connector/associate/client",
    "datagram",
    "datagram/frames",
    "gssapi",
    "io",
    "relay",
];

#[test]
fn every_place_that_waits_is_listed() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut waits, mut reached) = (0, 0);
    for room in ROOMS {
        for file in files(&src.join(room)) {
            let found = count(&fs::read_to_string(&file).unwrap());
            let name = file.strip_prefix(&src).unwrap();
            let listed = WAITS.iter().find(|(listed, ..)| name == Path::new(listed));
            let (listed, there) = listed.map_or((0, 0), |entry| (entry.1, entry.2));
            assert_eq!(
                found,
                listed,
                "{}: is there a scenario that gets to what is new there?",
                name.display()
            );
            waits += found;
            reached += there;
        }
    }
    let all: usize = WAITS.iter().map(|entry| entry.1).sum();
    assert_eq!(waits, all, "a file is listed that is not there");
    for (file, waits, reached, why) in WAITS {
        assert_eq!(reached == waits, why.is_empty(), "{file}: {why}");
    }
    println!("{reached} of {waits} places are reached");
}

/// Places outside of documentation.
fn count(source: &str) -> usize {
    let code = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.map(|line| line.matches(".await").count() + line.matches("ready!(").count())
        .sum()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "rs"))
        .collect()
}
