//! S1 to S5: the greeting and its answer (RFC 1928 section 3).

use std::time::Duration;

use tokio::{
    io::{AsyncWriteExt, DuplexStream},
    time::Instant,
};
use tower::{Layer, service_fn};
use tower_socks::{
    BoxError, HandshakeLayer, Identity, NoAuth, Refusal, UserPass, Users,
    error::{AuthError, Fault, Step},
    io::{ClientStream, PrefixedStream},
    layer::auth::Authenticate,
    proto::Method,
    session::{Authenticated, Negotiation},
};

use crate::support::{
    CONNECT, CONNECTED, Client, HELLO, HELLO_OK, Script, exchange, settle, stack,
    targets::{failing, targets},
    within,
};

fn joe() -> UserPass<Users> {
    UserPass::new([("joe", "secret")].into_iter().collect())
}

/// Selects what it was told to, offered or not, and lets everyone in.
struct Stubborn(Method);

impl<Io: ClientStream> Authenticate<Io> for Stubborn {
    type Stream = Io;

    fn select(&self, _: &Negotiation<Io>) -> Option<Method> {
        Some(self.0)
    }

    async fn authenticate(
        &self,
        _: Method,
        negotiation: Negotiation<Io>,
    ) -> Result<(Io, Identity), BoxError> {
        Ok((negotiation.io, Identity::anonymous()))
    }
}

