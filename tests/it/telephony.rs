//! A tenant's telephone system: conversations with an Asterisk, cuts at any moment, and what a call
//! means for the routing of chats. What each packet means is tested beside `src/ingest/ami`.

mod chats;
mod conversation;
mod cuts;
mod line;
mod scene;

use std::path::Path;
use std::time::Duration;

/// The longest pause before a new connection, and a bit.
const PAUSE: Duration = Duration::from_secs(31);
const SECOND: Duration = Duration::from_secs(1);

macro_rules! conversations {
    ($($name:ident)*) => {
        $(#[tokio::test]
        async fn $name() {
            conversation::run(stringify!($name)).await;
        })*

        const ALL: &[&str] = &[$(stringify!($name)),*];
    };
}

conversations! {
    a_call_through_a_queue
    a_call_that_changes_hands
    a_cut_in_a_call
    a_cut_in_a_queue
    a_cut_before_and_while_all_is_listed
}

#[test]
fn every_conversation_is_run() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/ami");
    for entry in dir.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(ALL.contains(&name), "{name} is not run");
    }
}
