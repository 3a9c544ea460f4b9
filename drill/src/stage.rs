//! The system under drill, and the hands that break it: each fault is done, undone, and what must
//! follow at once is waited for.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep};

use crate::books::{Fate, Lost, Present, now_ms};
use crate::fault::{Fault, FaultKind};
use crate::log::Tail;
use crate::node::Node;
use crate::presence::{difference, in_redis};
use crate::proxy::Mood;
use crate::report::{Timeline, clock, seconds};
use crate::seen::Seen;
use crate::services::{Kind, Service};
use crate::world::{World, is_held_back};

/// What a slow machine may add to each deadline of the contract.
pub(crate) const SLACK: Duration = Duration::from_secs(3);

/// A dead node's users are told as gone, and its duties are another's, within this (contract 9).
pub(crate) const TAKEOVER: Duration = Duration::from_secs(10);

/// Everything is whole within this after Redis is back (contract 9).
const WHOLE: Duration = Duration::from_secs(5);

/// A node that is asked to end does so within this (contract 2).
const DRAIN: Duration = Duration::from_secs(10);

/// Messages are acknowledged again within this after a fault. The drill's own deadline: a client
/// gives a line 5 s before it tries another one.
const TALK: Duration = Duration::from_secs(15);

/// How long after it was let in a client is in the log.
const SETTLED_IN: Duration = Duration::from_secs(1);

/// How late a slow line is.
const SLOW: Duration = Duration::from_millis(150);

/// The system, and what was seen of it while it was broken.
pub(crate) struct Stage {
    /// The nodes.
    pub(crate) nodes: Vec<Node>,
    /// Their services; none where one node serves alone.
    pub(crate) services: Vec<Service>,
    /// Where they write down what they do.
    pub(crate) dir: PathBuf,
    /// What was promised for the time during and right after a fault.
    pub(crate) seen: Seen,
    /// Since when decisions are waited for that somebody has to take over, if they are.
    takeover: Option<Takeover>,
    lease: Duration,
    world: Rc<World>,
    timeline: Rc<Timeline>,
}

/// A node was lost, and with it the duties perhaps.
struct Takeover {
    what: String,
    /// How long after it a conversation that began behind it had an agent.
    decided: JoinHandle<Option<Duration>>,
}

impl Stage {
    /// A system that has just been started.
    pub(crate) fn new(
        nodes: Vec<Node>,
        services: Vec<Service>,
        dir: &Path,
        lease: Duration,
        world: &Rc<World>,
        timeline: &Rc<Timeline>,
    ) -> Self {
        let (world, timeline) = (Rc::clone(world), Rc::clone(timeline));
        let dir = dir.to_owned();
        Self { nodes, services, dir, seen: Seen::new(), takeover: None, lease, world, timeline }
    }

    /// Does a fault, undoes it, and waits for what must follow.
    pub(crate) async fn suffer(&mut self, fault: Fault) -> Result<()> {
        let Fault { kind, node, lasts, .. } = fault;
        match kind {
            FaultKind::KillNode => self.kill_node(node, lasts).await?,
            FaultKind::KillDuties => {
                let holder = self.with_duties().unwrap_or(node);
                self.kill_node(holder, lasts).await?;
            }
            FaultKind::PauseNode | FaultKind::FreezeNode => self.pause_node(node, lasts).await?,
            FaultKind::RestartNode => self.restart_node(node).await?,
            FaultKind::RollingRestart => {
                for node in 0..self.nodes.len() {
                    self.restart_node(node).await?;
                }
            }
            FaultKind::KillRedis => self.kill_service(Kind::Redis, lasts).await?,
            FaultKind::KillPostgres => self.kill_service(Kind::Postgres, lasts).await?,
            FaultKind::PauseRedis => self.pause_service(Kind::Redis, lasts).await,
            FaultKind::PausePostgres => self.pause_service(Kind::Postgres, lasts).await,
            FaultKind::CutRedis => self.line(Kind::Redis, Mood::Cut, Some(node), lasts).await,
            FaultKind::SilenceRedis => {
                self.line(Kind::Redis, Mood::Silent, Some(node), lasts).await;
            }
            FaultKind::SlowRedis => self.line(Kind::Redis, Mood::Slow(SLOW), None, lasts).await,
            FaultKind::CutPostgres => self.line(Kind::Postgres, Mood::Cut, Some(node), lasts).await,
            FaultKind::SilencePostgres => {
                self.line(Kind::Postgres, Mood::Silent, Some(node), lasts).await;
            }
            FaultKind::SlowPostgres => {
                self.line(Kind::Postgres, Mood::Slow(SLOW), None, lasts).await;
            }
        }
        if kind.service() == Some(Kind::Redis) && kind != FaultKind::SlowRedis {
            self.await_whole().await;
        }
        self.await_decision().await;
        self.await_talk(kind).await;
        self.look_after_nodes().await
    }

