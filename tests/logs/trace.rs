//! `TraceLayer`: which hook is called when, and in which span.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use tower::{Layer, ServiceExt};
use tower_socks::{
    AuthLayer, BoxError, HandshakeLayer, NoAuth, Refusal, Request, Traffic, Tunnel,
    io::PrefixedStream,
    layer::trace::TraceLayer,
    proto::{Address, Command, ReplyCode},
};
use tracing::{Span, info_span};

use crate::support::{
    CONNECT, HELLO, exchange,
    log::spans,
    targets::{failing, targets},
};

type Diary = Arc<Mutex<Vec<String>>>;

/// A layer whose hooks write down that they were called, and in which span.
fn layer(
    diary: Diary,
) -> impl Layer<
    crate::support::targets::Dialer,
    Service = impl tower::Service<
        Request,
        Response = impl Tunnel + 'static,
        Error = BoxError,
        Future: Send,
    > + Clone,
> {
    let note = |diary: &Diary| {
        let diary = Arc::clone(diary);
        move |text: String, span: &Span| {
            assert_eq!(Span::current().id(), span.id());
            diary.lock().unwrap().push(text);
        }
    };
    let (request, reply, error, close) = (note(&diary), note(&diary), note(&diary), note(&diary));
    TraceLayer::new()
        .make_span(|request: &Request| info_span!("mine", target = %request.target))
        .on_request(move |it: &Request, span: &Span| {
            request(format!("request {}", it.target), span)
        })
        .on_reply(move |bound: &Address, _: Duration, span: &Span| {
            reply(format!("reply {bound}"), span)
        })
        .on_error(
            move |it: &BoxError, code: ReplyCode, _: Duration, span: &Span| {
                error(format!("error {} {it}", code.0), span)
            },
        )
        .on_close(
            move |outcome: &io::Result<Traffic>, _: Duration, span: &Span| {
                let text = match outcome {
                    Ok(Traffic { up, down }) => format!("close {up} {down}"),
                    Err(error) => format!("close {error}"),
                };
                close(text, span)
            },
        )
}

fn request() -> Request {
    Request::new(Command::CONNECT, "example.com:80".parse().unwrap())
}

#[tokio::test]
async fn hooks_are_called_in_order_and_inside_the_span() {
    let _log = spans();
    let diary = Diary::default();
    let (service, mut incoming) = targets();
    let tunnel = layer(diary.clone())
        .layer(service)
        .oneshot(request())
        .await
        .unwrap();
    let expected = ["request example.com:80", "reply 198.51.100.7:4321"];
    assert_eq!(*diary.lock().unwrap(), expected);

    let (client, near) = tokio::io::duplex(64);
    let (_, target) = incoming.recv().await.unwrap();
    drop((client, target));
    tunnel
        .run(PrefixedStream::with_bytes(near, *b""))
        .await
        .unwrap();
    assert_eq!(diary.lock().unwrap()[2..], ["close 0 0"]);
}

#[tokio::test]
async fn an_error_comes_with_its_code() {
    // The other test's subscriber enables this span as well: without one here
    // it would have an identity and yet never be the current one.
    let _log = spans();
    let diary = Diary::default();
    let service = failing(|| Refusal::not_allowed("not today"));
    let error = layer(diary.clone())
        .layer(service)
        .oneshot(request())
        .await
        .err()
        .unwrap();
    assert_eq!(error.to_string(), "not today");
    let expected = ["request example.com:80", "error 2 not today"];
    assert_eq!(*diary.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn an_error_comes_with_the_code_that_is_sent() {
    let _log = spans();
    let diary = Diary::default();
    let traced = layer(diary.clone()).layer(failing(|| Refusal::not_allowed("not today")));
    let stack = HandshakeLayer::new()
        .reply_code(|_| ReplyCode::HOST_UNREACHABLE)
        .layer(AuthLayer::new(NoAuth).layer(traced));
    exchange(stack, &[HELLO, CONNECT].concat()).await;
    assert_eq!(diary.lock().unwrap()[1..], ["error 4 not today"]);
}
