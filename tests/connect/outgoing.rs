//! From where connections leave: addresses, interfaces and families, for each request.

use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpListener, TcpStream};
use tower::{Service, ServiceExt};
use tower_socks::{
    BoxError, Request, Tunnel,
    connector::{Family, Outgoing, bind::Bind, direct::Direct},
    proto::{Address, Command, ReplyCode},
    session::{Connected, Identity},
};

use crate::support::{has_ipv6, sockets::resolving_to, texts, within};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn connect(target: impl Into<Address>) -> Request {
    Request::new(Command::CONNECT, target.into())
}

/// Where the target sees the connection come from.
async fn leaves_from<D>(direct: D, request: Request, listener: &TcpListener) -> IpAddr
where
    D: Service<Request, Response = Connected<TcpStream>, Error = BoxError>,
{
    let stream = direct.oneshot(request).await.unwrap();
    let (_, peer) = listener.accept().await.unwrap();
    assert_eq!(stream.bound(), &Address::Ip(peer));
    peer.ip()
}

/// The code and the text of a dial that fails.
async fn fails<D>(direct: D, request: Request) -> (ReplyCode, String)
where
    D: Service<Request, Response = Connected<TcpStream>, Error = BoxError>,
{
    let error = direct.oneshot(request).await.unwrap_err();
    (tower_socks::error::reply_code(&*error), texts(&*error))
}

#[tokio::test]
async fn each_request_can_leave_from_its_own_address() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let direct = Direct::new().outgoing_by(|request| {
            let name = request.and_then(|request| request.identity.name());
            match name {
                Some(b"joe") => Outgoing::new().address(ip("127.0.0.8")),
                Some(_) => Outgoing::new().address(ip("127.0.0.9")),
                None => Outgoing::new(),
            }
        });
        for (name, from) in [
            (Some("joe"), "127.0.0.8"),
            (Some("jane"), "127.0.0.9"),
            (None, "127.0.0.1"),
        ] {
            let mut request = connect(target);
            if let Some(name) = name {
                request.identity = Identity::named(name);
            }
            let left = leaves_from(direct.clone(), request, &listener).await;
            assert_eq!(left, ip(from), "{name:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn out_by_the_address_that_the_client_came_to() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let stated = Outgoing::new().as_reached().address(ip("127.0.0.9"));
        for (local, outgoing, from) in [
            ("127.0.0.3", Outgoing::new().as_reached(), "127.0.0.3"),
            ("127.0.0.3", stated.clone(), "127.0.0.3"),
            ("::ffff:127.0.0.3", stated.clone(), "127.0.0.3"),
            // A client on a Unix socket came to no address.
            ("0.0.0.0", stated.clone(), "127.0.0.9"),
            ("0.0.0.0", Outgoing::new().as_reached(), "127.0.0.1"),
            ("169.254.7.7", stated, "127.0.0.9"),
        ] {
            let mut request = connect(target);
            request.local = SocketAddr::new(ip(local), 1080);
            let direct = Direct::new().outgoing(outgoing);
            assert_eq!(
                leaves_from(direct, request, &listener).await,
                ip(from),
                "{local}"
            );
        }

        // What is no address of this machine is its fault, and said.
        let mut request = connect(target);
        request.local = "192.0.2.1:1080".parse().unwrap();
        let direct = Direct::new().outgoing(Outgoing::new().as_reached());
        let (code, text) = fails(direct, request).await;
        assert_eq!(code, ReplyCode::GENERAL_FAILURE);
        assert!(text.contains("cannot leave from 192.0.2.1"), "{text}");

        // It is the only address: nothing leaves from another one.
        let mut request = connect("[2001:db8::1]:80".parse::<SocketAddr>().unwrap());
        request.local = "192.0.2.1:1080".parse().unwrap();
        let direct = Direct::new().outgoing(Outgoing::new().as_reached());
        let (code, _) = fails(direct, request).await;
        assert_eq!(code, ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED);
    })
    .await;
}