    // === nodes ===

    async fn kill_node(&mut self, node: usize, away: Duration) -> Result<()> {
        let told_by = Instant::now() + TAKEOVER + SLACK;
        self.world.hold_back(node, told_by);
        let lost = self.lose(node);
        self.loss(format!("node {} killed", self.nodes[node].name));
        let users = self.world.books.borrow().present_where(|present| present.node == node).len();
        self.nodes[node].kill().await?;
        let name = self.nodes[node].name;
        self.note(format!(
            "node {name} killed; {users} users cut off, {} of them stay away",
            lost.len()
        ));
        sleep(away).await;
        let ready_after = self.nodes[node].run().await?;
        self.note(format!("node {name} started again, ready after {}", seconds(ready_after)));
        self.await_leaves(&lost, told_by).await?;
        self.world.hold_back(node, Instant::now());
        Ok(())
    }

    /// Writes down who is about to be cut off and will stay away.
    fn lose(&self, node: usize) -> Vec<Lost> {
        let mut books = self.world.books.borrow_mut();
        // Who has just come may not be in the log yet; then nobody is told of it, and nothing waits.
        let is_lost = |p: &Present| p.node == node && is_held_back(p.number);
        let gone = books.present_where(|p| is_lost(p) && p.since.elapsed() > SETTLED_IN);
        let stays = books.present_where(|p| !is_lost(p));
        let lost: Vec<Lost> = (gone.difference(&stays))
            .map(|(conversation, user)| Lost {
                conversation: conversation.clone(),
                user: user.clone(),
                at_ms: now_ms(),
            })
            .collect();
        books.lost.extend(lost.iter().cloned());
        lost
    }

    /// Waits until the leaves of these are in the log; how soon they came is judged at the end.
    async fn await_leaves(&self, lost: &[Lost], until: Instant) -> Result<()> {
        let (Some(postgres), Some(first)) = (self.service(Kind::Postgres), lost.first()) else {
            return Ok(());
        };
        let mut tail = Tail::since(postgres.address, first.at_ms).await?;
        let mut waiting: Vec<&Lost> = lost.iter().collect();
        while !waiting.is_empty() && Instant::now() < until {
            let news = tail.read().await?;
            let present = self.world.books.borrow().present();
            waiting.retain(|lost| {
                // Another seat of the same agent, perhaps.
                let is_back = present.contains(&(lost.conversation.clone(), lost.user.clone()));
                !is_back
                    && !news.iter().any(|entry| {
                        entry.kind == "conversation.left"
                            && entry.conversation() == lost.conversation
                            && entry.text("user_id") == lost.user
                    })
            });
            sleep(Duration::from_millis(200)).await;
        }
        let took = Duration::from_millis(u64::try_from(now_ms() - first.at_ms).unwrap_or(0));
        match waiting.len() {
            0 => {
                self.note(format!("all of them are told as gone, {} after the kill", seconds(took)))
            }
            some => self.note(format!("{some} are not told as gone after {}", seconds(took))),
        }
        Ok(())
    }

    async fn pause_node(&mut self, node: usize, lasts: Duration) -> Result<()> {
        let name = self.nodes[node].name;
        self.loss(format!("node {name} stopped for {}", seconds(lasts)));
        self.nodes[node].pause()?;
        let users = self.world.books.borrow().present_where(|present| present.node == node).len();
        let against = if lasts > self.lease { "longer" } else { "shorter" };
        self.note(format!(
            "node {name} stands still for {}, {against} than its lease; {users} users on it",
            seconds(lasts)
        ));
        sleep(lasts).await;
        self.nodes[node].resume()?;
        self.note(format!("node {name} goes on"));
        Ok(())
    }

