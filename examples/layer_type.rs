//! A layer of your own as types with names, for a library say: `Layer`, `Service` and future. It refuses a
//! user, and counts the tunnels that are open.
//!
//! ```text
//! cargo run --example layer_type
//! ```
//!
//! It asks the service directly, prints what it got, and ends. `layer_closure` is the same layer in a closure;
//! this one can be named in a struct, boxes nothing, and hands on the readiness of the service below.

#![allow(clippy::print_stdout)]

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_socks::{
    BoxError, Connector, Identity, Refusal, Request, Tunnel, TunnelExt,
    error::reply_code,
    proto::{Address, Command, ReplyCode},
    session::HoldTunnel,
};

/// Refuses one user's requests and counts the tunnels of all others.
#[derive(Clone, Debug)]
struct CountLayer {
    refused: &'static str,
    open: Arc<AtomicUsize>,
}

impl<S> Layer<S> for CountLayer {
    type Service = Count<S>;

    fn layer(&self, inner: S) -> Count<S> {
        Count {
            inner,
            layer: self.clone(),
        }
    }
}

/// Refuses one user's requests and counts the tunnels of all others: the service of [`CountLayer`].
#[derive(Clone, Debug)]
struct Count<S> {
    inner: S,
    layer: CountLayer,
}

impl<S> Service<Request> for Count<S>
where
    S: Service<Request>,
    S::Response: Tunnel,
    S::Error: Into<BoxError>,
{
    type Response = HoldTunnel<S::Response, Open>;
    // One type of error in a whole stack: tower's `option_layer` and `Either` need that.
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let state = if request.identity.name() == Some(self.layer.refused.as_bytes()) {
            State::Refused {
                refusal: Some(Refusal::not_allowed("not today")),
            }
        } else {
            State::Called {
                future: self.inner.call(request),
                open: Arc::clone(&self.layer.open),
            }
        };
        ResponseFuture { state }
    }
}

pin_project! {
    /// The future of [`Count`]: a struct around a private enum, so that its states can change.
    struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Called { #[pin] future: F, open: Arc<AtomicUsize> },
        Refused { refusal: Option<Refusal> },
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    T: Tunnel,
    E: Into<BoxError>,
{
    type Output = Result<HoldTunnel<T, Open>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Called { future, open } => {
                let tunnel = ready!(future.poll(cx)).map_err(Into::into)?;
                Poll::Ready(Ok(tunnel.hold(Open::new(open))))
            }
            StateProj::Refused { refusal } => match refusal.take() {
                Some(refusal) => Poll::Ready(Err(refusal.into())),
                // Polled again after it was ready.
                None => Poll::Pending,
            },
        }
    }
}

/// Counts one tunnel for as long as it lives.
#[derive(Debug)]
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let open = Arc::new(AtomicUsize::new(0));
    let service = ServiceBuilder::new()
        .layer(CountLayer {
            refused: "jane",
            open: Arc::clone(&open),
        })
        .service(Connector::direct());

    let target = TcpListener::bind("127.0.0.1:0").await?;
    let mut request = Request::new(Command::CONNECT, Address::Ip(target.local_addr()?));
    request.identity = Identity::named("jane");
    let Err(refused) = service.clone().oneshot(request.clone()).await else {
        return Err("jane got a tunnel".into());
    };
    println!("jane has none: {refused}");
    assert_eq!(reply_code(&*refused), ReplyCode::NOT_ALLOWED);

    request.identity = Identity::named("joe");
    let tunnel = service.oneshot(request).await?;
    println!("joe has {}", open.load(Ordering::Relaxed));
    assert_eq!(open.load(Ordering::Relaxed), 1);
    drop(tunnel);
    assert_eq!(open.load(Ordering::Relaxed), 0);
    Ok(())
}
