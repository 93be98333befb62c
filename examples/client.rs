//! A client for SOCKS5, SOCKS4 and HTTP proxies: standard input goes to the target, and what comes back to
//! standard output.
//!
//! ```text
//! cargo run --example client --features proxy-url -- --help
//! printf 'HEAD / HTTP/1.0\r\n\r\n' | client --proxy socks5h://127.0.0.1:1080 connect example.com:80
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use lexopt::{Arg, Parser};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split, stdin, stdout};
use tower::ServiceExt;
use tower_socks::{
    BoxError, ClientError,
    client::ClientFault,
    connector::{
        proxy_url::ProxyUrl,
        upstream::{HttpError, Socks5Upstream},
    },
    io::BoxStream,
    proto::Address,
};

const HELP: &str = "\
A client for SOCKS5, SOCKS4 and HTTP proxies.

    client --proxy URL connect HOST:PORT    a stream to the target
    client --proxy URL bind HOST:PORT       a stream from a peer at HOST; says where it has to
                                            connect to, on standard error
    client --proxy URL udp HOST:PORT        one datagram to the target, and its answer

    --proxy URL      socks5h://NAME:PASSWORD@HOST:PORT, socks5:// to resolve names here, http://;
                     with feature tls socks5s:// and https://, inside TLS;
                     socks4a://USERID@HOST:PORT, socks4:// to resolve names here
    --optimistic     ask for everything in one round trip (SOCKS5)
    -h, --help       this text

Standard input goes to the target, standard output is what comes back. The exit code says whose
fault it was: 2 a mistake on the command line, 3 the proxy or the connection to it, 4 the proxy will not do
it for us, 5 the target cannot be reached, 1 anything else.";

struct Task {
    proxy: ProxyUrl,
    optimistic: bool,
    command: String,
    target: Address,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let task = match read_arguments() {
        Ok(Some(task)) => task,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("client: {error} (--help tells more)");
            return ExitCode::from(2);
        }
    };
    match run(task).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("client: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprint!(": {error}");
                cause = error.source();
            }
            eprintln!();
            ExitCode::from(exit_code(&error))
        }
    }
}

fn read_arguments() -> Result<Option<Task>, BoxError> {
    let (mut proxy, mut optimistic, mut words) = (None, false, Vec::new());
    let mut parser = Parser::from_env();
    // Errors of the command line do not quote it: a URL in it may have a password.
    let unquoted = |error| match error {
        lexopt::Error::UnexpectedValue { option, .. } => format!("{option} takes no value"),
        other => other.to_string(),
    };
    while let Some(argument) = parser.next().map_err(unquoted)? {
        match argument {
            Arg::Long("proxy") => {
                // Not by the parser of the command line, whose errors quote what may have a password.
                let url = parser.value()?.into_string();
                proxy = Some(
                    url.map_err(|_| "--proxy is not UTF-8")?
                        .parse::<ProxyUrl>()?,
                );
            }
            Arg::Long("optimistic") => optimistic = true,
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            Arg::Value(word) => words.push(word.into_string().map_err(|_| "that is not UTF-8")?),
            other => return Err(other.unexpected().into()),
        }
    }
    let proxy = proxy.ok_or("which proxy? Say --proxy URL")?;
    let [command, target] = <[String; 2]>::try_from(words)
        .map_err(|_| "say what to do: connect, bind or udp, and HOST:PORT")?;
    if command.contains("://") {
        return Err("a URL is no command: the proxy's goes behind --proxy".into());
    }
    if !matches!(&*command, "connect" | "bind" | "udp") {
        return Err(format!("`{command}` is none of connect, bind and udp").into());
    }
    Ok(Some(Task {
        proxy,
        optimistic,
        target: target.parse()?,
        command,
    }))
}

async fn run(task: Task) -> Result<(), BoxError> {
    let Task {
        proxy,
        optimistic,
        command,
        target,
    } = task;
    let client = proxy.client().map(|client| match optimistic {
        true => client.optimistic(),
        false => client,
    });
    if command == "connect" {
        let stream = match client {
            Some(client) if optimistic => {
                let upstream = Socks5Upstream::new(proxy.address().clone())
                    .client(client)
                    .via(proxy.transport());
                upstream.oneshot(target).await?
            }
            _ => proxy.connector().oneshot(target).await?,
        };
        return talk(stream.into_inner()).await;
    }
    let socks4 = proxy.socks4_client();
    if client.is_none() && (socks4.is_none() || command != "bind") {
        return Err("an HTTP proxy knows nothing but connect, and a SOCKS4 proxy no udp".into());
    }
    let stream = proxy.transport().oneshot(proxy.address().clone());
    // As it is: where the proxy is says what its relay may be.
    let stream = stream.await?;
    if command == "bind" {
        let listener = match (client, socks4) {
            (Some(client), _) => client.bind(stream, target).await?,
            (None, client) => client.unwrap_or_default().bind(stream, target).await?,
        };
        eprintln!("listening at {}", listener.bound());
        let (stream, peer) = listener.accept().await?;
        eprintln!("{peer} is there");
        return talk(stream.into_inner().into_inner()).await;
    }
    let mut socket = client.unwrap_or_default().associate(stream).await?;
    let mut payload = Vec::new();
    stdin().read_to_end(&mut payload).await?;
    socket.send_to(&payload, &target).await?;
    let mut answer = vec![0; 65_507];
    let (len, _) = socket.recv_from(&mut answer).await?;
    answer.truncate(len);
    stdout().write_all(&answer).await?;
    stdout().flush().await?;
    Ok(())
}

/// Standard input to the target, and the target to standard output.
async fn talk(stream: BoxStream) -> Result<(), BoxError> {
    let (mut read, mut write) = split(stream);
    let (mut from, mut to) = (stdin(), stdout());
    let said = async {
        copy(&mut from, &mut write).await?;
        write.shutdown().await
    };
    let heard = async {
        copy(&mut read, &mut to).await?;
        to.flush().await
    };
    let (said, heard) = tokio::join!(said, heard);
    // A target that has said all need not have heard all.
    let _ = said;
    Ok(heard?)
}

fn exit_code(error: &BoxError) -> u8 {
    let socks = error.downcast_ref().map(ClientError::fault);
    match socks.or_else(|| error.downcast_ref().map(HttpError::fault)) {
        Some(ClientFault::Proxy) => 3,
        Some(ClientFault::Refused) => 4,
        Some(ClientFault::Target(_)) => 5,
        _ => 1,
    }
}
