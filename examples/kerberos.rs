//! A client with tickets of Kerberos, for proxies that take GSS-API: ours, and dante's.
//!
//! ```text
//! kinit joe
//! echo hello | cargo run --example kerberos --features gssapi -- proxy.example.com:1080 udp 192.0.2.1:7
//! printf 'HEAD / HTTP/1.0\r\n\r\n' | kerberos proxy.example.com:1080 connect example.com:80 integrity rcmd
//! ```
//!
//! Standard input goes to the target, and what comes back to standard output. The proxy's host is the one that its key is for.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, split, stdin, stdout},
    net::TcpStream,
};
use tower_socks::{
    BoxError, Client, client::Gssapi, gssapi::kerberos::KerberosInitiator, proto::ProtectionLevel,
};

const USAGE: &str =
    "kerberos HOST:PORT connect|bind|udp TARGET [confidentiality|integrity [SERVICE]]";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("kerberos: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprint!(": {error}");
                cause = error.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), BoxError> {
    let mut words = std::env::args().skip(1);
    let (Some(proxy), Some(command), Some(target)) = (words.next(), words.next(), words.next())
    else {
        return Err(USAGE.into());
    };
    let level = match words.next().as_deref() {
        None | Some("confidentiality") => ProtectionLevel::CONFIDENTIALITY,
        Some("integrity") => ProtectionLevel::INTEGRITY,
        Some(_) => return Err(USAGE.into()),
    };
    let service = words.next().unwrap_or_else(|| "socks".into());
    let (host, _) = proxy.rsplit_once(':').ok_or(USAGE)?;

    let tickets = KerberosInitiator::service_on(&service, host);
    let client = Client::with(Gssapi::new(tickets).levels([level]));
    let stream = TcpStream::connect(&proxy).await?;
    match &*command {
        "connect" => talk(client.connect(stream, &*target).await?).await,
        "bind" => {
            let listener = client.bind(stream, &*target).await?;
            eprintln!("listening at {}", listener.bound());
            let (stream, peer) = listener.accept().await?;
            eprintln!("{peer} is there");
            talk(stream).await
        }
        "udp" => {
            let mut socket = client.associate(stream).await?;
            let mut payload = Vec::new();
            stdin().read_to_end(&mut payload).await?;
            socket.send_to(&payload, &*target).await?;
            let mut answer = vec![0; 65_507];
            let (len, _) = socket.recv_from(&mut answer).await?;
            answer.truncate(len);
            stdout().write_all(&answer).await?;
            Ok(stdout().flush().await?)
        }
        _ => Err(USAGE.into()),
    }
}

async fn talk(stream: impl AsyncRead + AsyncWrite) -> Result<(), BoxError> {
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
