//! Agents with a socket each, who close one conversation after the other and note when the next
//! one comes: the time from the moment a close was due to the event that tells its agent of the
//! conversation that fills the place.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use anyhow::{Result, ensure};

use super::staff::{self, Agent};
use crate::client::{Body, Frame};
use crate::crowd::Crowd;
use crate::pace::Schedule;
use crate::pipeline::Pipelines;
use crate::process;
use crate::report::Figure;
use crate::scale::{JOIN_WIDTH, SETTLE_TIMEOUT};
use crate::scenario::{Bench, latency_figures, trouble_figure, wait_until};
use crate::server::Server;
use crate::socketio::Guest;
use crate::stats::Latencies;
use crate::ws::Writer;

/// The agents.
pub(super) struct Floor<'a> {
    bench: &'a Bench,
    server: &'a Server,
    agents: Vec<Agent>,
    crowd: Crowd,
    books: Rc<RefCell<Books>>,
}

/// What each agent has, and what all of them heard.
#[derive(Debug, Default)]
struct Books {
    /// By agent.
    desks: Vec<Desk>,
    /// Every conversation that was given to one of them.
    given: HashSet<String>,
    latencies: Latencies,
    /// Conversations that were given twice, to the same agent or to another one.
    doubled: u64,
    /// Conversations that came to an agent who had no place free.
    beyond_places: u64,
    /// Closes that were due when their agent had nothing.
    idle: u64,
}

/// One agent's conversations.
#[derive(Debug, Default)]
struct Desk {
    agent: String,
    /// What it has, the oldest first.
    held: VecDeque<String>,
    /// When the closes were due whose place is still free.
    freed: VecDeque<u64>,
    /// Places that were never filled.
    fresh: usize,
}

/// What a stretch of closes gave.
#[derive(Debug)]
pub(super) struct Stretch {
    latencies: Latencies,
    cpu_us: f64,
    /// The rows that say whether it was sound.
    soundness: Vec<Figure>,
}

impl<'a> Floor<'a> {
    /// Opens a socket for each agent. Each has `places`, all of them free.
    pub(super) async fn open(
        bench: &'a Bench,
        server: &'a Server,
        agents: Vec<Agent>,
        places: usize,
    ) -> Result<Self> {
        let guests: Result<Vec<Guest>> = agents
            .iter()
            .map(|agent| Guest::hired(&bench.launch.secret, agent.id.clone()))
            .collect();
        let books = Rc::new(RefCell::new(Books::new(&agents, places)));
        let crowd = Crowd::gather(server.address, &guests?, JOIN_WIDTH, |agent| {
            let books = Rc::clone(&books);
            move |_: &Rc<Writer>, frame: Frame<'_>| {
                if let Frame::Assigned(body) = frame {
                    books.borrow_mut().take(agent, body);
                }
            }
        })
        .await?;
        Ok(Self { bench, server, agents, crowd, books })
    }

    /// Lets conversations begin until no agent has a place free.
    pub(super) async fn fill(&self) -> Result<()> {
        let free = self.books.borrow().free();
        staff::begin_conversations(self.server, free).await?;
        wait_until(SETTLE_TIMEOUT, || self.books.borrow().free() == 0).await;
        let left = self.books.borrow().free();
        ensure!(left == 0, "{left} of {free} places were not filled");
        Ok(())
    }

    /// Lets the agents in turn close their oldest conversation, at the scale's rate. At least as
    /// many must wait as are closed.
    pub(super) async fn close(&self) -> Result<Stretch> {
        let scale = &self.bench.scale;
        let total = scale.frees_per_second * scale.frees.as_secs();
        let lines = Pipelines::open(self.server.address, self.agents.len()).await?;
        let cpu_before = process::cpu_time(self.server.pid)?;
        let schedule = Schedule::per_second(scale.frees_per_second);
        let mut dues = schedule.run(total);
        while let Some(index) = dues.recv().await {
            let agent = usize::try_from(index)? % self.agents.len();
            let due_ns = schedule.due_ns(index);
            let oldest = self.books.borrow_mut().free_place(agent, due_ns);
            if let Some(conversation) = oldest {
                lines.send(agent, &self.agents[agent].close(&conversation), due_ns)?;
            }
        }
        let is_done = || lines.is_answered() && self.books.borrow().free() == 0;
        wait_until(SETTLE_TIMEOUT, is_done).await;
        let cpu = process::cpu_time(self.server.pid)? - cpu_before;
        let mut soundness = self.books.borrow().soundness(total);
        soundness.push(lines.loss_figure("closes"));
        let late_ms = lines.books().lateness.borrow_mut().part_ms(0.99);
        let late = Figure::new("generator late, p99", late_ms, "ms").note("part of the above");
        soundness.push(late);
        soundness.extend(trouble_figure(self.crowd.troubles()));
        let latencies = self.books.borrow_mut().end_stretch();
        let cpu_us = cpu.as_secs_f64() * 1e6 / total as f64;
        Ok(Stretch { latencies, cpu_us, soundness })
    }
}

