//! Names of a single label, which a search domain completes before anybody judges them.

use std::net::SocketAddr;

use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_socks::{
    AclLayer, BoxError, Connector, Refusal, Request,
    connector::{
        associate::{Associate, MakeDirect},
        bind::Bind,
        direct::Direct,
        resolve::Resolve,
    },
    error::reply_code,
    layer::search_domain::SearchDomainLayer,
    proto::{Address, Command, DomainName, ReplyCode},
    session::{Check, Policy},
};

use crate::support::udp::{
    association::{Association, assert_silent, datagram, socket},
    name,
    policies::{Lookups, forbidding, hosts},
    stack, within,
};

fn search() -> SearchDomainLayer {
    SearchDomainLayer::new(DomainName::new("corp.example").unwrap())
}

/// What is in the domain, and all else that is asked for.
fn machines() -> (impl Resolve + Sync, Lookups) {
    let here: &[&str] = &["127.0.0.1"];
    hosts(&[("db.corp.example", here), ("db", here), ("a.example", here)])
}

fn connector<R: Resolve + Sync>(
    resolver: R,
) -> Connector<Direct<R>, Bind<R>, Associate<MakeDirect<R>>> {
    Connector::direct()
        .with_connect(Direct::new().resolver(resolver.clone()))
        .with_bind(Bind::new().resolver(resolver.clone()))
        .with_associate(Associate::with_transports(
            MakeDirect::new().resolver(resolver),
        ))
}

fn outside_of_corp() -> impl Policy + Clone {
    let (policy, _) = forbidding(|target: &Address, _: Option<SocketAddr>| {
        target
            .name()
            .is_some_and(|name| name.ends_with(".corp.example"))
    });
    policy
}

fn request(command: Command, target: &str) -> Request {
    let mut request = Request::new(command, target.parse().unwrap());
    request.local = "127.0.0.1:1080".parse().unwrap();
    request
}

async fn refused<S>(service: S, request: Request)
where
    S: Service<Request, Error = BoxError>,
{
    let error = service.oneshot(request).await.err().expect("a refusal");
    assert_eq!(reply_code(&*error), ReplyCode::NOT_ALLOWED);
}

#[tokio::test]
async fn connect_and_bind_are_judged_by_the_completed_name() {
    for command in [Command::CONNECT, Command::BIND] {
        let (resolver, lookups) = machines();
        let service = ServiceBuilder::new()
            .layer(search())
            .layer(AclLayer::new(outside_of_corp()))
            .service(connector(resolver.clone()));
        refused(service, request(command, "DB.:9")).await;
        // Below the policy as well, which is asked once more.
        let service = ServiceBuilder::new()
            .layer(AclLayer::new(outside_of_corp()))
            .layer(search())
            .service(connector(resolver.clone()));
        refused(service, request(command, "db:9")).await;
        assert!(lookups.lock().unwrap().is_empty());
        let service = search().layer(connector(resolver));
        let _ = service.oneshot(request(command, "db:9")).await;
        assert_eq!(*lookups.lock().unwrap(), ["db.corp.example"]);
    }
}

#[tokio::test]
async fn datagrams_are_judged_by_the_completed_name() {
    within(async {
        let target = socket("127.0.0.1").await;
        let port = target.local_addr().unwrap().port();
        let (resolver, lookups) = machines();
        let service = ServiceBuilder::new()
            .layer(search())
            .layer(AclLayer::new(outside_of_corp()))
            .service(connector(resolver));
        let association = Association::new(stack(service)).await;
        for host in ["db", "DB."] {
            association
                .send(&datagram(0, &name(host, port), b"lost"))
                .await;
        }
        association
            .send(&datagram(0, &name("a.example", port), b"ping"))
            .await;
        association.reaches(&target, b"ping").await;
        assert_silent(&target);
        assert_eq!(*lookups.lock().unwrap(), ["a.example"]);

        let (resolver, lookups) = machines();
        let association = Association::new(stack(search().layer(connector(resolver)))).await;
        association
            .send(&datagram(0, &name("db", port), b"ping"))
            .await;
        let out = association.reaches(&target, b"ping").await;
        assert_eq!(*lookups.lock().unwrap(), ["db.corp.example"]);
        target.send_to(b"pong", out).await.unwrap();
        association.hear(&target, b"pong").await;
    })
    .await;
}

/// A transport of one's own asks with the target as it came, and goes to the one that was judged.
#[test]
fn a_request_for_a_datagram_is_completed() {
    let request = request(Command::UDP_ASSOCIATE, "0.0.0.0:0");
    let target: Address = "db:53".parse().unwrap();
    assert_eq!(request.complete(target.clone()), target);
    let seen = tower::service_fn(async |request: Request| Ok::<_, BoxError>(request));
    let judged = |request: &Request, check: Check| match (check, request.destination()) {
        (Check::Stated, Some(target)) if target.to_string() != "db.corp.example:53" => {
            Err(Refusal::not_allowed("judged as it came"))
        }
        _ => Ok(()),
    };
    let service = ServiceBuilder::new()
        .layer(search())
        .layer(AclLayer::new(judged))
        .service(seen);
    let request = tokio_test::block_on(service.oneshot(request)).unwrap();
    let request = request.for_datagram(target).unwrap();
    assert_eq!(request.target.to_string(), "db.corp.example:53");
}
