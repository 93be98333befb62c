//! T: TLS in front of the handshake.

use crate::case::Scope;

#[cfg(feature = "tls")]
mod lines;
#[cfg(not(feature = "tls"))]
mod without;

#[cfg(feature = "tls")]
use lines::*;
#[cfg(not(feature = "tls"))]
use without::*;

cases! {
    T1 t1_one_deadline_for_the_handshake_too, "+", Scope::Ours("it sets the deadline"),
        "The TLS handshake is under the deadline of the connection.",
        "Nothing, one octet, and a hello that stops: the end comes.";
    T2 t2_certificates_change_and_nothing_is_closed, "+", Scope::Ours("it changes the certificate"),
        "A new certificate is for connections to come; a pair that does not fit is refused, and the old one stays.",
        "A connection before and one after the change; a key of another certificate.";
    T3 t3_certificates_of_clients, "+", Scope::Ours("it has the authority"),
        "A certificate of the client is demanded or asked for, and can be the identity.",
        "With and without one, and one of a stranger, where it is demanded and where it is asked for.";
    T4 t4_close_notify_is_half_close, "+", Scope::Ours("it speaks TLS"),
        "close_notify ends one direction and the other goes on; an end without it is a cut.",
        "Each side ends first; the TCP connection ends alone.";
    T5 t5_what_is_no_tls_is_told_so, "+", Scope::Ours("it reads the log"),
        "Plain bytes at a TLS port get an alert, and one line at debug that says what they look like.",
        "SOCKS5, SOCKS4 and HTTP.";
    T6 t6_bind_and_datagrams, "+", Scope::Ours("it speaks TLS"),
        "BIND and UDP ASSOCIATE work through a TLS stream; datagrams are not covered.",
        "One of each by the client of this crate.";
}
