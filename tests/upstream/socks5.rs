//! `Socks5Upstream`: what the proxy hears, what the policies are asked, and what comes of it.

use std::{
    io::{self, ErrorKind},
    time::Duration,
};

use tokio::{io::AsyncReadExt, net::TcpStream};
use tower::{ServiceExt, service_fn};
use tower_socks::{
    BoxError, Client, ClientError, Connector, NoAuth,
    client::ClientFault,
    connector::upstream::Socks5Upstream,
    error::reply_code,
    proto::{Address, Credentials, ParseAddressError, ReplyCode},
    session::Connected,
};

use crate::support::{
    HELLO, HELLO_OK, Script,
    canned::{Canned, Then},
    connect_to, failure, proxy,
    sockets::closed_port,
    stack, texts,
    upstream::{Asked, Diary, canned, guarded, resolver},
    within,
};

const PROXY: &str = "proxy.example:1080";

/// Success with BND 198.51.100.7:4321.
const CONNECTED: &[u8] = b"\x05\x00\x00\x01\xc6\x33\x64\x07\x10\xe1";

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn upstream() -> Socks5Upstream {
    Socks5Upstream::new(address(PROXY))
}

fn client_error(error: &BoxError) -> &ClientError {
    error.downcast_ref().expect("a ClientError")
}

#[tokio::test]
async fn a_name_goes_to_the_proxy_as_a_name() {
    let said = [HELLO_OK, CONNECTED, b"220 hello"].concat();
    let (way, logs) = canned([said]);
    let mut stream = upstream()
        .via(way)
        .oneshot(address("example.com:25"))
        .await
        .unwrap();
    assert_eq!(
        logs[0].written().0,
        [HELLO, &connect_to("example.com:25")].concat()
    );
    assert_eq!(*stream.bound(), address("198.51.100.7:4321"));
    // Bytes right behind the reply are the first of the stream.
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "220 hello");
}

#[tokio::test]
async fn a_name_that_is_resolved_here_goes_to_the_proxy_as_an_address() {
    let (way, logs) = canned([[HELLO_OK, CONNECTED].concat()]);
    let upstream = upstream().via(way).local_dns(resolver(&["192.0.2.1"]));
    upstream.oneshot(address("example.com:80")).await.unwrap();
    assert_eq!(
        logs[0].written().0,
        [HELLO, &connect_to("192.0.2.1:80")].concat()
    );
}

#[tokio::test]
async fn the_next_address_is_tried_where_the_proxy_could_not_reach_the_first() {
    let refused = [HELLO_OK, &failure(5)].concat();
    let (way, logs) = canned([refused, [HELLO_OK, CONNECTED].concat()]);
    let policy = Diary::default();
    let upstream = upstream()
        .via(way)
        .local_dns(resolver(&["192.0.2.1", "2001:db8::1"]));
    let request = guarded("example.com:80", policy.clone());
    upstream.oneshot(request).await.unwrap();
    assert_eq!(
        logs[1].written().0,
        [HELLO, &connect_to("[2001:db8::1]:80")].concat()
    );
    let asked = ["192.0.2.1:80", "[2001:db8::1]:80"];
    assert_eq!(
        policy.asked(),
        asked.map(|it| Asked::Address(it.parse().unwrap()))
    );
}

#[tokio::test]
async fn no_other_address_is_tried_where_the_proxy_is_at_fault() {
    let (way, _) = canned([b"\x05\xff", b"\x05\x00"]);
    let upstream = upstream()
        .via(way)
        .local_dns(resolver(&["192.0.2.1", "192.0.2.2"]));
    let error = upstream
        .oneshot(address("example.com:80"))
        .await
        .unwrap_err();
    assert!(matches!(
        client_error(&error),
        ClientError::NoAcceptableMethod { .. }
    ));
}

#[tokio::test]
async fn policies_are_asked_about_names_that_are_handed_on() {
    let name = Asked::Name("example.com:80".into());
    let policy = Diary::refusing([name.clone()]);
    let (way, logs) = canned([[HELLO_OK, CONNECTED].concat()]);
    let request = guarded("example.com:80", policy.clone());
    let error = upstream().via(way).oneshot(request).await.unwrap_err();
    assert_eq!(reply_code(&*error), ReplyCode::NOT_ALLOWED);
    assert_eq!(policy.asked(), [name]);
    assert_eq!(logs[0].written().1, 0, "the proxy heard of it");
}

