//! The service inside each layer can be looked at, changed and taken out again.

use std::{num::NonZeroU32, time::Duration};

use tower::Layer;
use tower_socks::{
    AclLayer, HandshakeLayer, Refusal, Request,
    layer::{
        acl::{SwapPolicy, recheck::RecheckLayer},
        key,
        limit::{FailedLoginsLayer, LimitLayer, RequestRate},
        meter::{ByteQuota, MeterLayer},
        metrics::{
            LookupMetricsLayer, RequestMetricsLayer, SessionMetricsLayer, UpstreamMetricsLayer,
        },
        trace::TraceLayer,
        track::OpenTunnels,
    },
    session::Check,
};

macro_rules! check {
    ($layer:expr) => {
        let mut service = $layer.layer("inner");
        assert_eq!(*service.get_ref(), "inner");
        *service.get_mut() = "other";
        assert_eq!(service.into_inner(), "other");
    };
}

#[tokio::test]
async fn of_each_layer() {
    type Judge = fn(&Request, Check) -> Result<(), Refusal>;
    let policy = SwapPolicy::new((|_, _| Ok(())) as Judge);
    check!(AclLayer::new(policy.clone()));
    check!(RecheckLayer::new(policy));
    check!(HandshakeLayer::new());
    check!(FailedLoginsLayer::new());
    let rate = RequestRate::per_second(NonZeroU32::MIN, key::user);
    check!(LimitLayer::new(rate));
    let quota = ByteQuota::new(1, Duration::from_secs(1), key::user);
    check!(MeterLayer::new(quota));
    check!(SessionMetricsLayer::new());
    check!(RequestMetricsLayer::new());
    check!(LookupMetricsLayer::new());
    check!(UpstreamMetricsLayer::new("paris"));
    check!(TraceLayer::new());
    check!(OpenTunnels::new().layer());
}
