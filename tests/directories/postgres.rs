//! Users of a database: settings, and servers that are none. A real one is asked by the scripts of `.ci`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::{Layer, ServiceExt, service_fn};
use tower_socks::{
    Credentials, Identity,
    error::{AuthError, UnknownUser},
    layer::auth::postgres::{PostgresLayer, StoredHash},
    session::Amounts,
};

const QUERY: &str = "SELECT hash, groups, disabled, tunnels FROM users WHERE name = $1";

#[test]
fn mistakes_in_settings_are_said() {
    for (database, query, problem) in [
        (
            "mysql://a@b/c",
            QUERY,
            "this is no database, such as postgres://",
        ),
        ("postgres://a@b/c?ssl=yes", QUERY, "this is no database"),
        ("user=a dbname=c", QUERY, "there is no host"),
        ("postgres://b/c", QUERY, "there is no user who asks"),
        (
            "postgres://a@b/c",
            "SELECT hash FROM users",
            "the query has no $1",
        ),
    ] {
        let built = PostgresLayer::builder(database, query).and_then(|builder| {
            let tls = tower_socks::tls::ClientSettings::new(authorities());
            builder.tls(tls.build().unwrap()).build()
        });
        let said = built.unwrap_err().to_string();
        assert!(said.contains(problem), "{said}");
    }
}

fn authorities() -> tower_socks::tls::Authorities {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    tower_socks::tls::Authorities::from_pem(own.cert.pem().as_bytes()).unwrap()
}

#[test]
fn passwords_are_not_shown_and_clear_text_is() {
    let database =
        "host=127.0.0.1,a.example,/run/postgresql,localhost user=p password=s3cret sslmode=disable";
    let builder = PostgresLayer::builder(database, QUERY)
        .unwrap()
        .password("s3cret");
    assert!(!format!("{builder:?}").contains("s3cret"));
    let layer = builder.build().unwrap();
    assert!(!format!("{layer:?} {:?}", layer.layer(())).contains("s3cret"));
    assert_eq!(layer.clear_text().collect::<Vec<_>>(), ["a.example:5432"]);
}

/// One message of the protocol.
fn message(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u32::try_from(content.len() + 4).unwrap();
    [&[tag][..], &len.to_be_bytes(), content].concat()
}

async fn read(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let tag = stream.read_u8().await.ok()?;
    let len = stream.read_u32().await.ok()?;
    let mut content = vec![0; len as usize - 4];
    stream.read_exact(&mut content).await.ok()?;
    Some((tag, content))
}

/// RowDescription: names with the numbers of types.
fn columns(columns: &[(&str, u32)]) -> Vec<u8> {
    let mut content = u16::try_from(columns.len()).unwrap().to_be_bytes().to_vec();
    for (name, of) in columns {
        content.extend_from_slice(name.as_bytes());
        content.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0]);
        content.extend_from_slice(&of.to_be_bytes());
        content.extend_from_slice(&[0, 0, 0xff, 0xff, 0xff, 0xff, 0, 1]);
    }
    message(b'T', &content)
}

fn row(values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut content = u16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
    for value in values {
        let len = value.map_or(u32::MAX, |value| u32::try_from(value.len()).unwrap());
        content.extend_from_slice(&len.to_be_bytes());
        content.extend_from_slice(value.unwrap_or_default());
    }
    message(b'D', &content)
}

const HASH: (&str, u32) = ("hash", 25);

/// A server that trusts everybody, has these columns and answers each question with these messages.
async fn database(described: Vec<u8>, answer: Vec<u8>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://proxy@{}/users", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (described, answer, count) =
                (described.clone(), answer.clone(), Arc::clone(&count));
            tokio::spawn(async move {
                let len = stream.read_u32().await.unwrap();
                stream
                    .read_exact(&mut vec![0; len as usize - 4])
                    .await
                    .unwrap();
                let ready = message(b'Z', b"I");
                let welcome = [message(b'R', &[0, 0, 0, 0]), ready.clone()].concat();
                stream.write_all(&welcome).await.unwrap();
                let mut says = Vec::new();
                while let Some((tag, content)) = read(&mut stream).await {
                    match tag {
                        b'P' => says.extend(message(b'1', b"")),
                        b'D' => {
                            // One parameter, a text.
                            says.extend(message(b't', &[0, 1, 0, 0, 0, 25]));
                            says.extend_from_slice(&described);
                        }
                        b'B' => {
                            count.fetch_add(1, Relaxed);
                            // The name is a parameter, octet by octet.
                            assert!(content.windows(4).any(|window| window == b"joe'"));
                            says.extend(message(b'2', b""));
                        }
                        b'E' => says.extend_from_slice(&answer),
                        b'S' => {
                            says.extend_from_slice(&ready);
                            if stream.write_all(&says).await.is_err() {
                                return;
                            }
                            says.clear();
                        }
                        _ => {}
                    }
                }
            });
        }
    });
    (url, asked)
}

/// Verifies `joe'` with the password `secret`, whose hash is `#secret`.
async fn log_in(layer: &PostgresLayer, password: &str) -> Result<Identity, tower_socks::BoxError> {
    let verifier = service_fn(async |credentials: Credentials| {
        let hash = StoredHash::of(&credentials).and_then(|hash| hash.strip_prefix('#'));
        match hash.is_some_and(|hash| hash.as_bytes() == credentials.password().as_bytes()) {
            true => Ok(Identity::named("whoever")),
            false => Err(AuthError::Denied),
        }
    });
    let credentials = Credentials::new("joe'", password).unwrap();
    layer.layer(verifier).oneshot(credentials).await
}

