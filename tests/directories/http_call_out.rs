//! Users whom a service of HTTP knows.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::{ServiceBuilder, ServiceExt};
use tower_socks::{
    AuthLayer, BoxError, Connector, Credentials, HandshakeLayer, Identity, UserPass,
    error::AuthError,
    layer::{
        auth::http_call_out::{HttpCallOut, HttpCallOutBuilder},
        record::Recorder,
    },
    session::{Accepted, Amounts},
};

struct Service(TcpListener);

impl Service {
    async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn builder(&self) -> HttpCallOutBuilder {
        HttpCallOut::builder(format!("http://{}/login?a=b", self.0.local_addr().unwrap()))
    }
}

/// Reads a request, head and body.
async fn request(stream: &mut TcpStream) -> (String, String) {
    let mut octets = Vec::new();
    loop {
        let read = stream.read_buf(&mut octets).await.unwrap();
        assert_ne!(read, 0);
        let text = str::from_utf8(&octets).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let len = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() == len.unwrap().parse::<usize>().unwrap() {
                return (head.to_owned(), body.to_owned());
            }
        }
    }
}

fn ok(body: &str) -> String {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
    format!("{head}: {}\r\n\r\n{body}", body.len())
}

async fn log_in(verifier: &HttpCallOut, name: &str) -> Result<Identity, BoxError> {
    let credentials = Credentials::new(name, "pa55\"word").unwrap();
    let client = ([192, 0, 2, 7], 50000).into();
    verifier
        .clone()
        .oneshot(credentials.with_peer(client))
        .await
}

fn said(error: &BoxError) -> String {
    let source = std::error::Error::source(&**error);
    source.map_or_else(|| error.to_string(), ToString::to_string)
}

