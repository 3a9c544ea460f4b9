//! A node is killed under traffic, and all its clients go on at the other one, each behind what it
//! heard last: half of them in the Socket.IO dialect, half in the session dialect, with the waits
//! of the clients that people use. Agents' messages go on at the other node too. In the end
//! everybody must have heard every message of its conversations once and in order.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::task::JoinSet;
use tokio::time::sleep;
use uuid::Uuid;

use super::{Bench, Pair};
use crate::clock::{self, seconds};
use crate::crowd;
use crate::report::Figure;
use crate::scale::{IDLE_REST, RETURN_TIMEOUT, SETTLE_TIMEOUT};
use crate::scenario::returning::{Books, Listener, Pilgrim, Route, Wanderer, Writers};
use crate::scenario::{flaw_figure, socketio, trouble_figure, wait_until};
use crate::server::Ending;
use crate::socketio::Guest;
use crate::stats;

/// How long messages flow before the node ends.
const TRAFFIC_BEFORE: Duration = Duration::from_secs(2);

pub(in crate::scenario) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    crowd::check_fit(bench.scale.failover_clients)?;
    let mut pair = Pair::start(bench).await?;
    let count = bench.scale.storm_conversations;
    let conversations = Rc::new(socketio::conversations(&pair.first, count).await?);
    let books = Rc::new(Books::new(&conversations));
    let route = Route { first: pair.second.address, then: pair.first.address };
    let _listeners = gather(bench, route, &conversations, &books)?;
    books.wait_for_all().await?;
    // So that the joins and marks are no part of it.
    sleep(IDLE_REST).await;

    let agent = Guest::agent(&bench.launch.secret, books.clients(), Vec::new())?;
    let writers = Writers::begin(route, agent, &conversations, &books, bench.content_bytes);
    sleep(TRAFFIC_BEFORE).await;
    let cut_ns = clock::now_ns();
    pair.second.end(Ending::Killed).await?;
    if !wait_until(RETURN_TIMEOUT, || books.all_back_since(cut_ns)).await {
        let (present, clients) = (books.present(), books.clients());
        bail!("{present} of {clients} came back; {:?}", books.troubles.first());
    }
    writers.end().await?;
    wait_until(SETTLE_TIMEOUT, || books.is_complete()).await;
    let figures = figures(&books, cut_ns);
    pair.stop().await;
    Ok(figures)
}

/// Sends everybody to the node that will be killed, the dialects in turn.
fn gather(
    bench: &Bench,
    route: Route,
    conversations: &[String],
    books: &Rc<Books>,
) -> Result<JoinSet<()>> {
    let mut tasks = JoinSet::new();
    for number in 0..bench.scale.failover_clients {
        let conversation = &conversations[number / 2 % conversations.len()];
        if number.is_multiple_of(2) {
            let own = vec![conversation.clone()];
            let guest = Guest::customer(&bench.launch.secret, number, own)?;
            tasks.spawn_local(Listener::new(Wanderer::new(guest), route, books).listen());
        } else {
            let pilgrim = Pilgrim::new(Uuid::parse_str(conversation)?, number);
            tasks.spawn_local(Listener::new(pilgrim, route, books).listen());
        }
    }
    Ok(tasks)
}

fn figures(books: &Books, cut_ns: u64) -> Vec<Figure> {
    let mut back = books.back_after(cut_ns);
    let caught_up_ns = books.last_back_ns().max(books.last_message_ns.get());
    let clients = books.clients() as f64;
    let attempts = books.attempts.get() as f64 / clients;
    let traffic = format!("{} messages in all; {attempts:.1} attempts each", books.sent());
    let flaws = stats::flaws(&books.heard.borrow(), |ear| books.sent_to(ear));
    let unrecovered = books.unrecovered.get() as f64;
    let mut figures = vec![
        Figure::new("clients of the killed node", clients, "").note("half of them Socket.IO"),
        Figure::new("killed to all back and caught up", seconds(caught_up_ns - cut_ns), "s")
            .at_most(10.0)
            .note(traffic),
        Figure::new("killed to back, p50", back.part_ms(0.5), "ms"),
        Figure::new("killed to back, max", back.part_ms(1.0), "ms"),
        Figure::new("not taken up where they were", unrecovered, "").at_most(0.0),
        flaw_figure("messages", flaws),
    ];
    figures.extend(trouble_figure(&books.troubles));
    figures
}
