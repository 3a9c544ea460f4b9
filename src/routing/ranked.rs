//! An ordered set that knows how many come before one: what a position in a queue is.
//!
//! Short sorted runs in a row. Looking one up is a search among the runs and a search in one;
//! its rank adds the lengths of the runs before. With 100,000 members that is a few hundred
//! additions, less than a balanced tree with counts costs in memory that is far apart.

/// Members in one run before it is cut in two.
const RUN_MAX: usize = 512;

/// The set.
#[derive(Clone, Debug)]
pub(super) struct Ranked<K> {
    /// None of them empty.
    runs: Vec<Vec<K>>,
}

impl<K> Default for Ranked<K> {
    fn default() -> Ranked<K> {
        Ranked { runs: Vec::new() }
    }
}

impl<K: Ord> Ranked<K> {
    pub(super) fn len(&self) -> usize {
        self.runs.iter().map(Vec::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The run a key is in, or would be in.
    fn run_of(&self, key: &K) -> usize {
        self.runs.partition_point(|run| run.last().is_some_and(|last| last < key))
    }

    pub(super) fn insert(&mut self, key: K) {
        let at = self.run_of(&key).min(self.runs.len().saturating_sub(1));
        let Some(run) = self.runs.get_mut(at) else {
            self.runs.push(vec![key]);
            return;
        };
        if let Err(place) = run.binary_search(&key) {
            run.insert(place, key);
        }
        if run.len() > RUN_MAX {
            let rest = run.split_off(RUN_MAX / 2);
            self.runs.insert(at + 1, rest);
        }
    }

    pub(super) fn remove(&mut self, key: &K) {
        let at = self.run_of(key);
        let Some(run) = self.runs.get_mut(at) else { return };
        if let Ok(place) = run.binary_search(key) {
            run.remove(place);
        }
        if run.is_empty() {
            self.runs.remove(at);
        }
    }

    /// How many come before the key, whether it is a member or not.
    pub(super) fn before(&self, key: &K) -> usize {
        let at = self.run_of(key);
        let earlier: usize = self.runs[..at].iter().map(Vec::len).sum();
        let within = self.runs.get(at).map_or(0, |run| run.partition_point(|other| other < key));
        earlier + within
    }

    /// The members from the `from`-th (counted from 0) on.
    pub(super) fn from(&self, from: usize) -> impl Iterator<Item = &K> {
        let (mut skip, mut first) = (from, 0);
        while self.runs.get(first).is_some_and(|run| run.len() <= skip) {
            skip -= self.runs[first].len();
            first += 1;
        }
        self.runs[first..].iter().flatten().skip(skip)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_agrees_with_a_plain_ordered_set(
            acts in prop::collection::vec((any::<bool>(), 0u16..3000), 0..4000),
        ) {
            let (mut ranked, mut plain) = (Ranked::default(), BTreeSet::new());
            for (is_insert, key) in acts {
                if is_insert {
                    ranked.insert(key);
                    plain.insert(key);
                } else {
                    ranked.remove(&key);
                    plain.remove(&key);
                }
            }
            prop_assert_eq!(ranked.len(), plain.len());
            prop_assert_eq!(ranked.is_empty(), plain.is_empty());
            for key in [0, 7, 1500, 2999] {
                prop_assert_eq!(ranked.before(&key), plain.range(..key).count());
            }
            for from in [0, 1, 511, 512, 513, plain.len()] {
                let want: Vec<_> = plain.iter().skip(from).collect();
                prop_assert_eq!(ranked.from(from).collect::<Vec<_>>(), want);
            }
        }
    }
}