#[test]
fn mistakes_in_settings_are_said_and_secrets_are_not() {
    for (url, problem) in [
        ("auth.example/s3cret", "the URL is none"),
        ("ftp://auth.example/s3cret", "the URL is none"),
        ("http:///s3cret", "the URL is none"),
        ("http://joe:s3cret@127.0.0.1/", "has a name or a password"),
        (
            "http://auth.example/s3cret",
            "to http://auth.example in clear text",
        ),
        (
            "http://192.0.2.1/s3cret",
            "to http://192.0.2.1 in clear text",
        ),
    ] {
        let said = HttpCallOut::builder(url).build().unwrap_err().to_string();
        assert!(said.contains(problem) && !said.contains("s3cret"), "{said}");
    }
    for (name, value, problem) in [
        ("a b", "x", "the field `a b` is none"),
        ("Host", "x", "is set already"),
        ("x-token", "s3cret\r\nx: y", "has a value that cannot be"),
    ] {
        let builder = HttpCallOut::builder("http://[::1]/").field(name, value);
        let said = builder.build().unwrap_err().to_string();
        assert!(said.contains(problem) && !said.contains("s3cret"), "{said}");
    }
    let builder = HttpCallOut::builder("http://a.example/s3cret").field("x-token", "s3cret");
    let verifier = builder.clone().clear_text(true).build().unwrap();
    assert_eq!(verifier.clear_text().as_deref(), Some("http://a.example"));
    assert!(!format!("{builder:?} {verifier:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_user_has_what_the_service_says_and_the_connection_is_kept() {
    let service = Service::start().await;
    let verifier = service
        .builder()
        .field("authorization", "Bearer t")
        .build()
        .unwrap();
    let serving = async {
        let (mut stream, _) = service.0.accept().await.unwrap();
        let (head, body) = request(&mut stream).await;
        assert!(head.starts_with("POST /login?a=b HTTP/1.1\r\n"), "{head}");
        let host = format!("host: {}", service.0.local_addr().unwrap());
        for field in [
            &*host,
            "content-type: application/json",
            "authorization: Bearer t",
        ] {
            assert!(head.lines().any(|line| line == field), "{head}");
        }
        let expected = "{\"user\":\"JOE\",\"password\":\"pa55\\\"word\",\"client\":\"192.0.2.7:50000\",\
                        \"local\":\"0.0.0.0:0\"}";
        assert_eq!(body, expected);
        let body = r#"{"name":"joe","groups":["staff","night","staff"],"amounts":{"tunnels":7},"more":[{}]}"#;
        stream.write_all(ok(body).as_bytes()).await.unwrap();
        request(&mut stream).await;
        stream.write_all(ok("{}").as_bytes()).await.unwrap();
        stream
    };
    let asking = async {
        let joe = log_in(&verifier, "JOE").await.unwrap();
        let jane = log_in(&verifier, "jane").await.unwrap();
        (joe, jane)
    };
    let ((joe, jane), _open) = tokio::join!(asking, serving);
    assert_eq!(joe.name(), Some(&b"joe"[..]));
    assert_eq!(joe.groups(), ["night", "staff"].map(Box::<str>::from));
    assert_eq!(Amounts::of(&joe), Some(&Amounts::new().tunnels(7)));
    assert_eq!((jane.name(), jane.groups().len()), (Some(&b"jane"[..]), 0));
}

#[tokio::test]
async fn the_session_is_told_where_it_has_a_record_which_no_sink_is_needed_for() {
    let service = Service::start().await;
    let verifier = service.builder().build().unwrap();
    let recorder = Recorder::new([]);
    let stack = ServiceBuilder::new()
        .layer(recorder.sessions().listener("office"))
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(UserPass::new(verifier)))
        .layer(recorder.requests())
        .service(Connector::direct());
    let mut asked = Vec::new();
    for always in [false, true, false] {
        recorder.set_always(always);
        let (mut client, io) = tokio::io::duplex(1024);
        let peer = ([192, 0, 2, 7], 50000).into();
        let session = stack.clone().oneshot(Accepted::new(io, peer, peer));
        let serving = async {
            let (mut stream, _) = service.0.accept().await.unwrap();
            let (_, body) = request(&mut stream).await;
            let denied =
                b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(denied).await.unwrap();
            body
        };
        client
            .write_all(b"\x05\x01\x02\x01\x03joe\x01x")
            .await
            .unwrap();
        let dialogue = async {
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let (ended, body, answer) = tokio::join!(session, serving, dialogue);
        assert!(ended.is_err());
        assert_eq!(answer, b"\x05\x02\x01\x01");
        asked.push(body);
    }
    let facts = r#""protocol":"socks5","listener":"office","session":""#;
    let told: Vec<_> = asked.iter().map(|body| body.contains(facts)).collect();
    assert_eq!(told, [false, true, false], "{asked:?}");
    assert!(!asked[0].contains("session"), "{asked:?}");
}

#[tokio::test]
async fn a_kept_connection_that_has_ended_is_no_reason_to_fail() {
    let service = Service::start().await;
    let verifier = service.builder().build().unwrap();
    let serving = async {
        for _ in 0..2 {
            let (mut stream, _) = service.0.accept().await.unwrap();
            request(&mut stream).await;
            stream.write_all(ok("{}").as_bytes()).await.unwrap();
        }
    };
    let asking = async {
        log_in(&verifier, "joe").await.unwrap();
        log_in(&verifier, "joe").await.unwrap();
    };
    tokio::join!(asking, serving);
}

#[tokio::test]
async fn answers_that_are_none_let_nobody_in() {
    let json = "content-type: application/json\r\n";
    let large = format!("{{\"groups\":[]{}}}", " ".repeat(65_536));
    let groups = format!("{{\"groups\":[{}\"x\"]}}", "\"g\",".repeat(1024));
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(70_000));
    let deep = format!("{{\"more\":{}", "[".repeat(60_000));
    let cases = [
        ("HTTP/1.1 204 No Content\r\n\r\n".into(), "204 No Content"),
        (
            "HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n".into(),
            "redirects are not followed",
        ),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".into(),
            "404 Not Found",
        ),
        (
            "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n".into(),
            "500 Internal",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".into(),
            "without `content-type",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\n{}".into(),
            "without `content-type",
        ),
        (ok(""), "is no answer"),
        (ok("[]7"), "is no answer"),
        (ok("[\"joe\",[],null]"), "is no answer"),
        (ok("{\"amounts\":[50]}"), "is no answer"),
        (ok("{\"name\":7}"), "is no answer"),
        (ok("{\"amounts\":{\"tunnel\":7}}"), "is no answer"),
        (ok("{\"name\":\"\"}"), "`name` is empty"),
        (ok(&deep), "is no answer"),
        (ok(&large), "more than 64 KiB"),
        (ok(&groups), "more than 1024 groups"),
        (
            format!(
                "HTTP/1.1 200 OK\r\n{json}content-length: 99999999999\r\n\r\n{}",
                " ".repeat(70_000)
            ),
            "more than 64 KiB",
        ),
        (
            format!("HTTP/1.1 200 OK\r\n{json}content-length: 9\r\n\r\n{{}}"),
            "body",
        ),
        (endless, "too large"),
        ("\0\x01\x02\r\n\r\n".into(), "invalid HTTP"),
        (String::new(), "before message completed"),
    ];
    for (answer, problem) in cases {
        let service = Service::start().await;
        let verifier = service.builder().build().unwrap();
        let serving = async {
            let (mut stream, _) = service.0.accept().await.unwrap();
            request(&mut stream).await;
            // It may have gone by now.
            _ = stream.write_all(answer.as_bytes()).await;
        };
        let (joe, ()) = tokio::join!(log_in(&verifier, "joe"), serving);
        let error = joe.unwrap_err();
        let shown: String = answer.chars().take(80).collect();
        assert!(
            matches!(error.downcast_ref(), Some(AuthError::Verifier(_))),
            "{shown}: {error}"
        );
        let said = said(&error);
        assert!(
            said.contains(problem) && !said.contains("pa55"),
            "{shown}: {said}"
        );
    }
}

#[tokio::test]
async fn a_no_is_denied_and_what_is_no_text_is_not_asked() {
    let service = Service::start().await;
    let verifier = service.builder().build().unwrap();
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let serving = async {
            let (mut stream, _) = service.0.accept().await.unwrap();
            request(&mut stream).await;
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 1000000\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream
        };
        let (joe, _open) = tokio::join!(log_in(&verifier, "joe"), serving);
        assert!(matches!(
            joe.unwrap_err().downcast_ref(),
            Some(AuthError::Denied)
        ));
    }
    let credentials = Credentials::new("jo\u{e9}".as_bytes(), vec![0xff]).unwrap();
    let error = verifier.oneshot(credentials).await.unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(AuthError::Denied)));
}

#[tokio::test]
async fn a_silent_service_has_its_time_and_is_left_alone_then() {
    let service = Service::start().await;
    let verifier = service
        .builder()
        .timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let slow = log_in(&verifier, "joe").await.unwrap_err();
    assert!(said(&slow).contains("no answer in time"), "{}", said(&slow));
    let away = log_in(&verifier, "joe").await.unwrap_err();
    assert!(said(&away).contains("is away"), "{}", said(&away));
}