#[tokio::test]
async fn policies_are_asked_about_addresses_and_a_forbidden_one_is_left_out() {
    let [first, second] =
        ["10.0.0.1:80", "192.0.2.2:80"].map(|it| Asked::Address(it.parse().unwrap()));
    let policy = Diary::refusing([first.clone()]);
    let (way, logs) = canned([[HELLO_OK, CONNECTED].concat()]);
    let upstream = upstream()
        .via(way)
        .local_dns(resolver(&["10.0.0.1", "192.0.2.2"]));
    let request = guarded("example.com:80", policy.clone());
    upstream.clone().oneshot(request).await.unwrap();
    assert_eq!(
        logs[0].written().0,
        [HELLO, &connect_to("192.0.2.2:80")].concat()
    );
    assert_eq!(policy.asked(), [first.clone(), second.clone()]);

    let policy = Diary::refusing([first, second]);
    let request = guarded("example.com:80", policy);
    let error = upstream.oneshot(request).await.unwrap_err();
    assert_eq!(reply_code(&*error), ReplyCode::NOT_ALLOWED);
}

#[tokio::test]
async fn a_non_canonical_literal_is_judged_as_the_address() {
    for stated in ["[::ffff:127.0.0.1]:80", "127.0.0.1:80"] {
        let loopback = Asked::Address("127.0.0.1:80".parse().unwrap());
        let policy = Diary::refusing([loopback.clone()]);
        let (way, logs) = canned([[HELLO_OK, CONNECTED].concat()]);
        let request = guarded(stated, policy.clone());
        let error = upstream().via(way).oneshot(request).await.unwrap_err();
        assert_eq!(reply_code(&*error), ReplyCode::NOT_ALLOWED);
        assert_eq!(policy.asked(), [loopback]);
        assert_eq!(logs[0].written().1, 0);
    }
}

