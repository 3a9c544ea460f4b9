//! A client that talks, in whatever dialect: it comes in at whichever node is next, says one thing
//! after the other, each until it is acknowledged, and comes back whenever its line breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use crate::books::{Fate, Trouble};
use crate::desk::Desk;
use crate::dialect::{Dialect, Told};
use crate::dice::Dice;
use crate::line::{Line, NoLine};
use crate::world::{Phase, World};

/// How long a client waits for an acknowledgement before it takes its line for dead.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it waits before it sends again what was put off.
const AGAIN_AFTER: Duration = Duration::from_millis(400);

/// What its agent's desk tells a client.
#[derive(Debug)]
pub(crate) enum Order {
    /// Take part in a conversation.
    Join(String),
    /// Take part no more.
    Leave(String),
}

/// How a life as a client ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It had enough, or was told to go.
    Gone,
    /// It may not be there any more.
    Refused(u16, String),
}

/// Somebody who talks.
pub(crate) struct Person<D> {
    /// Of whom it decides by chance.
    pub(crate) dice: Dice,
    /// How it speaks.
    pub(crate) dialect: D,
    /// What it wants.
    pub(crate) will: Will,
    world: Rc<World>,
    number: u64,
    /// No other client of the run has it: it is in the ids of its messages.
    serial: u64,
    user: String,
    /// The conversations it hears, with its ear in the books and its key while it is there.
    rooms: BTreeMap<String, Room>,
    /// Those it was told to join.
    wanted: BTreeSet<String>,
    /// Those it wants to leave, until the node has heard so.
    unwanted: BTreeSet<String>,
    /// What is not acknowledged yet.
    pending: Option<Pending>,
    said: u64,
    next_word: Instant,
}

/// What a client wants.
#[derive(Default)]
pub(crate) struct Will {
    /// Whether it goes once a conversation was closed, as half of the customers do.
    pub(crate) goes_when_closed: bool,
    /// Where an agent gets its orders from.
    pub(crate) orders: Option<mpsc::Receiver<Order>>,
    /// Whom it tells what it hears of assignments and offers.
    pub(crate) desk: Option<Rc<Desk>>,
}

#[derive(Debug, Clone, Copy)]
struct Room {
    ear: usize,
    key: Option<u64>,
}

#[derive(Debug)]
struct Pending {
    conversation: String,
    client_id: String,
    /// When it was sent over this line; not yet, or to be sent again then.
    sent: Result<Instant, Instant>,
}

/// What happens next.
enum Step {
    Heard(Result<String>),
    Speak,
    Impatient,
    Ordered(Option<Order>),
    Phase,
}

/// Why a line is left.
enum Why {
    Lost,
    Over,
}

impl<D: Dialect> Person<D> {
    /// Somebody with a number of its own.
    pub(crate) fn new(world: &Rc<World>, number: u64, user: &str, dialect: D, dice: Dice) -> Self {
        Self {
            dice,
            dialect,
            will: Will::default(),
            world: Rc::clone(world),
            number,
            serial: world.next_serial(),
            user: user.to_owned(),
            rooms: BTreeMap::new(),
            wanted: BTreeSet::new(),
            unwanted: BTreeSet::new(),
            pending: None,
            said: 0,
            next_word: Instant::now(),
        }
    }

    /// Comes, talks, and comes back, until it goes for good.
    pub(crate) async fn live(&mut self) -> End {
        let end = loop {
            if self.world.phase() == Phase::Leave {
                break End::Gone;
            }
            let node = self.world.next_node();
            let path = self.dialect.path();
            let opened = Line::open(self.world.nodes[node], &path, self.dialect.token()).await;
            match opened {
                Ok(mut line) => {
                    self.dialect.begin();
                    let why = self.stay(&mut line, node).await;
                    self.step_out();
                    match why {
                        Why::Over => {
                            line.close().await;
                            break End::Gone;
                        }
                        Why::Lost => drop(line),
                    }
                }
                Err(NoLine::Refused(status @ (401 | 403 | 404), body)) => {
                    break End::Refused(status, body);
                }
                Err(_) => {}
            }
            while self.world.stays_away(self.number, node) {
                sleep(Duration::from_millis(100)).await;
            }
            sleep(self.dice.millis(100..=600)).await;
        };
        for room in self.rooms.values() {
            self.world.books.borrow_mut().ears[room.ear].has_left = true;
        }
        end
    }

