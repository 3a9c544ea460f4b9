//! Whether an event costs more where there are many tenants: the same events to tenants taken at
//! random, of which each has a few consoles. First with few tenants; then with many, but to as few
//! as before, which shows what their number costs; then to all of them, which shows besides what it
//! costs that nothing of a tenant is in the processor's caches any more.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use super::calls::{Heard, Producer};
use super::live::line_figures;
use crate::client::Frame;
use crate::clock;
use crate::console::Console;
use crate::crowd::{self, Crowd};
use crate::pace::Schedule;
use crate::pipeline::Pipelines;
use crate::process;
use crate::report::Figure;
use crate::scale::{IDLE_REST, JOIN_WIDTH, QUIET, REQUEST_WIDTH, SETTLE_TIMEOUT};
use crate::scenario::{Bench, flaw_figure, latency_figures, trouble_figure, wait_until};
use crate::server::Server;
use crate::stats::{Flaws, Latencies};
use crate::ws::Writer;

/// How much more an event may cost with many tenants. It should be 1; what is above is for the
/// deeper tree of a larger database, for memory that is out of the processor's caches, and for
/// the grain of the clock.
const GROWTH_MAX: f64 = 1.3;

/// A tenant: who posts, and what its consoles heard.
#[derive(Debug)]
struct Tenant {
    producer: Producer,
    heard: Vec<Heard>,
}

/// All of them.
#[derive(Debug)]
struct Books {
    tenants: Vec<Tenant>,
    consoles: usize,
    delivery: Latencies,
}

/// All tenants at a server, with their consoles.
struct Town<'a> {
    bench: &'a Bench,
    server: Server,
    books: Rc<RefCell<Books>>,
    crowd: Crowd,
}

/// What a stretch of events gave.
struct Stretch {
    /// The server's CPU time of an event.
    cpu_us: f64,
    figures: Vec<Figure>,
}

pub(in crate::scenario) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let [few, many] = bench.scale.tenants;
    let town = Town::open(bench, few).await?;
    let alone = town.post(few).await?;
    town.close().await;
    let town = Town::open(bench, many).await?;
    let resting = town.resting().await?;
    let among_many = town.post(few).await?;
    let spread = town.post(many).await?;
    town.close().await;

    let growths = [among_many.cpu_us / alone.cpu_us, spread.cpu_us / alone.cpu_us];
    let mut figures = alone.named(&format!("{few} tenants: "));
    figures.push(resting.named_after(&format!("{many} tenants: ")));
    figures.extend(among_many.named(&format!("{few} of {many} tenants: ")));
    figures.extend(spread.named(&format!("{many} tenants: ")));
    let [among_many, spread] = growths;
    let name = format!("CPU per event, growth: {few} of {many} tenants / {few}");
    figures.push(Figure::new(name, among_many, ""));
    let name = format!("CPU per event, growth: {many} tenants / {few}");
    figures.push(Figure::new(name, spread, "").at_most(GROWTH_MAX));
    Ok(figures)
}

impl<'a> Town<'a> {
    /// Starts a server, and waits until all consoles are there and nothing is said any more.
    async fn open(bench: &'a Bench, tenants: usize) -> Result<Self> {
        crowd::check_fit(tenants * bench.scale.tenant_consoles + REQUEST_WIDTH)?;
        let server = bench.launch.start().await?;
        let books = Rc::new(RefCell::new(Books::new(bench, tenants)?));
        let consoles = consoles(bench, tenants)?;
        let crowd = Crowd::gather(server.address, &consoles, JOIN_WIDTH, |console| {
            let books = Rc::clone(&books);
            move |_: &Rc<Writer>, frame: Frame<'_>| books.borrow_mut().take(console, frame)
        })
        .await?;
        let silence = || Duration::from_nanos(clock::now_ns() - crowd.last_frame_ns());
        wait_until(QUIET + SETTLE_TIMEOUT, || silence() >= QUIET).await;
        Ok(Self { bench, server, books, crowd })
    }

    /// The share of its core that the server uses for connections that say nothing.
    async fn resting(&self) -> Result<Figure> {
        let (cpu_before, began) = (process::cpu_time(self.server.pid)?, Instant::now());
        sleep(IDLE_REST).await;
        let cpu = process::cpu_time(self.server.pid)? - cpu_before;
        let share = cpu.as_secs_f64() / began.elapsed().as_secs_f64();
        Ok(Figure::new("CPU of the server's core when nothing is posted", 100.0 * share, "%"))
    }

