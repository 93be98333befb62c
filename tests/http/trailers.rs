//! What ends at a proxy ends there behind a body and in interim responses as well.

use tower_socks::NoAuth;

use super::{head, stack};
use crate::support::{Client, Script, targets::targets, within};

/// Fields that concern one connection, a proxy, or what stands in the first of them.
const OF_ONE_HOP: &str = "Connection: x-listed\r\nX-Listed: 1\r\nUpgrade: h2c\r\nKeep-Alive: 9\r\n\
                          Proxy-Authorization: Basic c2VjcmV0\r\nProxy-Status: theirs\r\n";

const DECLARED: &str = "Trailer: connection, x-listed, upgrade, keep-alive, proxy-authorization, \
                        proxy-status, x-sum";

#[tokio::test(start_paused = true)]
async fn trailers_of_a_request_say_nothing_of_one_hop() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        let request = format!(
            "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n{DECLARED}\r\n\r\n\
             2\r\nhi\r\n0\r\n{OF_ONE_HOP}X-Sum: 7\r\n\r\n"
        );
        client.io.say(request.as_bytes()).await;
        let (_, mut origin) = dialled.recv().await.unwrap();
        head(&mut origin).await;
        origin.hear(b"2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn trailers_of_a_response_say_nothing_of_one_hop() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client
            .io
            .say(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\nConnection: TE\r\n\r\n")
            .await;
        let (_, mut origin) = dialled.recv().await.unwrap();
        head(&mut origin).await;
        let response = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{DECLARED}\r\n\r\n\
             2\r\nhi\r\n0\r\n{OF_ONE_HOP}X-Sum: 7\r\n\r\n"
        );
        origin.say(response.as_bytes()).await;
        head(&mut client.io).await;
        client.io.hear(b"2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n").await;
    })
    .await;
}

/// A client that believed such a length would take the final response for a body.
#[tokio::test(start_paused = true)]
async fn an_interim_response_has_no_length() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client
            .io
            .say(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
            .await;
        let (_, mut origin) = dialled.recv().await.unwrap();
        head(&mut origin).await;
        let interim = format!(
            "HTTP/1.1 103 Early Hints\r\nContent-Length: 60\r\n{OF_ONE_HOP}Link: </x>\r\n\r\n"
        );
        origin.say(interim.as_bytes()).await;
        client
            .io
            .hear(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")
            .await;
    })
    .await;
}
