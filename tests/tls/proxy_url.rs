//! `socks5s://` and `https://`.

use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};
use tower_socks::{
    Client, Connector, Identity, UserPass, connector::proxy_url::ProxyUrl, proto::Address,
};

use crate::{
    support::{Script, proxy, stack, texts},
    world::World,
};

fn url(text: &str) -> ProxyUrl {
    text.parse().unwrap()
}

#[test]
fn schemes() {
    for (text, shown) in [
        (
            "socks5s://joe:secret@p.example",
            "socks5s://joe:***@p.example:1080",
        ),
        ("socks5s://p.example:1081", "socks5s://p.example:1081"),
        (
            "https://joe:secret@p.example",
            "https://joe:***@p.example:443",
        ),
        ("https://p.example:443", "https://p.example:443"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("HTTPS://P.example", "https://p.example:443"),
    ] {
        let url = url(text);
        assert_eq!(url.to_string(), shown);
        assert!(url.is_in_tls() && url.has_remote_dns());
        assert_eq!(url.client().is_some(), shown.starts_with("socks5s"));
        assert!(!format!("{url:?} {:?}", url.connector()).contains("secret"));
    }
    assert!(!url("http://p.example").is_in_tls());
}

#[tokio::test]
async fn a_proxy_that_is_believed_and_one_that_is_not() {
    let world = World::new();
    let verify =
        tower::service_fn(async |credentials: tower_socks::Credentials| {
            match credentials.password().as_bytes() {
                b"p@ss" => Ok(Identity::named(credentials.name())),
                _ => Err(tower_socks::error::AuthError::Denied),
            }
        });
    let stack = stack(UserPass::new(verify), Connector::direct());
    let port = proxy(world.layer().layer(stack)).await.port();
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: Address = target.local_addr().unwrap().into();
    let url = url(&format!("socks5s://joe:p%40ss@localhost:{port}"));

    let believed = url.clone().with_tls(world.client());
    let mut stream = believed.connector().oneshot(address.clone()).await.unwrap();
    let (mut reached, _) = target.accept().await.unwrap();
    reached.say(b"hello").await;
    stream.hear(b"hello").await;

    // For BIND and UDP ASSOCIATE, and for settings of one's own.
    let client: Client = believed.client().unwrap();
    let transport = believed
        .transport()
        .oneshot(believed.address().clone())
        .await
        .unwrap();
    assert!(
        client
            .bind(transport.into_inner(), address.clone())
            .await
            .is_ok()
    );

    // Nobody has signed it that the platform knows.
    let error = url.connector().oneshot(address).await.unwrap_err();
    let told = texts(&*error);
    assert!(
        told.contains("UnknownIssuer") || told.contains("no root certificates"),
        "{told}"
    );
    assert!(!told.contains("p@ss"));
}
