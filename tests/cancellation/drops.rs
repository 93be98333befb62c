//! Futures that are dropped after so many polls, and what has to be back then.

use std::{
    fs, io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, mpsc},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    runtime::Handle,
    task::{JoinHandle, spawn_blocking},
};
use tower_socks::io::ClientStream;

/// A future that is about to be dropped, and what is around it.
pub struct Case {
    pub future: Pin<Box<dyn Future<Output = ()>>>,
    /// What has to hold at once when it is dropped.
    pub released: Box<dyn FnOnce()>,
    /// The far ends. They notice.
    pub far: Vec<JoinHandle<()>>,
}

impl Case {
    /// A future whose output goes with it.
    pub fn new<F: Future + 'static>(future: F) -> Self {
        Self {
            future: Box::pin(async {
                drop(future.await);
            }),
            released: Box::new(|| {}),
            far: Vec::new(),
        }
    }

    /// What has to hold at once when it is dropped.
    pub fn releases(mut self, released: impl FnOnce() + 'static) -> Self {
        self.released = Box::new(released);
        self
    }

    /// A task that ends by itself.
    pub fn far(mut self, far: impl Future<Output: Send> + Send + 'static) -> Self {
        self.far.push(tokio::spawn(async {
            far.await;
        }));
        self
    }
}

/// Polled so often, and dropped. Ready with whether it was complete.
struct DropReason {
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    left: usize,
}

impl Future for DropReason {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        let completed = match (self.left, &mut self.future) {
            (1.., Some(future)) => future.as_mut().poll(cx).is_ready(),
            _ => false,
        };
        self.left = self.left.saturating_sub(1);
        if completed || self.left == 0 {
            self.future = None;
            return Poll::Ready(completed);
        }
        Poll::Pending
    }
}

/// The tests of this program, one after the other.
static TURN: Mutex<()> = Mutex::new(());

/// Makes the case again and again, and drops its future one poll later each time. It takes `least`
/// polls to complete, which must not shrink to nothing.
pub fn at_every_poll(name: &str, least: usize, mut make: impl AsyncFnMut() -> Case) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut polls = 0;
        let before = (alive(), descriptors());
        loop {
            // Sockets are in real time: the clock stands still while a thread is busy.
            let (until_dropped, dropped) = mpsc::channel::<()>();
            let moment = spawn_blocking(move || dropped.recv_timeout(Duration::from_secs(20)));
            let Case {
                future,
                released,
                far,
            } = make().await;
            let dropped = DropReason {
                future: Some(future),
                left: polls,
            };
            let completed = dropped.await;
            released();
            for far in far {
                far.await.expect("the far end does not panic");
            }
            // Tasks that nobody waits for have their turns.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert_eq!((alive(), descriptors()), before, "{name}: {polls} polls");
            drop(until_dropped);
            let _ = moment.await;
            if completed {
                break;
            }
            polls += 1;
        }
        println!("{name}: complete after {polls} polls");
        assert!(
            polls >= least,
            "{name}: {polls} polls, and there were {least}"
        );
    });
}

fn alive() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[cfg(target_os = "linux")]
fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[cfg(not(target_os = "linux"))]
fn descriptors() -> usize {
    0
}

/// Whether a stream is still there.
#[derive(Debug)]
pub struct Alive(Arc<()>);

impl Alive {
    pub fn assert_dropped(&self) {
        assert_eq!(Arc::strong_count(&self.0), 1, "a stream is kept");
    }
}

/// A stream in memory that takes a few octets at a time.
#[derive(Debug)]
pub struct Held {
    io: DuplexStream,
    _alive: Arc<()>,
}

/// One end to hold, the other end, and whether the first one is still there.
pub fn held() -> (Held, DuplexStream, Alive) {
    let (near, far) = tokio::io::duplex(3);
    let alive = Arc::new(());
    let held = Held {
        io: near,
        _alive: Arc::clone(&alive),
    };
    (held, far, Alive(alive))
}

impl ClientStream for Held {
    fn sealing(&mut self) -> tower_socks::io::Sealing {
        tower_socks::io::Sealing::Clear
    }
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Held {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