#[tokio::test]
async fn the_proxys_code_is_passed_on_whatever_it_is() {
    for code in 1..=255 {
        let (way, _) = canned([[HELLO_OK, &failure(code)].concat()]);
        let error = upstream()
            .via(way)
            .oneshot(address("example.com:80"))
            .await
            .unwrap_err();
        assert_eq!(reply_code(&*error), ReplyCode(code));
    }
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_says_nothing_about_the_target() {
    let (port, _reserved) = closed_port();
    let nobody = Socks5Upstream::new(address(&format!("127.0.0.1:{port}")));
    let error = nobody.oneshot(address("example.com:80")).await.unwrap_err();
    assert_eq!(reply_code(&*error), ReplyCode::GENERAL_FAILURE);
    assert_eq!(client_error(&error).fault(), ClientFault::Proxy);
    assert_eq!(
        error.to_string(),
        format!("proxy 127.0.0.1:{port} could not be reached")
    );
    assert!(texts(&*error).contains("refused"), "{}", texts(&*error));
}

/// The kind of I/O error is there to match, and is no reply code: it is the proxy that is not there.
#[tokio::test]
async fn an_error_holds_the_true_one_and_a_stack_replies_01() {
    within(async {
        let (port, _reserved) = closed_port();
        let nobody = || Socks5Upstream::new(address(&format!("127.0.0.1:{port}")));
        let error = nobody()
            .oneshot(address("example.com:80"))
            .await
            .unwrap_err();
        let ClientError::Unreachable { source, .. } = client_error(&error) else {
            panic!("{error:?}");
        };
        // `Direct` says which addresses it tried, and wraps what the system says of the last.
        let cause = source.source().and_then(|cause| cause.downcast_ref());
        let kind = cause.map(io::Error::kind);
        assert_eq!(kind, Some(ErrorKind::ConnectionRefused));

        let broken = service_fn(async |_: Address| {
            let io = tokio_test::io::Builder::new()
                .write(HELLO)
                .read_error(ErrorKind::HostUnreachable.into())
                .build();
            Ok::<_, BoxError>(Connected::new(io, Address::UNSPECIFIED))
        });
        let asked = upstream().via(broken).oneshot(address("example.com:80"));
        let error = asked.await.unwrap_err();
        let ClientError::Io { source, .. } = client_error(&error) else {
            panic!("{error:?}");
        };
        assert_eq!(source.kind(), ErrorKind::HostUnreachable);

        let by_nobody = proxy(stack(NoAuth, Connector::upstream(nobody()))).await;
        let by_broken = Connector::direct().with_connect(upstream().via(broken));
        let by_broken = proxy(stack(NoAuth, by_broken)).await;
        for proxy in [by_nobody, by_broken] {
            let stream = TcpStream::connect(proxy).await.unwrap();
            let target = address("example.com:80");
            let error = Client::new().connect(stream, target).await.unwrap_err();
            assert!(matches!(
                error,
                ClientError::Refused(ReplyCode::GENERAL_FAILURE)
            ));
        }
    })
    .await;
}

#[tokio::test]
async fn a_proxy_and_a_target_may_be_text() {
    let (way, logs) = canned([[HELLO_OK, CONNECTED].concat()]);
    let by_text = Socks5Upstream::new(PROXY).via(way);
    assert!(format!("{by_text:?}").contains(PROXY));
    by_text.oneshot("example.com:25").await.unwrap();
    assert_eq!(
        logs[0].written().0,
        [HELLO, &connect_to("example.com:25")].concat()
    );
    let (way, _) = canned([[HELLO_OK, CONNECTED].concat()]);
    let error = upstream()
        .via(way)
        .oneshot("example.com")
        .await
        .unwrap_err();
    assert!(error.is::<ParseAddressError>(), "{error:?}");
}

#[tokio::test]
async fn text_that_is_no_proxys_address_fails_each_request_and_is_not_shown() {
    for text in ["127.0.0.1", "socks5://joe:secret@127.0.0.1:1080"] {
        let (way, _) = canned([[HELLO_OK, CONNECTED].concat()]);
        let upstream = Socks5Upstream::new(text).via(way);
        assert!(!format!("{upstream:?}").contains("secret"));
        let bind = upstream.clone().into_bind();
        let paths = upstream.clone().into_transports();
        let request = || guarded("192.0.2.1:80", Diary::default());
        for error in [
            upstream.clone().oneshot("192.0.2.1:80").await.unwrap_err(),
            upstream.oneshot(request()).await.unwrap_err(),
            bind.oneshot(request()).await.unwrap_err(),
            paths.oneshot(request()).await.unwrap_err(),
        ] {
            assert!(matches!(client_error(&error), ClientError::InvalidProxy(_)));
            assert_eq!(client_error(&error).fault(), ClientFault::Local);
            assert_eq!(reply_code(&*error), ReplyCode::GENERAL_FAILURE);
            assert_eq!(error.to_string(), "the proxy has no valid address");
            assert!(!texts(&*error).contains("secret"));
        }
    }
}

#[tokio::test]
async fn the_first_proxys_code_about_the_second_is_not_about_the_target() {
    // The first one cannot reach the second.
    let (way, _) = canned([[HELLO_OK, &failure(5)].concat()]);
    let chain = Socks5Upstream::new(address("second.example:1080")).via(upstream().via(way));
    let error = chain.oneshot(address("example.com:80")).await.unwrap_err();
    assert_eq!(reply_code(&*error), ReplyCode::GENERAL_FAILURE);
    let ClientError::Unreachable { proxy, .. } = client_error(&error) else {
        panic!("{error:?}");
    };
    assert_eq!(*proxy, address("second.example:1080"));
}

#[tokio::test]
async fn a_chain_is_one_stream_with_one_dialogue_behind_the_other() {
    let hop = [HELLO_OK, CONNECTED].concat();
    let (way, logs) = canned([[&*hop, &hop, &hop, b"hello"].concat()]);
    let chain = Socks5Upstream::new(address("third.example:3"))
        .via(Socks5Upstream::new(address("second.example:2")).via(upstream().via(way)));
    // The type does not grow with the chain.
    let mut stream: Connected<Canned> = chain.oneshot(address("example.com:80")).await.unwrap();
    let targets = ["second.example:2", "third.example:3", "example.com:80"];
    let said = targets.map(|target| [HELLO, &connect_to(target)].concat());
    assert_eq!(logs[0].written().0, said.concat());
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "hello");
}

