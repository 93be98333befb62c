//! Guides: how the parts are put to use, a page for each task.
//!
//! | page | what |
//! |---|---|
//! | [`own_layer`] | a layer of your own, as a closure, as a limiter, as a type; tunnels and datagrams of your own |
//! | [`testing`] | testing a layer, a policy or a stack without a network |
//! | [`before_the_dial`] | what a proxy can learn before it dials: a PROXY header, the first bytes of TLS |
//! | [`elsewhere`] | connectors in hyper-util, tonic, WebSockets, databases and QUIC |
//!
//! There is no code in here, and nothing to import.

pub mod before_the_dial;
pub mod elsewhere;
pub mod own_layer;
pub mod testing;
