//! Logins that a directory, a database or another service is asked for.

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tower::{Layer, Service, ServiceExt};
use tower_socks::{BoxError, Credentials, Identity, layer::auth::remember::RememberLayer};

use super::{
    cases::listener,
    drops::{Case, at_every_poll},
};

#[cfg(feature = "radius")]
#[allow(dead_code, reason = "other tests need all of it")]
#[path = "../directories/radius_server.rs"]
mod radius_server;

fn joe() -> Credentials {
    Credentials::new("joe", "secret").unwrap()
}

/// Logins by a verifier with one place to be asked by and one to wait, whose server is this: of one that is
/// remembered, and of one that is not. Both places are free at once when they are dropped.
fn logins<V, S>(name: &str, least: usize, mut make: impl AsyncFnMut() -> (V, S))
where
    V: Service<Credentials, Response = Identity, Error = BoxError, Future: Send> + Clone + 'static,
    V: Send,
    S: Future<Output = ()> + Send + 'static,
{
    for is_remembered in [false, true] {
        at_every_poll(name, least, async || {
            let (verifier, server) = make().await;
            let remember = RememberLayer::new().unwrap();
            let again = verifier.clone();
            let login: BoxFuture<'static, _> = match is_remembered {
                true => remember.layer(verifier).oneshot(joe()).boxed(),
                false => verifier.oneshot(joe()).boxed(),
            };
            let case =
                Case::new(async { assert_eq!(login.await.unwrap().name(), Some(&b"joe"[..])) });
            let (over, is_over) = oneshot::channel::<()>();
            case.far(async move {
                tokio::select! {
                    _ = is_over => {}
                    () = server => {}
                }
            })
            .releases(move || {
                let mut logins = [0, 1].map(|_| Box::pin(again.clone().oneshot(joe())));
                for _ in 0..2 {
                    for login in &mut logins {
                        // One asks, and one waits: a third one would be refused.
                        let outcome = login.now_or_never();
                        assert!(outcome.is_none(), "{outcome:?}");
                    }
                }
                drop((logins, again, remember, over));
            })
        });
    }
}

/// A server that says this on each connection.
async fn serve<S>(listener: TcpListener, answer: impl Fn(TcpStream) -> S)
where
    S: Future<Output = ()> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(answer(stream));
    }
}

/// Reads a message of PostgreSQL whose length is at this place, and counts itself and what follows it.
#[cfg(feature = "postgres")]
async fn read(stream: &mut TcpStream, tag: usize) -> Option<Vec<u8>> {
    let mut message = vec![0; tag];
    stream.read_exact(&mut message).await.ok()?;
    let len = stream.read_u32().await.ok()?;
    let mut content = vec![0; len as usize - 4];
    stream.read_exact(&mut content).await.ok()?;
    message.extend(content);
    Some(message)
}

#[cfg(feature = "ldap")]
#[test]
fn ldap() {
    use tower_socks::layer::auth::ldap::Ldap;

    /// Every bind succeeds, and every search finds joe.
    async fn directory(mut stream: TcpStream) {
        let mut request = [0; 512];
        while let Ok(len @ 1..) = stream.read(&mut request).await {
            // All of them are short: 30, its length, 02 01, the number, and the tag.
            let (id, tag) = (request[4], request[5]);
            assert!(len > 6 && len == usize::from(request[1]) + 2);
            let result = |tag| [0x30, 12, 2, 1, id, tag, 7, 10, 1, 0, 4, 0, 4, 0];
            let said = match tag {
                0x60 => result(0x61).to_vec(),
                _ => {
                    let entry = b"\x64\x1e\x04\x0cuid=joe,dc=x\x30\x0e\x30\x0c\x04\x03uid\x31\x05\x04\x03joe";
                    let entry = [&[0x30, 3 + 32, 2, 1, id], &entry[..]].concat();

                    [&entry[..], &result(0x65)].concat()
                }
            };
            if stream.write_all(&said).await.is_err() {
                return;
            }
        }
    }

    for by_search in [true, false] {
        logins("a login by LDAP", 3, async || {
            let (listener, address) = listener().await;
            let servers = [format!("ldap://{address}")];
            let builder = match by_search {
                true => Ldap::by_search(servers, "dc=x", "(uid={user})").account("cn=p", "key"),
                false => Ldap::by_dn(servers, "uid={user},dc=x"),
            };
            let ldap = builder.connections(1).waiting(1).build().unwrap();
            (ldap, serve(listener, directory))
        });
    }
}

