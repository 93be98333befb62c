//! R7 to R9: replies, and the end of the connection behind a failure (RFC 1928 section 6).

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};
use tower::{Layer, ServiceExt, service_fn};
use tower_socks::{
    AclLayer, AuthLayer, BoxError, HandshakeLayer, NoAuth, Refusal, Request,
    error::{Fault, Step, reply_code},
    proto::{Address, DomainName, ReplyCode},
    session::Connected,
};

use crate::support::{
    CONNECT, CONNECTED, Client, HELLO, HELLO_OK, Script, connect_to, exchange, failure, greeted,
    proxy, stack,
    targets::{Dialer, failing, targets},
    within,
};

/// The limit of RFC 1928 for closing after a failure.
const LIMIT: Duration = Duration::from_secs(10);

fn refusing() -> Dialer {
    failing(|| Refusal::not_allowed("not today"))
}

/// Connects to nothing, and says that it is bound to `bound`.
fn bound_to(bound: Address) -> Dialer {
    service_fn(move |_: Request| {
        let (near, _) = tokio::io::duplex(64);
        let connected = Connected::new(near, bound.clone());
        async { Ok::<_, BoxError>(connected) }
    })
    .boxed_clone()
}

#[tokio::test(start_paused = true)]
async fn r7_a_success_carries_bnd_in_the_form_of_its_family() {
    let v4 = Address::Ip("198.51.100.7:4321".parse().unwrap());
    let v6 = Address::Ip("[2001:db8::7]:4321".parse().unwrap());
    let zone = Address::Ip("[fe80::7%3]:1".parse().unwrap());
    let name = Address::Name(DomainName::new("proxy.example").unwrap(), 4321);
    for (bound, reply) in [
        (v4, &b"\x05\x00\x00\x01\xc6\x33\x64\x07\x10\xe1"[..]),
        (
            v6,
            b"\x05\x00\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x10\xe1",
        ),
        (
            zone,
            b"\x05\x00\x00\x04\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x07\x00\x01",
        ),
        // ATYP 03 would stop most clients there are.
        (name, b"\x05\x00\x00\x01\0\0\0\0\x10\xe1"),
    ] {
        within(async {
            let said = [HELLO, CONNECT].concat();
            let heard = exchange(stack(NoAuth, bound_to(bound)), &said).await;
            assert_eq!(heard, [HELLO_OK, reply].concat());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn r7_every_failure_is_a_complete_reply_with_its_number() {
    for code in 1..=255 {
        within(async {
            let failing = failing(move || Refusal::new(ReplyCode(code), "because"));
            let said = [HELLO, CONNECT].concat();
            let heard = exchange(stack(NoAuth, failing), &said).await;
            assert_eq!(heard, [HELLO_OK, &failure(code)].concat());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn r8_after_a_failure_the_connection_ends_at_once() {
    within(async {
        let mut client = Client::new(stack(NoAuth, refusing()));
        let started = Instant::now();
        client.io.say(&[HELLO, CONNECT].concat()).await;
        client.io.hear(&[HELLO_OK, &failure(2)].concat()).await;
        client.io.hear_end().await;
        assert_eq!(started.elapsed(), Duration::ZERO);
        let error = client.lingering_close().await.unwrap_err();
        assert_eq!((error.step(), error.fault()), (Step::Dial, Fault::Refused));
        assert_eq!(started.elapsed(), Duration::ZERO);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r8_a_client_that_never_closes_is_closed_within_the_limit() {
    within(async {
        let mut client = Client::new(stack(NoAuth, refusing()));
        client.io.say(&[HELLO, CONNECT].concat()).await;
        let started = Instant::now();
        client.outcome().await.unwrap_err();
        assert!(started.elapsed() < LIMIT);
        // It is gone, not only half of it.
        client.io.write_all(b"hello?").await.unwrap_err();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r8_a_client_that_keeps_talking_is_closed_within_the_limit() {
    within(async {
        let mut client = Client::new(stack(NoAuth, refusing()));
        client.io.say(&[HELLO, CONNECT].concat()).await;
        let started = Instant::now();
        while client.io.write_all(&[0; 1000]).await.is_ok() {
            sleep(Duration::from_millis(100)).await;
            assert!(started.elapsed() < LIMIT);
        }
        client.outcome().await.unwrap_err();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r8_a_client_that_never_reads_is_closed_within_the_limit() {
    within(async {
        // Room for the selection, and for no more.
        let mut client = Client::with_capacity(stack(NoAuth, refusing()), 2);
        client.io.say(HELLO).await;
        client.io.say(CONNECT).await;
        let started = Instant::now();
        client.outcome().await.unwrap_err();
        assert!(started.elapsed() < LIMIT);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r8_a_malformed_request_ends_the_connection_within_the_limit() {
    within(async {
        let (dialer, _) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client.io.say(HELLO).await;
        client.io.hear(HELLO_OK).await;
        // Late, so that little is left of the deadline of the handshake.
        sleep(Duration::from_millis(9900)).await;
        let started = Instant::now();
        client.io.say(b"\x05\x01\x00\x02").await;
        client.io.hear(&failure(8)).await;
        client.io.hear_end().await;
        assert_eq!(started.elapsed(), Duration::ZERO);
        let error = client.outcome().await.unwrap_err();
        assert_eq!(error.step(), Step::Request);
        assert!(started.elapsed() < LIMIT);
    })
    .await;
}

/// Says `behind` right behind the request and the rest of a megabyte after it, and only then
/// listens. A reset would lose the reply, or show up at its end.
async fn unread(proxy: SocketAddr, said: &[u8], heard: &[u8]) {
    within(async {
        let mut client = greeted(proxy).await;
        let said = [said, &vec![0x55; 1024 * 1024]].concat();
        client.write_all(&said).await.unwrap();
        client.hear(heard).await;
        client.hear_end().await;
    })
    .await;
}

#[tokio::test]
async fn r8_the_reply_arrives_though_data_is_unread() {
    let proxy = proxy(stack(NoAuth, refusing())).await;
    for _ in 0..20 {
        unread(proxy, CONNECT, &failure(2)).await;
    }
}

#[tokio::test]
async fn r8_the_reply_to_a_malformed_request_arrives_though_data_is_unread() {
    let (dialer, _dialled) = targets();
    let proxy = proxy(stack(NoAuth, dialer)).await;
    for _ in 0..20 {
        unread(proxy, b"\x05\x01\x00\x02", &failure(8)).await;
        unread(proxy, &connect_to("192.0.2.1:0"), &failure(1)).await;
    }
}

#[tokio::test]
async fn r8_the_server_closes_a_socket_that_the_client_keeps_open() {
    within(async {
        let mut client = greeted(proxy(stack(NoAuth, refusing())).await).await;
        client.say(CONNECT).await;
        client.hear(&failure(2)).await;
        client.hear_end().await;
        let started = std::time::Instant::now();
        // Half of it is closed by now. The other half is once a write meets a reset.
        while client.write_all(b"x").await.is_ok() {
            assert!(started.elapsed() < LIMIT);
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r9_refused_by_policy_is_02() {
    within(async {
        let (dialer, mut dialled) = targets();
        let no_mail = |request: &Request, _| match request.target.port() {
            25 => Err(Refusal::not_allowed("no mail")),
            _ => Ok(()),
        };
        let service = AclLayer::new(no_mail).layer(dialer);
        let said = [HELLO, &connect_to("mail.example:25")].concat();
        let heard = exchange(stack(NoAuth, service.clone()), &said).await;
        assert_eq!(heard, [HELLO_OK, &failure(2)].concat());
        assert!(dialled.try_recv().is_err());

        let mut client = Client::new(stack(NoAuth, service));
        client
            .io
            .say(&[HELLO, &connect_to("mail.example:26")].concat())
            .await;
        client.io.hear(&[HELLO_OK, CONNECTED].concat()).await;
        assert!(dialled.try_recv().is_ok());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r9_a_policy_may_say_no_with_another_code() {
    within(async {
        let (dialer, mut dialled) = targets();
        let hidden = |_: &Request, _| Err(Refusal::new(ReplyCode::HOST_UNREACHABLE, "hidden"));
        let service = AclLayer::new(hidden).layer(dialer);
        let said = [HELLO, CONNECT].concat();
        let heard = exchange(stack(NoAuth, service), &said).await;
        assert_eq!(heard, [HELLO_OK, &failure(4)].concat());
        assert!(dialled.recv().await.is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r9_every_one_of_several_policies_has_to_agree() {
    within(async {
        let named = |request: &Request, _| match request.target.name() {
            Some(_) => Ok(()),
            None => Err(Refusal::not_allowed("names only")),
        };
        let web = |request: &Request, _| match request.target.port() {
            443 => Ok(()),
            _ => Err(Refusal::not_allowed("web only")),
        };
        let (dialer, _dialled) = targets();
        let service = AclLayer::new(named).layer(AclLayer::new(web).layer(dialer));
        for (target, code) in [
            ("192.0.2.1:443", 2),
            ("example.com:80", 2),
            ("example.com:443", 0),
        ] {
            let mut client = Client::new(stack(NoAuth, service.clone()));
            client.io.say(&[HELLO, &connect_to(target)].concat()).await;
            client.io.hear(&[HELLO_OK, &[5, code]].concat()).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r7_a_mapping_of_ones_own_decides_on_malformed_requests_too() {
    within(async {
        let (dialer, _dialled) = targets();
        let stack = HandshakeLayer::new()
            .reply_code(|_| ReplyCode::HOST_UNREACHABLE)
            .layer(AuthLayer::new(NoAuth).layer(dialer));
        let heard = exchange(stack, &[HELLO, b"\x05\x01\x00\x09"].concat()).await;
        assert_eq!(heard, [HELLO_OK, &failure(4)].concat());
    })
    .await;
}

/// A request knows what its replies are made by: for layers that tell, and for tunnels that write a
/// reply of their own.
#[tokio::test(start_paused = true)]
async fn r7_a_request_tells_what_an_error_would_be_answered_with() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mapped = HandshakeLayer::new().reply_code(|error| match reply_code(error) {
            ReplyCode::NOT_ALLOWED => ReplyCode::HOST_UNREACHABLE,
            _ => ReplyCode::SUCCEEDED,
        });
        let auth = || AuthLayer::new(NoAuth).layer(dialer.clone());
        for (handshake, codes) in [(HandshakeLayer::new(), [2, 6, 1]), (mapped, [4, 1, 1])] {
            let mut client = Client::new(handshake.layer(auth()));
            client.io.say(&[HELLO, CONNECT].concat()).await;
            client.io.hear(&[HELLO_OK, CONNECTED].concat()).await;
            let (request, _target) = dialled.recv().await.unwrap();
            let told = [ReplyCode::NOT_ALLOWED, ReplyCode::TTL_EXPIRED, ReplyCode(0)]
                .map(|code| request.clone().reply_code(&Refusal::new(code, "no")).0);
            assert_eq!(told, codes);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r7_a_mapping_of_ones_own_decides_but_never_on_success() {
    for (mapped, code) in [(4, 4), (0xff, 0xff), (0, 1)] {
        within(async {
            let stack = HandshakeLayer::new()
                .reply_code(move |error| {
                    assert!(error.is::<Refusal>());
                    ReplyCode(mapped)
                })
                .layer(AuthLayer::new(NoAuth).layer(refusing()));
            let said = [HELLO, CONNECT].concat();
            let heard = exchange(stack, &said).await;
            assert_eq!(heard, [HELLO_OK, &failure(code)].concat());
        })
        .await;
    }
    within(async {
        let mut client = Client::new(stack(NoAuth, failing(|| Refusal::new(ReplyCode(0), "?"))));
        client.io.say(&[HELLO, CONNECT].concat()).await;
        client.io.hear(&[HELLO_OK, &failure(1)].concat()).await;
        assert_eq!(client.io.read(&mut [0]).await.unwrap(), 0);
    })
    .await;
}