    /// Posts single events to the first `active` tenants, at random and at the scale's rate. A
    /// tenant keeps to its connection, so that its events stay in order.
    async fn post(&self, active: usize) -> Result<Stretch> {
        let Self { bench: Bench { scale, .. }, server, books, crowd } = self;
        let lines = Pipelines::open(server.address, REQUEST_WIDTH.min(active)).await?;
        let total = scale.tenants_per_second * scale.tenants_for.as_secs();
        let before = books.borrow().count();
        let cpu_before = process::cpu_time(server.pid)?;
        let schedule = Schedule::per_second(scale.tenants_per_second);
        let mut dues = schedule.run(total);
        while let Some(index) = dues.recv().await {
            let due_ns = schedule.due_ns(index);
            let tenant = usize::try_from(scattered(index) % active as u64)?;
            let request = books.borrow_mut().tenants[tenant].producer.post(due_ns);
            lines.send(tenant % REQUEST_WIDTH.min(active), &request, due_ns)?;
        }
        let deliveries = before + total * scale.tenant_consoles as u64;
        let is_done = || lines.is_answered() && books.borrow().count() >= deliveries;
        wait_until(SETTLE_TIMEOUT, is_done).await;
        let cpu = process::cpu_time(server.pid)? - cpu_before;

        let cpu_us = cpu.as_secs_f64() * 1e6 / total as f64;
        let note =
            format!("{} deliveries each; all the server did meanwhile", scale.tenant_consoles);
        let mut figures = vec![Figure::new("CPU per event", cpu_us, "us").note(note)];
        figures.extend(books.borrow_mut().figures());
        figures.extend(line_figures(&lines));
        figures.extend(trouble_figure(crowd.troubles()));
        Ok(Stretch { cpu_us, figures })
    }

    async fn close(self) {
        let Self { server, crowd, .. } = self;
        drop(crowd);
        server.stop().await;
    }
}

impl Stretch {
    fn named(self, before: &str) -> Vec<Figure> {
        self.figures.into_iter().map(|figure| figure.named_after(before)).collect()
    }
}

/// Every tenant's consoles, agents and admins in turn.
fn consoles(bench: &Bench, tenants: usize) -> Result<Vec<Console>> {
    let of_each = bench.scale.tenant_consoles;
    let console = |number: usize| {
        let role = if number.is_multiple_of(2) { "agent" } else { "admin" };
        let user = format!("bench-{role}-{}", number % of_each);
        let tenant = name(number / of_each);
        let token = bench.launch.secret.sign_staff(&tenant, &user, role)?;
        Ok(Console::new(format!("{user} of {tenant}"), token))
    };
    (0..tenants * of_each).map(console).collect()
}

fn name(tenant: usize) -> String {
    format!("bench-{tenant}")
}

/// A number that looks like chance, the same in each run: the end of SplitMix64.
fn scattered(index: u64) -> u64 {
    let mixed = (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Books {
    fn new(bench: &Bench, count: usize) -> Result<Self> {
        let consoles = bench.scale.tenant_consoles;
        let tenant = |number: usize| {
            let admin = bench.launch.secret.sign_staff(&name(number), "bench-admin-1", "admin")?;
            let producer = Producer::all(&admin, 1, 1).remove(0);
            Ok(Tenant { producer, heard: (0..consoles).map(|_| Heard::of(1)).collect() })
        };
        let tenants: Result<Vec<Tenant>> = (0..count).map(tenant).collect();
        Ok(Self { tenants: tenants?, consoles, delivery: Latencies::default() })
    }

    fn take(&mut self, console: usize, frame: Frame<'_>) {
        let Frame::Message(event) = frame else { return };
        let heard = &mut self.tenants[console / self.consoles].heard[console % self.consoles];
        if let Some(sent_ns) = heard.take(event) {
            self.delivery.since(sent_ns);
        }
    }

    fn count(&self) -> u64 {
        let all = self.tenants.iter().flat_map(|tenant| &tenant.heard);
        all.map(Heard::count).sum()
    }

    fn figures(&mut self) -> Vec<Figure> {
        let mut flaws = Flaws::default();
        for Tenant { producer, heard } in &self.tenants {
            heard.iter().for_each(|heard| flaws += heard.flaws(&[producer.events()]));
        }
        let mut figures = Vec::new();
        let delivery = &mut std::mem::take(&mut self.delivery);
        figures.extend(latency_figures("post to delivered", delivery, None));
        figures.push(flaw_figure("deliveries", flaws));
        figures
    }
}
