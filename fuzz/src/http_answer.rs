//! What a service of HTTP answers that is asked about a user.
//!
//! The first octet of an input says how the rest is sent: as it is, or as the body of an answer.

use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    runtime::{Builder, Runtime},
};
use tower::ServiceExt;
use tower_socks::{
    BoxError, Credentials, Identity, layer::auth::http_call_out::HttpCallOut, session::Amounts,
};

thread_local! {
    /// One for all: each port that was listened at is busy for a minute.
    static SERVICE: (Runtime, TcpListener) = {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        (runtime, listener.expect("a port"))
    };
}

/// A user gets in where another reader of JSON finds the object that lets it in, and is who that object says.
pub fn http_answer(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else {
        return;
    };
    let value = serde_json::from_slice::<Value>(rest).ok();
    // In the one form in which no member is there twice.
    let canonical = value
        .as_ref()
        .filter(|_| mode & 4 != 0)
        .map(Value::to_string);
    let body = canonical.as_ref().map_or(rest, |text| text.as_bytes());
    let said = match mode & 3 {
        0 => rest.to_vec(),
        1 => [&head(&format!("content-length: {}", body.len())), body].concat(),
        2 => {
            let mut said = head("transfer-encoding: chunked");
            for chunk in body.chunks(1 + usize::from(mode >> 3)) {
                said.extend(format!("{:x}\r\n", chunk.len()).bytes());
                said.extend([chunk, b"\r\n"].concat());
            }
            said.extend(b"0\r\n\r\n");
            said
        }
        _ => [&head("connection: close"), body].concat(),
    };
    let outcome = SERVICE.with(|(runtime, listener)| runtime.block_on(ask(listener, &said)));
    if let Ok(identity) = &outcome {
        in_bounds(identity);
    }
    if mode & 3 == 0 {
        // Without these there is no yes.
        let has = |text: &[u8]| {
            said.windows(text.len())
                .any(|it| it.eq_ignore_ascii_case(text))
        };
        let can_be = has(b"HTTP/1.") && has(b" 200") && has(b"application/json") && has(b"{");
        assert!(outcome.is_err() || can_be);
        return;
    }
    let expected = value.as_ref().and_then(expected);
    match (outcome, expected) {
        (Ok(identity), Some((name, mut groups, amounts))) => {
            assert_eq!(
                identity.name(),
                Some(name.as_deref().unwrap_or("joe").as_bytes())
            );
            groups.sort_unstable();
            groups.dedup();
            assert!(identity.groups().iter().map(|group| &**group).eq(&groups));
            assert_eq!(Amounts::of(&identity), amounts.as_ref());
        }
        // Nobody reads the texts and numbers of what is skipped.
        (Ok(_), None) => {
            assert!(value.is_none() && serde_json::from_slice::<IgnoredAny>(body).is_ok())
        }
        // A member may be there twice.
        (Err(error), Some(_)) => assert!(canonical.is_none(), "{error}"),
        (Err(_), None) => {}
    }
}

fn head(field: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{field}\r\n\r\n").into_bytes()
}

/// Asks a service that says this and no more.
async fn ask(listener: &TcpListener, said: &[u8]) -> Result<Identity, BoxError> {
    let url = format!("http://{}/", listener.local_addr()?);
    let verifier = HttpCallOut::builder(url).build()?;
    let joe = Credentials::new("joe", "secret").ok_or("too long")?;
    let service = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            assert_ne!(stream.read_buf(&mut request).await.expect("a request"), 0);
        }
        // It may have gone once it knows enough.
        let _ = stream.write_all(said).await;
        let _ = stream.shutdown().await;
        stream
    };
    let (outcome, _stream) = tokio::join!(verifier.oneshot(joe), service);
    outcome
}

/// Whoever it is, it is not too much.
fn in_bounds(identity: &Identity) {
    let name = identity.name().expect("a name");
    assert!((1..=255).contains(&name.len()));
    let groups = identity.groups();
    assert!(groups.len() <= 1024);
    assert!(groups.is_sorted() && groups.windows(2).all(|pair| pair[0] != pair[1]));
}

type Said = (Option<String>, Vec<String>, Option<Amounts>);

/// What an object says of a user; `None` where it is no answer.
fn expected(value: &Value) -> Option<Said> {
    let members = value.as_object()?;
    let name = match members.get("name") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) if (1..=255).contains(&name.len()) => Some(name.clone()),
        Some(_) => return None,
    };
    let groups = match members.get("groups") {
        None => Vec::new(),
        Some(groups) => {
            let all = groups.as_array()?.iter();
            let all: Option<Vec<_>> = all.map(|group| Some(group.as_str()?.to_owned())).collect();
            all.filter(|all| all.len() <= 1024)?
        }
    };
    let amounts = match members.get("amounts") {
        None | Some(Value::Null) => None,
        Some(amounts) => {
            amounts.as_object()?;
            Some(serde_json::from_value(amounts.clone()).ok()?)
        }
    };
    Some((name, groups, amounts))
}
