//! All that was measured.

use std::collections::BTreeMap;

use crate::{servers::Server, work::Row};

/// What came of a row with a server, round by round.
#[derive(Default)]
pub(crate) struct Results {
    cells: Vec<Cell>,
}

struct Cell {
    row: Row,
    server: Server,
    rounds: Vec<Result<Vec<f64>, String>>,
}

/// One number over all rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Results {
    pub(crate) fn add(&mut self, row: Row, server: Server, measured: Result<Vec<f64>, String>) {
        let found = self
            .cells
            .iter_mut()
            .find(|cell| cell.row == row && cell.server == server);
        match found {
            Some(cell) => cell.rounds.push(measured),
            None => self.cells.push(Cell {
                row,
                server,
                rounds: vec![measured],
            }),
        }
    }

    /// The rows that there are, in order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> {
        let has = |row: &Row| self.cells.iter().any(|cell| cell.row == *row);
        Row::ALL.into_iter().filter(has)
    }

    /// The servers of a row, in order.
    pub(crate) fn servers(&self, row: Row) -> impl Iterator<Item = Server> {
        let cells = self.cells.iter().filter(move |cell| cell.row == row);
        cells.map(|cell| cell.server)
    }

    /// A number of a row, by its place; none where it was never measured, or there is no such.
    pub(crate) fn summary(&self, row: Row, server: Server, metric: usize) -> Option<Summary> {
        let rounds = self.cell(row, server)?.rounds.iter().flatten();
        summarize(rounds.map(|values| values[metric]).collect())
    }

    /// Whom the others are compared with: the server that people run, or the short stack where it takes no part.
    pub(crate) fn reference(&self, row: Row) -> Option<Server> {
        [Server::Example, Server::ShortStack]
            .into_iter()
            .find(|server| self.cell(row, *server).is_some())
    }

    /// How often what the reference measured goes into what `server` did.
    pub(crate) fn ratio(&self, row: Row, server: Server, metric: usize) -> Option<f64> {
        self.ratio_to(row, self.reference(row)?, server, metric)
    }

    /// How often what `base` measured goes into what `server` did, each time in the same round: what
    /// disturbs the machine for longer than that disturbs both.
    pub(crate) fn ratio_to(
        &self,
        row: Row,
        base: Server,
        server: Server,
        metric: usize,
    ) -> Option<f64> {
        let base = &self.cell(row, base)?.rounds;
        let rounds = base.iter().zip(&self.cell(row, server)?.rounds);
        let both =
            rounds.filter_map(|(base, other)| Some((base.as_ref().ok()?, other.as_ref().ok()?)));
        let ratios = both.map(|(base, other)| other[metric] / base[metric]);
        Some(summarize(ratios.collect())?.median)
    }

    /// What went wrong, and how often.
    pub(crate) fn failures(&self, row: Row, server: Server) -> BTreeMap<&str, usize> {
        let mut failures = BTreeMap::new();
        for round in self
            .cell(row, server)
            .into_iter()
            .flat_map(|cell| &cell.rounds)
        {
            if let Err(failure) = round {
                *failures.entry(failure.as_str()).or_default() += 1;
            }
        }
        failures
    }

    fn cell(&self, row: Row, server: Server) -> Option<&Cell> {
        self.cells
            .iter()
            .find(|cell| cell.row == row && cell.server == server)
    }
}

fn summarize(mut values: Vec<f64>) -> Option<Summary> {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    Some(Summary {
        least: *values.first()?,
        most: *values.last()?,
        median: match values.len() % 2 {
            1 => values[middle],
            _ => f64::midpoint(values[middle - 1], values[middle]),
        },
    })
}
