//! What a method and a verifier know about the connection: addresses, and what layers above learned.

use std::net::{IpAddr, SocketAddr};

use tokio::{io::DuplexStream, sync::mpsc};
use tower::{ServiceExt, service_fn};
use tower_socks::{
    BoxError, Credentials, Identity, NoAuth, Traffic, UserPass, Users,
    error::{AuthError, FailedAttempt, Fault},
    io::ClientStream,
    layer::auth::Authenticate,
    proto::{self, Method},
    session::{Accepted, Extensions, Negotiation},
};

use crate::support::{
    CONNECT, CONNECTED, LOCAL, PEER, Script, exchange, stack,
    targets::{Dialled, targets},
    within,
};

/// Lets a network in without a password, and asks everybody else.
struct OfficeOr<A>(IpAddr, A);

impl<Io: ClientStream, A: Authenticate<Io, Stream = Io>> Authenticate<Io> for OfficeOr<A> {
    type Stream = Io;

    fn select(&self, negotiation: &Negotiation<Io>) -> Option<Method> {
        let free = NoAuth.select(negotiation);
        free.filter(|_| negotiation.peer.ip() == self.0)
            .or_else(|| self.1.select(negotiation))
    }

    async fn authenticate(
        &self,
        method: Method,
        negotiation: Negotiation<Io>,
    ) -> Result<(Io, Identity), BoxError> {
        if method == Method::NO_AUTHENTICATION {
            assert_eq!(negotiation.peer.ip(), self.0);
            return Ok((negotiation.io, Identity::named("office")));
        }
        self.1.authenticate(method, negotiation).await
    }
}

