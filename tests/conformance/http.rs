//! H1 to H9: an HTTP proxy.

use tokio::net::{TcpListener, TcpStream};
use tower::Layer;
use tower_socks::{AclLayer, AuthLayer, Connector, NoAuth, UserPass, layer::http::HttpLayer};

use crate::{
    case::{Miss, Outcome, Scope},
    server::{Server, ours, users},
    support::udp::policies::forbidding,
    talk::{Talk, arrival, echo, target},
};

const OURS: Scope = Scope::Ours("it is one for HTTP");

cases! {
    H1 h1_connect_has_200_after_the_dial, "RFC 9110 9.3.6", OURS,
        "CONNECT is answered with 200 once it is connected, without a length; what came behind it goes first.",
        "A target that listens, octet by octet too, with early data; a closed port.";
    H2 h2_absolute_form_is_forwarded_in_origin_form, "RFC 9112 3.2", OURS,
        "A request for a URL is forwarded in origin-form, with Host from the URL.",
        "A path and a query, and another host in Host.";
    H3 h3_407_keeps_the_connection, "RFC 9110 11.7", OURS,
        "Without the right password the answer is 407 with Basic, and the connection goes on.",
        "Nothing, a wrong password and then the right one on one connection.";
    H4 h4_a_status_and_a_reason_for_each_failure, "RFC 9209", OURS,
        "Failures have statuses of their own, and Proxy-Status says why; nothing is echoed.",
        "A policy, a closed port, a name that does not exist, port 0.";
    H5 h5_fields_of_one_connection_stay, "RFC 9110 7.6", OURS,
        "Connection, what it lists and Proxy-* are not forwarded, Via is added, and a loop is refused.",
        "Some of each; the forwarded request once more.";
    H6 h6_what_could_be_read_in_two_manners_is_400, "RFC 9112 11.2", OURS,
        "Two lengths, a folded line, CR alone, NUL and a space before the colon are 400 and the end.",
        "One of each, and nobody is dialled.";
    H7 h7_connections_are_kept_and_bodies_framed_anew, "RFC 9112 9.3", OURS,
        "Requests of one connection are answered in order, bodies with a length, in chunks or up to the end.",
        "Three in one go.";
    H8 h8_a_page_says_that_this_is_a_proxy, "+", OURS,
        "A request for a page of the proxy gets one that says what it is, and nothing else for an Origin.",
        "GET / and OPTIONS with Origin.";
    H9 h9_each_forwarded_request_is_one_to_the_policy, "+", OURS,
        "Each forwarded request is judged by itself.",
        "Two on one connection, of which the policy refuses the second.";
}

/// A server without passwords and policies.
async fn server() -> Server {
    ours(HttpLayer::new().layer(AuthLayer::new(NoAuth).layer(Connector::direct()))).await
}