    async fn restart_node(&mut self, node: usize) -> Result<()> {
        let name = self.nodes[node].name;
        self.note(format!("node {name} is asked to end"));
        self.loss(format!("node {name} ended"));
        let took = self.end_node(node).await?;
        let ready_after = self.nodes[node].run().await?;
        self.note(format!(
            "node {name} ended after {}, started again, ready after {}",
            seconds(took),
            seconds(ready_after)
        ));
        Ok(())
    }

    /// Asks a node to end, and looks how it does.
    pub(crate) async fn end_node(&mut self, node: usize) -> Result<Duration> {
        let name = self.nodes[node].name;
        let asked = Instant::now();
        let end = self.nodes[node].terminate(DRAIN + SLACK).await?;
        let took = asked.elapsed();
        self.seen.drains.look(match end {
            Some(status) if status.success() => None,
            Some(status) => Some(format!("node {name}: {status}")),
            None => Some(format!("node {name} still ran after {}", seconds(took))),
        });
        Ok(took)
    }

    /// The node that said last that it has the duties: their number rises.
    fn with_duties(&self) -> Option<usize> {
        let number = |node: &Node| {
            let said = node.said();
            let line = said.lines().rfind(|line| line.contains("this node has the duties now"))?;
            let digits: String =
                line.rsplit("number").next()?.chars().filter(char::is_ascii_digit).collect();
            digits.parse::<u64>().ok()
        };
        (0..self.nodes.len())
            .filter_map(|node| Some((number(&self.nodes[node])?, node)))
            .max()
            .map(|(_, node)| node)
    }

