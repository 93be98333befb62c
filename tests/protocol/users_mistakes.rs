//! Mistakes in lists of users: an error that says what was expected, and never a password.

use tower::ServiceExt;
use tower_socks::{Credentials, Users};

/// What must not be in an error.
const SECRET: &str = "hunter2";

#[tokio::test]
async fn a_password_that_nobody_could_send_does_not_lock_out_who_had_another_one() {
    let users = Users::default().with([("joe", SECRET)]);
    let users = users.with([("joe", "x".repeat(256))]);
    let joe = Credentials::new("joe", SECRET).unwrap();
    assert!(users.oneshot(joe).await.is_ok());
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
