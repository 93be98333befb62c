//! U2: the answer comes from the verifier, which is any tower service.

use std::{future::pending, sync::Arc, time::Duration};

use tokio::{
    io::AsyncReadExt,
    sync::{Semaphore, mpsc},
};
use tower::{ServiceBuilder, service_fn};
use tower_socks::{
    BoxError, Credentials, Identity, UserPass,
    error::{AuthError, Fault},
    layer::handshake::Handshake,
};

use crate::support::{CONNECT, CONNECTED, Client, Script, settle, stack, targets::targets, within};

#[tokio::test(start_paused = true)]
async fn u2_success_is_written_once_the_verifier_has_said_yes() {
    within(async {
        let gate = Arc::new(Semaphore::new(0));
        let hold = Arc::clone(&gate);
        let verifier = service_fn(move |credentials: Credentials| {
            let hold = Arc::clone(&hold);
            async move {
                hold.acquire().await?.forget();
                Ok::<_, BoxError>(Identity::named(credentials.name()))
            }
        });
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(UserPass::new(verifier), dialer));
        client.io.say(b"\x05\x01\x02").await;
        client.io.hear(b"\x05\x02").await;
        let said = [b"\x01\x03joe\x06secret", CONNECT].concat();
        client.io.say(&said).await;

        let early = client.io.read_u8();
        let early = tokio::time::timeout(Duration::from_secs(5), early).await;
        assert!(early.is_err(), "an answer before there was one");
        assert!(dialled.try_recv().is_err());

        gate.add_permits(1);
        client.io.hear(&[b"\x01\x00", CONNECTED].concat()).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn u2_a_verifier_that_fails_is_a_failure() {
    within(async {
        let broken = service_fn(async |_: Credentials| {
            Err::<Identity, _>(BoxError::from("the database is gone"))
        });
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(UserPass::new(broken), dialer));
        let said = [b"\x05\x01\x02\x01\x03joe\x06secret", CONNECT].concat();
        client.io.say(&said).await;
        assert_eq!(client.io.hear_rest().await, b"\x05\x02\x01\x01");
        // The client is told the same as with a wrong password, and we are not.
        let error = client.lingering_close().await.unwrap_err();
        assert_eq!(error.fault(), Fault::Server);
        assert!(dialled.recv().await.is_none());

        let denied = service_fn(async |_: Credentials| Err::<Identity, _>(AuthError::Denied));
        let (dialer, _) = targets();
        let mut client = Client::new(stack(UserPass::new(denied), dialer));
        client.io.say(&said).await;
        assert_eq!(client.io.hear_rest().await, b"\x05\x02\x01\x01");
        let error = client.lingering_close().await.unwrap_err();
        assert_eq!(error.fault(), Fault::Refused);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn u2_verifications_wait_their_turn_under_a_limit() {
    within(async {
        let (begun, mut verifications) = mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let hold = Arc::clone(&gate);
        let verifier = ServiceBuilder::new().concurrency_limit(1).service_fn(
            move |credentials: Credentials| {
                begun.send(()).unwrap();
                let hold = Arc::clone(&hold);
                async move {
                    hold.acquire().await?.forget();
                    Ok::<_, BoxError>(Identity::named(credentials.name()))
                }
            },
        );
        let (dialer, _dialled) = targets();
        let stack: Handshake<_> = stack(UserPass::new(verifier), dialer);
        // Neither those that have not spoken yet nor those that left hold a permit.
        let _silent = Client::new(stack.clone());
        let mut first = Client::new(stack.clone());
        let mut second = Client::new(stack);
        for client in [&mut first, &mut second] {
            client.io.say(b"\x05\x01\x02\x01\x03joe\x06secret").await;
            client.io.hear(b"\x05\x02").await;
            settle().await;
        }
        verifications.recv().await.unwrap();
        assert!(verifications.try_recv().is_err(), "two at once");
        gate.add_permits(1);
        first.io.hear(b"\x01\x00").await;
        verifications.recv().await.unwrap();
        gate.add_permits(1);
        second.io.hear(b"\x01\x00").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn u2_a_client_that_leaves_while_it_is_verified() {
    within(async {
        let asleep = service_fn(|_: Credentials| pending::<Result<Identity, BoxError>>());
        let (dialer, _) = targets();
        let mut client = Client::new(stack(UserPass::new(asleep), dialer));
        client.io.say(b"\x05\x01\x02\x01\x03joe\x06secret").await;
        client.io.hear(b"\x05\x02").await;
        // At the latest with the deadline.
        client.lingering_close().await.unwrap_err();
    })
    .await;
}
