//! A wrongly built stack does not compile, and the compiler says what to write instead.
//!
//! The cases are programs of their own, checked by the cargo that runs this test. What is compared
//! is what this crate makes the compiler say, not the compiler's own words around it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::{collections::HashMap, fs, path::Path, process::Command};

use serde_json::Value;

/// A case, and what its errors have to say; nothing, where it has to compile.
const CASES: &[(&str, &[&str])] = &[
    ("right", &[]),
    (
        "no_auth_layer",
        &[
            "inside `HandshakeLayer`, `Connector` does not authenticate clients",
            "`AuthLayer` is missing",
            ".layer(AuthLayer::new(NoAuth))",
        ],
    ),
    (
        "no_handshake_layer",
        &[
            "this stack cannot be served",
            ".layer(HandshakeLayer::new())",
        ],
    ),
    (
        "swapped",
        &[
            "this stack cannot be served",
            "from the outside to the inside: `.layer(HandshakeLayer::new())`",
        ],
    ),
    (
        "acl_above_auth",
        &["inside `HandshakeLayer`, `tower::timeout::Timeout<Acl<"],
    ),
    (
        "no_connector",
        &[
            "`AuthLayer` needs a service for requests inside it",
            "`.service(Connector::direct())`",
        ],
    ),
    (
        "not_a_method",
        &["`A` is no authentication method", "`UserPass::new(users)`"],
    ),
    (
        "not_a_policy",
        &["takes 1 argument", "to implement `Policy`"],
    ),
    (
        "not_a_resolver",
        &["is not a resolver", "a resolver is a `Service<DomainName>`"],
    ),
];

#[test]
fn a_wrong_stack_does_not_compile_and_the_message_says_what_is_missing() {
    let said = check_all();
    for (case, expected) in CASES {
        let said = said.get(*case).map_or("", String::as_str);
        if expected.is_empty() {
            assert!(said.is_empty(), "{case} should compile, but:\n{said}");
        }
        for text in *expected {
            assert!(
                said.contains(text),
                "{case} should say {text:?}, but says:\n{said}"
            );
        }
    }
}

/// The errors of every case.
fn check_all() -> HashMap<String, String> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_errors");
    fs::create_dir_all(package.join("src/bin")).unwrap();
    fs::write(
        package.join("Cargo.toml"),
        format!(
            "[package]\nname = \"compile-errors\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
             [workspace]\n\
             [dependencies]\n\
             tower-socks = {{ path = {home:?}, features = [\"users\"] }}\n\
             tokio = \"1\"\n\
             tower = {{ version = \"0.5\", features = [\"limit\", \"timeout\", \"util\"] }}\n",
        ),
    )
    .unwrap();
    // The versions that are here already, so that nothing has to be fetched.
    fs::copy(home.join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
    for (case, _) in CASES {
        let program = format!("tests/compile_errors/cases/{case}.rs");
        fs::copy(
            home.join(program),
            package.join(format!("src/bin/{case}.rs")),
        )
        .unwrap();
    }

    let checked = Command::new(env!("CARGO"))
        .args([
            "check",
            "--offline",
            "--keep-going",
            "--message-format=json",
        ])
        .current_dir(&package)
        .env("CARGO_TARGET_DIR", package.join("target"))
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let mut said: HashMap<String, String> = HashMap::new();
    let mut finished = false;
    for line in String::from_utf8_lossy(&checked.stdout).lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        finished |= message["reason"] == "build-finished";
        if message["reason"] == "compiler-message" && message["message"]["level"] == "error" {
            let case = message["target"]["name"].as_str().unwrap();
            let rendered = message["message"]["rendered"].as_str().unwrap();
            said.entry(case.into()).or_default().push_str(rendered);
        }
    }
    assert!(finished, "{}", String::from_utf8_lossy(&checked.stderr));
    said
}
