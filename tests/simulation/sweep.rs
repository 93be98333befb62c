//! Every fault, at every operation, on either side.

use super::{
    fault::{Fault, Pace},
    session::{Plan, Side},
    stack::Depth,
};

/// Octets of one operation, whether each has to wait, and the layers in between.
pub const FINE: (Pace, Depth) = (pace(1, true), Depth::Plain);
pub const MIDDLE: (Pace, Depth) = (pace(7, true), Depth::Layered);
pub const COARSE: (Pace, Depth) = (pace(usize::MAX, false), Depth::Layered);

/// Those for dialogues.
pub const ALL: &[(Pace, Depth)] = &[FINE, MIDDLE, COARSE];

/// Those for many octets.
pub const LARGE: &[(Pace, Depth)] = &[(pace(9_000, true), Depth::Plain), COARSE];

pub const fn pace(piece: usize, waits: bool) -> Pace {
    Pace { piece, waits }
}

/// How often a scenario was run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// Operations at which something went wrong.
    pub points: usize,
    /// Runs.
    pub runs: usize,
}

/// Runs a scenario with every fault at every operation of every pace, until a run is over before its
/// fault. `run` answers how many operations there were, and whether the fault was met.
pub async fn sweep(
    paces: &[(Pace, Depth)],
    polls: Polls,
    mut run: impl AsyncFnMut(Plan) -> Operations,
) -> Count {
    let mut count = Count::default();
    for &(pace, depth) in paces {
        let plan = |fault| Plan { pace, depth, fault };
        let without = run(plan(None)).await;
        count.runs += 1;
        for (side, operations) in [
            (Side::Client, without.client),
            (Side::Target, without.target),
        ] {
            for fault in Fault::ALL {
                let mut met = 0;
                while run(plan(Some((side, met, fault)))).await.fired {
                    met += 1;
                }
                count.runs += met + 1;
                // Up to the fault, a run is like the one without.
                if polls == Polls::AlwaysTheSame {
                    assert_eq!(met, operations, "{side:?} {fault:?} {pace:?}");
                }
            }
            count.points += operations;
        }
    }
    count
}

/// How often the streams are asked, from one run to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polls {
    AlwaysTheSame,
    /// Sockets of the system are ready a little sooner or later.
    Vary,
}

/// What the streams saw in one run.
#[derive(Clone, Copy, Debug)]
pub struct Operations {
    pub client: usize,
    pub target: usize,
    pub fired: bool,
}

impl Count {
    /// Says how often a scenario was run, which may not become less without anybody noticing.
    pub fn report(self, name: &str, least: usize) {
        let Self { points, runs } = self;
        println!("{name}: {points} points, {runs} runs");
        assert!(
            points >= least,
            "{name}: {points} points, and there were {least}"
        );
    }
}
