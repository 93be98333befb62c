//! Verifies users by a service of yours, which is asked by HTTP.
//!
//! [`HttpCallOut`] is a verifier, a `Service<Credentials, Response = Identity>`. For each login it sends one request:
//!
//! ```text
//! POST /login HTTP/1.1
//! host: auth.example
//! content-type: application/json
//! accept: application/json
//!
//! {"user":"joe","password":"secret","client":"192.0.2.1:50000","local":"192.0.2.80:1080",
//!  "protocol":"socks5","listener":"office","session":"5f0c1c2b7a9d3e41-17"}
//! ```
//!
//! `client` is the client's address, and `local` the one that it has reached, each with its port. `protocol` (`socks5`,
//! `socks4` or `http`), `listener` and `session` are there where a [`Recorder`](crate::layer::record::Recorder) is above
//! that has a sink, or [records always](crate::layer::record::Recorder::set_always): the session is that of its records.
//! [Fields](HttpCallOutBuilder::field)
//! of yours come in addition, such as a token. More members may come with later versions: a service skips what it does not
//! know.
//!
//! | answer | meaning |
//! |---|---|
//! | 200, `content-type: application/json`, an object | the user is who it says |
//! | 401, 403 | denied. The body is not read |
//! | anything else, or none in time | the service cannot tell: nobody gets in, and the log says why |
//!
//! The object of a 200 has, all optional:
//!
//! | member | type | what |
//! |---|---|---|
//! | `name` | string, 1 to 255 octets | the user's name for rules and limits, where a service takes several spellings for one; else as it was sent |
//! | `groups` | array of strings, 1,024 at most | the user's groups |
//! | `amounts` | object | what limits allow: [`Amounts`](crate::session::Amounts), such as `{"tunnels": 50, "download": "10 Mbit/s"}` |
//!
//! Members that are not known here are skipped; one that has another type makes it no answer.
//!
//! * Redirects are not followed: a password goes where it is stated to go.
//! * In clear text it goes to this machine alone, unless [that is allowed](HttpCallOutBuilder::clear_text).
//! * A name or password that is no UTF-8 is denied without a question.
//! * An answer has 64 KiB at most, its head 16 KiB, and all of a question [takes](HttpCallOutBuilder::timeout) 4 s at most.
//! * So many questions are asked [at once](HttpCallOutBuilder::at_once), each with a connection, which is kept for the next
//!   one for 30 s. Other logins [wait](HttpCallOutBuilder::waiting) in a queue with a share for each site, client and name.
//! * A service that fails is left alone for 250 ms to 4 s.
//! * A question is asked twice where a connection that was kept had ended meanwhile: asking changes nothing.
//!
//! # Example
//!
//! ```
//! use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::TcpListener};
//! use tower::ServiceExt;
//! use tower_socks::{Credentials, layer::auth::http_call_out::HttpCallOut};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower_socks::BoxError> {
//! let service = TcpListener::bind("127.0.0.1:0").await?;
//! let url = format!("http://{}/login", service.local_addr()?);
//! let joe = tokio::spawn(async move {
//!     let verifier = HttpCallOut::builder(url).field("authorization", "Bearer token").build()?;
//!     let joe = Credentials::new("joe", "secret").ok_or("too long")?;
//!     verifier.oneshot(joe).await
//! });
//!
//! // The service of yours:
//! let (mut stream, _) = service.accept().await?;
//! let mut request = vec![0; 4096];
//! let len = stream.read(&mut request).await?;
//! assert!(request[..len].starts_with(b"POST /login HTTP/1.1\r\n"));
//! let body = r#"{"groups":["staff"]}"#;
//! let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
//! stream.write_all(format!("{head}: {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
//! assert_eq!(&*joe.await??.groups()[0], "staff");
//!
//! let mistake = HttpCallOut::builder("http://auth.example/login").build();
//! assert!(mistake.unwrap_err().to_string().contains("in clear text"));
//! # Ok(())
//! # }
//! ```

mod answer;
mod builder;
mod connection;
mod error;
mod future;
mod question;
mod service;
mod url;

pub use self::{
    builder::HttpCallOutBuilder,
    error::{HttpCallOutError, InvalidHttpCallOut},
    future::ResponseFuture,
    service::HttpCallOut,
};