#[cfg(feature = "postgres")]
#[test]
fn postgres() {
    use tower::service_fn;
    use tower_socks::layer::auth::postgres::PostgresLayer;

    /// It trusts everybody, and has a column, `hash`, and a row.
    async fn database(mut stream: TcpStream) {
        let text = b"\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0";
        let described = [&b"T\0\0\0\x1d\0\x01hash\0"[..], &text[..]].concat();
        let mut says = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I".to_vec();
        if read(&mut stream, 0).await.is_none() || stream.write_all(&says).await.is_err() {
            return;
        }
        says.clear();
        while let Some(asked) = read(&mut stream, 1).await {
            match asked[0] {
                b'P' => says.extend(b"1\0\0\0\x04"),
                b'D' => {
                    says.extend(b"t\0\0\0\x0a\0\x01\0\0\0\x19");
                    says.extend(&described);
                }
                b'B' => says.extend(b"2\0\0\0\x04"),
                b'E' => says.extend(b"D\0\0\0\x0e\0\x01\0\0\0\x04hashC\0\0\0\x0dSELECT 1\0"),
                b'S' => {
                    says.extend(b"Z\0\0\0\x05I");
                    if stream.write_all(&says).await.is_err() {
                        return;
                    }
                    says.clear();
                }
                _ => {}
            }
        }
    }

    logins("a login by a database", 3, async || {
        let (listener, address) = listener().await;
        let url = format!("postgres://proxy@{address}/users");
        let query = "SELECT hash FROM users WHERE name = $1";
        let builder = PostgresLayer::builder(&url, query).unwrap();
        let layer = builder.connections(1).waiting(1).build().unwrap();
        let hashes = service_fn(async |credentials: Credentials| {
            tokio::task::yield_now().await;
            Ok::<_, BoxError>(Identity::named(credentials.name()))
        });
        (layer.layer(hashes), serve(listener, database))
    });
}

#[cfg(feature = "radius")]
#[test]
fn radius() {
    logins("a login by RADIUS", 3, async || {
        let server = radius_server::Server::start().await;
        let builder = server.builder().at_once(1).waiting(1);
        let answers = async move {
            loop {
                let packet = server.packet().await;
                // What comes first is none.
                server.send(b"\x02", &packet).await;
                server.send(&packet.answer(2, &[]), &packet).await;
            }
        };
        (builder.build().unwrap(), answers)
    });
}

#[cfg(feature = "http-auth")]
#[test]
fn http_call_outs() {
    use tower_socks::layer::auth::http_call_out::HttpCallOut;

    /// It knows everybody, and says so in pieces.
    async fn service(mut stream: TcpStream) {
        let mut request = Vec::new();
        while let Ok(1..) = stream.read_buf(&mut request).await {
            if !request.ends_with(b"}") {
                continue;
            }
            request.clear();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14";
            for part in [head, "\r\n\r\n{\"name\"", ":\"joe\"}"] {
                if stream.write_all(part.as_bytes()).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        }
    }

    logins("a login by HTTP", 3, async || {
        let (listener, address) = listener().await;
        let builder = HttpCallOut::builder(format!("http://{address}/"));
        let verifier = builder.at_once(1).waiting(1).build().unwrap();
        (verifier, serve(listener, service))
    });
}