#[tokio::test]
async fn optimistic_mode_is_one_write_and_a_round_trip_less() {
    let credentials = Credentials::new("joe", "secret").unwrap();
    let hop = [b"\x05\x02\x01\x00", CONNECTED].concat();
    let client = Client::with(credentials.clone());
    for (client, writes) in [(client.clone(), 3), (client.optimistic(), 1)] {
        let (way, logs) = canned([hop.clone()]);
        let upstream = upstream().client(client).via(way);
        upstream.oneshot(address("example.com:80")).await.unwrap();
        let (said, count) = logs[0].written();
        let expected = [
            b"\x05\x01\x02\x01\x03joe\x06secret",
            &*connect_to("example.com:80"),
        ];
        assert_eq!(said, expected.concat());
        assert_eq!(count, writes);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_for_ever() {
    let never =
        service_fn(|_: Address| std::future::pending::<Result<Connected<Canned>, BoxError>>());
    let silent = service_fn(async |_: Address| {
        let (stream, _) = Canned::new([b""], Then::Waits);
        Ok::<_, BoxError>(Connected::new(stream, Address::UNSPECIFIED))
    });
    let quick = Client::new().timeout(Duration::from_secs(3));
    let started = tokio::time::Instant::now();
    let error = upstream()
        .client(quick.clone())
        .via(never)
        .oneshot(address("example.com:80"))
        .await
        .unwrap_err();
    assert!(matches!(
        client_error(&error),
        ClientError::Unreachable { .. }
    ));
    assert_eq!(started.elapsed().as_secs(), 3);

    let error = upstream()
        .client(quick)
        .via(silent)
        .oneshot(address("example.com:80"))
        .await
        .unwrap_err();
    assert_eq!(reply_code(&*error), ReplyCode::TTL_EXPIRED);
    assert_eq!(started.elapsed().as_secs(), 6);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_closes_the_way_to_the_proxy() {
    let (stream, log) = Canned::new([HELLO_OK], Then::Waits);
    let stream = std::sync::Mutex::new(Some(stream));
    let stream = std::sync::Arc::new(stream);
    let way = service_fn(move |_: Address| {
        let stream = stream.lock().unwrap().take().unwrap();
        async { Ok::<_, BoxError>(Connected::new(stream, Address::UNSPECIFIED)) }
    });
    let asking = upstream().via(way).oneshot(address("example.com:80"));
    let asking = tokio::time::timeout(Duration::from_millis(20), asking);
    assert!(asking.await.is_err());
    assert_eq!(
        log.written().0,
        [HELLO, &connect_to("example.com:80")].concat()
    );
    assert!(log.is_dropped());
}

#[tokio::test]
async fn secrets_are_in_no_text() {
    let credentials = Credentials::new("joe", "wherewithal").unwrap();
    let (way, _) = canned([b"\x05\x02\x01\x01"]);
    let upstream = upstream()
        .client(Client::new().credentials(credentials))
        .via(way);
    let debug = format!("{upstream:?} {:?}", upstream.clone().into_bind());
    let error = upstream
        .oneshot(address("example.com:80"))
        .await
        .unwrap_err();
    assert!(matches!(client_error(&error), ClientError::Denied));
    for text in [debug, texts(&*error)] {
        assert!(!text.contains("wherewithal"), "{text}");
    }
}

#[tokio::test]
async fn what_streams_say_next_is_heard() {
    within(async {
        let (near, mut far) = tokio::io::duplex(1024);
        let near = std::sync::Arc::new(std::sync::Mutex::new(Some(near)));
        let way = service_fn(move |_: Address| {
            let near = near.lock().unwrap().take().unwrap();
            async { Ok::<_, BoxError>(Connected::new(near, Address::UNSPECIFIED)) }
        });
        let asking = tokio::spawn(upstream().via(way).oneshot(address("example.com:80")));
        far.hear(HELLO).await;
        far.say(HELLO_OK).await;
        far.hear(&connect_to("example.com:80")).await;
        far.say(CONNECTED).await;
        let mut stream = asking.await.unwrap().unwrap();
        stream.say(b"ping").await;
        far.hear(b"ping").await;
        far.say(b"pong").await;
        stream.hear(b"pong").await;
        drop(far);
        stream.hear_end().await;
    })
    .await;
}
