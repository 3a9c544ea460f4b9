//! Latency of a connect at a fixed rate: from the moment it was meant to begin over TCP, the
//! upgrade, Engine.IO's opening and the handshake with a token to the event `authenticated`.
//! Everybody stays, so the server has ever more connections.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::Result;
use tokio::task::JoinSet;

use super::beside;
use crate::client::Client as _;
use crate::crowd::{self, Troubles};
use crate::pace::Schedule;
use crate::process;
use crate::report::Figure;
use crate::scale::{JOIN_TIMEOUT, SETTLE_TIMEOUT};
use crate::scenario::connects::reasons;
use crate::scenario::{Bench, latency_figures, trouble_figure, wait_until};
use crate::server::{Program, Server};
use crate::socketio::Guest;
use crate::stats::Latencies;

/// What the connects gave.
#[derive(Debug, Default)]
struct Books {
    latencies: RefCell<Latencies>,
    /// How late the generator itself began.
    lateness: RefCell<Latencies>,
    failures: RefCell<Vec<String>>,
    troubles: Troubles,
}

pub(in crate::scenario) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let (books, cpu_us) = measure(bench, Program::Switchboard).await?;
    let mut figures = books.figures(20.0);
    figures.push(Figure::new("CPU per connection", cpu_us, "us"));
    if bench.launch.reference.is_some() {
        let ours_ms = books.latencies.borrow_mut().part_ms(0.99);
        let (theirs, _) = measure(bench, Program::Reference).await?;
        let theirs_ms = theirs.latencies.borrow_mut().part_ms(0.99);
        figures.extend(beside("connect to authenticated, p99", ours_ms, theirs_ms, "ms"));
        let failures = theirs.failures.borrow();
        if !failures.is_empty() {
            let lost = Figure::new("reference: lost", failures.len() as f64, "");
            figures.push(lost.note(reasons(&failures)));
        }
    }
    Ok(figures)
}

/// What was seen, and the server's CPU time of a connect in microseconds.
async fn measure(bench: &Bench, program: Program) -> Result<(Rc<Books>, f64)> {
    let server = bench.launch.start_program(program).await?;
    let rate = bench.scale.connects_per_second;
    let total = usize::try_from(rate * bench.scale.connects_for.as_secs())?;
    crowd::check_fit(total)?;
    let guests: Result<Vec<Guest>> = (0..total)
        .map(|number| Guest::customer(&bench.launch.secret, number, Vec::new()))
        .collect();
    let books = Rc::new(Books::default());
    let cpu_before = process::cpu_time(server.pid)?;
    let visits = come(&server, guests?, rate, &books).await?;
    let tried = || books.latencies.borrow().count() + books.failures.borrow().len();
    wait_until(JOIN_TIMEOUT + SETTLE_TIMEOUT, || tried() >= total).await;
    let cpu = process::cpu_time(server.pid)? - cpu_before;
    drop(visits);
    server.stop().await;
    Ok((books, cpu.as_secs_f64() * 1e6 / total as f64))
}

/// Sends everybody in on schedule. Dropping what comes back cuts them all.
async fn come(
    server: &Server,
    guests: Vec<Guest>,
    rate: u64,
    books: &Rc<Books>,
) -> Result<JoinSet<()>> {
    let schedule = Schedule::per_second(rate);
    let mut dues = schedule.run(guests.len() as u64);
    let mut visits = JoinSet::new();
    for guest in guests {
        let Some(index) = dues.recv().await else { break };
        let due_ns = schedule.due_ns(index);
        visits.spawn_local(Rc::clone(books).visit(server.address, guest, due_ns));
        books.lateness.borrow_mut().since(due_ns);
    }
    Ok(visits)
}

impl Books {
    /// Connects one client and stays with it.
    async fn visit(self: Rc<Self>, address: SocketAddr, guest: Guest, due_ns: u64) {
        match crowd::join(address, &guest).await {
            Ok(reader) => {
                self.latencies.borrow_mut().since(due_ns);
                crowd::listen(reader, &guest, &self.troubles, |_, _| ()).await;
            }
            Err(fault) => {
                self.failures.borrow_mut().push(format!("{}: {fault:#}", guest.user()));
            }
        }
    }

    fn figures(&self, p99_ms: f64) -> Vec<Figure> {
        let mut latencies = self.latencies.borrow_mut();
        let came = latencies.count();
        let mut figures = Vec::new();
        figures.extend(latency_figures("connect to authenticated", &mut latencies, Some(p99_ms)));
        let late_ms = self.lateness.borrow_mut().part_ms(0.99);
        figures.push(Figure::new("generator late, p99", late_ms, "ms").note("part of the above"));
        let failures = self.failures.borrow();
        let lost = Figure::new("lost", failures.len() as f64, "").at_most(0.0);
        let note = match failures.is_empty() {
            true => format!("{came} connections"),
            false => reasons(&failures),
        };
        figures.push(lost.note(note));
        figures.extend(trouble_figure(&self.troubles));
        figures
    }
}