fn complete() -> Vec<u8> {
    message(b'C', b"SELECT 1\0")
}

#[tokio::test]
async fn a_row_is_a_user_with_groups_and_amounts() {
    // One dimension, no nulls, of texts: two, counted from 1.
    let groups = b"\0\0\0\x01\0\0\0\0\0\0\0\x19\0\0\0\x02\0\0\0\x01\0\0\0\x05staff\0\0\0\x05night";
    let described = columns(&[
        HASH,
        ("name", 25),
        ("groups", 1009),
        ("disabled", 16),
        ("tunnels", 23),
        ("download", 25),
    ]);
    let user = row(&[
        Some(b"#secret"),
        Some(b"joe"),
        Some(groups),
        Some(b"\0"),
        Some(b"\0\0\0\x05"),
        Some(b"10 Mbit/s"),
    ]);
    let (url, asked) = database(described, [user, complete()].concat()).await;
    let layer = PostgresLayer::builder(&url, QUERY)
        .unwrap()
        .build()
        .unwrap();
    let joe = log_in(&layer, "secret").await.unwrap();
    assert_eq!(joe.to_string(), "joe");
    assert_eq!(joe.groups().join("|"), "night|staff");
    assert_eq!(
        Amounts::of(&joe),
        Some(&Amounts::new().tunnels(5).download(1_250_000))
    );
    let denied = log_in(&layer, "wrong").await.unwrap_err();
    assert!(matches!(denied.downcast_ref(), Some(AuthError::Denied)));
    assert!(layer.layer(()).knows("joe'").await.unwrap());
    assert_eq!(asked.load(Relaxed), 3);
}

#[tokio::test]
async fn nobody_and_disabled_users_stay_outside() {
    let (url, _) = database(columns(&[HASH]), message(b'C', b"SELECT 0\0")).await;
    let layer = PostgresLayer::builder(&url, QUERY)
        .unwrap()
        .build()
        .unwrap();
    let unknown = log_in(&layer, "secret").await.unwrap_err();
    assert!(UnknownUser::is_in(&*unknown));
    assert!(!layer.layer(()).knows("joe'").await.unwrap());
    for disabled in [Some(&b"\x01"[..]), None] {
        let user = row(&[Some(b"#secret"), disabled]);
        let described = columns(&[HASH, ("disabled", 16)]);
        let (url, _) = database(described, [user, complete()].concat()).await;
        let layer = PostgresLayer::builder(&url, QUERY)
            .unwrap()
            .build()
            .unwrap();
        let denied = log_in(&layer, "secret").await.unwrap_err();
        assert!(matches!(denied.downcast_ref(), Some(AuthError::Denied)));
        assert!(!layer.layer(()).knows("joe'").await.unwrap());
    }
}

#[tokio::test]
async fn answers_that_cannot_be_used_are_said() {
    let user = row(&[Some(b"#secret")]);
    let flood: Vec<u8> = row(&[Some(&[b'x'; 60_000])]).repeat(20);
    for (described, answer, expected) in [
        (
            columns(&[("hush", 25)]),
            complete(),
            "the query gives a column `hush`",
        ),
        (
            columns(&[("name", 25)]),
            complete(),
            "the query gives no column `hash`",
        ),
        (
            columns(&[HASH]),
            [user.clone(), user.clone(), complete()].concat(),
            "two rows fit",
        ),
        (
            columns(&[("hash", 23)]),
            [row(&[Some(b"\0\0\0\x01")]), complete()].concat(),
            "`hash` of type int4 is not",
        ),
        (
            columns(&[HASH, ("tunnels", 25)]),
            [row(&[Some(b"#secret"), Some(b"lots")]), complete()].concat(),
            "`tunnels`: ",
        ),
        (
            columns(&[HASH, ("name", 25)]),
            [row(&[Some(b"#secret"), None]), complete()].concat(),
            "`name` has nothing",
        ),
        // Half a gigabyte, announced and not sent; and much that is sent.
        (
            columns(&[HASH]),
            b"D\x20\0\0\0".to_vec(),
            "query: no answer in time",
        ),
        (
            columns(&[HASH]),
            [b"D\x20\0\0\0".to_vec(), flood].concat(),
            "PostgreSQL at 127.0.0.1:",
        ),
    ] {
        let (url, _) = database(described, answer).await;
        let builder = PostgresLayer::builder(&url, QUERY).unwrap();
        let layer = builder
            .answer_timeout(Duration::from_millis(300))
            .build()
            .unwrap();
        let error = log_in(&layer, "secret").await.unwrap_err();
        let Some(AuthError::Verifier(source)) = error.downcast_ref() else {
            panic!("{error:?}");
        };
        assert!(source.to_string().contains(expected), "{source}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_not_asked_where_tls_is_required() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "postgres://p:s3cret@{}/u?sslmode=require",
        listener.local_addr().unwrap()
    );
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 8];
        stream.read_exact(&mut asked).await.unwrap();
        assert_eq!(asked, *b"\0\0\0\x08\x04\xd2\x16\x2f");
        stream.write_all(b"N").await.unwrap();
        // And nothing else comes.
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    });
    let tls = tower_socks::tls::ClientSettings::new(authorities())
        .build()
        .unwrap();
    let layer = PostgresLayer::builder(&url, QUERY)
        .unwrap()
        .tls(tls)
        .build()
        .unwrap();
    let error = log_in(&layer, "secret").await.unwrap_err();
    let Some(AuthError::Verifier(source)) = error.downcast_ref() else {
        panic!("{error:?}");
    };
    assert!(
        source.to_string().contains("it does not take TLS"),
        "{source}"
    );
    server.await.unwrap();
}
