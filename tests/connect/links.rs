//! Link-local targets, which are only reached on their own link.

use std::net::SocketAddr;

use tokio::{io::AsyncReadExt, net::TcpListener};
use tower::ServiceExt;
use tower_socks::{connector::direct::Direct, proto::Address, session::Connected};

use crate::support::{
    Script,
    sockets::link_local,
    udp::skipped,
    upstream::{Asked, Diary, guarded},
    within,
};

#[tokio::test]
async fn a_zone_in_text_says_on_which_link_a_target_is() {
    let Some(here) = link_local() else {
        return skipped("no link-local address");
    };
    within(async {
        let listener = TcpListener::bind(here).await.unwrap();
        let target = listener.local_addr().unwrap();
        let text = format!("[{}%{}]:{}", here.ip(), here.scope_id(), target.port());

        let mut streams: Vec<Connected<_>> = vec![
            Direct::new().oneshot(text.clone()).await.unwrap(),
            Direct::new().oneshot(target).await.unwrap(),
            Direct::new().oneshot(Address::Ip(target)).await.unwrap(),
        ];
        // Below a policy, which is asked about the address alone.
        let policy = Diary::default();
        let request = guarded(&text, policy.clone());
        streams.push(Direct::new().oneshot(request).await.unwrap());
        let bare = SocketAddr::new(target.ip(), target.port());
        assert_eq!(policy.asked(), [Asked::Address(bare)]);

        for mut stream in streams {
            let (mut accepted, peer) = listener.accept().await.unwrap();
            assert_eq!(stream.bound(), &Address::Ip(peer));
            accepted.say(b"hello").await;
            drop(accepted);
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, b"hello");
        }
    })
    .await;
}

#[tokio::test]
async fn a_zone_is_no_way_past_a_policy() {
    within(async {
        let bare: SocketAddr = "[fe80::1]:80".parse().unwrap();
        let policy = Diary::refusing([Asked::Address(bare)]);
        for text in ["[fe80::1%1]:80", "[fe80::1]:80"] {
            let request = guarded(text, policy.clone());
            assert!(Direct::new().oneshot(request).await.is_err());
        }
        let asked = [Asked::Address(bare), Asked::Address(bare)];
        assert_eq!(policy.asked(), asked);
    })
    .await;
}

/// Not only of a policy that was written for the test.
#[cfg(feature = "rules")]
#[tokio::test]
async fn link_local_targets_stay_refused_by_rules() {
    use tower_socks::{Rules, error::reply_code, proto::ReplyCode};

    within(async {
        let request = guarded("[fe80::1%1]:80", Rules::default());
        let error = Direct::new().oneshot(request).await.unwrap_err();
        assert_eq!(reply_code(&*error), ReplyCode::NOT_ALLOWED);
    })
    .await;
}
