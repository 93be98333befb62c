//! Authentication by what a client states with its request, as in HTTP and SOCKS4.

use std::{net::SocketAddr, time::Duration};

use tower::{Layer, ServiceBuilder, ServiceExt, util::Either};
use tower_service::Service;
use tower_socks::{
    AuthLayer, BoxError, Connector, Credentials, Identity, NoAuth, UserPass,
    error::AuthError,
    layer::{auth::AuthenticateStated, limit::FailedLoginsLayer},
    proto::{self, MethodSet},
    session::{Authenticated, Negotiation, Stated},
};

/// Knows joe, whose password is "secret".
fn joe() -> UserPass<
    impl Service<Credentials, Response = Identity, Error = AuthError, Future: Send>
    + Clone
    + Send
    + Sync,
> {
    UserPass::new(tower::service_fn(async |credentials: Credentials| {
        match (credentials.name(), credentials.password().as_bytes()) {
            (b"joe", b"secret") => Ok(Identity::named("joe")),
            _ => Err(AuthError::Denied),
        }
    }))
}

fn negotiation(stated: Stated) -> Negotiation<Stated> {
    let peer: SocketAddr = ([192, 0, 2, 1], 50_000).into();
    Negotiation::new(
        stated,
        MethodSet::new(),
        peer,
        ([192, 0, 2, 9], 1080).into(),
    )
}

fn password(name: &str, password: &str) -> Stated {
    Stated::Password(proto::Credentials::new(name, password).unwrap())
}

fn user_id(claim: &[u8]) -> Stated {
    Stated::UserId(claim.into())
}

/// The name of the client, or the error in words.
async fn stated(
    method: impl AuthenticateStated + 'static,
    stated: Stated,
) -> Result<Option<String>, String> {
    let service = AuthLayer::new(method).layer(Connector::direct());
    let Authenticated {
        identity, io: (), ..
    } = service
        .oneshot(negotiation(stated))
        .await
        .map_err(|error| error.to_string())?;
    let name = identity.name();
    Ok(name.map(|name| String::from_utf8_lossy(name).into_owned()))
}

const NOT_TAKEN: &str = "none of the offered methods is acceptable";

#[tokio::test]
async fn no_auth_takes_whatever_is_stated() {
    for said in [Stated::Nothing, password("joe", "wrong"), user_id(b"joe")] {
        assert_eq!(stated(NoAuth, said).await, Ok(None));
    }
}

#[tokio::test]
async fn userpass_asks_its_verifier() {
    assert_eq!(
        stated(joe(), password("joe", "secret")).await,
        Ok(Some("joe".into()))
    );
    let denied = stated(joe(), password("joe", "wrong")).await.unwrap_err();
    assert_eq!(denied, r#"name "joe": wrong name or password"#);
    let empty = stated(joe(), password("joe", "")).await.unwrap_err();
    assert_eq!(empty, r#"name "joe": wrong name or password"#);
}

#[tokio::test]
async fn userpass_takes_no_claims() {
    for said in [Stated::Nothing, user_id(b"joe")] {
        assert_eq!(stated(joe(), said).await.unwrap_err(), NOT_TAKEN);
    }
}

#[tokio::test]
async fn a_tuple_asks_the_first_that_takes_it() {
    let both = || (joe(), NoAuth);
    assert_eq!(stated(both(), Stated::Nothing).await, Ok(None));
    assert_eq!(
        stated(both(), password("joe", "secret")).await,
        Ok(Some("joe".into()))
    );
    // A wrong password is no anonymous client.
    assert!(stated(both(), password("joe", "wrong")).await.is_err());
    assert_eq!(
        stated((joe(), joe()), Stated::Nothing).await.unwrap_err(),
        NOT_TAKEN
    );
}

#[tokio::test]
async fn either_asks_the_one_that_it_is() {
    let left = |left: bool| {
        if left {
            Either::Left(joe())
        } else {
            Either::Right(NoAuth)
        }
    };
    assert!(stated(left(true), Stated::Nothing).await.is_err());
    assert_eq!(stated(left(false), Stated::Nothing).await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn failures_count_as_those_of_rfc_1929_do() {
    let service = ServiceBuilder::new()
        .layer(FailedLoginsLayer::new())
        .layer(AuthLayer::new(joe()))
        .service(Connector::direct());
    let started = tokio::time::Instant::now();
    let attempt = async |said| -> Result<(), BoxError> {
        service.clone().oneshot(negotiation(said)).await.map(drop)
    };
    for _ in 0..4 {
        assert!(attempt(password("joe", "wrong")).await.is_err());
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
    // What is not taken is no failure, and does not wait.
    assert!(attempt(Stated::Nothing).await.is_err());
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert!(attempt(password("joe", "wrong")).await.is_err());
    assert_eq!(started.elapsed(), Duration::from_secs(1));
}

#[test]
fn what_is_stated_shows_no_password() {
    assert!(!format!("{:?}", password("joe", "secret")).contains("secret"));
    assert_eq!(format!("{:?}", user_id(b"j\noe")), r#"UserId("j\noe")"#);
    assert_eq!(format!("{:?}", Stated::default()), "Nothing");
}