    /// Talks over one line.
    async fn stay(&mut self, line: &mut Line, node: usize) -> Why {
        let mut phases = self.world.phases();
        if let Some(pending) = &mut self.pending {
            pending.sent = Err(Instant::now());
        }
        let mut is_ready = false;
        loop {
            let impatient_at = match &self.pending {
                Some(Pending { sent: Ok(sent), .. }) => Some(*sent + PATIENCE),
                _ => None,
            };
            let step = tokio::select! {
                heard = line.next() => Step::Heard(heard),
                () = sleep_until(self.speaks_at()), if is_ready => Step::Speak,
                () = sleep_until(impatient_at.unwrap_or_else(Instant::now)), if impatient_at.is_some() => Step::Impatient,
                order = order(&mut self.will.orders), if is_ready => Step::Ordered(order),
                _ = phases.changed() => Step::Phase,
            };
            let done = match step {
                Step::Heard(Ok(text)) => self.hear(&text, line, node, &mut is_ready).await,
                Step::Heard(Err(_)) | Step::Impatient => return Why::Lost,
                Step::Speak => self.speak(line).await,
                Step::Ordered(Some(order)) => self.obey(order, line).await,
                Step::Ordered(None) => return Why::Over,
                Step::Phase => Ok(self.world.phase() == Phase::Leave),
            };
            match done {
                Ok(true) => return Why::Over,
                Ok(false) => {}
                Err(_) => return Why::Lost,
            }
        }
    }

    /// Takes a frame in; whether the client has had enough.
    async fn hear(
        &mut self,
        text: &str,
        line: &mut Line,
        node: usize,
        is_ready: &mut bool,
    ) -> Result<bool> {
        for told in self.dialect.take(text) {
            match told {
                Told::Reply(text) => line.send(text).await?,
                Told::Ready => {
                    *is_ready = true;
                    self.join_wanted(line).await?;
                }
                Told::In { conversation, is_from_the_beginning } => {
                    self.step_in(&conversation, is_from_the_beginning, node);
                }
                Told::Out(conversation) => {
                    self.give_up(&conversation);
                    if self.will.goes_when_closed {
                        self.world.trouble(&self.user, "put out of its own conversation");
                    }
                }
                Told::Left(conversation) => drop(self.unwanted.remove(&conversation)),
                Told::Back => self.step_back_in(node),
                Told::Forgotten(why) => self.begin_anew(&why),
                Told::Message(conversation, heard) => {
                    if let Some(room) = self.rooms.get(&conversation) {
                        self.world.books.borrow_mut().ears[room.ear].hear(heard);
                    }
                }
                Told::Answer(client_id, fate) => self.take_answer(&client_id, fate),
                Told::Certain => {
                    let mut books = self.world.books.borrow_mut();
                    self.rooms.values().for_each(|room| books.ears[room.ear].be_certain());
                }
                Told::Closed(_) if self.will.goes_when_closed => {
                    if self.world.phase() == Phase::Load && self.dice.percent(50) {
                        return Ok(true);
                    }
                }
                Told::Given { conversation, agent } => {
                    self.note(|desk| desk.given(&conversation, &agent))
                }
                Told::Offered { conversation, agent } => {
                    self.note(|desk| desk.offered(&conversation, &agent))
                }
                Told::Trouble(what) => self.world.trouble(&self.user, what),
                Told::End(why) => bail!("{why}"),
                Told::Closed(_) => {}
            }
        }
        Ok(false)
    }

    async fn join_wanted(&mut self, line: &mut Line) -> Result<()> {
        for conversation in &self.wanted {
            let is_in = self.rooms.get(conversation).is_some_and(|room| room.key.is_some());
            if !is_in && let Some(join) = self.dialect.join(conversation) {
                line.send(join).await?;
            }
        }
        // Where it was taken up it is in those, too, if the node had not heard.
        for conversation in &self.unwanted {
            if let Some(leave) = self.dialect.leave(conversation) {
                line.send(leave).await?;
            }
        }
        Ok(())
    }

    fn note(&self, tell: impl FnOnce(&Rc<Desk>)) {
        if let Some(desk) = &self.will.desk {
            tell(desk);
        }
    }

    // === where it is ===

