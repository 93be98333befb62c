//! A line as a case, and how it is run.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use tokio::{runtime::Builder, time::timeout};

use crate::server::foreign;

/// What a case comes to.
pub type Outcome = Result<(), Miss>;

/// Why a line is not met.
#[derive(Clone, Debug)]
pub enum Miss {
    /// The server does something else.
    Fails(String),
    /// It could not be found out, or does not apply.
    Skipped(String),
}

/// Whom a line can be tried with.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    /// Any server.
    Any,
    /// A server of ours only, for this reason.
    Ours(&'static str),
}

/// A line.
#[derive(Debug)]
pub struct Case {
    pub id: &'static str,
    /// The test's name.
    pub test: &'static str,
    /// Where the RFC has it; a `+` is ours.
    pub section: &'static str,
    pub scope: Scope,
    pub what: &'static str,
    pub how: &'static str,
    pub run: fn() -> Pin<Box<dyn Future<Output = Outcome>>>,
}

/// Makes cases of async functions, and a test of each.
macro_rules! cases {
    ($($id:ident $test:ident, $section:literal, $scope:expr, $what:literal, $how:literal;)*) => {
        pub const CASES: &[$crate::case::Case] = &[$($crate::case::Case {
            id: stringify!($id),
            test: stringify!($test),
            section: $section,
            scope: $scope,
            what: $what,
            how: $how,
            run: || Box::pin($test()),
        }),*];

        mod line {
            $(#[test]
            fn $test() {
                super::CASES
                    .iter()
                    .find(|case| case.id == stringify!($id))
                    .unwrap()
                    .check();
            })*
        }
    };
}

/// Fails the case, with a reason, where something does not hold.
macro_rules! ensure {
    ($holds:expr, $($reason:tt)+) => {
        if !$holds {
            return Err($crate::case::Miss::Fails(format!($($reason)+)));
        }
    };
}

impl Case {
    /// Fails the test where the line is not met.
    pub fn check(&self) {
        match self.outcome() {
            Ok(()) => {}
            Err(Miss::Skipped(why)) => eprintln!("skipped: {}: {why}", self.id),
            Err(Miss::Fails(why)) => {
                panic!("{} ({}): {} But: {why}", self.id, self.section, self.what)
            }
        }
    }

    /// The case is run once in a process.
    pub fn outcome(&self) -> Outcome {
        type Outcomes = Mutex<HashMap<&'static str, Arc<OnceLock<Outcome>>>>;
        static OUTCOMES: OnceLock<Outcomes> = OnceLock::new();
        let outcomes = OUTCOMES.get_or_init(Outcomes::default);
        let outcome = Arc::clone(outcomes.lock().unwrap().entry(self.id).or_default());
        outcome.get_or_init(|| self.run()).clone()
    }

    fn run(&self) -> Outcome {
        if let (Some(_), Scope::Ours(why)) = (foreign(), self.scope) {
            return Err(Miss::Skipped(format!("ours only: {why}")));
        }
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let run = || runtime.block_on(async { timeout(LIMIT, (self.run)()).await });
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Miss::Fails(format!("not done within {LIMIT:?}"))),
            Err(_) => Err(Miss::Fails("the case itself panics".into())),
        }
    }
}

/// For a whole case. Waits have [limits](crate::talk::LIMIT) of their own.
const LIMIT: Duration = Duration::from_secs(100);
