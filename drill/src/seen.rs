//! Promises that are judged at once, while something is broken or right after.

use crate::report::Promise;

/// What was promised for then, with how often there was something to look at.
pub(crate) struct Seen {
    /// Of the duties.
    pub(crate) duties: Counted,
    /// Of Redis' return.
    pub(crate) whole: Counted,
    /// Of SIGTERM.
    pub(crate) drains: Counted,
    /// Of going on.
    pub(crate) talk: Counted,
    /// Of processes that end by themselves.
    pub(crate) alive: Counted,
}

/// A promise, and how often it was put to the test.
pub(crate) struct Counted {
    promise: Promise,
    occasions: u32,
    occasion: &'static str,
}

impl Seen {
    /// Nothing was looked at yet.
    pub(crate) fn new() -> Self {
        Self {
            duties: Counted::new("decisions go on within 10 s after a node was lost", "losses"),
            whole: Counted::new("presence is whole within 5 s after Redis is back", "returns"),
            drains: Counted::new(
                "a node that is asked to end does so in good order within 10 s",
                "ends",
            ),
            talk: Counted::new("after every fault messages are acknowledged again", "faults"),
            alive: Counted::new("no node ends by itself", "looks"),
        }
    }

    /// The promises, each with what was looked at.
    pub(crate) fn promises(self) -> Vec<Promise> {
        let Self { duties, whole, drains, talk, alive } = self;
        let counted = [duties, whole, drains, talk, alive].into_iter();
        let promise = |one: Counted| one.promise.of(format!("{} {}", one.occasions, one.occasion));
        counted.map(promise).collect()
    }
}

impl Counted {
    fn new(what: &'static str, occasion: &'static str) -> Self {
        Self { promise: Promise::new(what), occasions: 0, occasion }
    }

    /// It was looked at, and this was wrong, if something was.
    pub(crate) fn look(&mut self, flaw: Option<String>) {
        self.occasions += 1;
        self.promise.broken.extend(flaw);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_occasion_counts_whether_or_not_it_was_kept() {
        let mut seen = Seen::new();
        seen.whole.look(None);
        seen.whole.look(Some("late".into()));
        let promises = seen.promises();
        assert_eq!((promises[1].looked_at.as_str(), promises[1].broken.len()), ("2 returns", 1));
        assert_eq!(promises[0].looked_at, "0 losses");
    }
}
