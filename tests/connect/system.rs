//! The resolver of the system.

use std::net::IpAddr;

use tower::ServiceExt;
use tower_socks::{
    connector::{direct::Direct, resolve::SystemResolver},
    error::reply_code,
    proto::{Address, DomainName, ReplyCode},
};

/// With a dot at its end, `getaddrinfo` finds no name in the hosts file.
#[tokio::test]
async fn a_name_of_the_hosts_file_is_found() {
    for name in ["localhost", "LocalHost."] {
        let name = DomainName::new(name).unwrap();
        let addresses = SystemResolver::new().oneshot(name).await.unwrap();
        assert!(addresses.iter().any(IpAddr::is_loopback), "{addresses:?}");
    }
}

#[tokio::test]
async fn an_onion_service_is_not_looked_up() {
    for name in ["onion:80", "a.onion:80", "b.A.ONION.:80"] {
        let target: Address = name.parse().unwrap();
        let error = Direct::new().oneshot(target).await.unwrap_err();
        assert_eq!(reply_code(&*error), ReplyCode::HOST_UNREACHABLE);
        assert!(error.to_string().contains("not looked up"), "{error}");
    }
}
