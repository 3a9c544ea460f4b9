//! From one node to another: a customer writes on one, the agent of the conversation listens on the
//! other. Beside it the same where both are on one node, with the same services behind it, and
//! where that node is alone with SQLite. All three are on all cores, or they would not compare.

use anyhow::Result;

use super::Bench;
use crate::crowd::Doors;
use crate::report::Figure;
use crate::scenario::chat::{Meeting, Pace};
use crate::scenario::pairs;
use crate::server::Environment;

/// How much later, at the 99th percentile, a message may come that goes to another node.
const MORE_MS: f64 = 10.0;

/// What one placing of everybody gave.
struct Talk {
    p99_ms: f64,
    figures: Vec<Figure>,
}

pub(in crate::scenario) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let alone = bench.launch.start_node(&Environment::new()).await?;
    let sqlite = hold(bench, alone.address, "one node, SQLite: ").await?;
    alone.stop().await;

    let services = bench.launch.start_services().await?;
    let first = bench.launch.start_node(&services.environment()).await?;
    let one = hold(bench, first.address, "one node: ").await?;
    let second = bench.launch.start_node(&services.environment()).await?;
    let doors = [first.address, second.address];
    let two = hold(bench, move |seat: usize| doors[seat % 2], "two nodes: ").await?;
    first.stop().await;
    second.stop().await;
    services.stop().await;

    let more = |name: &str, other: &Talk| {
        let name = format!("two nodes more than {name}, p99");
        Figure::new(name, two.p99_ms - other.p99_ms, "ms").at_most(MORE_MS)
    };
    let more = [more("one node", &one), more("one node, SQLite", &sqlite)];
    let all = [two.figures, one.figures, sqlite.figures];
    Ok(all.into_iter().flatten().chain(more).collect())
}

/// Lets the customers talk to the agents, everybody where the doors say.
async fn hold(bench: &Bench, doors: impl Doors, name: &str) -> Result<Talk> {
    let pace = Pace { per_second: bench.scale.cluster_per_second, lasts: bench.scale.cluster };
    let seats = pairs(bench.scale.conversations);
    let mut meeting = Meeting::gather(doors, &seats).await?;
    meeting.talk(bench, pace, &seats).await?;
    let p99_ms = meeting.other_side_ms(0.99);
    let late = format!("generator late by {:.1} ms, p99, part of this", meeting.late_ms(0.99));
    let mut figures = vec![
        Figure::new("send to other side, p50", meeting.other_side_ms(0.5), "ms"),
        Figure::new("send to other side, p99", p99_ms, "ms").note(late),
    ];
    figures.extend(meeting.soundness());
    figures.extend(meeting.trouble());
    let figures = figures.into_iter().map(|figure| figure.named_after(name)).collect();
    Ok(Talk { p99_ms, figures })
}