#[tokio::test(start_paused = true)]
async fn s1_greeting_in_two_pieces_cut_anywhere() {
    let greeting = b"\x05\x05\x80\x01\x00\x02\x7f";
    for cut in 1..greeting.len() {
        within(async {
            let (dialer, _) = targets();
            let mut client = Client::new(stack(NoAuth, dialer));
            client.io.say(&greeting[..cut]).await;
            settle().await;
            client.io.say(&greeting[cut..]).await;
            client.io.hear(HELLO_OK).await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn s1_whole_dialogue_in_single_byte_writes() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack((joe(), NoAuth), dialer));
        client.io.say_bytewise(b"\x05\x03\x01\x02\x80").await;
        client.io.hear(b"\x05\x02").await;
        client.io.say_bytewise(b"\x01\x03joe\x06secret").await;
        client.io.hear(b"\x01\x00").await;
        client
            .io
            .say_bytewise(b"\x05\x01\x00\x03\x0bexample.com\x00\x50")
            .await;
        client.io.hear(CONNECTED).await;
        client.io.say_bytewise(b"data").await;

        let (request, mut target) = dialled.recv().await.unwrap();
        assert_eq!(request.target.to_string(), "example.com:80");
        target.hear(b"data").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s1_greeting_request_and_data_in_one_write() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client
            .io
            .say(&[HELLO, CONNECT, b"first data"].concat())
            .await;
        client.io.hear(&[HELLO_OK, CONNECTED].concat()).await;
        let (_, mut target) = dialled.recv().await.unwrap();
        target.hear(b"first data").await;
        client.io.say(b", then more").await;
        target.hear(b", then more").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s1_everything_pipelined_and_cut_anywhere() {
    let said = [
        &b"\x05\x02\x00\x02\x01\x03joe\x06secret"[..],
        CONNECT,
        b"data",
    ]
    .concat();
    for cut in 1..said.len() {
        within(async {
            let (dialer, mut dialled) = targets();
            let mut client = Client::new(stack((joe(), NoAuth), dialer));
            client.io.say(&said[..cut]).await;
            settle().await;
            client.io.say(&said[cut..]).await;
            client.io.hear(b"\x05\x02\x01\x00").await;
            client.io.hear(CONNECTED).await;
            let (_, mut target) = dialled.recv().await.unwrap();
            target.hear(b"data").await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn s2_another_version_is_closed_without_an_answer() {
    for version in (0..=255).filter(|octet| *octet != 5) {
        within(async {
            let (dialer, _) = targets();
            let mut client = Client::new(stack(NoAuth, dialer));
            let started = Instant::now();
            // The first octet is enough: nobody waits for a second one.
            client.io.say(&[version]).await;
            client.io.hear_end().await;
            assert_eq!(started.elapsed(), Duration::ZERO);
            let error = client.lingering_close().await.unwrap_err();
            assert_eq!(
                (error.step(), error.fault()),
                (Step::Greeting, Fault::Client)
            );
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn s2_another_version_is_closed_with_more_behind_it() {
    within(async {
        let (dialer, mut dialled) = targets();
        let said = [b"\x04\x01\x00", CONNECT, b"GET / HTTP/1.1\r\n\r\n"].concat();
        assert_eq!(exchange(stack(NoAuth, dialer), &said).await, b"");
        assert!(dialled.recv().await.is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s3_no_methods_gets_ff_then_close() {
    within(async {
        let (dialer, mut dialled) = targets();
        let said = [b"\x05\x00", CONNECT].concat();
        assert_eq!(exchange(stack(NoAuth, dialer), &said).await, b"\x05\xff");
        assert!(dialled.recv().await.is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s3_no_methods_is_the_end_whatever_stands_behind_the_handshake() {
    type Dialogue = Negotiation<PrefixedStream<DuplexStream>>;
    within(async {
        // In place of `AuthLayer`, and not as careful.
        let careless = service_fn(async |negotiation: Dialogue| {
            let mut io = negotiation.io;
            io.write_all(HELLO_OK).await?;
            let (service, _) = targets();
            let identity = Identity::anonymous();
            Ok::<_, BoxError>(Authenticated {
                io,
                identity,
                service,
            })
        });
        let stack = HandshakeLayer::new().layer(careless);
        let said = [b"\x05\x00", CONNECT].concat();
        assert_eq!(exchange(stack, &said).await, b"\x05\xff");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s4_the_server_prefers_and_not_the_client() {
    within(async {
        let dialer = failing(|| Refusal::not_allowed("no"));
        for (offer, answer) in [
            (&b"\x05\x02\x00\x02"[..], b"\x05\x02"),
            (b"\x05\x02\x02\x00", b"\x05\x02"),
            (b"\x05\x01\x02", b"\x05\x02"),
            (b"\x05\x01\x00", b"\x05\x00"),
        ] {
            let mut client = Client::new(stack((joe(), NoAuth), dialer.clone()));
            client.io.say(offer).await;
            client.io.hear(answer).await;
        }
        for (offer, answer) in [
            (&b"\x05\x02\x00\x02"[..], b"\x05\x00"),
            (b"\x05\x02\x02\x00", b"\x05\x00"),
            (b"\x05\x01\x02", b"\x05\x02"),
        ] {
            let mut client = Client::new(stack((NoAuth, joe()), dialer.clone()));
            client.io.say(offer).await;
            client.io.hear(answer).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s4_any_number_of_methods_works() {
    for count in 1..=255_u8 {
        within(async {
            // 00 stands last, behind all different ones that nobody knows.
            let mut greeting = vec![5, count];
            greeting.extend((1..count).map(|octet| octet.wrapping_neg()));
            greeting.push(0);
            let (dialer, mut dialled) = targets();
            let mut client = Client::new(stack(NoAuth, dialer));
            client.io.say(&greeting).await;
            client.io.hear(HELLO_OK).await;
            // The next message begins right behind the last method.
            client.io.say(CONNECT).await;
            client.io.hear(CONNECTED).await;
            assert!(dialled.recv().await.is_some());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn s4_a_method_may_be_offered_twice() {
    within(async {
        let (dialer, _) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client.io.say(b"\x05\x04\x00\x00\x02\x00").await;
        client.io.hear(HELLO_OK).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s4_what_was_not_offered_is_never_selected() {
    for (selects, offer) in [
        (Method(0x80), &b"\x05\x02\x00\x02"[..]),
        (Method::NO_AUTHENTICATION, b"\x05\x01\x02"),
        // An offer of FF makes FF no method.
        (Method::NO_ACCEPTABLE, b"\x05\x01\xff"),
        (Method::NO_ACCEPTABLE, b"\x05\x02\x00\xff"),
    ] {
        within(async {
            let (dialer, mut dialled) = targets();
            let said = [offer, CONNECT].concat();
            let heard = exchange(stack(Stubborn(selects), dialer), &said).await;
            assert_eq!(heard, b"\x05\xff");
            assert!(dialled.recv().await.is_none());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn s5_nothing_acceptable_gets_exactly_ff_then_close() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        let pipelined = [b"\x05\x03\x01\x02\x80\x01\x03joe\x06secret", CONNECT].concat();
        client.io.say(&pipelined).await;
        assert_eq!(client.io.hear_rest().await, b"\x05\xff");
        let error = client.lingering_close().await.unwrap_err();
        assert_eq!(error.step(), Step::Authentication);
        let source = std::error::Error::source(&error).unwrap();
        assert!(matches!(
            source.downcast_ref(),
            Some(AuthError::NoAcceptableMethod)
        ));
        assert!(
            dialled.recv().await.is_none(),
            "the request was carried out"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s5_the_server_closes_though_the_client_does_not() {
    within(async {
        for greeting in [&b"\x05\x00"[..], b"\x05\x01\x02"] {
            let (dialer, _) = targets();
            let mut client = Client::new(stack(NoAuth, dialer));
            let started = Instant::now();
            client.io.say(greeting).await;
            client.io.hear(b"\x05\xff").await;
            client.io.hear_end().await;
            // The client is told at once; the connection is gone within a moment.
            assert_eq!(started.elapsed(), Duration::ZERO);
            client.outcome().await.unwrap_err();
            assert!(started.elapsed() <= Duration::from_secs(10));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s5_a_client_that_leaves_is_the_end_of_it() {
    within(async {
        for said in [&b""[..], b"\x05", b"\x05\x02\x00"] {
            let (dialer, _) = targets();
            let mut client = Client::new(stack(NoAuth, dialer));
            client.io.say(said).await;
            client.io.shutdown().await.unwrap();
            client.io.hear_end().await;
            let error = client.outcome().await.unwrap_err();
            assert_eq!(
                (error.step(), error.fault()),
                (Step::Greeting, Fault::Client)
            );
        }
    })
    .await;
}
