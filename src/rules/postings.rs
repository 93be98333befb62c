//! Postings: for each key the rules that state it, as in an inverted index.

/// The number of a rule, from 0.
pub(super) type RuleId = u32;

/// The number of a key.
pub(super) type Key = u32;

/// Rules by key, in order, in one piece of memory.
#[derive(Default)]
pub(super) struct Postings {
    /// Where the rules of each key begin; one more for the end.
    starts: Vec<u32>,
    rules: Vec<RuleId>,
}

impl Postings {
    /// Collects pairs, which are in the order of the rules.
    pub(super) fn new(keys: u32, pairs: &[(Key, RuleId)]) -> Self {
        let mut starts = vec![0_u32; keys as usize + 1];
        for (key, _) in pairs {
            if let Some(count) = starts.get_mut(*key as usize + 1) {
                *count += 1;
            }
        }
        let mut total = 0;
        for start in &mut starts {
            total += *start;
            *start = total;
        }
        let mut next = starts.clone();
        let mut rules = vec![0; pairs.len()];
        for (key, rule) in pairs {
            if let Some(place) = next.get_mut(*key as usize) {
                if let Some(slot) = rules.get_mut(*place as usize) {
                    *slot = *rule;
                }
                *place += 1;
            }
        }
        Self { starts, rules }
    }

    pub(super) fn get(&self, key: Key) -> &[RuleId] {
        let key = key as usize;
        match (self.starts.get(key), self.starts.get(key + 1)) {
            (Some(start), Some(end)) => self
                .rules
                .get(*start as usize..*end as usize)
                .unwrap_or_default(),
            _ => &[],
        }
    }

    pub(super) fn len(&self, key: Key) -> usize {
        self.get(key).len()
    }
}
