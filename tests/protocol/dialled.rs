//! What a layer of a user's own reads of a request: the address it led to, and whether it is the same.

use tokio::net::TcpListener;
use tower::ServiceExt;
use tower_socks::{
    Connector, Identity, Refusal, Request,
    proto::{Address, Command},
};

fn connect(target: Address) -> Request {
    Request::new(Command::CONNECT, target)
}

#[tokio::test]
async fn the_address_that_a_name_led_to_can_be_read_once_the_tunnel_is_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut request = connect(Address::new("localhost", address.port()).unwrap());
    let dialled = request.dialled();
    // All that ask read the same.
    let again = request.clone().dialled();
    assert_eq!((dialled.get(), again.get()), (None, None));
    let _tunnel = Connector::direct().oneshot(request).await.unwrap();
    assert_eq!(dialled.get(), Some(address));
    assert_eq!(again.get(), Some(address));
}

#[tokio::test]
async fn a_request_that_fails_has_dialled_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let mut request = connect(Address::Ip(closed));
    let dialled = request.dialled();
    Connector::direct().oneshot(request).await.unwrap_err();
    assert_eq!(dialled.get(), None);
}

#[test]
fn requests_are_equal_where_they_ask_the_same_for_the_same_client() {
    let target = || Address::new("example.com", 80).unwrap();
    let request = connect(target());
    let mut same = request.clone();
    same.extensions.insert(7_u8);
    same.guard = same.guard.and(std::sync::Arc::new(
        |_: &Request, _: tower_socks::session::Check| Err(Refusal::not_allowed("no")),
    ));
    assert_eq!(request, same);

    let changes: [fn(&mut Request); 6] = [
        |it| it.command = Command::BIND,
        |it| it.target = Address::new("example.com", 81).unwrap(),
        |it| it.peer.set_port(1),
        |it| it.local.set_port(1),
        |it| it.identity = Identity::named("joe"),
        |it| it.identity = Identity::anonymous().with_groups(["staff"]),
    ];
    for change in changes {
        let mut other = request.clone();
        change(&mut other);
        assert_ne!(request, other);
    }
    assert_ne!(request, request.for_datagram(target()).unwrap());
}
