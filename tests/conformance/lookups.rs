//! X: Tor's lookups, RESOLVE and RESOLVE_PTR.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::mpsc;
use tower::{Layer, service_fn};
use tower_socks::{
    AclLayer, BoxError, Connector, NoAuth, Refusal, Request,
    connector::{
        associate::Associate,
        bind::Bind,
        direct::Direct,
        name_service::NameService,
        resolve::{Resolve, ReverseLookup, ReverseResolve},
    },
    layer::{
        key,
        limit::{LimitLayer, RequestRate},
    },
    proto::DomainName,
    session::Check,
};

use crate::{
    case::{Outcome, Scope},
    selection::prefixed,
    server::{Server, ours, server},
    support::{resolvers::answering, stack, udp::address},
    talk::{Talk, name},
};

const RESOLVE: u8 = 0xf0;
const RESOLVE_PTR: u8 = 0xf1;

const OURS: Scope = Scope::Ours("it sets a resolver");

cases! {
    X1 x1_resolve_tells_an_address, "Tor's, 2", OURS,
        "RESOLVE of a name is answered with one address as BND, port 0, and the end; an address is told again.",
        "Names with an IPv4 address, an IPv6 one and both; addresses of either family.";
    X2 x2_resolve_ptr_tells_a_name, "Tor's, 2", OURS,
        "RESOLVE_PTR of an address is answered with a name as BND, port 0, and the end.",
        "Addresses of either family; the longest name.";
    X3 x3_nothing_found, "Tor's, 2", OURS,
        "A name without an address, and an address without a name, is 04.",
        "Empty answers and failures of a resolver.";
    X4 x4_off_unless_switched_on, "+", Scope::Ours("others may have them switched on"),
        "Lookups are 07, unless they are switched on.",
        "RESOLVE and RESOLVE_PTR of a name and an address.";
    X5 x5_what_is_forbidden_is_never_told, "+", OURS,
        "The policy is asked about the name and about every answer, and a forbidden one is never told.",
        "A policy that notes what it is asked; answers of which none and of which some are allowed; a forbidden name.";
    X6 x6_lookups_count_as_requests, "+", Scope::Ours("it sets a limit"),
        "Lookups count as requests for limits.",
        "A limit of two requests, and three lookups.";
}

/// An answer of a reverse resolver.
fn named(names: &'static [&'static str]) -> impl ReverseResolve + Sync {
    service_fn(async move |_: ReverseLookup| {
        let names = names.iter().map(|name| DomainName::new(name));
        Ok::<_, BoxError>(names.collect::<Result<Vec<_>, _>>()?)
    })
}

type Names<R, P> = Connector<Direct, Bind, Associate, NameService<R, P>>;

fn lookups<R: Resolve, P: ReverseResolve>(resolver: R, reverse: P) -> Names<R, P> {
    let names = NameService::new().resolver(resolver);
    Connector::direct().with_resolve(names.reverse_resolver(reverse))
}

/// ATYP, address and port of an address.
fn of(ip: &str) -> Vec<u8> {
    address((ip.parse::<std::net::IpAddr>().unwrap(), 0).into())
}

/// The reply to a lookup is this, and then comes the end.
async fn tells(server: &Server, command: u8, dst: &[u8], bound: &[u8]) -> Outcome {
    let mut client = server.asked(command, dst).await?;
    client.hear(&[b"\x05\x00\x00", bound].concat()).await?;
    client.closes().await
}

async fn refuses(server: &Server, command: u8, dst: &[u8], code: u8) -> Outcome {
    server.asked(command, dst).await?.refused(code).await
}

async fn x1_resolve_tells_an_address() -> Outcome {
    for (answer, expected) in [
        (&["192.0.2.7"][..], "192.0.2.7"),
        (&["2001:db8::7"], "2001:db8::7"),
        (&["2001:db8::7", "192.0.2.7"], "192.0.2.7"),
    ] {
        let server = ours(stack(NoAuth, lookups(answering(&[answer]).0, named(&[])))).await;
        let told = tells(&server, RESOLVE, &name("a.example", 0), &of(expected)).await;
        prefixed(expected, told)?;
        for ip in ["198.51.100.9", "2001:db8::9"] {
            prefixed(ip, tells(&server, RESOLVE, &of(ip), &of(ip)).await)?;
        }
    }
    Ok(())
}

async fn x2_resolve_ptr_tells_a_name() -> Outcome {
    const LONGEST: &str = match std::str::from_utf8(&[b'x'; 255]) {
        Ok(longest) => longest,
        Err(_) => "",
    };
    let names: [&[&str]; 2] = [&["host.example", "second.example"], &[LONGEST]];
    for names in names {
        let server = ours(stack(NoAuth, lookups(answering(&[&[]]).0, named(names)))).await;
        for ip in ["192.0.2.7", "2001:db8::7"] {
            let told = tells(&server, RESOLVE_PTR, &of(ip), &name(names[0], 0)).await;
            prefixed(ip, told)?;
        }
    }
    Ok(())
}

