//! What is known of the upstreams: it outlives the stack that they are in.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tower_socks::{connector::failover::Standing, layer::metrics::UpstreamMetricsLayer};

use super::{node::Proxy, plan::Plan, probes::Probing};

/// The standing of each upstream, by its name.
#[derive(Clone, Default)]
pub(crate) struct Standings(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    upstreams: BTreeMap<String, Upstream>,
    /// Those that what has no route of its own goes by; none where it need not go by one.
    rest: Vec<String>,
    /// The probes of this plan. Those of an earlier one end with it, whatever sessions still have its stack: they would
    /// ask for what the file does not say any more, and be more with each reload.
    probing: Vec<Probing>,
}

struct Upstream {
    /// As the file has it, passwords included: another proxy has another standing.
    stated: Vec<String>,
    shown: String,
    has_probes: bool,
    standing: Standing,
}

/// An upstream as it is shown.
#[derive(Clone, Debug)]
#[allow(dead_code)] // some are for the page
pub(crate) struct Shown {
    pub(crate) name: String,
    /// Without passwords.
    pub(crate) url: String,
    pub(crate) is_up: bool,
    /// For how long it has worked for nobody, and why.
    pub(crate) outage: Option<(Duration, String)>,
    pub(crate) in_use: usize,
    pub(crate) has_probes: bool,
}

impl Standings {
    /// Takes over what is known of the proxies of a plan, and forgets all others. Their probes end.
    pub(crate) fn take_over(&self, plan: &Plan) {
        self.locked(|known| {
            known.probing.clear();
            let mut before = std::mem::take(&mut known.upstreams);
            for (name, proxy) in plan.proxies() {
                let Proxy { chain, probe, .. } = proxy;
                let same = before
                    .remove(name)
                    .filter(|upstream| upstream.stated == proxy.stated());
                let standing = match same {
                    Some(same) if probe.is_some() || !same.has_probes => same.standing,
                    // What probes have found, nobody else would mend.
                    _ => Standing::new(name),
                };
                let upstream = Upstream {
                    stated: proxy.stated(),
                    shown: chain.to_string(),
                    has_probes: probe.is_some(),
                    standing,
                };
                known.upstreams.insert(name.to_owned(), upstream);
            }
            let leaves = plan.leaves(&plan.rest);
            let needed = leaves
                .iter()
                .map(|leaf| leaf.map(|(name, _)| name.to_owned()));
            known.rest = needed.collect::<Option<_>>().unwrap_or_default();
        });
    }

    /// The standing of a proxy of the plan that was taken over.
    pub(super) fn of(&self, name: &str) -> Standing {
        let found = self.locked(|known| known.upstreams.get(name).map(|it| it.standing.clone()));
        found.unwrap_or_else(|| Standing::new(name))
    }

    /// Has probes go on until another plan is taken over.
    pub(super) fn keep(&self, probing: Probing) {
        self.locked(|known| known.probing.push(probing));
    }

    /// All of them, by name.
    pub(crate) fn list(&self) -> Vec<Shown> {
        self.locked(|known| {
            let all = known.upstreams.iter();
            let shown = all.map(|(name, upstream)| {
                let outage = upstream.standing.outage();
                Shown {
                    name: name.clone(),
                    url: upstream.shown.clone(),
                    is_up: outage.is_none(),
                    outage,
                    in_use: upstream.standing.in_use(),
                    has_probes: upstream.has_probes,
                }
            });
            shown.collect()
        })
    }

    /// Tells the recorder of metrics which are up, and returns the names of all.
    pub(crate) fn record(&self) -> HashSet<String> {
        let all = self.list().into_iter();
        let recorded = all.map(|Shown { name, is_up, .. }| {
            let metrics = UpstreamMetricsLayer::new(&*name);
            metrics.touch();
            metrics.set_up(is_up);
            name
        });
        recorded.collect()
    }

    /// Whether probes have found down all upstreams of which one is needed where no route says otherwise.
    pub(crate) fn are_down(&self) -> bool {
        self.locked(|known| {
            let is_down = |name: &String| {
                let upstream = known.upstreams.get(name);
                upstream.is_some_and(|it| it.has_probes && it.standing.is_found_down())
            };
            !known.rest.is_empty() && known.rest.iter().all(is_down)
        })
    }

    fn locked<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Without what is stated.
impl fmt::Debug for Standings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}
