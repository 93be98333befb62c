//! Connectors as hyper, hyper-rustls and tonic take them.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::Uri;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::Incoming,
    rt::{Read, ReadBuf, Write},
    service::service_fn,
};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connect, Connection},
    },
    rt::{TokioExecutor, TokioIo},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::yield_now,
};
use tower_socks::{
    ClientError, Connector, NoAuth, Refusal,
    client::ClientFault,
    connector::{BoxConnector, direct::Direct, upstream::Socks5Upstream},
    layer::acl::AclLayer,
    proto::{Address, ReplyCode},
    session::{Check, Connected, Target},
};

use crate::support::{canned::Canned, proxy, sockets::closed_port, stack, texts, within};

#[test]
fn forms_of_uris() {
    for (text, address) in [
        ("http://example.com", "example.com:80"),
        ("http://example.com/path?query", "example.com:80"),
        ("https://example.com/", "example.com:443"),
        ("ws://example.com/", "example.com:80"),
        ("wss://example.com/", "example.com:443"),
        ("HTTPS://example.com/", "example.com:443"),
        ("WS://example.com/", "example.com:80"),
        ("http://example.com:8080/", "example.com:8080"),
        ("https://example.com:80/", "example.com:80"),
        ("http://example.com:/", "example.com:80"),
        ("http://example.com:080/", "example.com:80"),
        ("http://joe:s3cret@example.com/", "example.com:80"),
        ("http://joe:8@example.com:9/", "example.com:9"),
        ("ftp://example.com:21/", "example.com:21"),
        ("example.com:443", "example.com:443"),
        ("http://192.0.2.1/", "192.0.2.1:80"),
        ("http://[2001:db8::1]/", "[2001:db8::1]:80"),
        ("https://[2001:db8::1]:8443/", "[2001:db8::1]:8443"),
        ("http://joe@[::1]:81/", "[::1]:81"),
    ] {
        let uri: Uri = text.parse().unwrap();
        let expected: Address = address.parse().unwrap();
        assert_eq!(uri.address().unwrap(), expected, "{text}");
        assert!(matches!(expected, Address::Ip(_)) == address.starts_with(['1', '[']));
    }
}

#[test]
fn a_uri_that_names_no_target_says_what_it_lacks_and_no_secret() {
    for (text, lacks) in [
        ("/s3cret", "no host"),
        ("*", "no host"),
        ("example.com", "no port"),
        ("ftp://joe:s3cret@example.com/", "no port"),
        ("http://joe:s3cret@example.com:65536/", "no number"),
        ("http://joe:s3cret@example.com:99999/", "no number"),
        ("http://joe:s3cret@example.com:0x50/", "no number"),
        ("http://joe:s3cret@[::1]:99999/", "no number"),
        ("http://joe:s3cret@[v1.x]/", "brackets"),
    ] {
        let uri: Uri = text.parse().unwrap();
        let error = uri.address().expect_err(text);
        assert!(error.to_string().contains(lacks), "{text}: {error}");
        assert!(!texts(&*error).contains("s3cret"), "{text}: {error}");
    }
}

/// A site that answers what it was sent, and the number of connections that it has seen.
async fn site() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            seen.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(answer(TokioIo::new(stream)));
        }
    });
    (address, count)
}

async fn answer(stream: impl Read + Write + Unpin + Send + 'static) {
    let echo = service_fn(async |request: Request<Incoming>| {
        let body = request.into_body().collect().await?.to_bytes();
        Ok::<_, hyper::Error>(Response::new(Full::new(body)))
    });
    let http = hyper::server::conn::http1::Builder::new();
    let _ = http.serve_connection(stream, echo).await;
}

async fn post<C>(client: &Client<C, Full<Bytes>>, uri: &str, body: Vec<u8>)
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let body = Bytes::from(body);
    let request = Request::post(uri).body(Full::new(body.clone())).unwrap();
    let response = client.request(request).await.unwrap();
    let heard = response.into_body().collect().await.unwrap().to_bytes();
    assert!(heard == body, "{} octets for {}", heard.len(), body.len());
}

