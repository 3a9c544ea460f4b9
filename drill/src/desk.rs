//! An agent at work, whatever it listens by: accepts what it is offered, takes part in what it is
//! given, passes some of it on, and closes the rest.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use crate::books::{Missed, now_ms};
use crate::dice::Dice;
use crate::person::Order;
use crate::world::{Phase, World};

/// How often an agent looks what it has, as a console does that trusts no line.
const LOOK_INTERVAL: Duration = Duration::from_millis(1_500);

/// How often an agent shows that it is there.
const BEAT_INTERVAL: Duration = Duration::from_secs(3);

/// Orders that may wait for a client.
const ORDERS: usize = 256;

/// An agent's desk.
pub(crate) struct Desk {
    world: Rc<World>,
    /// The agent.
    pub(crate) agent: String,
    /// Its token.
    pub(crate) token: String,
    /// Whether it shows by REST that it is there; otherwise its sockets do.
    beats: bool,
    /// To whom it may pass conversations on: departments and agents, as bodies of a transfer.
    others: RefCell<Vec<Value>>,
    has: RefCell<BTreeMap<String, Instant>>,
    orders: mpsc::Sender<Order>,
    dice: RefCell<Dice>,
    looks: Cell<bool>,
}

impl Desk {
    /// A desk, and the orders it gives.
    pub(crate) fn new(
        world: &Rc<World>,
        agent: &str,
        token: &str,
        beats: bool,
        dice: Dice,
    ) -> (Rc<Self>, mpsc::Receiver<Order>) {
        let (orders, obeyed) = mpsc::channel(ORDERS);
        let desk = Self {
            world: Rc::clone(world),
            agent: agent.to_owned(),
            token: token.to_owned(),
            beats,
            others: RefCell::default(),
            has: RefCell::default(),
            orders,
            dice: RefCell::new(dice),
            looks: Cell::new(false),
        };
        (Rc::new(desk), obeyed)
    }

    /// Whom it may pass conversations on to.
    pub(crate) fn pass_on_to(&self, others: Vec<Value>) {
        *self.others.borrow_mut() = others;
    }

    /// Works until everybody leaves.
    pub(crate) async fn work(self: Rc<Self>) {
        let mut looked = Instant::now() - LOOK_INTERVAL;
        let mut beat = Instant::now() - BEAT_INTERVAL;
        let mut is_over = false;
        while self.world.phase() != Phase::Leave {
            if !is_over && self.world.phase() == Phase::Settle {
                is_over = true;
                self.has.borrow_mut().values_mut().for_each(|until| *until = Instant::now());
            }
            if self.beats && beat.elapsed() >= BEAT_INTERVAL {
                beat = Instant::now();
                let desk = Rc::clone(&self);
                spawn_local(
                    async move { desk.post("/api/agent-status/heartbeat", json!({})).await },
                );
            }
            if looked.elapsed() >= LOOK_INTERVAL || self.looks.take() {
                looked = Instant::now();
                self.look().await;
            }
            self.finish_some();
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// A client heard that a conversation has an agent.
    pub(crate) fn given(&self, conversation: &str, agent: &str) {
        if agent == self.agent {
            self.take(conversation);
        } else if self.has.borrow_mut().remove(conversation).is_some() {
            self.order(Order::Leave(conversation.to_owned()));
        }
    }

    /// A client heard of an offer.
    pub(crate) fn offered(self: &Rc<Self>, conversation: &str, agent: &str) {
        if agent != self.agent {
            return;
        }
        let accepts = self.world.phase() != Phase::Load || self.dice.borrow_mut().percent(85);
        let verb = if accepts { "assign" } else { "decline" };
        let path = format!("/api/sessions/{conversation}/{verb}");
        let desk = Rc::clone(self);
        spawn_local(async move {
            desk.post(&path, json!({})).await;
            desk.looks.set(true);
        });
    }

    /// The conversations it has.
    pub(crate) fn has(&self) -> Vec<String> {
        self.has.borrow().keys().cloned().collect()
    }

    async fn look(&self) {
        let path = "/api/sessions?status=assigned&limit=200";
        let asked_ms = now_ms();
        let Ok(answer) = self.world.ask(path, Some(&self.token), None).await else { return };
        let Some(sessions) = answer.body.pointer("/data/sessions").and_then(Value::as_array) else {
            return;
        };
        let own = sessions.iter().filter(|session| session["agent_id"] == self.agent.as_str());
        let own: BTreeSet<String> =
            own.filter_map(|session| session["session_id"].as_str().map(str::to_owned)).collect();
        own.iter().for_each(|conversation| self.take(conversation));
        let gone: Vec<String> =
            self.has().into_iter().filter(|conversation| !own.contains(conversation)).collect();
        for conversation in gone {
            self.world.books.borrow_mut().missed.push(Missed {
                agent: self.agent.clone(),
                conversation: conversation.clone(),
                asked_ms,
                told_ms: now_ms(),
            });
            self.has.borrow_mut().remove(&conversation);
            self.order(Order::Leave(conversation));
        }
    }

    fn take(&self, conversation: &str) {
        let stays = match self.world.phase() {
            Phase::Load => self.dice.borrow_mut().millis(4_000..=15_000),
            Phase::Settle | Phase::Leave => Duration::ZERO,
        };
        let mut has = self.has.borrow_mut();
        has.entry(conversation.to_owned()).or_insert_with(|| Instant::now() + stays);
        // Again, if it has it already: a client may have been away when it was told first.
        self.order(Order::Join(conversation.to_owned()));
    }

    fn order(&self, order: Order) {
        // A client that is away for so long is told again at the next look.
        let _ = self.orders.try_send(order);
    }

    /// Closes what has lasted, or passes it on.
    fn finish_some(self: &Rc<Self>) {
        let is_over = self.world.phase() >= Phase::Settle;
        let done: Vec<String> = (self.has.borrow().iter())
            .filter(|(_, until)| **until <= Instant::now())
            .map(|(conversation, _)| conversation.clone())
            .collect();
        for conversation in done {
            // Tried again if nothing comes of it.
            let again = Instant::now() + Duration::from_secs(3);
            self.has.borrow_mut().insert(conversation.clone(), again);
            let others = self.others.borrow();
            let mut dice = self.dice.borrow_mut();
            let (verb, body) = match dice.percent(20) && !is_over && !others.is_empty() {
                true => ("transfer", dice.one_of(&others).clone()),
                false => ("close", json!({})),
            };
            let desk = Rc::clone(self);
            spawn_local(async move {
                let path = format!("/api/sessions/{conversation}/{verb}");
                if desk.post(&path, body).await {
                    desk.has.borrow_mut().remove(&conversation);
                    desk.order(Order::Leave(conversation));
                }
            });
        }
    }

    async fn post(&self, path: &str, body: Value) -> bool {
        let answer = self.world.ask(path, Some(&self.token), Some(&body)).await;
        answer.is_ok_and(|answer| answer.is_ok())
    }
}
