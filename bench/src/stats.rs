//! What is made of single observations: percentiles of latencies, and the count of what was lost,
//! doubled or out of order.

use std::collections::BTreeSet;

use crate::clock;

/// Latencies in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    micros: Vec<u32>,
    sorted: bool,
}

impl Latencies {
    /// Notes the time from `since_ns` to now.
    pub(crate) fn since(&mut self, since_ns: u64) {
        self.take(clock::now_ns().saturating_sub(since_ns));
    }

    /// Notes a time.
    pub(crate) fn take(&mut self, ns: u64) {
        let micros = ns / 1_000;
        self.micros.push(u32::try_from(micros).unwrap_or(u32::MAX));
        self.sorted = false;
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.micros.len()
    }

    /// The value, in milliseconds, that the share `part` (0 to 1) of all stays at or below; 0
    /// when there is none.
    pub(crate) fn part_ms(&mut self, part: f64) -> f64 {
        if !self.sorted {
            self.micros.sort_unstable();
            self.sorted = true;
        }
        let last = self.micros.len().saturating_sub(1);
        let place = ((self.micros.len() as f64 * part).ceil() as usize).saturating_sub(1).min(last);
        self.micros.get(place).map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
    }
}

/// The middle of some values; 0 when there is none.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// One receiver's view of one sender's numbers 1, 2, 3 ...
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    highest: u64,
    missing: BTreeSet<u64>,
    doubled: u64,
    late: u64,
}

/// Sums over many receivers; all three are 0 in a sound run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flaws {
    /// Never came.
    pub(crate) lost: u64,
    /// Came again.
    pub(crate) doubled: u64,
    /// Came after a later one.
    pub(crate) out_of_order: u64,
}

impl Sequence {
    /// Takes the next number that came.
    pub(crate) fn take(&mut self, number: u64) {
        if number == self.highest + 1 {
            self.highest = number;
        } else if number > self.highest {
            self.missing.extend(self.highest + 1..number);
            self.highest = number;
        } else if self.missing.remove(&number) {
            self.late += 1;
        } else {
            self.doubled += 1;
        }
    }

    /// How many different numbers came.
    pub(crate) fn count(&self) -> u64 {
        self.highest - self.missing.len() as u64
    }

    /// What is wrong, when `sent` numbers were sent.
    pub(crate) fn flaws(&self, sent: u64) -> Flaws {
        let lost = sent.saturating_sub(self.count());
        Flaws { lost, doubled: self.doubled, out_of_order: self.late }
    }
}

impl std::ops::AddAssign for Flaws {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.out_of_order += other.out_of_order;
    }
}

/// The flaws of many receivers, who were each sent `sent(index)` numbers.
pub(crate) fn flaws(sequences: &[Sequence], sent: impl Fn(usize) -> u64) -> Flaws {
    let mut sum = Flaws::default();
    for (index, sequence) in sequences.iter().enumerate() {
        sum += sequence.flaws(sent(index));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaws_of(numbers: &[u64], sent: u64) -> Flaws {
        let mut sequence = Sequence::default();
        numbers.iter().for_each(|number| sequence.take(*number));
        sequence.flaws(sent)
    }

    #[test]
    fn a_whole_sequence_has_no_flaw() {
        assert_eq!(flaws_of(&[1, 2, 3], 3), Flaws::default());
    }

    #[test]
    fn a_hole_and_a_missing_end_are_lost() {
        assert_eq!(flaws_of(&[1, 3], 4), Flaws { lost: 2, ..Flaws::default() });
    }

    #[test]
    fn a_repeat_is_doubled_and_a_late_one_is_out_of_order() {
        assert_eq!(flaws_of(&[1, 1, 3, 2], 3), Flaws { lost: 0, doubled: 1, out_of_order: 1 });
    }

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let mut latencies = Latencies { micros: (1..=100).rev().collect(), sorted: false };
        assert_eq!(latencies.part_ms(0.5), 0.05);
        assert_eq!(latencies.part_ms(0.99), 0.099);
        assert_eq!(latencies.part_ms(1.0), 0.1);
        assert_eq!(Latencies::default().part_ms(0.99), 0.0);
    }
}