/// What a layer above the handshake found out.
#[derive(Clone, Debug, PartialEq)]
struct Certificate(&'static str);

fn joe() -> UserPass<Users> {
    UserPass::new([("joe", "secret")].into_iter().collect())
}

/// The service seen by a client that presented a certificate.
fn presented<S>(
    stack: S,
    subject: &'static str,
) -> impl tower::Service<
    Accepted<DuplexStream>,
    Response = Traffic,
    Error = BoxError,
    Future = impl Future<Output = Result<Traffic, BoxError>> + Send,
> + Send
where
    S: tower::Service<Accepted<DuplexStream>, Response = Traffic, Error = BoxError> + Send,
    S::Future: Send,
{
    stack.map_request(move |mut accepted: Accepted<DuplexStream>| {
        accepted.extensions.insert(Certificate(subject));
        accepted
    })
}

async fn named(dialled: &mut Dialled) -> String {
    dialled.recv().await.unwrap().0.identity.to_string()
}

#[tokio::test(start_paused = true)]
async fn the_office_needs_no_password_and_others_do() {
    within(async {
        let office = PEER.parse::<SocketAddr>().unwrap().ip();
        let elsewhere = IpAddr::from([192, 0, 2, 1]);
        let both = b"\x05\x02\x00\x02";

        let (dialer, mut dialled) = targets();
        let said = [both, CONNECT].concat();
        let heard = exchange(stack(OfficeOr(office, joe()), dialer.clone()), &said);
        let (heard, name) = tokio::join!(heard, named(&mut dialled));
        assert_eq!(heard, [b"\x05\x00", CONNECTED].concat());
        assert_eq!(name, "office");

        let stranger = || stack(OfficeOr(elsewhere, joe()), dialer.clone());
        let login = [both, &b"\x01\x03joe\x06secret"[..], CONNECT].concat();
        let heard = exchange(stranger(), &login);
        let (heard, name) = tokio::join!(heard, named(&mut dialled));
        assert_eq!(heard, [b"\x05\x02\x01\x00", CONNECTED].concat());
        assert_eq!(name, "joe");

        assert_eq!(exchange(stranger(), b"\x05\x01\x00").await, b"\x05\xff");
        let guess = [both, &b"\x01\x03joe\x05guess"[..]].concat();
        assert_eq!(exchange(stranger(), &guess).await, b"\x05\x02\x01\x01");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_office_comes_first_or_last_in_a_tuple() {
    within(async {
        let office = PEER.parse::<SocketAddr>().unwrap().ip();
        let both = b"\x05\x02\x00\x02";
        // The same method in two members: the first that takes it for this client has it.
        let elsewhere = OfficeOr(IpAddr::from([192, 0, 2, 1]), joe());
        let (dialer, mut dialled) = targets();
        let tuple = (elsewhere, OfficeOr(office, joe()));
        let only_free = [b"\x05\x01\x00", CONNECT].concat();
        let heard = exchange(stack(tuple, dialer.clone()), &only_free);
        let (heard, name) = tokio::join!(heard, named(&mut dialled));
        assert_eq!(heard, [b"\x05\x00", CONNECTED].concat());
        assert_eq!(name, "office");

        let tuple = (joe(), OfficeOr(office, joe()));
        let heard = exchange(stack(tuple, dialer), both).await;
        assert_eq!(heard, b"\x05\x02");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_verifier_sees_addresses_and_what_a_layer_above_learned() {
    within(async {
        let (seen, mut asked) = mpsc::unbounded_channel();
        let verifier = service_fn(move |credentials: Credentials| {
            seen.send((
                credentials.peer(),
                credentials.local(),
                credentials.extensions().get::<Certificate>().cloned(),
            ))
            .unwrap();
            async move { Ok::<_, AuthError>(Identity::named(credentials.name())) }
        });
        let (dialer, mut dialled) = targets();
        let stack = presented(stack(UserPass::new(verifier), dialer), "CN=joe");
        let said = [b"\x05\x01\x02\x01\x03joe\x06secret", CONNECT].concat();
        let heard = exchange(stack, &said);
        let (_, request) = tokio::join!(heard, async { dialled.recv().await.unwrap().0 });

        let (peer, local) = (PEER.parse().unwrap(), LOCAL.parse().unwrap());
        let certificate = Certificate("CN=joe");
        let expected = (peer, local, Some(certificate.clone()));
        assert_eq!(asked.recv().await.unwrap(), expected);
        // Authentication takes nothing from the request.
        assert_eq!(request.extensions.get(), Some(&certificate));
    })
    .await;
}

/// The certificate as the identity, without a word from the client.
struct ByCertificate;

impl<Io: ClientStream> Authenticate<Io> for ByCertificate {
    type Stream = Io;

    fn select(&self, negotiation: &Negotiation<Io>) -> Option<Method> {
        NoAuth.select(negotiation)
    }

    async fn authenticate(
        &self,
        _: Method,
        Negotiation { io, extensions, .. }: Negotiation<Io>,
    ) -> Result<(Io, Identity), BoxError> {
        match extensions.get::<Certificate>() {
            Some(Certificate("CN=revoked")) => {
                Err(FailedAttempt::new("CN=revoked", AuthError::Denied).into())
            }
            Some(certificate) => {
                let mut identity = Identity::named(certificate.0);
                identity.extensions_mut().insert(certificate.clone());
                Ok((io, identity))
            }
            None => Err(AuthError::Denied.into()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_from_above_becomes_the_identity() {
    within(async {
        let (dialer, mut dialled) = targets();
        let said = [b"\x05\x01\x00", CONNECT].concat();
        let heard = exchange(
            presented(stack(ByCertificate, dialer.clone()), "CN=joe"),
            &said,
        );
        let (_, request) = tokio::join!(heard, async { dialled.recv().await.unwrap().0 });
        assert_eq!(request.identity.to_string(), "CN=joe");
        // What the method learned is with the identity.
        let learned = request.identity.extensions().get();
        assert_eq!(learned, Some(&Certificate("CN=joe")));

        let heard = exchange(presented(stack(ByCertificate, dialer), "CN=revoked"), &said);
        assert_eq!(heard.await, b"\x05\x00");
        assert!(dialled.recv().await.is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_error_of_a_failed_attempt_has_the_name() {
    within(async {
        let mut client = crate::support::Client::new(stack(joe(), targets().0));
        client.io.say(b"\x05\x01\x02\x01\x04jane\x06secret").await;
        client.io.hear(b"\x05\x02\x01\x01").await;
        let error = client.lingering_close().await.unwrap_err();
        assert_eq!(error.fault(), Fault::Refused);
        let source = std::error::Error::source(&error).unwrap();
        let attempt = source.downcast_ref::<FailedAttempt>().unwrap();
        assert_eq!(attempt.name(), b"jane");
    })
    .await;
}

#[test]
fn credentials_by_hand_come_from_nowhere() {
    let joe = Credentials::new("joe", "secret").unwrap();
    assert_eq!(joe.peer().to_string(), "0.0.0.0:0");
    assert_eq!(joe.local(), joe.peer());
    assert!(joe.extensions().get::<Certificate>().is_none());
    assert!(Credentials::new([b'n'; 256], "").is_none());

    let mut negotiation = Negotiation::new(
        (),
        Method::USERNAME_PASSWORD.into(),
        PEER.parse().unwrap(),
        LOCAL.parse().unwrap(),
    );
    negotiation.extensions = Extensions::new();
    negotiation.extensions.insert(Certificate("CN=joe"));
    let negotiation = negotiation.map_io(|()| "another stream");
    assert_eq!(negotiation.io, "another stream");
    let sent = proto::Credentials::new("joe", "secret").unwrap();
    let received = Credentials::received(sent, &negotiation);
    assert_eq!(received.name(), b"joe");
    assert_eq!(received.password().as_bytes(), b"secret");
    assert_eq!(received.peer(), PEER.parse().unwrap());
    assert_eq!(received.local(), LOCAL.parse().unwrap());
    assert!(received.extensions().get::<Certificate>().is_some());
    assert_eq!(proto::Credentials::from(received).name(), b"joe");
    let moved = joe.with_peer(PEER.parse().unwrap());
    assert_eq!(moved.peer(), PEER.parse().unwrap());
}
