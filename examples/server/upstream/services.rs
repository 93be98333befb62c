//! The services of a plan.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tower::{Layer, Service, ServiceExt, filter::FilterLayer, service_fn};
use tower_socks::{
    BoxError, Connector, Refusal, Request, Tunnel,
    connector::{
        Unsupported,
        balance::Balance,
        failover::{Classify, Failover, FailureClass, Standing},
        route::Router,
    },
    layer::metrics::UpstreamMetricsLayer,
    proto::ReplyCode,
    rules::RuleMap,
};

use super::{
    Parts, datagrams,
    direct::{connect_directly, transports_directly},
    kinds::{Transports, Tunnels},
    node::{Goal, Node, Proxy},
    probes,
    standings::Standings,
};
use crate::lookups::Lookups;

/// What the file lets one of several not do, another one may. What a proxy itself does not do is an answer.
const LEFT_TO_OTHERS: Classify = Classify::new(|error| match error.downcast_ref::<Refusal>() {
    Some(refusal) if refusal.code() == ReplyCode::COMMAND_NOT_SUPPORTED => FailureClass::Request,
    _ => Classify::default().class(error),
});

/// What executes requests in one place.
#[derive(Clone)]
struct Place {
    standing: Standing,
    tunnels: Tunnels,
    transports: Transports,
}

/// Sends each request where the plan says.
pub(crate) fn by_plan(
    parts: Parts<'_>,
    standings: &Standings,
) -> impl Service<
    Request,
    Response = impl Tunnel + use<>,
    Error = BoxError,
    Future = impl Future + Send + use<>,
> + Clone
+ Send
+ Sync
+ use<> {
    let plan = &parts.fixed.upstream;
    let mut builder = Builder {
        parts,
        standings,
        places: BTreeMap::new(),
    };
    let rest = builder.entry(&plan.rest, "no route");
    let routes = (1..).zip(&plan.routes).map(|(number, (rule, goal))| {
        let text = match rule.name() {
            Some(name) => format!("route {number} ({})", name.escape_debug()),
            None => format!("route {number}"),
        };
        (rule.clone(), builder.entry(goal, &text))
    });
    let routes: Vec<_> = routes.collect();
    let tunnels = routes
        .iter()
        .map(|(rule, place)| (rule.clone(), place.tunnels.clone()));
    let tunnels = RuleMap::like(&plan.acl, tunnels);
    let tunnels = Router::with_map(tunnels, rest.tunnels).judge_addresses();
    let transports = routes
        .into_iter()
        .map(|(rule, place)| (rule, place.transports));
    let transports = RuleMap::like(&plan.acl, transports);
    let transports = Router::with_map(transports, rest.transports).judge_addresses();
    Connector::direct()
        .with_connect(tunnels.clone())
        .with_bind(tunnels.clone())
        .with_associate(parts.associate(transports))
        .with_resolve(tunnels)
}

struct Builder<'a> {
    parts: Parts<'a>,
    standings: &'a Standings,
    places: BTreeMap<String, Place>,
}

