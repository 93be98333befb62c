//! The line that a session leaves in the log when a recheck has closed its tunnel.

use tokio::io::AsyncReadExt;
use tower::Layer;
use tower_socks::{
    AclLayer, NoAuth, Refusal, Request,
    layer::acl::{SwapPolicy, recheck::RecheckLayer},
    session::Check,
};
use tracing::Level;

use crate::support::{Client, Script, log::Log, stack, targets::targets, within};

type Judge = fn(&Request, Check) -> Result<(), Refusal>;

#[tokio::test(start_paused = true)]
async fn the_log_says_that_a_tunnel_was_refused_and_why() {
    let (log, _guard) = Log::start(Level::INFO);
    within(async {
        let (dialer, mut dialled) = targets();
        let policy = SwapPolicy::new((|_, _| Ok(())) as Judge);
        let service = AclLayer::new(policy.clone()).layer(dialer);
        let service = RecheckLayer::new(policy.clone()).layer(service);
        let mut client = Client::new(stack(NoAuth, service)).connected().await;
        let (_, mut target) = dialled.recv().await.unwrap();
        client.io.say(b"ping").await;
        target.read_exact(&mut [0; 4]).await.unwrap();
        policy.swap(|_, _| Err(Refusal::not_allowed("closed for today")));
        policy.recheck();
        client.io.hear_end().await;
        client.outcome().await.unwrap_err();
    })
    .await;
    let text = log.text();
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.contains("session ended"))
        .collect();
    assert_eq!(lines.len(), 1, "{text}");
    for part in [
        "INFO",
        "target=192.0.2.1:80",
        "outcome=refused",
        "up=4",
        "closed for today",
    ] {
        assert!(lines[0].contains(part), "no {part:?} in {text}");
    }
}
