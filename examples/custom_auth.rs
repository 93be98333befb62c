//! Two methods to authenticate clients, side by side in one stack:
//!
//! * username/password, verified by a function that asks a database (here: a table in memory that
//!   answers after a moment), behind a limit on verifications at once,
//! * a method of our own, number X'80': the client sends a token of 8 octets, the server answers
//!   with one octet, zero for "come in".
//!
//! ```text
//! cargo run --example custom_auth
//! ```
//!
//! It serves on a free port, plays both clients, prints what each of them got, and ends.

#![allow(clippy::print_stdout)]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::ServiceBuilder;
use tower_socks::{
    AclLayer, AuthLayer, BoxError, Connector, Credentials, HandshakeLayer, Identity, Refusal,
    Request, UserPass,
    error::AuthError,
    io::{ClientStream, lingering_close},
    layer::auth::Authenticate,
    proto::Method,
    serve,
    session::{Check, Negotiation},
};

/// The database.
struct Database;

impl Database {
    async fn user_with(&self, name: &[u8], password: &[u8]) -> Option<u32> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        // A real one stores password hashes.
        (name == b"joe" && password == b"secret").then_some(4711)
    }
}

/// What the database knows about a user. It rides in the identity, for policies to look at.
#[derive(Debug)]
struct UserId(u32);

/// A policy that looks at it.
fn only_old_users(request: &Request, _: Check) -> Result<(), Refusal> {
    match request.identity.extensions().get() {
        Some(UserId(id)) if *id > 5000 => Err(Refusal::not_allowed("too new")),
        _ => Ok(()),
    }
}

/// The method X'80'.
struct Token([u8; 8]);

impl Token {
    const METHOD: Method = Method(0x80);

    /// Looks at every octet, wherever the first difference is.
    fn is(&self, token: &[u8; 8]) -> bool {
        let different = self
            .0
            .iter()
            .zip(token)
            .fold(0, |all, (a, b)| all | (a ^ b));
        std::hint::black_box(different) == 0
    }
}

impl<Io: ClientStream> Authenticate<Io> for Token {
    type Stream = Io;

    fn select(&self, negotiation: &Negotiation<Io>) -> Option<Method> {
        negotiation
            .offered
            .contains(Self::METHOD)
            .then_some(Self::METHOD)
    }

    async fn authenticate(
        &self,
        _: Method,
        Negotiation { mut io, .. }: Negotiation<Io>,
    ) -> Result<(Io, Identity), BoxError> {
        let mut token = [0; 8];
        io.read_exact(&mut token).await?;
        if self.is(&token) {
            io.write_all(&[0]).await?;
            Ok((io, Identity::named("machine")))
        } else {
            io.write_all(&[1]).await?;
            lingering_close(io).await; // so that the answer arrives
            Err(AuthError::Denied.into())
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let database = Arc::new(Database);
    let verify = tower::service_fn(move |credentials: Credentials| {
        let database = Arc::clone(&database);
        async move {
            let (name, password) = (credentials.name(), credentials.password().as_bytes());
            let id = database.user_with(name, password).await;
            let mut identity = Identity::named(name);
            identity
                .extensions_mut()
                .insert(UserId(id.ok_or(AuthError::Denied)?));
            Ok::<_, AuthError>(identity)
        }
    });
    let verify = ServiceBuilder::new().concurrency_limit(16).service(verify);

    // The token is preferred where a client offers both.
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new((Token(*b"8 octets"), UserPass::new(verify))))
        .layer(AclLayer::new(only_old_users))
        .service(Connector::direct());

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let proxy = listener.local_addr()?;
    tokio::spawn(serve(listener, stack).into_future());

    let joe = dialogue(proxy, b"\x05\x01\x02", b"\x01\x03joe\x06secret").await?;
    println!("joe with the right password: {joe:02x?}");
    assert_eq!(joe, b"\x05\x02\x01\x00");

    let guess = dialogue(proxy, b"\x05\x01\x02", b"\x01\x03joe\x05guess").await?;
    println!("joe with a guess:            {guess:02x?}");
    assert_eq!(guess, b"\x05\x02\x01\x01");

    let machine = dialogue(proxy, b"\x05\x02\x02\x80", b"8 octets").await?;
    println!("a machine with its token:    {machine:02x?}");
    assert_eq!(machine, b"\x05\x80\x00");
    Ok(())
}

/// What the proxy answers to a greeting and what follows it.
async fn dialogue(proxy: SocketAddr, greeting: &[u8], secret: &[u8]) -> Result<Vec<u8>, BoxError> {
    let mut client = TcpStream::connect(proxy).await?;
    client.write_all(greeting).await?;
    client.write_all(secret).await?;
    client.shutdown().await?; // no request follows
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await?;
    Ok(answer)
}
