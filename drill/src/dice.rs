//! Chance that can be had again: everything that is drawn comes from the run's seed.

/// A sequence of numbers (SplitMix64), the same for the same seed.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// A sequence of its own.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A sequence for a part of the run, which does not shift when another part draws more.
    pub(crate) fn part(&self, number: u64) -> Self {
        let mut part = Self(self.0 ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93));
        part.next();
        part
    }

    /// A number from 0 up to `end`, which is not 0 and not reached.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A number of milliseconds from the first up to the last.
    pub(crate) fn millis(&mut self, range: std::ops::RangeInclusive<u64>) -> std::time::Duration {
        let (first, last) = range.into_inner();
        std::time::Duration::from_millis(first + self.below(last - first + 1))
    }

    /// True so often of a hundred times.
    pub(crate) fn percent(&mut self, of_hundred: u64) -> bool {
        self.below(100) < of_hundred
    }

    /// One of these, which are not none.
    pub(crate) fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).unwrap_or(0)]
    }

    /// Puts them into another order.
    pub(crate) fn shuffle<T>(&mut self, of: &mut [T]) {
        for last in (1..of.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).unwrap_or(0);
            of.swap(last, other);
        }
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_and_parts_do_not_depend_on_each_other() {
        let (mut one, mut two) = (Dice::new(7), Dice::new(7));
        assert_eq!(one.below(1_000_000), two.below(1_000_000));
        let part = Dice::new(7).part(3).below(1_000_000);
        assert_eq!(Dice::new(7).part(3).below(1_000_000), part);
        assert_ne!(Dice::new(7).part(4).below(1_000_000), part);
    }

    #[test]
    fn a_shuffle_keeps_everything() {
        let mut cards: Vec<u32> = (0..20).collect();
        Dice::new(1).shuffle(&mut cards);
        assert_ne!(cards, (0..20).collect::<Vec<_>>());
        cards.sort_unstable();
        assert_eq!(cards, (0..20).collect::<Vec<_>>());
    }
}
