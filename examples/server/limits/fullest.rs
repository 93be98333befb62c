//! Who is closest to limits, for the page.

use std::net::IpAddr;

use tower_socks::{layer::key::UserOrClient, session::Fullness};

use super::{InForce, subject::Subject};

/// How full a limit is for somebody.
#[derive(Clone, Debug)]
pub(crate) struct Full {
    pub(crate) limit: &'static str,
    pub(crate) whom: UserOrClient,
    pub(crate) used: u64,
    pub(crate) most: u64,
}

impl InForce {
    /// Returns those who are closest to each limit, so many of each. Looks at all who are counted.
    pub(crate) fn fullest(&self, most: usize) -> Vec<Full> {
        let of_client = |address: IpAddr| UserOrClient::Client(address);
        let of_subject = |subject: Subject| subject.key().clone();
        [
            full("sessions", self.sessions().fullest(most), |key| key),
            full(
                "in the handshake",
                self.handshakes().fullest(most),
                of_client,
            ),
            full("tunnels", self.tunnels.fullest(most), of_subject),
            full("requests", self.requests.fullest(most), of_subject),
            full("bandwidth", self.bandwidth.fullest(most), of_subject),
            full("quota, bytes", self.quota.fullest(most), of_subject),
            full("associations", self.associations().fullest(most), |key| key),
            full("binds", self.binds().fullest(most), |key| key),
        ]
        .concat()
    }
}

/// The same of a limit that is counted elsewhere.
#[cfg(feature = "redis")]
pub(crate) fn full_of_subjects(limit: &'static str, fullest: Vec<Fullness<Subject>>) -> Vec<Full> {
    full(limit, fullest, |subject| subject.key().clone())
}

/// Without what nobody comes close to.
fn full<K>(
    limit: &'static str,
    fullest: Vec<Fullness<K>>,
    whom: impl Fn(K) -> UserOrClient,
) -> Vec<Full> {
    let fullest = fullest.into_iter().filter(|it| it.used > 0);
    let full = fullest.map(
        |Fullness {
             key, used, most, ..
         }| Full {
            limit,
            whom: whom(key),
            used,
            most,
        },
    );
    full.collect()
}
