//! What people read: the timeline while it happens, and the table of promises at the end.

use std::time::Duration;

use tokio::time::Instant;

/// Most examples that are shown of a broken promise.
const EXAMPLES: usize = 5;

/// Whether something that was promised held.
#[derive(Debug, Clone)]
pub(crate) struct Promise {
    /// What was promised.
    pub(crate) what: &'static str,
    /// What was looked at, with numbers.
    pub(crate) looked_at: String,
    /// Where it did not hold.
    pub(crate) broken: Vec<String>,
}

impl Promise {
    /// A promise of which nothing was looked at yet.
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what, looked_at: String::new(), broken: Vec::new() }
    }

    /// The same with what was looked at.
    pub(crate) fn of(mut self, looked_at: impl Into<String>) -> Self {
        self.looked_at = looked_at.into();
        self
    }

    /// It did not hold here.
    pub(crate) fn broke(&mut self, how: impl Into<String>) {
        self.broken.push(how.into());
    }

    /// Notes a flaw unless this holds.
    pub(crate) fn holds(&mut self, holds: bool, how: impl FnOnce() -> String) {
        if !holds {
            self.broke(how());
        }
    }
}

/// Prints what happens, as it does.
#[derive(Debug)]
pub(crate) struct Timeline {
    started: Instant,
}

impl Timeline {
    /// Time counts from here.
    pub(crate) fn begin(started: Instant) -> Self {
        Self { started }
    }

    /// Something was done, or seen.
    pub(crate) fn note(&self, what: impl AsRef<str>) {
        println!("  {}  {}", clock(self.started.elapsed()), what.as_ref());
    }
}

/// `1:02.3`
pub(crate) fn clock(at: Duration) -> String {
    let tenths = at.as_millis() / 100;
    format!("{:2}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}

/// `1.2 s`
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// Prints the table, and where promises were broken; whether all held.
pub(crate) fn print(promises: &[Promise]) -> bool {
    let width = promises.iter().map(|promise| promise.what.chars().count()).max().unwrap_or(0);
    println!("\npromises\n");
    for Promise { what, looked_at, broken } in promises {
        let verdict = match broken.is_empty() {
            false => "BROKEN",
            // There was no occasion for it.
            true if looked_at.starts_with("0 ") => "-     ",
            true => "held  ",
        };
        println!("  {verdict}  {what:width$}  {looked_at}");
    }
    for Promise { what, broken, .. } in promises.iter().filter(|p| !p.broken.is_empty()) {
        println!("\nBROKEN: {what}");
        for example in broken.iter().take(EXAMPLES) {
            println!("  - {example}");
        }
        if broken.len() > EXAMPLES {
            println!("  - and {} more", broken.len() - EXAMPLES);
        }
    }
    promises.iter().all(|promise| promise.broken.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_minutes_seconds_and_tenths() {
        assert_eq!(clock(Duration::from_millis(62_340)), " 1:02.3");
        assert_eq!(seconds(Duration::from_millis(1_250)), "1.2 s");
    }
}
