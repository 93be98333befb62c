//! A verification that is remembered.

use std::sync::Arc;

use tower::{Layer, ServiceExt, service_fn};
use tower_socks::{BoxError, Credentials, Identity, layer::auth::remember::RememberLayer};

use super::drops::{Case, at_every_poll};

#[test]
fn verifications() {
    at_every_poll("a verification that is remembered", 3, async || {
        let held = Arc::new(());
        let alive = Arc::downgrade(&held);
        let verifier = service_fn(move |credentials: Credentials| {
            let identity = Identity::named(credentials.name());
            let held = Arc::clone(&held);
            async move {
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
                drop(held);
                Ok::<_, BoxError>(identity)
            }
        });
        let layer = RememberLayer::new().unwrap();
        let joe = Credentials::new("joe", "secret").unwrap();
        Case::new(layer.layer(verifier).oneshot(joe)).releases(move || {
            assert!(alive.upgrade().is_none());
            drop(layer);
        })
    });
}