/// Reads up to and with an empty line.
async fn head(client: &mut TcpStream) -> Result<String, Miss> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(client.octets(1).await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Reads a response with a length. Returns its head and its body.
async fn response(client: &mut TcpStream) -> Result<(String, String), Miss> {
    let head = head(client).await?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let Some(length) = length else {
        return Err(Miss::Fails(format!("no length in {head:?}")));
    };
    let body = client.octets(length).await?;
    Ok((head, String::from_utf8_lossy(&body).into_owned()))
}

/// The request behind a head, and a response to it.
async fn answer(listener: &TcpListener, said: &str) -> Result<String, Miss> {
    let (mut reached, _) = arrival(listener).await?;
    let asked = head(&mut reached).await?;
    reached.say(said.as_bytes()).await?;
    Ok(asked)
}

/// The address of a port that nobody listens on.
async fn closed_port() -> std::net::SocketAddr {
    let (listener, _) = target().await;
    listener.local_addr().unwrap()
}

async fn h1_connect_has_200_after_the_dial() -> Outcome {
    let server = server().await;
    let (listener, _) = target().await;
    let to = listener.local_addr().unwrap();
    let asks = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
    for bytewise in [false, true] {
        let mut client = server.connect().await?;
        match bytewise {
            false => client.say(format!("{asks}early").as_bytes()).await?,
            true => client.say_bytewise(asks.as_bytes()).await?,
        }
        let (mut reached, _) = arrival(&listener).await?;
        client.hear(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        if !bytewise {
            reached.hear(b"early").await?;
        }
        echo(&mut client, &mut reached).await?;
    }
    let to = closed_port().await;
    let mut client = server.connect().await?;
    client
        .say(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n").as_bytes())
        .await?;
    let (head, _) = response(&mut client).await?;
    ensure!(head.starts_with("HTTP/1.1 502 "), "{head:?}");
    client.closes().await
}

async fn h2_absolute_form_is_forwarded_in_origin_form() -> Outcome {
    let server = server().await;
    let (listener, _) = target().await;
    let to = listener.local_addr().unwrap();
    let mut client = server.connect().await?;
    client
        .say(format!("GET http://{to}/a?b=c HTTP/1.1\r\nHost: elsewhere.test\r\n\r\n").as_bytes())
        .await?;
    let asked = answer(&listener, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await?;
    let begin = format!("GET /a?b=c HTTP/1.1\r\nhost: {to}\r\n");
    ensure!(asked.starts_with(&begin), "{asked:?}");
    ensure!(!asked.contains("elsewhere"), "{asked:?}");
    let (_, body) = response(&mut client).await?;
    ensure!(body == "hi", "{body:?}");
    Ok(())
}

async fn h3_407_keeps_the_connection() -> Outcome {
    let layer = AuthLayer::new(UserPass::new(users([("joe", "secret")])));
    let server = ours(HttpLayer::new().layer(layer.layer(Connector::direct()))).await;
    let (listener, _) = target().await;
    let to = listener.local_addr().unwrap();
    let mut client = server.connect().await?;
    // joe:wrong
    for fields in [
        "",
        "Proxy-Authorization: Basic am9lOndyb25n\r\n",
        "Proxy-Authorization: Bearer x\r\n",
    ] {
        client
            .say(format!("CONNECT {to} HTTP/1.1\r\n{fields}\r\n").as_bytes())
            .await?;
        let (head, _) = response(&mut client).await?;
        ensure!(head.starts_with("HTTP/1.1 407 "), "{head:?}");
        ensure!(
            head.contains("proxy-authenticate: Basic realm=\"proxy\", charset=\"UTF-8\"\r\n"),
            "{head:?}"
        );
    }
    // joe:secret
    client
        .say(
            format!("CONNECT {to} HTTP/1.1\r\nProxy-Authorization: Basic am9lOnNlY3JldA==\r\n\r\n")
                .as_bytes(),
        )
        .await?;
    let (mut reached, _) = arrival(&listener).await?;
    client.hear(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    echo(&mut client, &mut reached).await
}

async fn h4_a_status_and_a_reason_for_each_failure() -> Outcome {
    let refusing = AclLayer::new(forbidding(|_, _| true).0).layer(Connector::direct());
    let refusing = ours(HttpLayer::new().layer(AuthLayer::new(NoAuth).layer(refusing))).await;
    let open = server().await;
    let closed = closed_port().await.to_string();
    for (server, to, status, reason) in [
        (&open, &*closed, "502 ", "connection_refused"),
        (&open, "name.invalid:80", "502 ", "dns_error"),
        (&open, "name.invalid:0", "400 ", "http_request_error"),
        (&refusing, "127.0.0.1:0", "400 ", "http_request_error"),
    ] {
        let mut client = server.connect().await?;
        client
            .say(format!("CONNECT {to} HTTP/1.1\r\n\r\n").as_bytes())
            .await?;
        let (head, body) = response(&mut client).await?;
        ensure!(
            head.starts_with(&format!("HTTP/1.1 {status}")),
            "{to}: {head:?}"
        );
        ensure!(
            head.contains(&format!("proxy-status: tower-socks; error={reason}\r\n")),
            "{to}: {head:?}"
        );
        ensure!(!format!("{head}{body}").contains(to), "{to} is echoed");
    }
    Ok(())
}

async fn h5_fields_of_one_connection_stay() -> Outcome {
    let server = server().await;
    let (listener, _) = target().await;
    let to = listener.local_addr().unwrap();
    let mut client = server.connect().await?;
    client
        .say(format!(
            "GET http://{to}/ HTTP/1.1\r\nHost: {to}\r\nConnection: X-Hop\r\nX-Hop: 1\r\nProxy-X: 1\r\nX-End: 1\r\n\r\n"
        ).as_bytes())
        .await?;
    let asked = answer(&listener, "HTTP/1.1 204 No Content\r\n\r\n").await?;
    let lower = asked.to_lowercase();
    ensure!(
        !lower.contains("x-hop") && !lower.contains("proxy-x"),
        "{asked:?}"
    );
    ensure!(
        lower.contains("x-end: 1\r\n") && lower.contains("via: 1.1 "),
        "{asked:?}"
    );
    head(&mut client).await?;
    client
        .say(
            asked
                .replace("GET / ", &format!("GET http://{to}/ "))
                .as_bytes(),
        )
        .await?;
    let (head, _) = response(&mut client).await?;
    ensure!(head.contains("error=proxy_loop_detected"), "{head:?}");
    Ok(())
}

async fn h6_what_could_be_read_in_two_manners_is_400() -> Outcome {
    let server = server().await;
    for fields in [
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "X: 1\r\n 2\r\n",
        "X: 1\rY: 2\r\n",
        "X: 1\0\r\n",
        "X : 1\r\n",
        "X: 1\n",
    ] {
        let mut client = server.connect().await?;
        client
            .say(
                format!("POST http://127.0.0.1:9/ HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n")
                    .as_bytes(),
            )
            .await?;
        let (head, _) = response(&mut client).await?;
        ensure!(head.starts_with("HTTP/1.1 400 "), "{fields:?}: {head:?}");
        client.closes().await?;
    }
    Ok(())
}

async fn h7_connections_are_kept_and_bodies_framed_anew() -> Outcome {
    let server = server().await;
    let (listener, _) = target().await;
    let to = listener.local_addr().unwrap();
    let mut client = server.connect().await?;
    client
        .say(format!(
            "POST http://{to}/1 HTTP/1.1\r\nHost: {to}\r\nContent-Length: 2\r\n\r\nab\
             HEAD http://{to}/2 HTTP/1.1\r\nHost: {to}\r\n\r\nGET http://{to}/3 HTTP/1.1\r\nHost: {to}\r\n\r\n"
        ).as_bytes())
        .await?;
    let asked = answer(&listener, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none").await?;
    ensure!(asked.starts_with("POST /1 "), "{asked:?}");
    let (_, body) = response(&mut client).await?;
    ensure!(body == "one", "{body:?}");
    let asked = answer(&listener, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await?;
    ensure!(asked.starts_with("HEAD /2 "), "{asked:?}");
    let heard = head(&mut client).await?;
    ensure!(heard.contains("content-length: 1000\r\n"), "{heard:?}");
    let asked = answer(&listener, "HTTP/1.0 200 OK\r\n\r\nthree").await?;
    ensure!(asked.starts_with("GET /3 "), "{asked:?}");
    let heard = head(&mut client).await?;
    ensure!(
        heard.contains("transfer-encoding: chunked\r\n"),
        "{heard:?}"
    );
    client.hear(b"5\r\nthree\r\n0\r\n\r\n").await
}

async fn h8_a_page_says_that_this_is_a_proxy() -> Outcome {
    let server = server().await;
    for asks in [
        "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nHost: a.test\r\nOrigin: http://b.test\r\nAccess-Control-Request-Method: PUT\r\n\r\n",
    ] {
        let mut client = server.connect().await?;
        client.say(asks.as_bytes()).await?;
        let (head, body) = response(&mut client).await?;
        ensure!(head.starts_with("HTTP/1.1 400 "), "{head:?}");
        ensure!(!head.contains("access-control"), "{head:?}");
        ensure!(body.starts_with("This is a proxy"), "{body:?}");
    }
    Ok(())
}

async fn h9_each_forwarded_request_is_one_to_the_policy() -> Outcome {
    let (listener, _) = target().await;
    let (other, _) = target().await;
    let (to, refused) = (listener.local_addr().unwrap(), other.local_addr().unwrap());
    let service = AclLayer::new(forbidding(move |target, _| target.port() == refused.port()).0)
        .layer(Connector::direct());
    let server = ours(HttpLayer::new().layer(AuthLayer::new(NoAuth).layer(service))).await;
    let mut client = server.connect().await?;
    for (at, status) in [(to, "200 "), (refused, "403 "), (to, "200 ")] {
        client
            .say(format!("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\n\r\n").as_bytes())
            .await?;
        if at == to {
            answer(&listener, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await?;
        }
        let (head, _) = response(&mut client).await?;
        ensure!(
            head.starts_with(&format!("HTTP/1.1 {status}")),
            "{at}: {head:?}"
        );
    }
    Ok(())
}
