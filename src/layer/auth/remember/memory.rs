//! What is remembered, and what is being asked.

use std::{
    collections::BTreeMap,
    io, mem,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use ring::{hmac, rand::SystemRandom};

use super::{
    future::SharedError,
    kept::{Code, Gone, Kept, Mark},
};
use crate::{
    error::{AuthError, BoxError, Refusal, find},
    session::{Credentials, Identity},
};

/// What else of credentials matters.
pub(super) type KeyBy = Arc<dyn Fn(&Credentials) -> Vec<u8> + Send + Sync>;

/// For how long outcomes are remembered.
#[derive(Clone, Copy)]
pub(super) struct Spans {
    pub(super) right: Duration,
    pub(super) wrong: Duration,
}

#[derive(Clone)]
pub(super) struct Settings {
    /// At first.
    pub(super) spans: Spans,
    /// Of each.
    pub(super) most: usize,
    pub(super) key_by: Option<KeyBy>,
    secret: hmac::Key,
}

impl Settings {
    pub(super) fn new() -> io::Result<Self> {
        let secret = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        Ok(Self {
            spans: Spans {
                right: Duration::from_secs(60),
                wrong: Duration::from_secs(5),
            },
            most: 16_384,
            key_by: None,
            secret: secret.map_err(|_| io::Error::other("the system has no random numbers"))?,
        })
    }

    fn mark(&self, credentials: &Credentials) -> Mark {
        let (name, password) = (credentials.name(), credentials.password().as_bytes());
        let key = self.key_by.as_ref().map(|key| key(credentials));
        Mark {
            name: self.code(&[name]),
            login: self.code(&[name, password, key.as_deref().unwrap_or_default()]),
        }
    }

    fn code(&self, parts: &[&[u8]]) -> Code {
        let mut code = hmac::Context::with_key(&self.secret);
        for part in parts {
            // Or else two octets could change sides.
            code.update(&part.len().to_be_bytes());
            code.update(part);
        }
        let mut octets = [0; 32];
        // Both are 32 octets long.
        octets
            .iter_mut()
            .zip(code.sign().as_ref())
            .for_each(|(to, from)| *to = *from);
        octets
    }
}

/// What a verifier has said, for all who wait for it.
#[derive(Clone)]
pub(super) enum Verdict {
    /// No identity: name or password is wrong.
    Verified(Option<Identity>),
    /// Not looked at, because of who asked.
    Refused(SharedError),
    Failed(SharedError),
}

impl Verdict {
    fn of(verified: Result<Identity, BoxError>) -> Self {
        let error = match verified {
            Ok(identity) => return Self::Verified(Some(identity)),
            Err(error) => error,
        };
        match find::<AuthError>(&*error) {
            Some(AuthError::Denied) => Self::Verified(None),
            None if find::<Refusal>(&*error).is_some() => Self::Refused(SharedError::new(error)),
            _ => Self::Failed(SharedError::new(error)),
        }
    }
}

type Asked = Shared<BoxFuture<'static, Verdict>>;

/// A question that is being asked.
struct Question {
    /// Tells it from another one with the same mark.
    id: u64,
    waiters: usize,
    verdict: Asked,
}

pub(super) struct Memory {
    pub(super) settings: Settings,
    known: Mutex<Known>,
}

struct Known {
    spans: Spans,
    right: Kept,
    wrong: Kept,
    asked: BTreeMap<Mark, Question>,
    last_id: u64,
}

/// Where an answer comes from.
pub(super) enum Answer {
    Known(Option<Identity>),
    Awaited(Waiter),
}

impl Memory {
    pub(super) const fn new(settings: Settings) -> Self {
        let spans = settings.spans;
        Self {
            settings,
            known: Mutex::new(Known {
                spans,
                right: Kept::new(),
                wrong: Kept::new(),
                asked: BTreeMap::new(),
                last_id: 0,
            }),
        }
    }

    /// Looks credentials up, or waits with those who ask the same, or asks.
    pub(super) fn answer<F>(
        self: &Arc<Self>,
        credentials: &Credentials,
        ask: impl FnOnce(Credentials) -> F,
    ) -> Answer
    where
        F: Future<Output = Result<Identity, BoxError>> + Send + 'static,
    {
        let mark = self.settings.mark(credentials);
        let mut gone = Gone::new();
        let known = {
            let mut known = self.known();
            known.expire(&mut gone);
            self.known_or_asked(&mut known, mark)
        };
        drop(gone);
        if let Some(answer) = known {
            return answer;
        }
        // Not under the lock: verifiers and extensions are cloned. Who was faster has asked then, and this future is
        // dropped behind the lock.
        let asking = ask(credentials.clone());
        let memory = Arc::clone(self);
        let mut known = self.known();
        if let Some(answer) = self.known_or_asked(&mut known, mark) {
            drop(known);
            return answer;
        }
        known.last_id += 1;
        let id = known.last_id;
        let verdict = async move {
            // A panic in one task must not be one in all that wait.
            let verified = AssertUnwindSafe(asking).catch_unwind().await;
            let panicked = |_| Err(AuthError::Verifier("it panicked".into()).into());
            let verdict = Verdict::of(verified.unwrap_or_else(panicked));
            memory.learn(mark, id, &verdict);
            verdict
        };
        let verdict = verdict.boxed().shared();
        let question = Question {
            id,
            waiters: 1,
            verdict: verdict.clone(),
        };
        known.asked.insert(mark, question);
        Answer::Awaited(Waiter {
            memory: Arc::clone(self),
            mark,
            id,
            verdict,
            is_first: true,
        })
    }

    fn known_or_asked(self: &Arc<Self>, known: &mut Known, mark: Mark) -> Option<Answer> {
        let outcome = known.right.get(&mark).or_else(|| known.wrong.get(&mark));
        if let Some(outcome) = outcome {
            return Some(Answer::Known(outcome.clone()));
        }
        let question = known.asked.get_mut(&mark)?;
        question.waiters += 1;
        Some(Answer::Awaited(Waiter {
            memory: Arc::clone(self),
            mark,
            id: question.id,
            verdict: question.verdict.clone(),
            is_first: false,
        }))
    }

    /// Remembers an answer, unless its name was forgotten while it was asked for.
    fn learn(&self, mark: Mark, id: u64, verdict: &Verdict) {
        let mut gone = Gone::new();
        let mut known = self.known();
        let spans = known.spans;
        let Some(question) = known.take(mark, id) else {
            return;
        };
        if let Verdict::Verified(outcome) = verdict {
            let (kept, span) = match outcome {
                Some(_) => (&mut known.right, spans.right),
                None => (&mut known.wrong, spans.wrong),
            };
            if !span.is_zero() {
                kept.insert(mark, outcome.clone(), self.settings.most, &mut gone);
            }
        }
        drop(known);
        drop((question, gone));
    }

    /// One less waits. Nobody, and the question is not asked any more.
    fn leave(&self, mark: Mark, id: u64) {
        let mut known = self.known();
        let Some(question) = known.asked.get_mut(&mark).filter(|asked| asked.id == id) else {
            return;
        };
        question.waiters -= 1;
        let abandoned = match question.waiters {
            0 => known.take(mark, id),
            _ => None,
        };
        drop(known);
        drop(abandoned);
    }

    pub(super) fn forget(&self, name: &[u8]) {
        let name = self.settings.code(&[name]);
        let mut gone = Gone::new();
        let mut known = self.known();
        known.right.forget(name, &mut gone);
        known.wrong.forget(name, &mut gone);
        // Those who wait get their answer, and nobody after them.
        let marks = Mark::all_of(&known.asked, name);
        let asked: Vec<_> = marks
            .iter()
            .filter_map(|mark| known.asked.remove(mark))
            .collect();
        drop(known);
        drop((gone, asked));
    }

    pub(super) fn clear(&self) {
        let mut known = self.known();
        let right = mem::replace(&mut known.right, Kept::new());
        let wrong = mem::replace(&mut known.wrong, Kept::new());
        let asked = mem::take(&mut known.asked);
        drop(known);
        drop((right, wrong, asked));
    }

    pub(super) fn spans(&self) -> Spans {
        self.known().spans
    }

    pub(super) fn set_spans(&self, spans: Spans) {
        let mut gone = Gone::new();
        let mut known = self.known();
        known.spans = spans;
        known.expire(&mut gone);
        drop(known);
        drop(gone);
    }

    pub(super) fn len(&self) -> usize {
        let mut gone = Gone::new();
        let mut known = self.known();
        known.expire(&mut gone);
        let len = known.right.len() + known.wrong.len();
        drop(known);
        drop(gone);
        len
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn expire(&mut self, gone: &mut Gone) {
        self.right.expire(self.spans.right, gone);
        self.wrong.expire(self.spans.wrong, gone);
    }

    fn take(&mut self, mark: Mark, id: u64) -> Option<Question> {
        let is_same = self.asked.get(&mark).is_some_and(|asked| asked.id == id);
        is_same.then(|| self.asked.remove(&mark)).flatten()
    }
}

/// One who waits for an answer. All of them poll the question.
pub(super) struct Waiter {
    memory: Arc<Memory>,
    mark: Mark,
    id: u64,
    pub(super) verdict: Asked,
    /// It is this one's credentials that are looked at.
    pub(super) is_first: bool,
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.memory.leave(self.mark, self.id);
    }
}
