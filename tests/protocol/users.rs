//! `Users` that are put together in code, and addresses in files.

use serde::{Deserialize, Serialize};
use tower::ServiceExt;
use tower_socks::{Credentials, Users, proto::Address};

async fn lets_in(users: &Users, name: &str, password: &str) -> bool {
    let credentials = Credentials::new(name, password).unwrap();
    users.clone().oneshot(credentials).await.is_ok()
}

#[tokio::test]
async fn more_users_can_be_added_and_the_last_password_counts() {
    let nobody = Users::default();
    assert!(nobody.is_empty() && !nobody.contains(b"joe"));
    assert!(!lets_in(&nobody, "joe", "one").await);

    let some = nobody.clone().with([("joe", "one"), ("jane", "two")]);
    let more = some.clone().with([("joe", "three")]);
    assert_eq!((nobody.len(), some.len(), more.len()), (0, 2, 2));
    assert!(more.contains(b"joe") && more.contains(b"jane") && !more.contains(b"Joe"));
    assert!(lets_in(&some, "joe", "one").await && !lets_in(&more, "joe", "one").await);
    assert!(lets_in(&more, "joe", "three").await && lets_in(&more, "jane", "two").await);
}

#[tokio::test]
async fn what_cannot_be_sent_is_left_out() {
    let long = "x".repeat(256);
    let users: Users = [("joe", &*long), (&long, "one"), ("jane", &long[1..])]
        .into_iter()
        .collect();
    assert_eq!(users.len(), 1);
    assert!(lets_in(&users, "jane", &long[1..]).await);
}

#[test]
fn addresses_are_text_in_a_file() {
    #[derive(Debug, Deserialize, Serialize)]
    struct File {
        proxies: Vec<Address>,
    }
    let text = "proxies = [\"example.com:443\", \"[::1]:1080\", \"192.0.2.1:1080\"]\n";
    let file: File = toml::from_str(text).unwrap();
    assert_eq!(file.proxies[1], Address::Ip("[::1]:1080".parse().unwrap()));
    assert_eq!(toml::to_string(&file).unwrap(), text);
    let json = serde_json::to_string(&file.proxies).unwrap();
    let again: Vec<Address> = serde_json::from_str(&json).unwrap();
    assert_eq!(again, file.proxies);

    let error = toml::from_str::<File>("proxies = [\"example.com\"]").unwrap_err();
    assert!(error.message().contains("expected HOST:PORT"), "{error}");
}
