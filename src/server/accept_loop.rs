//! The loop that accepts connections, and the drain that follows it.

use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::pin,
    task::{Context, Poll},
};

use tokio::time::{Instant, sleep};

use super::{
    AcceptService, Listener, Serve,
    admissions::{Admissions, Arrival},
    backoff::Backoff,
    serve::Signal,
    tasks::{SWEEP, Tasks},
};
use crate::{
    admission::held_back,
    error::BoxError,
    session::{Draining, Senders, announced},
};

impl<L, S> Serve<L, S, Signal>
where
    L: Listener,
    S: AcceptService<L::Io>,
{
    /// Serves until the signal, and drains.
    pub(super) async fn run(self) -> Result<(), BoxError> {
        let Self {
            listening,
            mut listener,
            mut stack,
            mut signal,
            drain_limit,
            deadline,
            limits,
            start: _,
        } = self;
        let listening = listening?;
        let mut admissions = Admissions::new(limits);
        let mut tasks = Tasks::default();
        let (drain, draining) = Draining::new();
        let mut backoff = Backoff::default();
        let mut sweep = pin!(sleep(SWEEP));
        loop {
            let Arrival {
                mut accepted,
                place,
            } = tokio::select! {
                biased;
                () = &mut signal => break,
                arrival = next(&mut listener, listening, &mut stack, &mut backoff, &mut admissions) => {
                    arrival?
                }
                () = &mut sweep, if !tasks.is_empty() => {
                    tasks.reap();
                    sweep.as_mut().reset(Instant::now() + SWEEP);
                    continue;
                }
            };
            accepted.drained_by(draining.clone());
            tasks.spawn(stack.serve(accepted), place);
        }
        // Clients that connect from here on are refused instead of kept waiting.
        drop(listener);
        let _ = drain.send(true);
        let mut deadline = deadline.unwrap_or_else(|| Box::pin(sleep(drain_limit)));
        let mut is_over = false;
        while !is_over && admissions.is_waited_for() {
            tokio::select! {
                biased;
                () = &mut deadline => is_over = true,
                arrival = admitted(&mut stack, &mut admissions) => {
                    let Some(Arrival { mut accepted, place }) = arrival? else {
                        break;
                    };
                    accepted.drained_by(draining.clone());
                    tasks.spawn(stack.serve(accepted), place);
                }
            }
        }
        drop(admissions);
        tasks
            .drain(async {
                if !is_over {
                    deadline.await;
                }
            })
            .await;
        Ok(())
    }
}

/// Accepts a connection and admits it, once the stack is ready for it.
async fn next<L, S>(
    listener: &mut L,
    listening: SocketAddr,
    stack: &mut S,
    backoff: &mut Backoff,
    admissions: &mut Admissions<L::Io>,
) -> Result<Arrival<L::Io>, BoxError>
where
    L: Listener,
    S: AcceptService<L::Io>,
{
    let senders = ready(stack).await.map_err(Into::into)?;
    loop {
        let accepted = tokio::select! {
            biased;
            arrival = admissions.next(), if admissions.is_waited_for() => return Ok(arrival),
            accepted = listener.accept(listening) => accepted,
        };
        match accepted {
            Ok(accepted) => {
                backoff.reset();
                if let Some(arrival) = admissions.admit(accepted, senders.as_ref()) {
                    return Ok(arrival);
                }
            }
            Err(error) => backoff.after(&error).await,
        }
    }
}

/// Admits one of the connections that wait for a place, once the stack is ready for it; `None` if none of them gets one.
async fn admitted<Io, S>(
    stack: &mut S,
    admissions: &mut Admissions<Io>,
) -> Result<Option<Arrival<Io>>, BoxError>
where
    Io: Send + 'static,
    S: AcceptService<Io>,
{
    ready(stack).await.map_err(Into::into)?;
    Ok(admissions.last().await)
}

/// Waits until there is room for a session. Clients wait in the queue of the system meanwhile. Returns the peers
/// whose clients the stack will know by a header.
async fn ready<Io, S: AcceptService<Io>>(stack: &mut S) -> Result<Option<Senders>, S::Error> {
    let mut ready = pin!(stack.ready());
    let mut poll = |cx: &mut Context<'_>| {
        let (polled, senders) = announced(|| ready.as_mut().poll(cx));
        polled.map_ok(|()| senders)
    };
    if let Poll::Ready(outcome) = poll_fn(|cx| Poll::Ready(poll(cx))).await {
        return outcome;
    }
    held_back("sessions", "all", true);
    let outcome = poll_fn(poll).await;
    held_back("sessions", "all", false);
    outcome
}
