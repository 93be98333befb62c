//! `Users`: put together in code or read from a file, and what an error about them may say.

#![cfg(feature = "users")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use tower::ServiceExt;
use tower_socks::{Users, proto::Credentials};

/// What must not be in an error.
const SECRET: &str = "hunter2";

async fn lets_in(users: &Users, name: &str, password: &str) -> bool {
    let credentials = Credentials::new(name, password).unwrap();
    users.clone().oneshot(credentials).await.is_ok()
}

#[tokio::test]
async fn users_from_two_places_are_all_let_in_and_the_later_password_counts() {
    let file: Users = toml::from_str("joe = 'old'\njane = 'hidden'").unwrap();
    let more = [("joe", "new"), ("jim", "secret")];
    let both = file.clone().with(more);
    assert_eq!(both.len(), 3);
    for (name, password, expected) in [
        ("joe", "new", true),
        ("joe", "old", false),
        ("jane", "hidden", true),
        ("jim", "secret", true),
    ] {
        assert_eq!(
            lets_in(&both, name, password).await,
            expected,
            "{name} {password}"
        );
    }
    // Clones share the map, but not what was added to one of them.
    assert_eq!(file.len(), 2);
    assert!(lets_in(&file, "joe", "old").await);
    assert!(!lets_in(&file, "jim", "secret").await);
}

#[test]
fn a_list_of_users_knows_its_names_exactly() {
    let users = Users::default().with([("joe", "secret")]);
    assert!(users.contains(b"joe"));
    for other in ["", "jo", "Joe", "joe ", "secret"] {
        assert!(!users.contains(other.as_bytes()), "{other:?}");
    }
    assert!(!users.is_empty());
    assert!(Users::default().is_empty());
    assert!(Users::default().with([("joe", [0; 256])]).is_empty());
    assert!(toml::from_str::<Users>("").unwrap().is_empty());
}

#[tokio::test]
async fn who_could_never_log_in_is_left_out() {
    let (longest, longer) = ("x".repeat(255), "x".repeat(256));
    let users = Users::default().with([
        ("joe", longer.as_str()),
        (longer.as_str(), "secret"),
        (longest.as_str(), longest.as_str()),
    ]);
    assert_eq!(users.len(), 1);
    assert!(!users.contains(b"joe"));
    assert!(lets_in(&users, &longest, &longest).await);
    // Which leaves who was there before as they were.
    let users = Users::default().with([("joe", SECRET)]);
    let users = users.with([("joe", longer.as_str())]);
    assert!(lets_in(&users, "joe", SECRET).await);
}

/// The error of a TOML file as it is printed, without the excerpt of the file.
fn toml_error(text: &str) -> String {
    let error = toml::from_str::<Users>(text).expect_err(text);
    error.message().to_owned()
}

fn json_error(text: &str) -> String {
    serde_json::from_str::<Users>(text)
        .expect_err(text)
        .to_string()
}

#[test]
fn a_password_that_is_no_text_is_refused_with_the_name_of_its_user() {
    let expected = "expected the password of user \"joe\" as text of 1 to 255 octets";
    for value in ["4711", "-4711", "47.11", "true", "\"\""] {
        let error = toml_error(&format!("joe = {value}"));
        assert!(error.contains(expected), "{value}: {error}");
        assert!(!error.contains("47"), "{error}");
        let error = json_error(&format!("{{\"joe\": {value}}}"));
        assert!(error.contains(expected), "{value}: {error}");
        assert!(!error.contains("47"), "{error}");
    }
    let too_long = SECRET.repeat(37);
    let error = json_error(&format!("{{\"joe\": \"{too_long}\"}}"));
    assert!(error.contains(expected), "{error}");
    assert!(!error.contains(SECRET), "{error}");
}

#[test]
fn a_password_that_is_a_list_or_a_table_is_refused_without_being_shown() {
    for value in [
        format!("[\"{SECRET}\"]"),
        format!("{{\"password\": \"{SECRET}\"}}"),
        "null".into(),
    ] {
        let error = json_error(&format!("{{\"joe\": {value}}}"));
        assert!(
            error.contains("the password of user \"joe\""),
            "{value}: {error}"
        );
        assert!(!error.contains(SECRET), "{error}");
    }
}

#[test]
fn a_value_in_place_of_the_users_is_refused_without_being_shown() {
    let expected = "expected names of users, each with a password";
    for value in ["true", "4711", "-4711", "47.11", "\"joe:4711\""] {
        let error = json_error(value);
        assert!(error.contains(expected), "{value}: {error}");
        assert!(!error.contains("47"), "{error}");
    }
    #[derive(Debug, serde::Deserialize)]
    struct File {
        #[serde(rename = "users")]
        _users: Users,
    }
    let error = toml::from_str::<File>("users = \"joe:4711\"").unwrap_err();
    assert_eq!(error.message(), expected);
    let error = json_error(&format!("[\"joe\", \"{SECRET}\"]"));
    assert!(
        error.contains("names of users, each with a password"),
        "{error}"
    );
    assert!(!error.contains(SECRET), "{error}");
}

#[test]
fn a_user_that_is_there_twice_is_refused_without_either_password() {
    let error = json_error(&format!(
        r#"{{"joe": "first-{SECRET}", "jane": "hidden", "joe": "{SECRET}"}}"#
    ));
    assert!(error.starts_with("a user is there twice"), "{error}");
    assert!(!error.contains(SECRET), "{error}");
    let error = toml_error(&format!("joe = '{SECRET}'\njoe = '{SECRET}'"));
    assert!(error.contains("duplicate key"), "{error}");
    assert!(!error.contains(SECRET), "{error}");
}

#[test]
fn a_name_that_nobody_could_send_is_refused_and_the_longest_is_not() {
    for name in ["", &"x".repeat(256)] {
        let error = json_error(&format!("{{\"{name}\": \"{SECRET}\"}}"));
        assert!(error.contains("1 to 255 octets"), "{error}");
        assert!(!error.contains(SECRET), "{error}");
    }
    let longest = "x".repeat(255);
    let users: Users = serde_json::from_str(&format!("{{\"{longest}\": \"{longest}\"}}")).unwrap();
    assert!(users.contains(longest.as_bytes()));
}
