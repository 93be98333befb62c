// The order of the documentation: this one compiles.
use std::{time::Duration};

use tower::{ServiceBuilder, util::Either};
use tower_socks::{session::Check, 
    AclLayer, AuthLayer, Connector, HandshakeLayer, NoAuth, Request, UserPass, Users, serve,
};

fn stack(listener: tokio::net::TcpListener, users: Users, open: bool) {
    let auth = if open {
        Either::Left(NoAuth)
    } else {
        Either::Right((UserPass::new(users), NoAuth))
    };
    let stack = ServiceBuilder::new()
        .concurrency_limit(10)
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(auth))
        .timeout(Duration::from_secs(1))
        .option_layer(Some(AclLayer::new(|_: &Request, _: Check| {
            Ok(())
        })))
        .concurrency_limit(3)
        .service(Connector::direct());
    _ = serve(listener, stack);
}

fn main() {}