#[tokio::test]
async fn one_family_alone_or_first() {
    if !has_ipv6() {
        return;
    }
    within(async {
        // Both families answer at one port.
        let (v4, v6) = loop {
            let v4 = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = v4.local_addr().unwrap().port();
            if let Ok(v6) = TcpListener::bind(("::1", port)).await {
                break (v4, v6);
            }
        };
        let port = v4.local_addr().unwrap().port();
        let orders: [&[&str]; 2] = [&["127.0.0.1", "::1"], &["::1", "127.0.0.1"]];
        for (family, expected) in [
            (Family::Both, None),
            (Family::Ipv4, Some(&v4)),
            (Family::Ipv4First, Some(&v4)),
            (Family::Ipv6, Some(&v6)),
            (Family::Ipv6First, Some(&v6)),
        ] {
            for order in orders {
                let first = if order[0] == "::1" { &v6 } else { &v4 };
                let listener = expected.unwrap_or(first);
                let direct = resolving_to(order).outgoing(Outgoing::new().family(family));
                let target = Address::new("target.example", port).unwrap();
                let left = leaves_from(direct, connect(target), listener).await;
                let at = listener.local_addr().unwrap();
                assert_eq!(left.is_ipv4(), at.is_ipv4(), "{family:?} of {order:?}");
            }
        }

        // With the other family alone there is nothing to go to.
        for (family, at) in [(Family::Ipv4, "[::1]:80"), (Family::Ipv6, "127.0.0.1:80")] {
            let direct = Direct::new().outgoing(Outgoing::new().family(family));
            let (code, _) = fails(direct, connect(at.parse::<SocketAddr>().unwrap())).await;
            assert_eq!(code, ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED, "{at}");
        }
    })
    .await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn out_by_an_interface() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let by = |name: &str| Outgoing::new().interface(name);
        if by("lo").check().is_err() {
            return; // the kernel wants a capability
        }
        let stream = Direct::new()
            .outgoing(by("lo"))
            .oneshot(target)
            .await
            .unwrap();
        let device = socket2::SockRef::from(stream.get_ref()).device().unwrap();
        assert_eq!(device.as_deref(), Some(&b"lo"[..]));

        let (code, text) = fails(Direct::new().outgoing(by("nowhere0")), connect(target)).await;
        assert_eq!(code, ReplyCode::GENERAL_FAILURE);
        assert!(
            text.contains("cannot leave by interface nowhere0"),
            "{text}"
        );
        drop(listener);
    })
    .await;
}

#[test]
fn a_check_says_what_this_machine_has_not() {
    let good = Outgoing::new().address(ip("127.0.0.9"));
    good.check().unwrap();
    good.clone().family(Family::Ipv4).check().unwrap();
    good.clone()
        .family(Family::Ipv6)
        .as_reached()
        .check()
        .unwrap();
    for (outgoing, problem) in [
        (
            Outgoing::new().address(ip("192.0.2.1")),
            "cannot leave from 192.0.2.1",
        ),
        (
            good.clone().address(ip("2001:db8::7")),
            "cannot leave from 2001:db8::7",
        ),
        (
            good.family(Family::Ipv6),
            "the family that alone is used has no address",
        ),
        #[cfg(target_os = "linux")]
        (
            Outgoing::new().interface("nowhere0"),
            "cannot leave by interface nowhere0",
        ),
    ] {
        let error = outgoing.check().unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
    }
}

#[tokio::test]
async fn bind_waits_where_its_peer_would_be_gone_to_from() {
    within(async {
        let bound = async |bind: Bind, peer: &str| {
            let mut request = Request::new(Command::BIND, peer.parse().unwrap());
            request.local = "127.0.0.3:1080".parse().unwrap();
            let tunnel = bind.oneshot(request).await;
            tunnel.map(|tunnel| tunnel.bound().ip().unwrap().ip())
        };
        let from = |address| Bind::new().outgoing(Outgoing::new().address(ip(address)));
        assert_eq!(
            bound(from("127.0.0.9"), "127.0.0.1:20").await.unwrap(),
            ip("127.0.0.9")
        );
        // Nobody knows who will come, and from where.
        assert_eq!(
            bound(from("127.0.0.9"), "0.0.0.0:0").await.unwrap(),
            ip("127.0.0.3")
        );
        let reached = Bind::new().outgoing_by(|request| {
            assert!(request.is_some());
            Outgoing::new().as_reached()
        });
        assert_eq!(
            bound(reached, "127.0.0.1:20").await.unwrap(),
            ip("127.0.0.3")
        );
        let v6 = Bind::new().outgoing(Outgoing::new().family(Family::Ipv6));
        let error = bound(v6, "127.0.0.1:20").await.unwrap_err();
        assert_eq!(
            tower_socks::error::reply_code(&*error),
            ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED
        );
    })
    .await;
}
