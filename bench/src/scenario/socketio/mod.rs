//! The scenarios of the Socket.IO dialect. What the session dialect measures too is the same code
//! with other clients; what only this dialect has is in `connects.rs` and `storm.rs`.
//!
//! The clients of the idle, fan-out and connect scenarios are customers: staff are told of
//! everybody who comes and goes, which would be measured along with what is meant.

pub(super) mod connects;
pub(super) mod storm;

use anyhow::Result;
use uuid::Uuid;

use super::fanout::Stretch;
use super::{Bench, chat, fanout, flaw_figure, idle};
use crate::bulk;
use crate::http;
use crate::report::Figure;
use crate::server::{Program, Server};
use crate::socketio::Guest;

/// Memory of an idle connection: two customers in each conversation.
pub(super) async fn idle(bench: &Bench) -> Result<Vec<Figure>> {
    let ours = weigh(bench, Program::Switchboard).await?;
    let ours_kib = ours.per_connection_kib();
    let mut figures = ours.figures(10.0);
    if bench.launch.reference.is_some() {
        let theirs_kib = weigh(bench, Program::Reference).await?.per_connection_kib();
        figures.extend(beside("resident per connection", ours_kib, theirs_kib, "KiB"));
    }
    Ok(figures)
}

async fn weigh(bench: &Bench, program: Program) -> Result<idle::Weight> {
    let server = bench.launch.start_program(program).await?;
    let before = idle::resident_at_rest(&server).await?;
    let count = bench.scale.idle_connections;
    let conversations = conversations(&server, count / 2).await?;
    let guests: Result<Vec<Guest>> = (0..count)
        .map(|number| customer(bench, number, &conversations[number / 2 % conversations.len()]))
        .collect();
    let weight = idle::weigh(&server, before, &guests?).await?;
    server.stop().await;
    Ok(weight)
}

/// CPU time of a delivery, in the words of the session dialect's scenario.
pub(super) async fn fanout(bench: &Bench) -> Result<Vec<Figure>> {
    let ours = speak(bench, Program::Switchboard).await?;
    let mut figures = Vec::new();
    figures.extend(ours.bursts.iter().flat_map(|it| it.figures("bursts of 16", Some(0.85))));
    figures.extend(ours.alone.iter().flat_map(|it| it.figures("one at a time", None)));
    figures.push(flaw_figure("deliveries", ours.flaws));
    figures.extend(ours.trouble);
    if bench.launch.reference.is_some() {
        let theirs = speak(bench, Program::Reference).await?;
        figures.extend(stretches_beside("bursts of 16", ours.bursts, theirs.bursts));
        figures.extend(stretches_beside("one at a time", ours.alone, theirs.alone));
    }
    Ok(figures)
}

async fn speak(bench: &Bench, program: Program) -> Result<fanout::Outcome> {
    let server = bench.launch.start_program(program).await?;
    let conversations = conversations(&server, 1).await?;
    let users = bench.scale.fanout_users;
    let mut guests = vec![customer(bench, users, &conversations[0])?];
    for user in 0..users {
        let guest = customer(bench, user, &conversations[0])?;
        guests.extend(std::iter::repeat_n(guest, bench.scale.fanout_connections_per_user));
    }
    let outcome = fanout::measure(bench, &server, &guests).await?;
    server.stop().await;
    Ok(outcome)
}

fn stretches_beside(name: &str, ours: Option<Stretch>, theirs: Option<Stretch>) -> Vec<Figure> {
    let Some((ours, theirs)) = ours.zip(theirs) else { return Vec::new() };
    let name = format!("{name}: CPU per delivery");
    beside(&name, ours.cpu_us(), theirs.cpu_us(), "us").into()
}

/// Latency at a fixed rate. Not on the reference server: it stores nothing before it answers, so
/// the two answers would not mean the same.
pub(super) async fn chat(bench: &Bench) -> Result<Vec<Figure>> {
    let server = bench.launch.start().await?;
    let conversations = conversations(&server, bench.scale.conversations).await?;
    let mut guests = Vec::with_capacity(conversations.len() * 2);
    for (number, conversation) in conversations.iter().enumerate() {
        guests.push(customer(bench, number, conversation)?);
        guests.push(Guest::agent(&bench.launch.secret, number, vec![conversation.clone()])?);
    }
    let figures = chat::measure(bench, &server, &guests).await?;
    server.stop().await;
    Ok(figures)
}

/// A customer in one conversation.
fn customer(bench: &Bench, number: usize, conversation: &str) -> Result<Guest> {
    Guest::customer(&bench.launch.secret, number, vec![conversation.to_owned()])
}

/// A value of the reference server, and ours as a part of it.
fn beside(name: &str, ours: f64, theirs: f64, unit: &'static str) -> [Figure; 2] {
    [
        Figure::new(format!("reference: {name}"), theirs, unit).note("in memory, stores nothing"),
        Figure::new(format!("ours / reference: {name}"), ours / theirs, ""),
    ]
}

/// The ids of so many new conversations.
pub(super) async fn conversations(server: &Server, count: usize) -> Result<Vec<String>> {
    if server.program == Program::Reference {
        // It takes any name for a room.
        return Ok(std::iter::repeat_with(|| Uuid::new_v4().to_string()).take(count).collect());
    }
    let begin = |_| http::request("POST", "/api/sessions", None, "{}");
    bulk::ask(server.address, count, 201, begin, |answer| answer.text_at("/data/session_id")).await
}