/// Bodies of all sizes come through, and all of them over one connection.
async fn exchanges<C>(connector: C)
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let (site, connections) = site().await;
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let uri = format!("http://localhost:{}/", site.port());
    for len in [0, 1, 1 << 10, 3 << 20] {
        let body = (0..len).map(|at| u8::try_from(at % 251).unwrap());
        post(&client, &uri, body.collect()).await;
        // The pool has the connection back once its tasks have run.
        for _ in 0..8 {
            yield_now().await;
        }
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn hyper_takes_a_direct_connector() {
    within(exchanges(Direct::new())).await;
}

#[tokio::test]
async fn hyper_takes_a_socks5_upstream_a_chain_and_a_box() {
    within(async {
        let first = proxy(stack(NoAuth, Connector::direct())).await;
        exchanges(Socks5Upstream::new(first)).await;
        let second = proxy(stack(NoAuth, Connector::direct())).await;
        exchanges(Socks5Upstream::new(second).via(Socks5Upstream::new(first))).await;
        exchanges(BoxConnector::<Uri>::new(Socks5Upstream::new(first))).await;
    })
    .await;
}

#[cfg(feature = "proxy-url")]
mod by_url {
    use std::sync::Mutex;

    use tower_socks::connector::{
        proxy_url::{NoProxy, ProxyEnv, ProxyUrl},
        upstream::HttpUpstream,
    };

    use super::*;
    use crate::support::upstream::http_proxy;

    #[tokio::test]
    async fn hyper_takes_an_http_upstream() {
        within(async {
            let heads = Arc::new(Mutex::new(Vec::new()));
            let http = http_proxy(Arc::clone(&heads)).await;
            exchanges(HttpUpstream::new(http)).await;
            assert!(heads.lock().unwrap()[0].starts_with("CONNECT localhost:"));
        })
        .await;
    }

    #[tokio::test]
    async fn hyper_takes_what_is_chosen_at_run_time() {
        within(async {
            let socks = proxy(stack(NoAuth, Connector::direct())).await;
            for scheme in ["socks5", "socks5h"] {
                let url: ProxyUrl = format!("{scheme}://{socks}").parse().unwrap();
                exchanges(url.connector()).await;
                exchanges(ProxyEnv::new(Some(url), NoProxy::default()).connector()).await;
            }
            exchanges(ProxyEnv::default().connector()).await;
        })
        .await;
    }
}

#[tokio::test]
async fn what_went_wrong_is_among_the_causes() {
    within(async {
        let (port, _reserved) = closed_port();
        let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(
            Socks5Upstream::new(SocketAddr::from(([127, 0, 0, 1], port))),
        );
        let uri: Uri = "http://target.example/".parse().unwrap();
        let error = client.get(uri.clone()).await.unwrap_err();
        assert!(error.is_connect());
        assert_eq!(cause(&error).fault(), ClientFault::Proxy);

        let refuses = AclLayer::new(|_: &tower_socks::Request, _: Check| {
            Err(Refusal::new(ReplyCode::NOT_ALLOWED, "not today"))
        });
        let refuses = tower::Layer::layer(&refuses, Connector::direct());
        let refusing = proxy(stack(NoAuth, refuses)).await;
        let client = Client::builder(TokioExecutor::new())
            .build::<_, Full<Bytes>>(Socks5Upstream::new(refusing));
        let error = client.get(uri).await.unwrap_err();
        assert!(error.is_connect());
        assert_eq!(cause(&error).fault(), ClientFault::Refused);

        let relative = client.get(Uri::from_static("/path")).await.unwrap_err();
        assert!(!relative.is_connect(), "hyper itself says so: {relative}");
    })
    .await;
}

fn cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a ClientError {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .find_map(|error| error.downcast_ref())
        .expect("a ClientError")
}

/// Reads once, into room for `len` octets of which some are taken already.
async fn read<T: Read + Unpin>(stream: &mut T, len: usize) -> io::Result<Vec<u8>> {
    let mut room = vec![0; len + 2];
    let mut buffer = ReadBuf::new(&mut room);
    buffer.unfilled().put_slice(b"..");
    poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, buffer.unfilled())).await?;
    assert_eq!(&buffer.filled()[..2], b"..", "what was there is left alone");
    Ok(buffer.filled()[2..].to_vec())
}

#[tokio::test]
async fn reads_take_what_there_is_room_for_and_no_more() {
    let (stream, log) = Canned::new(["hello", "!"], crate::support::canned::Then::Ends);
    let mut stream = Connected::new(stream, Address::UNSPECIFIED);
    assert_eq!(read(&mut stream, 3).await.unwrap(), b"hel");
    assert_eq!(read(&mut stream, 3).await.unwrap(), b"lo");
    assert_eq!(read(&mut stream, 3).await.unwrap(), b"!");
    assert_eq!(read(&mut stream, 3).await.unwrap(), b"", "the end");

    let wrote = poll_fn(|cx| Write::poll_write(Pin::new(&mut stream), cx, b"bye")).await;
    assert_eq!(wrote.unwrap(), 3);
    assert_eq!(log.written(), (b"bye".to_vec(), 1));
}

