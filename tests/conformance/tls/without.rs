//! The lines T without the feature `tls`.

use crate::case::{Miss, Outcome};

macro_rules! skipped {
    ($($test:ident)*) => {
        $(pub async fn $test() -> Outcome {
            Err(Miss::Skipped("it takes the feature `tls`".to_owned()))
        })*
    };
}

skipped! {
    t1_one_deadline_for_the_handshake_too
    t2_certificates_change_and_nothing_is_closed
    t3_certificates_of_clients
    t4_close_notify_is_half_close
    t5_what_is_no_tls_is_told_so
    t6_bind_and_datagrams
}
