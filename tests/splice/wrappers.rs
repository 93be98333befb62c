//! Bulk data is spliced through the wrappers of `TunnelExt` as well.

use tower_socks::{
    Tunnel, TunnelExt,
    io::{Direction, Meter, PrefixedStream},
    proto::Address,
    session::Connected,
};

use crate::support::{
    sockets::pair,
    splice::{alone, is_spliced},
};

struct Nothing;

impl Meter for Nothing {
    fn moved(&mut self, _: Direction, _: usize) {}
}

async fn moves_bulk_data<T: Tunnel + 'static>(
    what: &str,
    wrap: impl FnOnce(Connected<tokio::net::TcpStream>) -> T,
) {
    let (mut client, near) = pair().await;
    let (far, mut target) = pair().await;
    let tunnel = wrap(Connected::new(far, Address::UNSPECIFIED));
    let running = tokio::spawn(tunnel.run(PrefixedStream::new(near)));
    is_spliced(&mut client, &mut target, what).await;
    running.abort();
}

#[test]
fn through_hold_and_on_close() {
    alone(|| moves_bulk_data("hold, on_close", |it| it.hold(()).on_close(|_| ())));
}

#[test]
fn through_a_meter() {
    alone(|| moves_bulk_data("metered", |it| it.metered(Nothing)));
}

#[test]
fn through_all_of_them_in_a_box() {
    alone(|| {
        moves_bulk_data("all", |it| {
            it.hold(())
                .metered(Nothing)
                .on_close(|_| ())
                .metered(Nothing)
                .boxed()
        })
    });
}
