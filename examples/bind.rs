//! A file by FTP's active mode through BIND, with a client that is written by hand:
//!
//! * the client reaches the server by CONNECT, its control connection,
//! * it asks the proxy on a second connection to listen for the server (BIND), and the first reply
//!   says where,
//! * it passes that on to the server (`PORT`) and asks for a file (`RETR`),
//! * the server connects to the proxy; the second reply says that it came, and the file follows.
//!
//! ```text
//! cargo run --example bind
//! ```
//!
//! It serves on a free port, plays the client and the server too, prints what happens, and ends.

#![allow(clippy::print_stdout)]

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tower::ServiceBuilder;
use tower_socks::{
    AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth,
    io::read_message,
    proto::{Address, Command, Decode, Greeting, Method, Reply, Request, Selection},
    serve,
};

const FILE: &str = "All I need is a port to call home.\n";

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .service(Connector::direct());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let proxy = listener.local_addr()?;
    tokio::spawn(serve(listener, stack).into_future());

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = Address::Ip(listener.local_addr()?);
    tokio::spawn(serve_one(listener));

    let (control, _) = ask(proxy, Command::CONNECT, &server).await?;
    let mut control = BufReader::new(control);
    println!("server: {}", line(&mut control).await?.trim_end());

    let (mut data, listening) = ask(proxy, Command::BIND, &server).await?;
    println!("the proxy listens on {listening}");
    let Some(SocketAddr::V4(address)) = listening.ip() else {
        return Err("PORT can say an IPv4 address only".into());
    };
    let [a, b, c, d] = address.ip().octets();
    let [high, low] = address.port().to_be_bytes();
    let commands = format!("PORT {a},{b},{c},{d},{high},{low}\r\nRETR file\r\n");
    control.write_all(commands.as_bytes()).await?;

    let peer = reply(&mut data).await?;
    println!("the server came from {peer}");
    assert_eq!(
        peer.ip().map(|peer| peer.ip()),
        server.ip().map(|server| server.ip())
    );
    let mut file = String::new();
    data.read_to_string(&mut file).await?;
    print!("the file: {file}");
    assert_eq!(file, FILE);

    let done = line(&mut control).await?;
    println!("server: {}", done.trim_end());
    assert!(done.starts_with("226"));
    Ok(())
}

/// Asks the proxy for something, and says what the first reply is.
async fn ask(
    proxy: SocketAddr,
    command: Command,
    target: &Address,
) -> Result<(TcpStream, Address), BoxError> {
    let mut stream = TcpStream::connect(proxy).await?;
    let greeting = Greeting {
        methods: [Method::NO_AUTHENTICATION].into_iter().collect(),
    };
    stream.write_all(&greeting.encode()).await?;
    let selection: Selection = read_message(&mut stream, &mut [0; Selection::MAX_LEN]).await?;
    assert_eq!(selection.method, Method::NO_AUTHENTICATION);

    let request = Request {
        command,
        target: target.clone(),
    };
    stream.write_all(&request.encode()).await?;
    let bound = reply(&mut stream).await?;
    Ok((stream, bound))
}

/// The address in a reply that says yes.
async fn reply(stream: &mut TcpStream) -> Result<Address, BoxError> {
    let reply: Reply = read_message(stream, &mut [0; Reply::MAX_LEN]).await?;
    if reply.code.is_success() {
        Ok(reply.bound)
    } else {
        Err(reply.code.to_string().into())
    }
}

/// An FTP server that knows two commands and one file, for one client.
async fn serve_one(listener: TcpListener) -> Result<(), BoxError> {
    let (control, _) = listener.accept().await?;
    let mut control = BufReader::new(control);
    control.write_all(b"220 at your service\r\n").await?;

    let command = line(&mut control).await?;
    let numbers = command.trim_end().strip_prefix("PORT ").unwrap_or_default();
    let octets: Result<Vec<u8>, _> = numbers.split(',').map(str::parse).collect();
    let [a, b, c, d, high, low] = octets?
        .try_into()
        .map_err(|_| "PORT takes 6 numbers, 4 of an address and 2 of a port")?;
    let port = u16::from_be_bytes([high, low]);

    assert_eq!(line(&mut control).await?, "RETR file\r\n");
    let mut data = TcpStream::connect((Ipv4Addr::new(a, b, c, d), port)).await?;
    data.write_all(FILE.as_bytes()).await?;
    data.shutdown().await?;
    control.write_all(b"226 that was it\r\n").await?;
    Ok(())
}

/// The next line of a control connection.
async fn line(control: &mut BufReader<TcpStream>) -> Result<String, BoxError> {
    let mut line = String::new();
    control.read_line(&mut line).await?;
    Ok(line)
}
