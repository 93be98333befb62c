//! Redis through a SOCKS5 proxy: a multiplexed connection takes any stream, and a connector gives one.
//!
//! ```text
//! cargo run --release --bin redis      # in examples/elsewhere
//! ```
//!
//! The server is in this program too: it stores nothing and echoes. The program prints the echo, and ends.

use std::error::Error;

use redis::{AsyncConnectionConfig, RedisConnectionInfo, aio::MultiplexedConnection};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tower::ServiceExt;
use tower_socks::{connector::upstream::Socks5Upstream, proto::Address};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let proxy = elsewhere::proxy().await?;
    let server = TcpListener::bind("127.0.0.1:0").await?;
    let target = server.local_addr()?;
    tokio::spawn(async move { answer(server.accept().await?.0).await });

    let stream = Socks5Upstream::new(proxy)
        .oneshot(Address::from(target))
        .await?;
    let (info, config) = (RedisConnectionInfo::default(), AsyncConnectionConfig::new());
    let (mut client, connection) =
        MultiplexedConnection::new_with_config(&info, stream, config).await?;
    tokio::spawn(connection);
    let echo: String = redis::cmd("ECHO")
        .arg("over the proxy")
        .query_async(&mut client)
        .await?;
    println!("the server says: {echo}");
    assert_eq!(echo, "over the proxy");
    Ok(())
}

/// As much of a server as one question takes: ECHO is answered, anything else is fine.
async fn answer(client: TcpStream) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut client = BufReader::new(client);
    loop {
        let mut arguments = Vec::new();
        for _ in 0..number(&mut client).await? {
            let mut argument = vec![0; number(&mut client).await? + 2];
            client.read_exact(&mut argument).await?;
            arguments.push(String::from_utf8(argument)?.trim_end().to_owned());
        }
        let reply = match arguments.as_slice() {
            [command, text] if command == "ECHO" => format!("${}\r\n{text}\r\n", text.len()),
            _ => "+OK\r\n".to_owned(),
        };
        client.write_all(reply.as_bytes()).await?;
    }
}

/// The number in a line such as `*2` or `$14`.
async fn number(client: &mut BufReader<TcpStream>) -> Result<usize, Box<dyn Error + Send + Sync>> {
    let mut line = String::new();
    client.read_line(&mut line).await?;
    Ok(line.trim_end().get(1..).ok_or("closed")?.parse()?)
}