impl Books {
    fn new(agents: &[Agent], places: usize) -> Self {
        let desk =
            |agent: &Agent| Desk { agent: agent.id.clone(), fresh: places, ..Desk::default() };
        Self { desks: agents.iter().map(desk).collect(), ..Self::default() }
    }

    /// How many places are free.
    fn free(&self) -> usize {
        self.desks.iter().map(|desk| desk.fresh + desk.freed.len()).sum()
    }

    /// Takes the oldest conversation away from an agent.
    fn free_place(&mut self, agent: usize, due_ns: u64) -> Option<String> {
        let desk = &mut self.desks[agent];
        let oldest = desk.held.pop_front();
        match oldest {
            Some(_) => desk.freed.push_back(due_ns),
            None => self.idle += 1,
        }
        oldest
    }

    /// Notes that an agent's socket tells of an assignment.
    fn take(&mut self, agent: usize, assigned: Body<'_>) {
        let desk = &mut self.desks[agent];
        // Of others' it may be told too.
        if assigned.text_of("agent_id") != Some(&desk.agent) {
            return;
        }
        let conversation = assigned.text_of("session_id").unwrap_or_default().to_owned();
        if !self.given.insert(conversation.clone()) {
            self.doubled += 1;
            return;
        }
        desk.held.push_back(conversation);
        if desk.fresh > 0 {
            desk.fresh -= 1;
        } else if let Some(due_ns) = desk.freed.pop_front() {
            self.latencies.since(due_ns);
        } else {
            self.beyond_places += 1;
        }
    }

    fn soundness(&self, closes: u64) -> Vec<Figure> {
        let lost = self.free() as u64;
        let Self { doubled, beyond_places, idle, .. } = self;
        let sum = lost + doubled + beyond_places + idle;
        let figure = Figure::new("places not filled exactly once", sum as f64, "").at_most(0.0);
        let note = match sum {
            0 => format!("{closes} closes"),
            _ => format!(
                "{lost} never, {doubled} doubled, {beyond_places} without a place, {idle} idle"
            ),
        };
        vec![figure.note(note)]
    }

    /// Gives the latencies, and forgets what the next stretch is not to answer for.
    fn end_stretch(&mut self) -> Latencies {
        self.desks.iter_mut().for_each(|desk| desk.freed.clear());
        (self.doubled, self.beyond_places, self.idle) = (0, 0, 0);
        std::mem::take(&mut self.latencies)
    }
}

impl Stretch {
    /// The server's CPU time for each close, with everything that comes of it.
    pub(super) fn cpu_us(&self) -> f64 {
        self.cpu_us
    }

    /// All rows, with a text before each name.
    pub(super) fn figures(mut self, before: &str, target_ms: Option<f64>) -> Vec<Figure> {
        let mut figures = Vec::new();
        let name = "close to next conversation";
        figures.extend(latency_figures(name, &mut self.latencies, target_ms));
        figures.push(Figure::new("CPU per close", self.cpu_us, "us"));
        figures.extend(self.soundness);
        figures.into_iter().map(|figure| figure.named_after(before)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &[u8] = br#","session_id":"s-1","agent_id":"a"}"#;

    fn books(places: usize) -> Books {
        Books::new(&[Agent { id: "a".into(), token: String::new() }], places)
    }

    #[test]
    fn a_place_that_was_freed_is_filled_by_what_comes_next() {
        let mut books = books(1);
        books.take(0, Body(OWN));
        assert_eq!((books.free(), books.latencies.count()), (0, 0));
        assert_eq!(books.free_place(0, 1).as_deref(), Some("s-1"));
        assert_eq!(books.free(), 1);
        books.take(0, Body(br#","session_id":"s-2","agent_id":"b"}"#));
        assert_eq!(books.free(), 1, "that one is another agent's");
        books.take(0, Body(br#","session_id":"s-2","agent_id":"a"}"#));
        assert_eq!((books.free(), books.latencies.count()), (0, 1));
    }

    #[test]
    fn what_comes_twice_or_without_a_place_is_counted() {
        let mut books = books(0);
        books.take(0, Body(OWN));
        books.take(0, Body(OWN));
        assert_eq!((books.beyond_places, books.doubled), (1, 1));
    }
}
