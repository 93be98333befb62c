//! Single numbers out of the text that Prometheus gets: what is counted there is not counted a second time.

use std::collections::BTreeMap;

use tower_socks::layer::metrics::names;

use crate::limits::Full;

/// Whether an upstream is up, by its name.
const UPSTREAM_UP: &str = "socks_upstream_up";

/// The lines of the text that the page has a use for.
#[derive(Debug, Default)]
pub(super) struct Series {
    values: BTreeMap<String, f64>,
    /// Requests refused, by reason.
    pub(super) refusals: Vec<(String, u64)>,
    /// Upstreams, and whether they are up.
    pub(super) upstreams: Vec<(String, bool)>,
    /// Limits, what they have done, and how often.
    pub(super) limits: Vec<(String, String, u64)>,
    /// Who was closest to limits at the same time: to find out looks at all.
    pub(super) fullest: Vec<Full>,
}

impl Series {
    /// Reads the text.
    pub(super) fn parse(text: &str) -> Self {
        let mut series = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let Ok(value) = value.parse::<f64>() else {
                continue;
            };
            match name.split_once('{') {
                None => _ = series.values.insert(name.to_owned(), value),
                Some((name, labels)) => series.labelled(name, labels, value),
            }
        }
        series
            .refusals
            .sort_by(|(one, most), (another, more)| more.cmp(most).then_with(|| one.cmp(another)));
        series
    }

    fn labelled(&mut self, name: &str, labels: &str, value: f64) {
        // Counters are whole numbers, and none is so large.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let count = value as u64;
        match name {
            names::REFUSALS => {
                let reason = label_value(labels, "reason");
                self.refusals
                    .extend(reason.map(|reason| (reason, count)).filter(|_| count > 0));
            }
            names::LIMIT_EVENTS => {
                let limit = label_value(labels, "limit").zip(label_value(labels, "event"));
                self.limits
                    .extend(limit.map(|(limit, event)| (limit, event, count)));
            }
            UPSTREAM_UP => {
                let upstream = label_value(labels, "upstream");
                self.upstreams
                    .extend(upstream.map(|name| (name, value > 0.0)));
            }
            _ => {}
        }
    }

    /// Returns the value of a series without labels.
    pub(super) fn get(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied()
    }

    /// Returns how many requests were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refusals.iter().map(|(_, count)| count).sum()
    }
}

/// The value of a label, with what is escaped in it.
fn label_value(labels: &str, label: &str) -> Option<String> {
    let mut rest = labels;
    loop {
        let (name, more) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = more.char_indices();
        let end = loop {
            match chars.next()? {
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (at, '"') => break at,
                (_, other) => value.push(other),
            }
        };
        if name.trim_start_matches(',') == label {
            return Some(value);
        }
        rest = more.get(end + 1..)?;
    }
}
