//! R10: which error becomes which reply code.

use std::{
    error::Error,
    fmt,
    future::pending,
    io::{
        self,
        ErrorKind::{
            AddrInUse, AddrNotAvailable, BrokenPipe, ConnectionAborted, ConnectionRefused,
            ConnectionReset, HostUnreachable, NetworkDown, NetworkUnreachable, NotFound, Other,
            PermissionDenied, TimedOut, UnexpectedEof,
        },
    },
    net::IpAddr,
    time::Duration,
};

use tokio::{net::TcpSocket, time::Instant};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_socks::{
    BoxError, Connector, NoAuth, Refusal,
    connector::{direct::Direct, resolve::Lookup},
    error::{Fault, Step, reply_code},
    proto::ReplyCode,
};

use crate::support::{
    CONNECT, Client, HELLO, HELLO_OK, Script, connect_to, failure, greeted, proxy, stack,
    targets::{Dialer, endless, failing, slow_targets},
    within,
};

/// The reply code of a dial that fails with this.
async fn code_of<E>(error: impl Fn() -> E + Clone + Send + 'static) -> u8
where
    E: Into<BoxError> + Send,
{
    let boxed: BoxError = error().into();
    let code = reply_code(&*boxed).0;
    let mut client = Client::new(stack(NoAuth, failing(error)));
    client.io.say(&[HELLO, CONNECT].concat()).await;
    client.io.hear(&[HELLO_OK, &failure(code)].concat()).await;
    client.io.hear_end().await;
    assert_eq!(
        client.lingering_close().await.unwrap_err().step(),
        Step::Dial
    );
    code
}

/// An error around another one.
#[derive(Debug)]
struct Wrapped(BoxError);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the dial failed")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

#[tokio::test(start_paused = true)]
async fn r10_every_kind_of_io_error_has_its_code() {
    within(async {
        for (kind, code) in [
            (NetworkUnreachable, 3),
            (NetworkDown, 3),
            (HostUnreachable, 4),
            (ConnectionRefused, 5),
            (TimedOut, 6),
            // Never a guess.
            (ConnectionReset, 1),
            (ConnectionAborted, 1),
            (PermissionDenied, 1),
            (AddrInUse, 1),
            (AddrNotAvailable, 1),
            (BrokenPipe, 1),
            (NotFound, 1),
            (UnexpectedEof, 1),
            (Other, 1),
        ] {
            let error = move || io::Error::from(kind);
            assert_eq!(code_of(error).await, code, "{kind:?}");
            let error = move || io::Error::new(kind, "with a text");
            assert_eq!(code_of(error).await, code, "{kind:?} with a text");
        }
    })
    .await;
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn r10_every_error_of_connect_has_its_code() {
    within(async {
        for (errno, code) in [
            (101, 3), // ENETUNREACH
            (100, 3), // ENETDOWN
            (113, 4), // EHOSTUNREACH
            (111, 5), // ECONNREFUSED
            (110, 6), // ETIMEDOUT
            (97, 8),  // EAFNOSUPPORT
            (13, 1),  // EACCES
            (24, 1),  // EMFILE
            (99, 1),  // EADDRNOTAVAIL
        ] {
            let error = move || io::Error::from_raw_os_error(errno);
            assert_eq!(code_of(error).await, code, "errno {errno}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r10_an_error_is_found_wherever_it_is_in_the_chain() {
    within(async {
        let refused = || io::Error::from(ConnectionRefused);
        assert_eq!(code_of(move || Wrapped(refused().into())).await, 5);
        assert_eq!(
            code_of(move || Wrapped(Wrapped(refused().into()).into())).await,
            5
        );
        assert_eq!(code_of(move || io::Error::other(refused())).await, 5);
        let wrapped = move || io::Error::other(Wrapped(refused().into()));
        assert_eq!(code_of(wrapped).await, 5);

        let no = || Refusal::not_allowed("no");
        assert_eq!(code_of(move || Wrapped(no().into())).await, 2);
        assert_eq!(code_of(move || io::Error::other(no())).await, 2);
        assert_eq!(code_of(move || io::Error::new(NotFound, no())).await, 2);
        let nested = move || io::Error::other(io::Error::other(Wrapped(no().into())));
        assert_eq!(code_of(nested).await, 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r10_the_outermost_of_several_wins() {
    within(async {
        let refused = || io::Error::from(ConnectionRefused);
        let hidden =
            move || Refusal::new(ReplyCode::HOST_UNREACHABLE, "hidden").with_source(refused());
        assert_eq!(code_of(hidden).await, 4);
        let late = move || io::Error::new(TimedOut, Wrapped(refused().into()));
        assert_eq!(code_of(late).await, 6);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r10_everything_else_is_01_and_our_fault() {
    within(async {
        assert_eq!(code_of(|| "whatever").await, 1);
        assert_eq!(code_of(|| Wrapped("whatever".into())).await, 1);

        let mut client = Client::new(stack(NoAuth, failing(|| "whatever")));
        client.io.say(&[HELLO, CONNECT].concat()).await;
        client.io.hear(&[HELLO_OK, &failure(1)].concat()).await;
        assert_eq!(
            client.lingering_close().await.unwrap_err().fault(),
            Fault::Server
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r10_a_timeout_of_towers_is_06() {
    within(async {
        let (dialer, mut events) = endless();
        let service = ServiceBuilder::new()
            .timeout(Duration::from_secs(7))
            .service(dialer);
        let mut client = Client::new(stack(NoAuth, service));
        let started = Instant::now();
        client.io.say(&[HELLO, CONNECT].concat()).await;
        client.io.hear(&[HELLO_OK, &failure(6)].concat()).await;
        assert_eq!(started.elapsed().as_secs(), 7);
        assert_eq!(events.recv().await, Some("begun"));
        assert_eq!(events.recv().await, Some("dropped"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r10_a_timeout_of_tokios_is_06() {
    within(async {
        let limited = service_fn(async |_| {
            tokio::time::timeout(Duration::from_secs(1), pending::<()>()).await?;
            unreachable!()
        });
        let dialer: Dialer = limited.boxed_clone();
        let mut client = Client::new(stack(NoAuth, dialer));
        client.io.say(&[HELLO, CONNECT].concat()).await;
        client.io.hear(&[HELLO_OK, &failure(6)].concat()).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r10_too_many_dials_are_01() {
    within(async {
        let (dialer, gate, mut dialled) = slow_targets();
        let service = ServiceBuilder::new()
            .load_shed()
            .concurrency_limit(1)
            .service(dialer);
        let stack = stack(NoAuth, service);
        let mut first = Client::new(stack.clone());
        first.io.say(&[HELLO, CONNECT].concat()).await;
        first.io.hear(HELLO_OK).await;
        let _first = dialled.recv().await.unwrap();

        let mut second = Client::new(stack);
        second.io.say(&[HELLO, CONNECT].concat()).await;
        second.io.hear(&[HELLO_OK, &failure(1)].concat()).await;
        second.io.hear_end().await;
        gate.add_permits(1);
        first.io.hear(crate::support::CONNECTED).await;
    })
    .await;
}

/// The reply to a CONNECT to a name, from a connector with this resolver.
async fn resolved<F>(answer: impl Fn() -> F + Clone + Send + 'static) -> u8
where
    F: Future<Output = Result<Vec<IpAddr>, BoxError>> + Send + 'static,
{
    let resolver = service_fn(move |_: Lookup| answer());
    let connector = Connector::direct().with_connect(Direct::new().resolver(resolver));
    let mut client = Client::new(stack(NoAuth, connector));
    let said = [HELLO, &connect_to("target.example:80")].concat();
    client.io.say(&said).await;
    client.io.hear(HELLO_OK).await;
    let reply = client.io.hear_rest().await;
    assert_eq!(reply, failure(reply[1]));
    reply[1]
}

#[tokio::test(start_paused = true)]
async fn r10_a_name_that_is_not_found_is_04() {
    within(async {
        assert_eq!(resolved(async || Ok(Vec::new())).await, 4);
        assert_eq!(resolved(async || Err("no such host".into())).await, 4);
        assert_eq!(
            resolved(async || Err(io::Error::from(NotFound).into())).await,
            4
        );
        // What went wrong on the way to the name server says nothing about the target.
        assert_eq!(
            resolved(async || Err(io::Error::from(ConnectionRefused).into())).await,
            4
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r10_a_resolver_may_have_an_opinion() {
    within(async {
        let refusal = async || Err(Refusal::not_allowed("on a block list").into());
        assert_eq!(resolved(refusal).await, 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r10_a_name_that_takes_too_long_is_06() {
    within(async {
        let started = Instant::now();
        assert_eq!(resolved(async || pending().await).await, 6);
        assert_eq!(started.elapsed().as_secs(), 20);
    })
    .await;
}

#[tokio::test]
async fn r10_a_port_that_refuses_is_05() {
    within(async {
        let proxy = proxy(stack(NoAuth, Connector::direct())).await;
        for address in ["127.0.0.1:0", "[::1]:0"] {
            // Bound and not listening: nobody else gets the port in the meantime.
            let address: std::net::SocketAddr = address.parse().unwrap();
            let socket = if address.is_ipv4() {
                TcpSocket::new_v4()
            } else {
                TcpSocket::new_v6()
            };
            let socket = socket.unwrap();
            socket.bind(address).unwrap();
            let target = socket.local_addr().unwrap();

            let mut client = greeted(proxy).await;
            client.say(&connect_to(&target.to_string())).await;
            client.hear(&failure(5)).await;
            client.hear_end().await;
        }
    })
    .await;
}