async fn x3_nothing_found() -> Outcome {
    let none = service_fn(async |_: tower_socks::connector::resolve::Lookup| {
        Err::<Vec<std::net::IpAddr>, BoxError>("no such host".into())
    });
    let nobody = service_fn(async |_: ReverseLookup| {
        Err::<Vec<DomainName>, BoxError>("no such host".into())
    });
    let empty = ours(stack(NoAuth, lookups(answering(&[&[]]).0, named(&[])))).await;
    let fails = ours(stack(NoAuth, lookups(none, nobody))).await;
    for server in [&empty, &fails] {
        refuses(server, RESOLVE, &name("a.example", 0), 4).await?;
        refuses(server, RESOLVE_PTR, &of("192.0.2.7"), 4).await?;
    }
    Ok(())
}

async fn x4_off_unless_switched_on() -> Outcome {
    let server = server().await;
    for command in [RESOLVE, RESOLVE_PTR] {
        for dst in [name("localhost", 0), of("127.0.0.1")] {
            refuses(&server, command, &dst, 7).await?;
        }
    }
    Ok(())
}

async fn x5_what_is_forbidden_is_never_told() -> Outcome {
    let (ask, mut asked) = mpsc::unbounded_channel();
    let policy = move |request: &Request, check: Check| {
        let address = check.address().map(|address| address.ip().to_string());
        let target = request.target.to_string();
        let no = target.starts_with("forbidden")
            || address.as_deref().is_some_and(|ip| ip.starts_with("10."));
        ask.send((target, address)).unwrap();
        if no {
            Err(Refusal::not_allowed("inside"))
        } else {
            Ok(())
        }
    };
    let policy = Arc::new(policy);
    let server_for = async |answer: &[&str], names: &'static [&'static str]| {
        let policy = Arc::clone(&policy);
        let policy = move |request: &Request, check: Check| policy(request, check);
        let connector = lookups(answering(&[answer]).0, named(names));
        ours(stack(NoAuth, AclLayer::new(policy).layer(connector))).await
    };
    let mut questions = || {
        let mut all = Vec::new();
        while let Ok((target, address)) = asked.try_recv() {
            all.push((target, address.unwrap_or_default()));
        }
        all
    };
    let is = |target: &str, address: &str| (target.to_owned(), address.to_owned());

    let server = server_for(&["10.0.0.1", "10.0.0.2"], &[]).await;
    refuses(&server, RESOLVE, &name("a.example", 443), 2).await?;
    let (found, all) = (
        questions(),
        ["", "10.0.0.1", "10.0.0.2"].map(|ip| is("a.example:0", ip)),
    );
    ensure!(found == all, "asked {found:?}");
    refuses(&server, RESOLVE, &name("forbidden.example", 0), 2).await?;
    let (found, all) = (questions(), [is("forbidden.example:0", "")]);
    ensure!(found == all, "asked {found:?}");
    refuses(&server, RESOLVE, &of("10.0.0.3"), 2).await?;
    refuses(&server, RESOLVE_PTR, &of("10.0.0.3"), 2).await?;
    questions();

    let server = server_for(&["10.0.0.1", "192.0.2.7"], &["forbidden.example"]).await;
    tells(&server, RESOLVE, &name("a.example", 0), &of("192.0.2.7")).await?;
    questions();
    refuses(&server, RESOLVE_PTR, &of("192.0.2.8"), 2).await?;
    let (found, all) = (
        questions(),
        [
            is("192.0.2.8:0", ""),
            is("192.0.2.8:0", "192.0.2.8"),
            is("forbidden.example:0", ""),
        ],
    );
    ensure!(found == all, "asked {found:?}");

    let server = server_for(&[], &["forbidden.example", "free.example"]).await;
    tells(
        &server,
        RESOLVE_PTR,
        &of("192.0.2.8"),
        &name("free.example", 0),
    )
    .await
}

async fn x6_lookups_count_as_requests() -> Outcome {
    let two = RequestRate::per_minute(NonZeroU32::new(2).unwrap(), key::client);
    let count = Arc::new(AtomicUsize::new(0));
    let looked_up = Arc::clone(&count);
    let resolver = service_fn(move |_: tower_socks::connector::resolve::Lookup| {
        looked_up.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, BoxError>(vec![std::net::IpAddr::from([192, 0, 2, 7])]) }
    });
    let limited = LimitLayer::new(two).layer(lookups(resolver, named(&["host.example"])));
    let server = ours(stack(NoAuth, limited)).await;
    tells(&server, RESOLVE, &name("a.example", 0), &of("192.0.2.7")).await?;
    tells(
        &server,
        RESOLVE_PTR,
        &of("192.0.2.7"),
        &name("host.example", 0),
    )
    .await?;
    refuses(&server, RESOLVE, &name("a.example", 0), 2).await?;
    let count = count.load(Ordering::SeqCst);
    ensure!(count == 1, "{count} names are looked up");
    Ok(())
}
