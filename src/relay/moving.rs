//! The part of a relay that every tunnel spends its time in.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    RelayErrorKind,
    ends::Ends,
    error::End,
    gate::Gate,
    idle::{Due, Watch},
    lazy_timer::LazyTimer,
};
use crate::io::{Direction, MeteredStream, Meters};

pin_project! {
    /// Moves both directions until both have ended. Ready with what has broken them, if something has.
    ///
    /// A structure in place of `async`, which would keep a reference to each part of what it holds itself: an idle
    /// tunnel has nothing but this.
    pub(super) struct Moving<'a, A: 'static, B: 'static> {
        ends: &'a mut Ends<A, B>,
        watch: &'a mut Watch,
        meters: Meters,
        #[pin]
        timer: LazyTimer,
    }
}

impl<'a, A: 'static, B: 'static> Moving<'a, A, B> {
    pub(super) fn new(ends: &'a mut Ends<A, B>, watch: &'a mut Watch) -> Self {
        watch.moved();
        Self {
            meters: MeteredStream::take(&mut ends.client),
            timer: watch.timer(),
            ends,
            watch,
        }
    }
}

impl<A, B> Future for Moving<'_, A, B>
where
    A: AsyncRead + AsyncWrite + Unpin + 'static,
    B: AsyncRead + AsyncWrite + Unpin + 'static,
{
    type Output = Option<(RelayErrorKind, End)>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Ends {
            client,
            target,
            up,
            down,
            ..
        } = &mut **this.ends;
        loop {
            let before = up.moved + down.moved;
            let gate = Gate::new(this.meters, Direction::Up);
            if let Poll::Ready(Err(broken)) = up.poll(cx, client, target, down, gate) {
                return Poll::Ready(Some(
                    broken.between(RelayErrorKind::Client, RelayErrorKind::Target),
                ));
            }
            let gate = Gate::new(this.meters, Direction::Down);
            if let Poll::Ready(Err(broken)) = down.poll(cx, target, client, up, gate) {
                return Poll::Ready(Some(
                    broken.between(RelayErrorKind::Target, RelayErrorKind::Client),
                ));
            }
            if up.is_done() && down.is_done() {
                return Poll::Ready(None);
            }
            if up.moved + down.moved > before {
                this.watch.moved();
            }
            if up.is_done() || down.is_done() {
                this.watch.half_closed();
            }
            let look = up.urgent.is_possible() || down.urgent.is_possible();
            match ready!(this.watch.poll(cx, this.timer.as_mut(), look)) {
                Due::Look => {
                    up.urgent.look();
                    down.urgent.look();
                }
                Due::Limit(kind, limit) => {
                    return Poll::Ready(Some((kind, End::Limit(limit))));
                }
            }
        }
    }
}
