//! `probe`: asks an upstream every so often whether it works.

use tokio::{task::AbortHandle, time::timeout};
use tower::{Service, ServiceExt, service_fn};
use tower_socks::{
    BoxError,
    connector::{BoxConnector, failover::Standing, proxy_url::ProxyConnector},
    layer::metrics::UpstreamMetricsLayer,
    proto::Address,
};

use super::{
    chain::Chain,
    stated::{Probe, ProbeTarget},
};

/// Probes go on for as long as this is there.
#[derive(Debug)]
pub(super) struct Probing(AbortHandle);

impl Drop for Probing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends probes through a proxy: a request for the target that the file names, or else as much as shows that the proxy is
/// there: greeting and authentication of SOCKS5, and a connection to one of another protocol.
pub(super) fn start(
    name: &str,
    probe: &Probe,
    standing: &Standing,
    chain: &Chain,
    connector: ProxyConnector<BoxConnector<Address>>,
    transport: BoxConnector<Address>,
) -> Probing {
    let proxy = chain.last().address().clone();
    let reach = chain.last().transport_via(transport);
    match (&probe.target, chain.last().client()) {
        (Some(ProbeTarget(target)), _) => {
            let target = target.clone();
            let ask = move || {
                let (connector, target) = (connector.clone(), target.clone());
                async move { connector.oneshot(target).await.map(drop) }
            };
            spawn(name, probe, probe.probes(), standing, ask)
        }
        (None, Some(client)) => {
            let ask = move || {
                let (reach, proxy, client) = (reach.clone(), proxy.clone(), client.clone());
                async move {
                    let stream = reach.oneshot(proxy).await?;
                    client.authenticate(stream.into_inner()).await?;
                    Ok(())
                }
            };
            spawn(name, probe, probe.probes(), standing, ask)
        }
        (None, None) => {
            let ask = move || {
                let (reach, proxy) = (reach.clone(), proxy.clone());
                async move { reach.oneshot(proxy).await.map(drop) }
            };
            spawn(name, probe, probe.probes().reach_only(), standing, ask)
        }
    }
}

fn spawn<F>(
    name: &str,
    probe: &Probe,
    probes: tower_socks::connector::failover::Probes,
    standing: &Standing,
    ask: impl Fn() -> F + Clone + Send + Sync + 'static,
) -> Probing
where
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let (metrics, limit) = (UpstreamMetricsLayer::new(name), probe.timeout());
    let counted = service_fn(move |()| {
        let (asking, metrics) = (timeout(limit, ask()), metrics.clone());
        async move {
            let outcome = match asking.await {
                Ok(outcome) => outcome,
                Err(_) => Err(BoxError::from(format!("no answer within {limit:?}"))),
            };
            if outcome.is_err() {
                metrics.probe_failed();
            }
            outcome
        }
    });
    let task = tokio::spawn(run(probes, standing, counted));
    Probing(task.abort_handle())
}

fn run<S>(
    probes: tower_socks::connector::failover::Probes,
    standing: &Standing,
    service: S,
) -> impl Future<Output = ()> + Send + use<S>
where
    S: Service<(), Response = (), Error = BoxError, Future: Send> + Clone + Send + Sync + 'static,
{
    probes.run(standing, service, ())
}
