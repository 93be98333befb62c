use std::{
    fmt, io,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    future::ResponseFuture,
    memory::{Answer, Memory, Settings, Verdict},
};
use crate::{
    error::{AuthError, BoxError},
    session::{Credentials, Identity},
};

/// Remembers what a verifier has said. See the [module](super).
///
/// Clones share what they remember, as do all services that they have made.
#[derive(Clone)]
pub struct RememberLayer {
    memory: Arc<Memory>,
}

impl RememberLayer {
    /// Creates a layer that remembers right passwords for 60 s and wrong ones for 5 s, at most 16,384 of each.
    ///
    /// # Errors
    ///
    /// The system has no random numbers for the key of what is remembered.
    pub fn new() -> io::Result<Self> {
        let memory = Memory::new(Settings::new()?);
        Ok(Self {
            memory: Arc::new(memory),
        })
    }

    /// Sets for how long a right password is right, from when it was verified; zero for not at all. That is
    /// how long a password goes on that was changed where nobody says so. What was cloned before keeps a memory of
    /// its own.
    #[must_use]
    pub fn right_for(self, span: Duration) -> Self {
        self.with(|settings| settings.spans.right = span)
    }

    /// Sets for how long a wrong one is wrong; zero for not at all. What was cloned before keeps a memory of
    /// its own.
    #[must_use]
    pub fn wrong_for(self, span: Duration) -> Self {
        self.with(|settings| settings.spans.wrong = span)
    }

    /// Sets how many right ones are remembered, and how many wrong ones; one at least. What was cloned before keeps
    /// a memory of its own.
    #[must_use]
    pub fn most(self, most: usize) -> Self {
        self.with(|settings| settings.most = most.max(1))
    }

    /// Sets what a verifier looks at besides name and password, in octets: what was said for one key holds for that one
    /// alone. What was cloned before keeps a memory of its own.
    ///
    /// ```
    /// use tower_socks::{Credentials, layer::auth::remember::RememberLayer};
    ///
    /// // The verifier lets some users in from some addresses only.
    /// let by_address = |credentials: &Credentials| {
    ///     credentials.peer().ip().to_string().into_bytes()
    /// };
    /// let layer = RememberLayer::new().unwrap().key_by(by_address);
    /// # assert!(layer.is_empty());
    /// ```
    #[must_use]
    pub fn key_by<F>(self, key: F) -> Self
    where
        F: Fn(&Credentials) -> Vec<u8> + Send + Sync + 'static,
    {
        self.with(|settings| settings.key_by = Some(Arc::new(key)))
    }

    /// Forgets what was said of a name: its next login is verified again. Who is being verified at this moment
    /// gets the answer, and it is not remembered. So first change what is verified against.
    pub fn forget(&self, name: impl AsRef<[u8]>) {
        self.memory.forget(name.as_ref());
    }

    /// Forgets everything, as [`forget`](Self::forget) does for a name.
    pub fn clear(&self) {
        self.memory.clear();
    }

    /// Takes over for how long another one remembers, right and wrong, for all that share what is remembered: what is older
    /// by then is forgotten at once.
    pub fn set_like(&self, other: &Self) {
        self.memory.set_spans(other.memory.spans());
    }

    /// Returns how many outcomes are remembered, right and wrong, and gives the memory of those back that have
    /// expired.
    #[must_use]
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// Tells whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.memory.settings.clone();
        settings.spans = self.memory.spans();
        change(&mut settings);
        Self {
            memory: Arc::new(Memory::new(settings)),
        }
    }
}

impl<V> Layer<V> for RememberLayer {
    type Service = Remember<V>;

    fn layer(&self, inner: V) -> Remember<V> {
        Remember {
            inner,
            memory: Arc::clone(&self.memory),
        }
    }
}

/// Neither names nor anything of passwords.
impl fmt::Debug for RememberLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spans = self.memory.spans();
        f.debug_struct("RememberLayer")
            .field("right_for", &spans.right)
            .field("wrong_for", &spans.wrong)
            .field("most", &self.memory.settings.most)
            .finish_non_exhaustive()
    }
}

/// Remembers what a verifier has said: the service of [`RememberLayer`].
#[derive(Clone)]
pub struct Remember<V> {
    inner: V,
    memory: Arc<Memory>,
}

impl<V> Remember<V> {
    /// Returns a reference to the verifier.
    pub const fn get_ref(&self) -> &V {
        &self.inner
    }

    /// Returns a mutable reference to the verifier.
    pub const fn get_mut(&mut self) -> &mut V {
        &mut self.inner
    }

    /// Returns the verifier.
    pub fn into_inner(self) -> V {
        self.inner
    }
}

impl<V> Service<Credentials> for Remember<V>
where
    V: Service<Credentials, Response = Identity, Future: Send + 'static> + Clone + Send + 'static,
    V::Error: Into<BoxError>,
{
    type Response = Identity;
    type Error = BoxError;
    type Future = ResponseFuture;

    /// Is always ready: the verifier is asked for readiness where it is asked at all.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, credentials: Credentials) -> ResponseFuture {
        let Self { inner, memory } = self.clone();
        ResponseFuture::new(async move {
            let denied = || BoxError::from(AuthError::Denied);
            loop {
                let ask = |credentials| {
                    let asking = inner.clone().oneshot(credentials);
                    async { asking.await.map_err(Into::into) }
                };
                let mut waiter = match memory.answer(&credentials, ask) {
                    Answer::Known(outcome) => return outcome.ok_or_else(denied),
                    Answer::Awaited(waiter) => waiter,
                };
                match (&mut waiter.verdict).await {
                    Verdict::Verified(outcome) => return outcome.ok_or_else(denied),
                    // Another client had no room. This one may have.
                    Verdict::Refused(_) if !waiter.is_first => {}
                    Verdict::Refused(error) | Verdict::Failed(error) => return Err(error.into()),
                }
            }
        })
    }
}

impl<V> fmt::Debug for Remember<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A verifier may hold secrets.
        f.debug_struct("Remember").finish_non_exhaustive()
    }
}
