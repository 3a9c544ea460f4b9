//! Requests that wait for nobody: over a kept connection each is written in the moment it is due,
//! whether or not the one before is answered. Answers come in the order of the requests.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context as _, Result, ensure};
use tokio::io::AsyncReadExt as _;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinSet;

use crate::clock;
use crate::crowd;
use crate::http::{self, Answers};
use crate::report::Figure;
use crate::stats::Latencies;

/// Kept connections, each with a task that reads its answers. Dropping it cuts them all.
#[derive(Debug)]
pub(crate) struct Pipelines {
    lines: Vec<Line>,
    books: Rc<Books>,
    _tasks: JoinSet<()>,
}

/// The sending half of a connection.
#[derive(Debug)]
struct Line {
    output: OwnedWriteHalf,
    /// When the requests that are not answered yet were due.
    dues: Rc<RefCell<VecDeque<u64>>>,
}

/// What came of the requests of all connections.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// From the moment a request was due to its answer; of those that succeeded.
    pub(crate) latencies: RefCell<Latencies>,
    /// How late the generator itself sent.
    pub(crate) lateness: RefCell<Latencies>,
    /// Requests that were due.
    sent: Cell<u64>,
    /// When the last answer came.
    pub(crate) last_answer_ns: Cell<u64>,
    /// Answers that are no success, by their text, and connections that ended.
    refusals: RefCell<Vec<String>>,
    refused: Cell<u64>,
}

impl Pipelines {
    /// Opens so many connections.
    pub(crate) async fn open(address: SocketAddr, count: usize) -> Result<Self> {
        crowd::check_fit(count)?;
        let books = Rc::new(Books::default());
        let (mut lines, mut tasks) = (Vec::with_capacity(count), JoinSet::new());
        for _ in 0..count {
            let (input, output) = http::connect(address).await?.into_split();
            let dues = Rc::new(RefCell::default());
            tasks.spawn_local(listen(input, Rc::clone(&dues), Rc::clone(&books)));
            lines.push(Line { output, dues });
        }
        Ok(Self { lines, books, _tasks: tasks })
    }

    /// What came of the requests.
    pub(crate) fn books(&self) -> &Books {
        &self.books
    }

    /// Sends a request that was due at `due_ns` over one of the connections. An error when the
    /// kernel does not take it whole: the server has stopped reading long ago then.
    pub(crate) fn send(&self, line: usize, request: &[u8], due_ns: u64) -> Result<()> {
        let Line { output, dues } = self.lines.get(line).context("no such connection")?;
        self.books.sent.set(self.books.sent.get() + 1);
        dues.borrow_mut().push_back(due_ns);
        let written = match output.try_write(request) {
            // A line that was cut is told of by its reader.
            Err(fault) if fault.kind() != io::ErrorKind::WouldBlock => request.len(),
            written => written.unwrap_or(0),
        };
        ensure!(written == request.len(), "the server reads no requests any more");
        self.books.lateness.borrow_mut().since(due_ns);
        Ok(())
    }

    /// One row for the requests that were refused or not answered, with the first reason.
    pub(crate) fn loss_figure(&self, what: &str) -> Figure {
        let Books { sent, refused, refusals, .. } = &*self.books;
        let silent = sent.get() - self.books.answered();
        let name = format!("{what} refused or not answered");
        let figure = Figure::new(name, (refused.get() + silent) as f64, "").at_most(0.0);
        match refusals.borrow().first() {
            Some(first) => figure.note(format!("first: {first}")),
            None => figure.note(format!("{} sent", sent.get())),
        }
    }

    /// Whether every request is answered.
    pub(crate) fn is_answered(&self) -> bool {
        self.books.answered() >= self.books.sent.get()
    }
}

impl Books {
    /// How many requests were answered with success.
    pub(crate) fn succeeded(&self) -> u64 {
        self.latencies.borrow().count() as u64
    }

    fn answered(&self) -> u64 {
        self.succeeded() + self.refused.get()
    }

    fn take(&self, answer: &http::Answer, due_ns: u64) {
        self.last_answer_ns.set(clock::now_ns());
        if (200..300).contains(&answer.status) {
            return self.latencies.borrow_mut().since(due_ns);
        }
        self.refused.set(self.refused.get() + 1);
        self.note(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)));
    }

    fn note(&self, refusal: String) {
        self.refusals.borrow_mut().push(refusal);
    }
}

/// Reads a connection's answers until it ends.
async fn listen(mut input: OwnedReadHalf, dues: Rc<RefCell<VecDeque<u64>>>, books: Rc<Books>) {
    if let Err(fault) = hear(&mut input, &dues, &books).await {
        books.note(format!("a connection ended: {fault:#}"));
    }
}

async fn hear(
    input: &mut OwnedReadHalf,
    dues: &RefCell<VecDeque<u64>>,
    books: &Books,
) -> Result<()> {
    let mut answers = Answers::default();
    loop {
        let read = input.read_buf(answers.room()).await.context("read an answer")?;
        ensure!(read > 0, "cut by the server");
        while let Some(answer) = answers.take()? {
            let due_ns = dues.borrow_mut().pop_front().context("an answer to nothing")?;
            books.take(&answer, due_ns);
        }
    }
}
