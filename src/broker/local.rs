//! One node alone: nobody to tell.

use std::sync::Arc;

use super::{Broker, Word};

struct Local;

impl Broker for Local {
    fn tell(&self, _: Word) {}

    fn is_shared(&self) -> bool {
        false
    }
}

/// The line of a node that serves alone.
pub fn local() -> Arc<dyn Broker> {
    Arc::new(Local)
}