    /// A node that ended by itself is a flaw, and is started again, so that the drill can go on.
    pub(crate) async fn look_after_nodes(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            let Some(status) = node.end() else {
                self.seen.alive.look(None);
                continue;
            };
            let said = node.said();
            let last = said.lines().last().unwrap_or_default();
            let flaw = format!("node {} ended by itself: {status}: {last}", node.name);
            self.timeline.note(&flaw);
            self.seen.alive.look(Some(flaw));
            node.run().await?;
        }
        Ok(())
    }

    // === services ===

    async fn kill_service(&mut self, kind: Kind, away: Duration) -> Result<()> {
        let name = kind.name();
        let service = self.services.iter_mut().find(|service| service.kind == kind);
        let service = service.with_context(|| format!("there is no {name}"))?;
        service.kill().await?;
        self.timeline.note(format!("{name} killed"));
        sleep(away).await;
        service.run().await?;
        let how = if kind == Kind::Redis { ", empty" } else { "" };
        self.timeline.note(format!("{name} is back after {}{how}", seconds(away)));
        Ok(())
    }

    async fn pause_service(&self, kind: Kind, lasts: Duration) {
        let Some(service) = self.service(kind) else { return };
        service.pause();
        self.note(format!("{} stands still for {}", kind.name(), seconds(lasts)));
        sleep(lasts).await;
        service.resume();
        self.note(format!("{} goes on", kind.name()));
    }

    /// Changes the line of one node, or of all, for a while.
    async fn line(&mut self, kind: Kind, mood: Mood, node: Option<usize>, lasts: Duration) {
        let how = match mood {
            Mood::Open => "open".into(),
            Mood::Cut => "cut".into(),
            Mood::Silent => "silent".into(),
            Mood::Slow(by) => format!("slow by {} ms each way", by.as_millis()),
        };
        let whose = match node {
            Some(node) => format!("node {}'s line", self.nodes[node].name),
            None => "every line".into(),
        };
        if kind == Kind::Postgres && node.is_some() {
            self.loss(format!("{whose} to PostgreSQL {how}"));
        }
        let set = |mood| {
            let chosen = self.nodes.iter().enumerate();
            let chosen = chosen.filter(|(number, _)| node.is_none_or(|node| node == *number));
            chosen.for_each(|(_, node)| node.set_line(kind, mood));
        };
        set(mood);
        self.note(format!("{whose} to {} is {how} for {}", kind.name(), seconds(lasts)));
        sleep(lasts).await;
        set(Mood::Open);
        self.note(format!("{whose} to {} is as it should be", kind.name()));
    }

    /// Waits until everybody who stayed is in Redis again.
    async fn await_whole(&mut self) {
        let Some(redis) = self.service(Kind::Redis) else { return };
        let (redis, back) = (redis.address, Instant::now());
        let mut missing = None;
        while back.elapsed() < WHOLE + SLACK {
            let stays = |world: &World| world.books.borrow().present_where(|p| p.since < back);
            let before = stays(&self.world);
            if let Ok(kept) = in_redis(redis).await {
                // Whoever left while Redis was read need not be there any more.
                let should_be = before.intersection(&stays(&self.world)).cloned().collect();
                missing = difference(&kept.intersection(&should_be).cloned().collect(), &should_be);
                if missing.is_none() {
                    let took = seconds(back.elapsed());
                    self.note(format!(
                        "all {} who stayed are in Redis after {took}",
                        should_be.len()
                    ));
                    break;
                }
            }
            sleep(Duration::from_millis(200)).await;
        }
        let flaw = (back.elapsed() >= WHOLE + SLACK).then(|| {
            let missing = missing.unwrap_or_else(|| "Redis does not answer".into());
            self.note(format!("presence is not whole: {missing}"));
            format!("at {}: {missing}", clock(self.world.started.elapsed()))
        });
        self.seen.whole.look(flaw);
    }

    /// Waits until a few messages were acknowledged.
    async fn await_talk(&mut self, kind: FaultKind) {
        let kept = |world: &World| {
            let books = world.books.borrow();
            books.sent.values().filter(|sent| matches!(sent.fate, Fate::Kept { .. })).count()
        };
        let (began, before) = (Instant::now(), kept(&self.world));
        while kept(&self.world) < before + 5 && began.elapsed() < TALK {
            sleep(Duration::from_millis(50)).await;
        }
        let took = began.elapsed();
        let flaw = || format!("not within {} after {}", seconds(TALK), kind.name());
        self.seen.talk.look((took >= TALK).then(flaw));
        if took > Duration::from_secs(3) {
            self.note(format!("talk goes on after {}", seconds(took)));
        }
    }

    fn service(&self, kind: Kind) -> Option<&Service> {
        self.services.iter().find(|service| service.kind == kind)
    }

    /// From now on somebody else may have to take over: watches how soon that is.
    fn loss(&mut self, what: String) {
        if let Some(postgres) = self.service(Kind::Postgres) {
            let department = self.world.books.borrow().pulse_department.clone();
            let decided = spawn_local(decided(postgres.address, department));
            self.takeover = Some(Takeover { what, decided });
        }
    }

    async fn await_decision(&mut self) {
        let Some(Takeover { what, decided }) = self.takeover.take() else { return };
        let took = decided.await.ok().flatten();
        if let Some(took) = took {
            self.seen.duties.look(None);
            if took > self.lease {
                self.note(format!("a decision was made {} after it", seconds(took)));
            }
            return;
        }
        let at = clock(self.world.started.elapsed());
        let limit = seconds(TAKEOVER + SLACK);
        self.note(format!("no decision within {limit}"));
        self.seen.duties.look(Some(format!("at {at}, {what}: no decision within {limit}")));
    }

    fn note(&self, what: impl AsRef<str>) {
        self.timeline.note(what);
    }

    /// Rests.
    pub(crate) async fn rest(&self, rest: Duration) {
        sleep(rest).await;
    }
}

/// How long it takes from now until a conversation of a department that begins from now on is
/// assigned; `None` when it takes too long.
async fn decided(postgres: std::net::SocketAddr, department: String) -> Option<Duration> {
    let (since, since_ms) = (Instant::now(), now_ms());
    let mut begun = Vec::new();
    let mut tail = Tail::since(postgres, since_ms).await.ok()?;
    while since.elapsed() < TAKEOVER + SLACK {
        for entry in tail.read().await.ok()? {
            match entry.kind.as_str() {
                "chat.session.started" if entry.text("department_id") == department => {
                    begun.push(entry.conversation().to_owned());
                }
                "conversation.assigned" if begun.iter().any(|c| c == entry.conversation()) => {
                    return Some(Duration::from_millis(
                        u64::try_from(entry.at_ms - since_ms).ok()?,
                    ));
                }
                _ => {}
            }
        }
        sleep(Duration::from_millis(200)).await;
    }
    None
}
