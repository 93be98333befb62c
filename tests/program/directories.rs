//! Directories of the example server, which the tests build without any: `.ci/clients.d` has those that are built in.

use crate::support::program::{complaint, file::File};

fn said(text: &str) -> String {
    let file = File::new(text);
    complaint(&["--config", file.path(), "--check"])
}

#[cfg(not(feature = "gssapi"))]
#[test]
fn a_build_without_kerberos_says_how_to_have_it() {
    let said = said("[gssapi]\nservice = \"socks\"\n");
    assert!(
        said.contains(
            ":1:1: gssapi: this server is built without Kerberos: build it by `cargo build"
        ),
        "{said}"
    );
    assert!(
        said.trim_end()
            .ends_with("--example server --features gssapi`"),
        "{said}"
    );
}

#[test]
fn a_build_without_ldap_says_how_to_have_it() {
    let said = said("[ldap]\nservers = [\"ldap://127.0.0.1\"]\n");
    assert!(
        said.contains(":1:1: ldap: this server is built without LDAP: build it by `cargo build"),
        "{said}"
    );
    assert!(
        said.trim_end()
            .ends_with("--example server --features ldap`"),
        "{said}"
    );
}

#[test]
fn a_build_without_postgres_says_how_to_have_it() {
    let said = said("[postgres]\nquery = \"SELECT 1\"\n");
    assert!(
        said.contains(
            "postgres: this server is built without PostgreSQL: build it by `cargo build"
        ),
        "{said}"
    );
    assert!(
        said.trim_end()
            .ends_with("--example server --features postgres`"),
        "{said}"
    );
}

#[test]
fn a_build_without_redis_says_how_to_have_it() {
    let said = said("[redis]\nurl = \"redis://:s3cret@127.0.0.1\"\n");
    assert!(
        said.contains(":1:1: redis: this server is built without Redis: build it by `cargo build"),
        "{said}"
    );
    assert!(
        said.trim_end()
            .ends_with("--example server --features redis`"),
        "{said}"
    );
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn a_build_without_radius_says_how_to_have_it() {
    let said = said("[radius]\nservers = [\"127.0.0.1\"]\n");
    assert!(
        said.contains("radius: this server is built without RADIUS: build it by `cargo build"),
        "{said}"
    );
    assert!(
        said.trim_end()
            .ends_with("--example server --features radius`"),
        "{said}"
    );
}

#[test]
fn a_build_without_http_auth_says_how_to_have_it() {
    let said = said("[http_auth]\nurl = \"https://auth.example/login\"\n");
    assert!(
        said.contains("http_auth: this server is built without verification by HTTP: build it by"),
        "{said}"
    );
    assert!(
        said.trim_end()
            .ends_with("--example server --features http-auth`"),
        "{said}"
    );
}

#[test]
fn an_order_of_directories_that_are_not_there_is_a_mistake() {
    let said = said("directories = [\"ldap\"]\n");
    assert!(
        said.contains("directories: there is no table [ldap], or it is named twice"),
        "{said}"
    );
}