#[tokio::test]
async fn several_slices_are_one_write_where_the_stream_can_do_that() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await;
    let mut near = Connected::new(near.unwrap(), Address::UNSPECIFIED);
    let (far, _) = listener.accept().await.unwrap();
    let mut far = Connected::new(far, Address::UNSPECIFIED);
    assert!(Write::is_write_vectored(&near));
    let slices = [io::IoSlice::new(b"one "), io::IoSlice::new(b"write")];
    let wrote = poll_fn(|cx| Write::poll_write_vectored(Pin::new(&mut near), cx, &slices)).await;
    assert_eq!(wrote.unwrap(), 9);
    assert_eq!(read(&mut far, 20).await.unwrap(), b"one write");
    poll_fn(|cx| Write::poll_flush(Pin::new(&mut near), cx))
        .await
        .unwrap();
    poll_fn(|cx| Write::poll_shutdown(Pin::new(&mut near), cx))
        .await
        .unwrap();
    assert_eq!(read(&mut far, 20).await.unwrap(), b"", "half-closed");

    let (canned, _) = Canned::says(b"");
    let canned = Connected::new(canned, Address::UNSPECIFIED);
    assert!(!Write::is_write_vectored(&canned));
}

#[test]
fn a_proxy_on_the_way_is_nothing_that_a_request_shows() {
    // hyper writes `GET http://host/` instead of `GET /` to what says that it is a proxy.
    let (stream, _) = Canned::says(b"");
    let connected = Connected::new(stream, Address::UNSPECIFIED).connected();
    assert!(!connected.is_proxied());
    assert!(!connected.is_negotiated_h2());
}

mod tls {
    use hyper_rustls::HttpsConnectorBuilder;
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tokio_rustls::{
        TlsAcceptor,
        rustls::{ClientConfig, RootCertStore, ServerConfig, pki_types::PrivateKeyDer},
    };

    use super::*;

    #[tokio::test]
    async fn hyper_rustls_goes_on_top() {
        within(async {
            let CertifiedKey { cert, signing_key } =
                generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
            let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
            let server = ServerConfig::builder()
                .with_no_client_auth()
                .with_single_cert(vec![cert.der().clone()], key)
                .unwrap();
            let acceptor = TlsAcceptor::from(Arc::new(server));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            tokio::spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let acceptor = acceptor.clone();
                    tokio::spawn(async move {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            answer(TokioIo::new(stream)).await;
                        }
                    });
                }
            });

            let mut roots = RootCertStore::empty();
            roots.add(cert.der().clone()).unwrap();
            let trusting = ClientConfig::builder()
                .with_root_certificates(roots)
                .with_no_client_auth();
            let socks = proxy(stack(NoAuth, Connector::direct())).await;
            let https = HttpsConnectorBuilder::new()
                .with_tls_config(trusting)
                .https_only()
                .enable_http1()
                .wrap_connector(Socks5Upstream::new(socks));
            let client = Client::builder(TokioExecutor::new()).build(https);
            post(
                &client,
                &format!("https://localhost:{port}/"),
                vec![7; 100_000],
            )
            .await;

            // The name of the certificate is not that of the target's address.
            let uri = format!("https://127.0.0.1:{port}/").parse().unwrap();
            assert!(client.get(uri).await.unwrap_err().is_connect());
        })
        .await;
    }
}

mod grpc {
    use tonic::transport::{Endpoint, Server, server::TcpIncoming};
    use tonic_health::pb::{
        HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
    };

    use super::*;

    #[tokio::test]
    async fn tonic_takes_connectors_at_once_and_later() {
        within(async {
            let (reporter, health) = tonic_health::server::health_reporter();
            reporter
                .set_service_status("a.Service", tonic_health::ServingStatus::Serving)
                .await;
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let server = Server::builder().add_service(health);
            tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

            let socks = proxy(stack(NoAuth, Connector::direct())).await;
            let uri = format!("http://localhost:{port}");
            let endpoint = Endpoint::from_shared(uri).unwrap();
            let direct = endpoint.connect_with_connector(Direct::new()).await;
            let through = endpoint
                .connect_with_connector(Socks5Upstream::new(socks))
                .await;
            let lazy = endpoint.connect_with_connector_lazy(Socks5Upstream::new(socks));
            for channel in [direct.unwrap(), through.unwrap(), lazy] {
                let question = HealthCheckRequest {
                    service: "a.Service".into(),
                };
                let answer = HealthClient::new(channel).check(question).await.unwrap();
                assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
            }
        })
        .await;
    }
}

/// The future of a call may be sent along, and errors are boxes.
#[test]
fn promises_of_types() {
    fn is_connector<C>(_: &C)
    where
        C: tower::Service<Uri, Response = Connected<TcpStream>, Error = tower_socks::BoxError>,
        C: Clone + Send + Sync + 'static,
        C::Future: Send + Unpin + 'static,
    {
    }
    is_connector(&Direct::new());
    is_connector(&Socks5Upstream::new(SocketAddr::from((
        [127, 0, 0, 1],
        1080,
    ))));
}
