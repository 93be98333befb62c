//! The address as an HTTP server: a few pages, nothing that changes anything.

use std::{collections::VecDeque, convert::Infallible, io, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue,
        X_CONTENT_TYPE_OPTIONS,
    },
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::{Health, Status, snapshot::Snapshot};

/// Connections at once: this is for a scraper and a few people. One more takes the place of the oldest, so
/// that those that are slow or idle keep nobody out.
const CONNECTIONS: usize = 32;

/// How long a client may take to ask, and a connection may be open.
const PATIENCE: Duration = Duration::from_secs(10);
const LIFETIME: Duration = Duration::from_secs(60);

const PAGE: &str = include_str!("page.html");

/// The page is all in one, gets its numbers from where it comes from, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) async fn serve(listener: TcpListener, status: Arc<Status>) -> io::Result<()> {
    let mut connections = VecDeque::<AbortHandle>::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "metrics: cannot accept");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let status = Arc::clone(&status);
        connections.retain(|connection| !connection.is_finished());
        if connections.len() >= CONNECTIONS
            && let Some(oldest) = connections.pop_front()
        {
            oldest.abort();
        }
        let connection = tokio::spawn(async move {
            let answers = service_fn(move |request| {
                let answer = answer(&status, &request);
                async { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .max_buf_size(16 * 1024)
                .serve_connection(TokioIo::new(stream), answers);
            if let Ok(Err(error)) = timeout(LIFETIME, connection).await {
                tracing::debug!(%error, "metrics: connection broken off");
            }
        });
        connections.push_back(connection.abort_handle());
    }
}

fn answer(status: &Status, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is known here\n");
    }
    let is_page = match request.uri().path() {
        "/metrics" => {
            let numbers = status.numbers();
            return response(StatusCode::OK, "text/plain; version=0.0.4", numbers);
        }
        "/live" => return text(StatusCode::OK, "live\n"),
        "/ready" => return ready(&status.health),
        "/" => true,
        "/status.json" => false,
        _ => {
            return text(
                StatusCode::NOT_FOUND,
                "there are /, /metrics, /live and /ready\n",
            );
        }
    };
    if !status.dashboard {
        return text(
            StatusCode::NOT_FOUND,
            "there is /metrics; for the page set dashboard = true in [metrics]\n",
        );
    }
    if !is_asked_by_address(request.headers().get(HOST)) {
        return text(
            StatusCode::MISDIRECTED_REQUEST,
            "open this page by its address or as localhost\n",
        );
    }
    if is_page {
        return response(StatusCode::OK, "text/html; charset=utf-8", PAGE);
    }
    match serde_json::to_vec(&Snapshot::of(&status.open)) {
        Ok(json) => response(StatusCode::OK, "application/json", json),
        Err(error) => {
            tracing::warn!(%error, "metrics: no snapshot");
            text(StatusCode::INTERNAL_SERVER_ERROR, "no snapshot\n")
        }
    }
}

/// Load balancers look at the status, and people at the lines.
fn ready(health: &Health) -> Response<Full<Bytes>> {
    let problems = health.problems();
    if problems.is_empty() {
        return text(StatusCode::OK, "ready\n");
    }
    let lines = problems
        .into_iter()
        .map(|problem| format!("not ready: {problem}\n"));
    text(StatusCode::SERVICE_UNAVAILABLE, lines.collect::<String>())
}

/// Pages of others must not read who is connected by having a name of theirs lead here.
fn is_asked_by_address(host: Option<&HeaderValue>) -> bool {
    let Some(host) = host.and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    name == "localhost" || address.parse::<IpAddr>().is_ok()
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", text)
}

fn response(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