impl Builder<'_> {
    /// Where a route leads. `route` is what the log has for one that refuses.
    fn entry(&mut self, goal: &Goal, route: &str) -> Place {
        if *goal == Goal::Refuse {
            return refusing(route);
        }
        let place = self.place(goal);
        match goal {
            Goal::Node(name) if matches!(self.node(name), Some(Node::Proxy(_))) => Place {
                // Nobody chooses, and what becomes of requests is noted all the same.
                tunnels: Tunnels::new(Failover::new([(place.standing.clone(), place.tunnels)])),
                transports: Transports::new(Failover::new([(
                    place.standing.clone(),
                    place.transports,
                )])),
                standing: place.standing,
            },
            Goal::Direct | Goal::Refuse | Goal::Node(_) => place,
        }
    }

    fn node(&self, name: &str) -> Option<&Node> {
        self.parts.fixed.upstream.nodes.get(name)
    }

    fn place(&mut self, goal: &Goal) -> Place {
        let name = goal.to_string();
        if let Some(place) = self.places.get(&name) {
            return place.clone();
        }
        let place = match goal {
            Goal::Direct => self.direct(),
            Goal::Refuse => refusing("no route"),
            Goal::Node(_) => match self.node(&name).cloned() {
                Some(Node::Proxy(proxy)) => self.proxy(&name, &proxy),
                Some(Node::Failover(members)) => {
                    let members: Vec<_> = members.iter().map(|goal| self.place(goal)).collect();
                    let share = self.share(members.len());
                    let tunnels = members
                        .iter()
                        .map(|it| (it.standing.clone(), it.tunnels.clone()));
                    let tunnels = Failover::new(tunnels).share(share).classify(LEFT_TO_OTHERS);
                    let transports = members.into_iter().map(|it| (it.standing, it.transports));
                    let transports = Failover::new(transports)
                        .share(share)
                        .classify(LEFT_TO_OTHERS);
                    Place {
                        standing: Standing::new(&*name),
                        tunnels: Tunnels::new(tunnels),
                        transports: Transports::new(transports),
                    }
                }
                Some(Node::Balance(members, by)) => {
                    let weights: Vec<u32> = members.iter().map(|(_, weight)| *weight).collect();
                    let members: Vec<_> =
                        members.iter().map(|(goal, _)| self.place(goal)).collect();
                    let share = self.share(members.len());
                    let tunnels = members
                        .iter()
                        .map(|it| (it.standing.clone(), it.tunnels.clone()));
                    let tunnels = Balance::new(tunnels)
                        .weights(weights.clone())
                        .classify(LEFT_TO_OTHERS);
                    let transports = members.into_iter().map(|it| (it.standing, it.transports));
                    let transports = Balance::new(transports)
                        .weights(weights)
                        .classify(LEFT_TO_OTHERS);
                    Place {
                        standing: Standing::new(&*name),
                        tunnels: Tunnels::new(tunnels.by(by.into()).share(share)),
                        transports: Transports::new(transports.by(by.into()).share(share)),
                    }
                }
                None => refusing("no route"),
            },
        };
        self.places.insert(name, place.clone());
        place
    }

    /// The time of one of several, so that each has some of a dial's.
    fn share(&self, members: usize) -> Duration {
        let members = u32::try_from(members).unwrap_or(u32::MAX).max(1);
        (self.parts.fixed.timeouts.dial.0 / members).min(Duration::from_secs(10))
    }

    fn direct(&self) -> Place {
        let connector = connect_directly(self.parts);
        let transports = transports_directly(self.parts);
        Place {
            standing: Standing::new("direct"),
            tunnels: Tunnels::new(named("direct", connector)),
            transports: Transports::new(named("direct", transports.map_err(BoxError::from))),
        }
    }

    fn proxy(&mut self, name: &str, proxy: &Proxy) -> Place {
        let fixed = self.parts.fixed;
        let standing = self.standings.of(name);
        let outgoing = proxy.outgoing(&self.parts.network.outgoing).outgoing();
        let transport = proxy.chain.transport(self.parts, outgoing);
        let connector = proxy.chain.connector(&transport);
        if let Some(probe) = &proxy.probe {
            let (connector, transport) = (connector.clone(), transport.clone());
            self.standings.keep(probes::start(
                name,
                probe,
                &standing,
                &proxy.chain,
                connector,
                transport,
            ));
        }
        let bind = match proxy.bind {
            true => proxy.chain.bind(&transport, self.parts),
            false => None,
        };
        let lookups = match fixed.resolve {
            true => proxy.chain.lookups(&transport, self.parts),
            false => Lookups::off(),
        };
        let udp = datagrams::through(connector.clone(), proxy.udp);
        let tunnels = Connector::direct()
            .with_connect(connector)
            .with_bind(bind.unwrap_or_else(|| Tunnels::new(Unsupported)))
            .with_associate(Unsupported)
            .with_resolve(lookups);
        Place {
            standing,
            tunnels: Tunnels::new(named(name, tunnels)),
            transports: Transports::new(named(name, udp)),
        }
    }
}

/// Refuses all that has no other route.
fn refusing(route: &str) -> Place {
    let text: Arc<str> = route.into();
    let refuse = move |_: Request| {
        let refusal = Refusal::not_allowed("the route is to refuse it");
        Err::<Request, _>(BoxError::from(refusal.with_rule(text.to_string())))
    };
    let refuse = FilterLayer::new(refuse);
    Place {
        standing: Standing::new("refuse"),
        tunnels: Tunnels::new(refuse.layer(Unsupported)),
        transports: Transports::new(refuse.layer(service_fn(async |_: Request| {
            Err::<Box<dyn tower_socks::datagram::DatagramTransport>, _>(BoxError::from(
                Refusal::new(ReplyCode::NOT_ALLOWED, "the route is to refuse it"),
            ))
        }))),
    }
}

/// Says, once a request is executed, by what, and counts it.
fn named<S>(
    name: &str,
    service: S,
) -> impl Service<
    Request,
    Response = S::Response,
    Error = BoxError,
    Future = impl Future<Output = Result<S::Response, BoxError>> + Send + use<S>,
> + Clone
+ Send
+ Sync
+ use<S>
where
    S: Service<Request, Error = BoxError, Future: Send + 'static> + Clone + Send + Sync + 'static,
{
    let name: Arc<str> = name.into();
    let metrics = UpstreamMetricsLayer::new(Arc::clone(&name));
    metrics.layer(service_fn(move |request: Request| {
        let (service, name) = (service.clone(), Arc::clone(&name));
        async move {
            // Of those that are tried, the last.
            request.routed(Arc::clone(&name));
            let response = service.oneshot(request).await?;
            tracing::Span::current().record("upstream", tracing::field::display(&name));
            Ok(response)
        }
    }))
}
