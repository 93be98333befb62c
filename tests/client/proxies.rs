//! The client and our own server, over real sockets.

use std::net::SocketAddr;

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};
use tower::service_fn;
use tower_socks::{
    BoxError, Client, ClientError, Connector, NoAuth, Request, UserPass, Users,
    client::{ClientAuth, ClientFault},
    error::Step,
    proto::{Address, Credentials, ReplyCode},
    session::Connected,
};

use crate::support::{
    Script, proxy,
    sockets::{closed_port, resolving_to},
    stack,
    targets::targets,
    texts, within,
};

fn users() -> UserPass<Users> {
    UserPass::new([("joe", "secret")].into_iter().collect())
}

fn credentials(password: &str) -> Credentials {
    Credentials::new("joe", password).unwrap()
}

/// A tunnel to `target` through the proxy, with bytes both ways.
async fn passes<L>(client: &Client<L>, proxy: SocketAddr)
where
    L: ClientAuth<TcpStream, Stream = TcpStream>,
{
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = target.local_addr().unwrap();
    let stream = TcpStream::connect(proxy).await.unwrap();
    let mut stream = client.connect(stream, address).await.unwrap();
    let (mut accepted, peer) = target.accept().await.unwrap();
    assert_eq!(*stream.bound(), Address::Ip(peer));

    stream.say(b"ping").await;
    accepted.hear(b"ping").await;
    // Half-close each way.
    accepted.say(b"pong").await;
    accepted.shutdown().await.unwrap();
    stream.hear(b"pong").await;
    stream.hear_end().await;
    stream.say(b"more").await;
    accepted.hear(b"more").await;
    stream.shutdown().await.unwrap();
    accepted.hear_end().await;
}

async fn fails<L>(client: &Client<L>, proxy: SocketAddr, target: &str) -> ClientError
where
    L: ClientAuth<TcpStream, Stream = TcpStream>,
{
    let stream = TcpStream::connect(proxy).await.unwrap();
    let target: Address = target.parse().unwrap();
    client.connect(stream, target).await.unwrap_err()
}

#[tokio::test]
async fn without_authentication() {
    within(async {
        let proxy = proxy(stack(NoAuth, Connector::direct())).await;
        let client = Client::new();
        passes(&client, proxy).await;
        passes(&client.clone().optimistic(), proxy).await;
        // The server takes what it is offered beside the password.
        passes(&client.credentials(credentials("any")), proxy).await;
    })
    .await;
}

#[tokio::test]
async fn with_a_name_and_a_password() {
    within(async {
        let proxy = proxy(stack(users(), Connector::direct())).await;
        let client = Client::new().credentials(credentials("secret"));
        passes(&client, proxy).await;
        passes(&client.optimistic(), proxy).await;
        passes(&Client::with(credentials("secret")), proxy).await;
    })
    .await;
}

#[tokio::test]
async fn c3_with_a_wrong_password() {
    within(async {
        let proxy = proxy(stack(users(), Connector::direct())).await;
        let client = Client::new().credentials(credentials("5ecret"));
        for client in [client.clone(), client.optimistic()] {
            let error = fails(&client, proxy, "127.0.0.1:80").await;
            assert!(matches!(error, ClientError::Denied), "{error:?}");
            assert!(!texts(&error).contains("5ecret"));
        }
    })
    .await;
}

#[tokio::test]
async fn c1_without_the_password_that_is_wanted() {
    within(async {
        let proxy = proxy(stack(users(), Connector::direct())).await;
        let error = fails(&Client::new(), proxy, "127.0.0.1:80").await;
        assert!(matches!(error, ClientError::NoAcceptableMethod { .. }));
    })
    .await;
}

#[tokio::test]
async fn failures_of_the_target_and_of_the_proxy_are_told_apart() {
    within(async {
        let (port, _reserved) = closed_port();
        let proxy = proxy(stack(NoAuth, Connector::direct())).await;
        let client = Client::new();
        let error = fails(&client, proxy, &format!("127.0.0.1:{port}")).await;
        let refused = ReplyCode::CONNECTION_REFUSED;
        assert_eq!(error.fault(), ClientFault::Target(refused));

        // A server that is none.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let no_proxy = listener.local_addr().unwrap();
        let closing = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.hear(crate::support::HELLO).await;
        });
        let error = fails(&client, no_proxy, "127.0.0.1:80").await;
        let step = Step::Greeting;
        assert!(matches!(error, ClientError::Closed { step: at } if at == step));
        closing.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn names_are_resolved_by_the_proxy() {
    within(async {
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = target.local_addr().unwrap().port();
        let connector = Connector::direct().with_connect(resolving_to(&["127.0.0.1"]));
        let proxy = proxy(stack(NoAuth, connector)).await;
        let stream = TcpStream::connect(proxy).await.unwrap();
        let name = Address::new("only.the.proxy.knows.example", port).unwrap();
        let mut stream = Client::new().connect(stream, name).await.unwrap();
        let (mut accepted, _) = target.accept().await.unwrap();
        accepted.say(b"hello").await;
        stream.hear(b"hello").await;
    })
    .await;
}

#[tokio::test]
async fn c6_a_target_that_speaks_first_is_heard() {
    within(async {
        // The far end speaks before the reply is out, again and again.
        let (dialer, mut dialled) = targets();
        let proxy = proxy(stack(NoAuth, dialer)).await;
        for _ in 0..100 {
            let stream = TcpStream::connect(proxy).await.unwrap();
            let client = Client::new().optimistic();
            let (stream, target) = tokio::join!(
                client.connect(stream, Address::new("example.com", 25).unwrap()),
                async {
                    let (_, mut target) = dialled.recv().await.unwrap();
                    target.say(b"220 hello\r\n").await;
                    target
                }
            );
            stream.unwrap().hear(b"220 hello\r\n").await;
            drop(target);
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_inside_a_server_makes_a_chain() {
    within(async {
        let last = proxy(stack(users(), Connector::direct())).await;
        let upstream = service_fn(move |request: Request| async move {
            let stream = TcpStream::connect(last).await?;
            let client = Client::new().credentials(credentials("secret"));
            Ok::<Connected<TcpStream>, BoxError>(client.connect(stream, request.target).await?)
        });
        let first = proxy(stack(NoAuth, Connector::direct().with_connect(upstream))).await;
        passes(&Client::new(), first).await;

        let (port, _reserved) = closed_port();
        let error = fails(&Client::new(), first, &format!("127.0.0.1:{port}")).await;
        let refused = ReplyCode::CONNECTION_REFUSED;
        assert_eq!(error.fault(), ClientFault::Target(refused));
    })
    .await;
}

#[tokio::test]
async fn the_way_to_a_proxy_may_be_another_proxy() {
    within(async {
        let first = proxy(stack(NoAuth, Connector::direct())).await;
        let second = proxy(stack(users(), Connector::direct())).await;
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = target.local_addr().unwrap();

        let stream = TcpStream::connect(first).await.unwrap();
        let stream = Client::new().connect(stream, second).await.unwrap();
        let client = Client::new().credentials(credentials("secret"));
        let mut stream = client.connect(stream, address).await.unwrap();
        let (mut accepted, _) = target.accept().await.unwrap();
        stream.say(b"through both").await;
        accepted.hear(b"through both").await;
    })
    .await;
}
