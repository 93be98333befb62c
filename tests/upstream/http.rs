//! `HttpUpstream`, and HTTP proxies as they should be and as they should not.

use std::{convert::Infallible, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tower::{ServiceExt, service_fn};
use tower_socks::{
    BoxError,
    client::ClientFault,
    connector::upstream::{BasicAuth, HttpError, HttpUpstream, InvalidHeader, Transport},
    error::reply_code,
    io::BoxStream,
    proto::{Address, DomainName, ReplyCode},
    session::Connected,
};

use crate::support::{
    Script,
    canned::{Canned, Then},
    sockets::closed_port,
    texts,
    upstream::{Asked, Diary, by_hand, canned, guarded, resolver},
    within,
};

const OK: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn upstream() -> HttpUpstream {
    HttpUpstream::new(address("proxy.example:3128"))
}

/// What becomes of a request to a proxy that says this.
async fn answered(said: &[u8]) -> Result<Connected<Canned>, BoxError> {
    let (way, _) = canned([said]);
    upstream()
        .via(way)
        .oneshot(address("example.com:443"))
        .await
}

async fn refused(said: &[u8]) -> HttpError {
    *answered(said).await.unwrap_err().downcast().unwrap()
}

#[tokio::test]
async fn the_request_is_in_authority_form() {
    for (target, authority) in [
        ("example.com:443", "example.com:443"),
        ("192.0.2.1:80", "192.0.2.1:80"),
        ("[2001:db8::1]:80", "[2001:db8::1]:80"),
    ] {
        let (way, logs) = canned([OK]);
        upstream().via(way).oneshot(address(target)).await.unwrap();
        let expected = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        let (written, writes) = logs[0].written();
        assert_eq!(String::from_utf8(written).unwrap(), expected);
        assert_eq!(writes, 1);
    }
}

#[tokio::test]
async fn credentials_go_by_the_basic_scheme() {
    // RFC 7617 section 2.
    let basic = BasicAuth::new("Aladdin", "open sesame").unwrap();
    let (way, logs) = canned([OK]);
    let upstream = upstream().credentials(basic).via(way);
    upstream
        .clone()
        .oneshot(address("a.example:1"))
        .await
        .unwrap();
    let written = String::from_utf8(logs[0].written().0).unwrap();
    let field = "\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n";
    assert!(written.contains(field), "{written}");
}

#[tokio::test]
async fn secrets_are_in_no_text() {
    let basic = BasicAuth::new("joe", "wherewithal").unwrap();
    let (way, _) = canned([b"HTTP/1.1 407 No\r\n\r\n"]);
    let upstream = upstream().credentials(basic).via(way);
    let debug = format!("{upstream:?}");
    let error = upstream.oneshot(address("a.example:1")).await.unwrap_err();
    for text in [debug, texts(&*error)] {
        assert!(
            !text.contains("wherewithal") && !text.contains("am9l"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn fields_of_ones_own_are_sent_as_they_are_given() {
    let (way, logs) = canned([OK]);
    let upstream = upstream()
        .credentials(BasicAuth::new("joe", "wherewithal").unwrap())
        .header("User-Agent", "backup/1.2")
        .unwrap()
        .header("x-team", "blau, grün")
        .unwrap()
        .header("X-Empty", "")
        .unwrap()
        .local_dns(resolver(&["192.0.2.1"]))
        .via(way);
    upstream.oneshot(address("192.0.2.1:1")).await.unwrap();
    let expected = "CONNECT 192.0.2.1:1 HTTP/1.1\r\nHost: 192.0.2.1:1\r\n\
                    Proxy-Authorization: Basic am9lOndoZXJld2l0aGFs\r\n\
                    User-Agent: backup/1.2\r\nx-team: blau, grün\r\nX-Empty: \r\n\r\n";
    assert_eq!(String::from_utf8(logs[0].written().0).unwrap(), expected);
}

#[tokio::test]
async fn an_authorization_of_ones_own_is_the_only_one_and_not_printed() {
    let (way, logs) = canned([OK]);
    let upstream = upstream()
        .header("proxy-authorization", "Bearer wherewithal")
        .unwrap()
        .credentials(BasicAuth::new("joe", "secret").unwrap())
        .via(way);
    let debug = format!("{upstream:?}");
    assert!(!debug.contains("wherewithal"), "{debug}");
    assert!(debug.contains("proxy-authorization"), "{debug}");
    upstream.oneshot(address("192.0.2.1:1")).await.unwrap();
    let expected = "CONNECT 192.0.2.1:1 HTTP/1.1\r\nHost: 192.0.2.1:1\r\n\
                    proxy-authorization: Bearer wherewithal\r\n\r\n";
    assert_eq!(String::from_utf8(logs[0].written().0).unwrap(), expected);
}

#[test]
fn fields_that_would_not_be_one_are_refused() {
    for (name, value, why) in [
        ("", "x", InvalidHeader::Name),
        ("a b", "x", InvalidHeader::Name),
        ("a:", "x", InvalidHeader::Name),
        ("a\r\nb", "x", InvalidHeader::Name),
        ("ä", "x", InvalidHeader::Name),
        ("a\0", "x", InvalidHeader::Name),
        ("a", "x\r\nHost: b", InvalidHeader::Value),
        ("a", "x\n", InvalidHeader::Value),
        ("a", "\r", InvalidHeader::Value),
        ("a", "\0", InvalidHeader::Value),
        ("a", "\u{85}", InvalidHeader::Value),
        ("a", " x", InvalidHeader::Value),
        ("a", "x\t", InvalidHeader::Value),
        ("Host", "x", InvalidHeader::Reserved),
        ("host", "x", InvalidHeader::Reserved),
        ("content-length", "5", InvalidHeader::Reserved),
        ("Transfer-Encoding", "chunked", InvalidHeader::Reserved),
        ("Expect", "100-continue", InvalidHeader::Reserved),
    ] {
        let error = upstream().header(name, value).unwrap_err();
        assert_eq!(error, why, "{name:?} {value:?}");
    }
    upstream().header("a", "x\ty").unwrap();
}

/// Those that are known, and nothing else of what it says.
#[tokio::test]
async fn a_proxy_that_wants_authentication_says_by_which_schemes() {
    for (fields, offered) in [
        ("", &[][..]),
        ("Proxy-Authenticate: Basic realm=\"office\"\r\n", &["Basic"]),
        (
            "Proxy-Authenticate: Negotiate\r\nproxy-authenticate: NTLM\r\n\
             Proxy-Authenticate : basic realm=x\r\n",
            &["Negotiate", "NTLM", "Basic"],
        ),
        (
            "Proxy-Authenticate: Digest realm=\"a, Basic \\\", NTLM\", qop=auth , Bearer,, Digest\r\n",
            &["Digest", "Bearer"],
        ),
        ("Proxy-Authenticate: am9lOnNlY3JldA==, \u{1b}[2J\r\n", &[]),
        ("WWW-Authenticate: Basic\r\nX: Basic\r\nBasic\r\n", &[]),
        (
            "Proxy-Authenticate: Basic=x, realm=Basic, \"Basic\"\r\n",
            &[],
        ),
    ] {
        let said = format!("HTTP/1.1 407 No\r\n{fields}\r\n");
        let error = refused(said.as_bytes()).await;
        let text = error.to_string();
        let HttpError::Status {
            status: 407,
            schemes,
        } = error
        else {
            panic!("{fields:?}: {error:?}");
        };
        assert_eq!(schemes, offered, "{fields:?}");
        let told = format!("; it offers {}", offered.join(", "));
        assert_eq!(text.ends_with(&told), !offered.is_empty(), "{text}");
        assert!(
            text.contains("password") && !text.contains("am9l"),
            "{text}"
        );
    }
    let other = refused(b"HTTP/1.1 403 No\r\nProxy-Authenticate: Basic\r\n\r\n").await;
    assert!(!other.to_string().contains("offers"), "{other}");
}

#[test]
fn what_the_basic_scheme_cannot_write_is_refused() {
    for (name, password) in [
        ("jo:e", ""),
        ("joe\r\n", ""),
        ("joe", "se\ncret"),
        ("joe", "\0"),
    ] {
        assert!(
            BasicAuth::new(name, password).is_none(),
            "{name:?} {password:?}"
        );
    }
    assert!(BasicAuth::new("joe", "se:cret").is_some());
    assert!(BasicAuth::new("jörg", "").is_some());
}

#[tokio::test]
async fn any_success_will_do_and_what_follows_is_kept() {
    for head in [
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\n",
        "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.1 204 \r\n\r\n",
        "HTTP/1.1 200\n\n",
        "HTTP/1.1 200 OK\nVia: 1.1 x\n\r\n",
        "HTTP/1.1 200 OK\r\nVia: 1.1 x\r\nX: y\r\n\r\n",
        // RFC 9110 section 9.3.6: to be ignored.
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        let said = [head.as_bytes(), b"220 hello\r\n\r\n"].concat();
        let mut stream = answered(&said)
            .await
            .unwrap_or_else(|error| panic!("{head:?}: {error}"));
        assert_eq!(*stream.bound(), Address::UNSPECIFIED);
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "220 hello\r\n\r\n", "{head:?}");
    }
}

#[tokio::test]
async fn any_split_of_the_octets_gives_the_same() {
    let head = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nVia: x\r\n\r\n";
    let said = [head, &b"hello"[..]].concat();
    for split in 0..=said.len() {
        let (stream, _) = Canned::new([&said[..split], &said[split..]], Then::Ends);
        hears_hello(stream).await;
    }
    hears_hello(Canned::dribbles(&said).0).await;
}

/// A way to this proxy, once.
fn to(stream: Canned) -> impl Transport<Io = Canned> + Sync {
    let stream = std::sync::Arc::new(std::sync::Mutex::new(Some(stream)));
    service_fn(move |_: Address| {
        let stream = stream.lock().unwrap().take().unwrap();
        async { Ok::<_, Infallible>(Connected::new(stream, Address::UNSPECIFIED)) }
    })
}

async fn hears_hello(stream: Canned) {
    let mut stream = upstream()
        .via(to(stream))
        .oneshot(address("a.example:1"))
        .await
        .unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "hello");
}

/// Over a socket the head is looked at before it is read.
#[tokio::test]
async fn not_an_octet_too_many_is_read_from_a_socket() {
    within(async {
        for boxed in [false, true] {
            for pause in [0, 1, 9, 17, 40] {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let proxy = Address::Ip(listener.local_addr().unwrap());
                let direct = tower_socks::connector::direct::Direct::new();
                let asking = if boxed {
                    let way = service_fn(move |proxy: Address| {
                        let stream = direct.clone().oneshot(proxy);
                        async {
                            let stream = stream.await.map_err(std::io::Error::other)?;
                            Ok::<_, std::io::Error>(stream.map_io(BoxStream::new))
                        }
                    });
                    let asking = HttpUpstream::new(proxy)
                        .via(way)
                        .oneshot(address("a.example:1"));
                    tokio::spawn(async { asking.await.unwrap() })
                } else {
                    let asking = HttpUpstream::new(proxy)
                        .via(direct)
                        .oneshot(address("a.example:1"));
                    tokio::spawn(async { asking.await.unwrap().map_io(BoxStream::new) })
                };
                let (mut far, _) = listener.accept().await.unwrap();
                far.hear(b"CONNECT a.example:1 HTTP/1.1\r\nHost: a.example:1\r\n\r\n")
                    .await;
                let said = [OK, b"hello"].concat();
                let (first, second) = said.split_at(pause.min(OK.len()));
                far.set_nodelay(true).unwrap();
                far.say(first).await;
                tokio::task::yield_now().await;
                far.say(second).await;
                far.shutdown().await.unwrap();
                let mut heard = String::new();
                asking
                    .await
                    .unwrap()
                    .read_to_string(&mut heard)
                    .await
                    .unwrap();
                assert_eq!(heard, "hello");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn every_other_status_has_its_fault_and_its_code() {
    for (status, code, fault) in [
        (301, ReplyCode::GENERAL_FAILURE, ClientFault::Proxy),
        (400, ReplyCode::GENERAL_FAILURE, ClientFault::Refused),
        (403, ReplyCode::NOT_ALLOWED, ClientFault::Refused),
        (404, ReplyCode::GENERAL_FAILURE, ClientFault::Refused),
        (405, ReplyCode::GENERAL_FAILURE, ClientFault::Refused),
        (407, ReplyCode::GENERAL_FAILURE, ClientFault::Refused),
        (500, ReplyCode::GENERAL_FAILURE, ClientFault::Proxy),
        (
            502,
            ReplyCode::GENERAL_FAILURE,
            ClientFault::Target(ReplyCode::GENERAL_FAILURE),
        ),
        (
            503,
            ReplyCode::GENERAL_FAILURE,
            ClientFault::Target(ReplyCode::GENERAL_FAILURE),
        ),
        (
            504,
            ReplyCode::TTL_EXPIRED,
            ClientFault::Target(ReplyCode::TTL_EXPIRED),
        ),
        (101, ReplyCode::GENERAL_FAILURE, ClientFault::Proxy),
        (999, ReplyCode::GENERAL_FAILURE, ClientFault::Proxy),
    ] {
        let error = refused(format!("HTTP/1.1 {status} Reason\r\n\r\n").as_bytes()).await;
        let HttpError::Status { status: told, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(told, status);
        assert_eq!(reply_code(&error), code, "{status}");
        assert_eq!(error.fault(), fault, "{status}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_an_error_that_says_so() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(9);
    for said in [
        "\x05\x00\x00\x01\0\0\0\0\0\0 and much more of it",
        "SSH-2.0-OpenSSH_10.0\r\n and more",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 20\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        &format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(20_000)),
        &interim,
    ] {
        let error = refused(said.as_bytes()).await;
        assert!(
            matches!(error, HttpError::NotHttp(_)),
            "{said:.30}: {error:?}"
        );
        assert_eq!(error.fault(), ClientFault::Proxy);
        assert_eq!(reply_code(&error), ReplyCode::GENERAL_FAILURE);
        assert!(error.to_string().contains("check its address and port"));
    }
}

#[tokio::test]
async fn what_is_no_http_is_the_same_in_any_pieces() {
    for said in [&b"1.1 200 OK\r\n\r\n"[..], b"\n\n", b"250 ok\r\n\r\n"] {
        let whole = refused(said).await.to_string();
        for cut in 1..said.len() {
            let (stream, _) = Canned::new([&said[..cut], &said[cut..]], Then::Ends);
            let asked = upstream().via(to(stream)).oneshot(address("a.example:1"));
            assert_eq!(asked.await.unwrap_err().to_string(), whole, "{cut}");
        }
    }
}

#[tokio::test]
async fn a_cut_head_is_an_error_wherever_it_is_cut() {
    for end in 0..OK.len() {
        let error = refused(&OK[..end]).await;
        assert!(matches!(error, HttpError::Closed), "{end}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_proxy_has_its_time_and_no_more() {
    let silent = service_fn(async |_: Address| {
        let (stream, _) = Canned::new([b"HTTP/1.1 2"], Then::Waits);
        Ok::<_, Infallible>(Connected::new(stream, Address::UNSPECIFIED))
    });
    let started = tokio::time::Instant::now();
    let upstream = upstream().timeout(Duration::from_secs(7)).via(silent);
    let error = upstream.oneshot(address("a.example:1")).await.unwrap_err();
    assert_eq!(started.elapsed().as_secs(), 7);
    assert_eq!(reply_code(&*error), ReplyCode::TTL_EXPIRED);
    assert_eq!(error.to_string(), "HTTP proxy did not answer within 7s");
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_says_nothing_about_the_target() {
    let (port, _reserved) = closed_port();
    let nobody = HttpUpstream::new(address(&format!("127.0.0.1:{port}")));
    let error = nobody.oneshot(address("a.example:1")).await.unwrap_err();
    assert_eq!(reply_code(&*error), ReplyCode::GENERAL_FAILURE);
    let error: HttpError = *error.downcast().unwrap();
    assert_eq!(error.fault(), ClientFault::Proxy);
}

#[tokio::test]
async fn text_is_an_address_or_an_error() {
    let (way, logs) = canned([OK]);
    let upstream = HttpUpstream::new("proxy.example:3128").via(way);
    upstream.oneshot("a.example:1").await.unwrap();
    let said = b"CONNECT a.example:1 HTTP/1.1\r\nHost: a.example:1\r\n\r\n";
    assert_eq!(logs[0].written().0, said);

    let nobody = HttpUpstream::new("http://joe:secret@proxy.example:3128");
    let error = nobody.oneshot("a.example:1").await.unwrap_err();
    assert_eq!(reply_code(&*error), ReplyCode::GENERAL_FAILURE);
    let error: HttpError = *error.downcast().unwrap();
    assert_eq!(error.fault(), ClientFault::Local);
    assert_eq!(error.to_string(), "the proxy has no valid address");
    assert!(!format!("{error:?}").contains("secret"));
}

/// What would mean something else in a line is in no name that SOCKS carries behind a length, and all
/// that is in one can stand in a line.
#[tokio::test]
async fn a_name_cannot_smuggle_anything() {
    for name in [
        "a?#@c",
        "a/b",
        "a\\b",
        "<a>",
        "a\"b",
        "a.example:22",
        "[a]",
        "a%3a22",
    ] {
        assert!(DomainName::new(name).is_err(), "{name}");
    }
    for (name, written) in [
        ("j\u{f6}rg.Example.", "xn--jrg-sna.example"),
        ("_a-b~!$&'()*+,;=.example", "_a-b~!$&'()*+,;=.example"),
    ] {
        let (way, logs) = canned([OK]);
        let target = Address::Name(DomainName::new(name).unwrap(), 80);
        let _ = upstream().via(way).oneshot(target).await.unwrap();
        let request = format!("CONNECT {written}:80 HTTP/1.1\r\nHost: {written}:80\r\n\r\n");
        assert_eq!(logs[0].written().0, request.as_bytes(), "{name}");
    }
}

#[tokio::test]
async fn dropping_the_future_closes_the_way_to_the_proxy() {
    within(async {
        let (way, mut far) = by_hand();
        let asking = tokio::spawn(upstream().via(way).oneshot(address("a.example:1")));
        far.hear(b"CONNECT a.example:1 HTTP/1.1\r\nHost: a.example:1\r\n\r\n")
            .await;
        far.say(b"HTTP/1.1 2").await;
        asking.abort();
        far.hear_end().await;
    })
    .await;
}

#[tokio::test]
async fn a_chain_is_one_stream_with_one_dialogue_behind_the_other() {
    let (way, logs) = canned([[OK, b"HTTP/1.1 100 \r\n\r\n", OK, b"hello"].concat()]);
    let first = upstream().credentials(BasicAuth::new("joe", "").unwrap());
    let chain = HttpUpstream::new(address("second.example:2")).via(first.via(way));
    let mut stream: Connected<Canned> = chain.oneshot(address("a.example:1")).await.unwrap();
    // Each proxy hears its own credentials only.
    let expected = "CONNECT second.example:2 HTTP/1.1\r\nHost: second.example:2\r\n\
                    Proxy-Authorization: Basic am9lOg==\r\n\r\n\
                    CONNECT a.example:1 HTTP/1.1\r\nHost: a.example:1\r\n\r\n";
    let written = String::from_utf8(logs[0].written().0).unwrap();
    assert_eq!(written, expected);
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "hello");
}

#[tokio::test]
async fn policies_are_asked_as_for_socks() {
    let name = Asked::Name("example.com:80".into());
    let policy = Diary::refusing([name.clone()]);
    let (way, logs) = canned([OK]);
    let request = guarded("example.com:80", policy.clone());
    let error = upstream().via(way).oneshot(request).await.unwrap_err();
    assert_eq!(reply_code(&*error), ReplyCode::NOT_ALLOWED);
    assert_eq!(policy.asked(), [name]);
    assert_eq!(logs[0].written().1, 0);

    let [first, second] =
        ["192.0.2.1:80", "192.0.2.2:80"].map(|it| Asked::Address(it.parse().unwrap()));
    let policy = Diary::default();
    let (way, logs) = canned([&b"HTTP/1.1 502 Bad Gateway\r\n\r\n"[..], OK]);
    let upstream = upstream()
        .via(way)
        .local_dns(resolver(&["192.0.2.1", "192.0.2.2"]));
    upstream
        .oneshot(guarded("example.com:80", policy.clone()))
        .await
        .unwrap();
    assert_eq!(policy.asked(), [first, second]);
    let written = String::from_utf8(logs[1].written().0).unwrap();
    assert!(
        written.starts_with("CONNECT 192.0.2.2:80 HTTP/1.1\r\n"),
        "{written}"
    );
}

/// Only the status line matters: curl takes all of these.
#[tokio::test]
async fn fields_are_as_they_are() {
    let many = "X-Field: 1\r\n".repeat(100);
    for head in [
        "HTTP/1.1 200 OK\r\nProxy-agent : x\r\n",
        "HTTP/1.1 200 OK\r\nA: 1\r\n folded\r\n",
        "HTTP/1.1 200 OK\r\nno colon at all\r\n",
        "HTTP/1.1  200  OK\r\n",
        &format!("HTTP/1.1 200 OK\r\n{many}"),
    ] {
        let (way, _) = canned([format!("{head}\r\n")]);
        let upstream = HttpUpstream::new("proxy.example:3128").via(way);
        let outcome = upstream.oneshot("192.0.2.1:80".parse::<Address>().unwrap());
        assert!(outcome.await.is_ok(), "{head}");
        // A refusal is one, whatever its fields.
        let (way, _) = canned([format!("{}\r\n", head.replacen("200", "403", 1))]);
        let upstream = HttpUpstream::new("proxy.example:3128").via(way);
        let outcome = upstream.oneshot("192.0.2.1:80".parse::<Address>().unwrap());
        let error = outcome.await.map(drop).unwrap_err();
        assert_eq!(
            tower_socks::error::reply_code(&*error),
            ReplyCode::NOT_ALLOWED
        );
    }
}
