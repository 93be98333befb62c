//! A wrongly built stack does not compile, and the compiler says what to write instead.
//!
//! The cases are programs of their own, checked by the cargo that runs this test. What is compared
//! is what this crate makes the compiler say, not the compiler's own words around it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::{collections::HashMap, fs, path::Path, process::Command};

use serde_json::Value;

/// A program, and what its errors have to say and must not say; where there is nothing to say, it has to
/// compile.
struct Case {
    program: &'static str,
    says: &'static [&'static str],
    is_silent_about: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        program: "right",
        says: &[],
        is_silent_about: &[],
    },
    Case {
        program: "right_optional_tunnel",
        says: &[],
        is_silent_about: &[],
    },
    Case {
        program: "no_auth_layer",
        says: &[
            "inside `HandshakeLayer`, `Connector` does not authenticate clients",
            "`AuthLayer` is missing",
            ".layer(AuthLayer::new(NoAuth))",
        ],
        is_silent_about: &[],
    },
    Case {
        program: "no_handshake_layer",
        says: &[
            "this stack cannot be served",
            ".layer(HandshakeLayer::new())",
        ],
        is_silent_about: &[],
    },
    Case {
        program: "swapped",
        says: &[
            "this stack cannot be served",
            "from the outside to the inside: `.layer(HandshakeLayer::new())`",
        ],
        is_silent_about: &[],
    },
    Case {
        program: "acl_above_auth",
        says: &["inside `HandshakeLayer`, `tower::timeout::Timeout<Acl<"],
        is_silent_about: &[],
    },
    Case {
        program: "no_connector",
        says: &[
            "`AuthLayer` needs a service for requests inside it",
            "`.service(Connector::direct())`",
        ],
        is_silent_about: &["is missing"],
    },
    Case {
        program: "not_a_method",
        says: &["`A` is no authentication method", "`UserPass::new(users)`"],
        is_silent_about: &[],
    },
    Case {
        program: "verifier_says_bool",
        says: &[
            "does not verify credentials",
            "`Service<Credentials, Response = Identity>`",
            "tower::service_fn(async |credentials: Credentials| ..)",
        ],
        is_silent_about: &["`AuthLayer` is missing", "`UserPass::new(users)`"],
    },
    Case {
        program: "verifier_is_a_closure",
        says: &[
            "does not verify credentials",
            "tower::service_fn(async |credentials: Credentials| ..)",
        ],
        is_silent_about: &["`AuthLayer` is missing", "`UserPass::new(users)`"],
    },
    Case {
        program: "verifier_of_the_message",
        says: &["tower_socks::Credentials"],
        is_silent_about: &["`AuthLayer` is missing", "`UserPass::new(users)`"],
    },
    Case {
        program: "not_clone_above_auth",
        says: &[
            "`RateLimit<Auth<NoAuth, Connector>>` is not `Clone`",
            "write `.buffer(1024)` above `.rate_limit(..)`",
        ],
        is_silent_about: &["`AuthLayer` is missing"],
    },
    Case {
        program: "not_clone_below_auth",
        says: &["`RateLimit<_>: Clone`"],
        is_silent_about: &["`AuthLayer` is missing"],
    },
    Case {
        program: "not_send_above_auth",
        says: &[
            "future cannot be sent between threads safely",
            "has type `Rc<()>` which is not `Send`",
        ],
        is_silent_about: &["`AuthLayer` is missing"],
    },
    Case {
        program: "not_send_below_auth",
        says: &[
            "future cannot be sent between threads safely",
            "has type `Rc<()>` which is not `Send`",
        ],
        is_silent_about: &[
            "`AuthLayer` is missing",
            "this does not turn a `Request` into a `Tunnel`",
        ],
    },
    Case {
        program: "optional_tunnel",
        says: &[
            "where it says `Either<..>`",
            "`.map_response(BoxTunnel::new)`",
        ],
        is_silent_about: &["`AuthLayer` is missing"],
    },
    Case {
        program: "not_a_policy",
        says: &["takes 1 argument", "session::Policy`"],
        is_silent_about: &[],
    },
    Case {
        program: "policy_without_names",
        says: &["missing: `check_name`"],
        is_silent_about: &[],
    },
    Case {
        program: "target_without_request",
        says: &["missing: `request`"],
        is_silent_about: &[],
    },
    Case {
        program: "not_a_resolver",
        says: &["is not a resolver", "a resolver is a `Service<Lookup>`"],
        is_silent_about: &[],
    },
    Case {
        program: "request_fn_right",
        says: &[],
        is_silent_about: &[],
    },
    Case {
        program: "request_fn_no_tunnel",
        says: &["`String` is not a tunnel", "`Request` into a `Tunnel`"],
        is_silent_about: &["`AuthLayer` is missing"],
    },
    Case {
        program: "request_fn_above_auth",
        says: &[
            "`AuthLayer` needs a service for requests inside it",
            "this does not turn a `Request` into a `Tunnel`",
        ],
        is_silent_about: &[],
    },
];

/// Of no use to anybody whose stack is wrong: the second error that used to follow the first.
const NEVER: &str = "is not a future";

#[test]
fn a_wrong_stack_does_not_compile_and_the_message_says_what_is_missing() {
    let said = check_all();
    for case in CASES {
        let program = case.program;
        let said = said.get(program).map_or("", String::as_str);
        if case.says.is_empty() {
            assert!(said.is_empty(), "{program} should compile, but:\n{said}");
        }
        for text in case.says {
            assert!(
                said.contains(text),
                "{program} should say {text:?}, but says:\n{said}"
            );
        }
        for text in case.is_silent_about.iter().chain([&NEVER]) {
            assert!(
                !said.contains(text),
                "{program} should not say {text:?}, but says:\n{said}"
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
    for Case { program, .. } in CASES {
        fs::copy(
            home.join(format!("tests/compile_errors/cases/{program}.rs")),
            package.join(format!("src/bin/{program}.rs")),
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