    fn step_in(&mut self, conversation: &str, is_from_the_beginning: bool, node: usize) {
        if let Some(user) = self.dialect.user() {
            user.clone_into(&mut self.user);
        }
        let mut books = self.world.books.borrow_mut();
        // Somebody whose room was made by an order has no ear yet.
        let user = &self.user;
        let key = books.enter(conversation, user, self.number, node);
        let room = self.rooms.entry(conversation.to_owned()).or_insert_with(|| Room {
            ear: books.listen(user, D::NAME, conversation, is_from_the_beginning),
            key: None,
        });
        if let Some(before) = room.key.replace(key) {
            books.leave(before);
        }
    }

    fn step_back_in(&mut self, node: usize) {
        let mut books = self.world.books.borrow_mut();
        books.taken_up += 1;
        for (conversation, room) in &mut self.rooms {
            room.key = Some(books.enter(conversation, &self.user, self.number, node));
        }
    }

    /// It was not taken up where it was: its ears end here, and it joins its rooms anew.
    fn begin_anew(&mut self, why: &str) {
        let mut books = self.world.books.borrow_mut();
        let (at, user, what) = (self.world.started.elapsed(), self.user.clone(), why.to_owned());
        books.forgotten.push(Trouble { at, user, what });
        for (conversation, room) in &mut self.rooms {
            books.ears[room.ear].has_left = true;
            room.ear = books.listen(&self.user, D::NAME, conversation, false);
        }
    }

    /// Its line is gone.
    fn step_out(&mut self) {
        let mut books = self.world.books.borrow_mut();
        for room in self.rooms.values_mut() {
            if let Some(key) = room.key.take() {
                books.leave(key);
            }
        }
    }

    fn give_up(&mut self, conversation: &str) {
        self.wanted.remove(conversation);
        if let Some(room) = self.rooms.remove(conversation) {
            let mut books = self.world.books.borrow_mut();
            books.ears[room.ear].has_left = true;
            if let Some(key) = room.key {
                books.leave(key);
            }
        }
        self.pending.take_if(|pending| pending.conversation == conversation);
    }

    async fn obey(&mut self, order: Order, line: &mut Line) -> Result<bool> {
        match order {
            Order::Join(conversation) => {
                self.unwanted.remove(&conversation);
                if self.wanted.insert(conversation.clone())
                    && let Some(join) = self.dialect.join(&conversation)
                {
                    line.send(join).await?;
                }
            }
            Order::Leave(conversation) => {
                self.give_up(&conversation);
                match self.dialect.leave(&conversation) {
                    Some(leave) => {
                        self.unwanted.insert(conversation);
                        line.send(leave).await?;
                    }
                    // Who has one seat leaves by standing up.
                    None => return Ok(true),
                }
            }
        }
        Ok(false)
    }

    // === what it says ===

    /// When it says the next thing, or says one again.
    fn speaks_at(&self) -> Instant {
        match &self.pending {
            Some(Pending { sent: Err(again), .. }) => *again,
            // Nothing new before the answer.
            Some(Pending { sent: Ok(_), .. }) => Instant::now() + PATIENCE,
            None => self.next_word,
        }
    }

    async fn speak(&mut self, line: &mut Line) -> Result<bool> {
        if self.pending.is_none() {
            self.next_word = Instant::now() + self.dice.millis(400..=1_600);
            let rooms: Vec<&String> = self.rooms.keys().collect();
            if self.world.phase() != Phase::Load || rooms.is_empty() {
                return Ok(false);
            }
            let conversation = (*self.dice.one_of(&rooms)).clone();
            self.said += 1;
            let client_id = format!("{}/{}/{}", self.user, self.serial, self.said);
            self.pending = Some(Pending { conversation, client_id, sent: Err(Instant::now()) });
        }
        if let Some(Pending { conversation, client_id, sent }) = &mut self.pending {
            self.world.books.borrow_mut().send(client_id, &self.user, conversation);
            *sent = Ok(Instant::now());
            line.send(self.dialect.say(conversation, client_id)).await?;
        }
        Ok(false)
    }

    fn take_answer(&mut self, client_id: &str, fate: Fate) {
        let is_unknown = fate == Fate::Unknown;
        if !is_unknown {
            self.world.books.borrow_mut().answer(client_id, fate);
        }
        if let Some(pending) = &mut self.pending
            && pending.client_id == client_id
        {
            if is_unknown {
                pending.sent = Err(Instant::now() + AGAIN_AFTER);
            } else {
                self.pending = None;
            }
        }
    }
}

async fn order(orders: &mut Option<mpsc::Receiver<Order>>) -> Option<Order> {
    match orders {
        Some(orders) => orders.recv().await,
        None => std::future::pending().await,
    }
}
