//! PostgreSQL through a SOCKS5 proxy: tokio-postgres takes any stream, and a connector gives one.
//!
//! ```text
//! cargo run --release --bin postgres      # in examples/elsewhere
//! ```
//!
//! The database is in this program too: it knows one answer. The program prints that, and ends.

use std::error::Error;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};
use tower::ServiceExt;
use tower_socks::{connector::upstream::Socks5Upstream, proto::Address};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let proxy = elsewhere::proxy().await?;
    let database = TcpListener::bind("127.0.0.1:0").await?;
    let target = database.local_addr()?;
    tokio::spawn(async move { answer(database.accept().await?.0).await });

    let stream = Socks5Upstream::new(proxy)
        .oneshot(Address::from(target))
        .await?;
    let (client, connection) = Config::new().user("joe").connect_raw(stream, NoTls).await?;
    tokio::spawn(connection);
    let rows = client.simple_query("SELECT answer").await?;
    let answer = rows.iter().find_map(|row| match row {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    println!("the database says: {answer:?}");
    assert_eq!(answer, Some("42"));
    Ok(())
}

/// As much of a database as one question takes: a start without a password, and one row for a query.
async fn answer(mut client: TcpStream) -> std::io::Result<()> {
    let len = client.read_u32().await?;
    client.read_exact(&mut vec![0; len as usize - 4]).await?;
    client.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await?;
    while client.read_u8().await? == b'Q' {
        let len = client.read_u32().await?;
        client.read_exact(&mut vec![0; len as usize - 4]).await?;
        let column = b"T\0\0\0\x1f\0\x01answer\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0";
        let row = b"D\0\0\0\x0c\0\x01\0\0\0\x0242";
        let end = b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I";
        client.write_all(&[&column[..], row, end].concat()).await?;
    }
    Ok(())
}
