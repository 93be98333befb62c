//! A relay that is told not to splice reads and writes.

use tower_socks::relay::Relay;

use crate::support::{
    sockets::pair,
    splice::{alone, carry, pipe_ends},
};

#[test]
fn bulk_data_takes_no_pipe_where_that_is_switched_off() {
    alone(async || {
        for (relay, pipes) in [(Relay::new().splice(false), false), (Relay::new(), true)] {
            let (mut client, near) = pair().await;
            let (far, mut target) = pair().await;
            let running = tokio::spawn(relay.run(near, far));
            let before = pipe_ends();
            carry(&mut client, &mut target, 16_000_000).await;
            assert_eq!(pipe_ends() > before, pipes, "{relay:?}");
            carry(&mut target, &mut client, 16_000_000).await;
            assert_eq!(pipe_ends() > before, pipes, "{relay:?}");
            running.abort();
            _ = running.await;
        }
    });
}
