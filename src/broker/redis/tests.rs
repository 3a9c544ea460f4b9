//! Words over real servers.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::*;
use crate::broker::AgentNews;
use crate::model::{
    AgentStatus, Audience, ConnectionInfo, ConversationId, Cursor, Envelope, Event, Member, Moment,
    Origin, Role, Target, UserId,
};
use crate::redis::Settings;
use crate::redis::testing::{Private, open as line, settings};

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn event(of: &TenantId, position: u64, event: Event) -> Arc<Envelope> {
    let member = Member { user_id: user("u"), user_type: Role::Agent, joined_at: Moment(1_234) };
    let audience =
        Audience { departments: vec![Uuid::nil()], agent: Some(user("a")), is_for_all: true };
    Arc::new(Envelope {
        tenant: of.clone(),
        cursor: Some(Cursor { log: 7, position }),
        at: Moment(1_737_714_600_123),
        event,
        present: Some([member].into()),
        origin: Some(Arc::new(Origin {
            id: Some("x".into()),
            target: Some(Target::User(user("t"))),
        })),
        audience: Some(Arc::new(audience)),
    })
}

fn words() -> Vec<Word> {
    let (of, question) = (tenant("acme"), Uuid::new_v4());
    let events = Event::samples().into_iter().zip(1..).map(|(e, at)| event(&of, at, e));
    let news = [
        AgentNews::Came,
        AgentNews::Went,
        AgentNews::Beat(Moment(5), Some(AgentStatus::Busy)),
        AgentNews::Declared(AgentStatus::Away),
    ];
    let told = |news| Word::Agent { tenant: tenant("acme"), agent: user("a"), news };
    let connection = ConnectionInfo {
        connection_id: "c7".into(),
        dialect: "hub",
        tenant: of.clone(),
        user_id: user("u"),
        role: Role::Customer,
        session_id: Some(ConversationId::random()),
        connected_at: Moment(9),
        queued: 3,
    };
    let mut words = vec![
        Word::Committed { events: events.collect(), staff: vec![of.clone(), tenant("globex")] },
        Word::Volatile(Arc::new(Envelope::volatile(of.clone(), Event::samples().remove(0)))),
        Word::Kick(of.clone(), "c7".into()),
        Word::PutOut(of.clone(), user("u")),
        Word::WhoIsConnected { tenant: of, question },
        Word::Connected { question, connections: vec![connection] },
    ];
    words.extend(news.map(told));
    words
}

#[test]
fn every_word_is_read_as_it_was_told() {
    for word in words() {
        let text = format!("[{}]", codec::write(&word).unwrap());
        let (read, unreadable) = codec::read(text.as_bytes());
        assert_eq!(unreadable, 0, "{text}");
        assert_eq!(format!("{read:?}"), format!("{:?}", [word]));
    }
}

#[test]
fn what_cannot_be_read_is_counted_and_the_rest_is_read() {
    let good = codec::write(&Word::Kick(tenant("acme"), "c1".into())).unwrap();
    let events = Event::samples().drain(..2).map(|e| event(&tenant("acme"), 1, e)).collect();
    let committed = codec::write(&Word::Committed { events, staff: vec![] }).unwrap();
    let unknown = committed.replacen("\"name\":\"", "\"name\":\"novel.", 1);
    let text = format!("[{{\"novel\":1}},{good},{unknown}]");
    let (read, unreadable) = codec::read(text.as_bytes());
    assert_eq!((read.len(), unreadable), (2, 2));
    let Word::Committed { events, .. } = &read[1] else { panic!() };
    assert_eq!(events.len(), 1, "the event that is known");
    for bad in ["", "{", "[1", "null"] {
        assert_eq!(codec::read(bad.as_bytes()).1, 1, "{bad:?}");
    }
    assert!(codec::open(b"short").is_none());
    assert!(codec::open(b"not hexadecimal.[]").is_none());
}

struct Spoken {
    broker: Arc<dyn Broker>,
    heard: Heard,
    figures: Arc<Figures>,
}

impl Spoken {
    async fn on(server: &Settings) -> Spoken {
        let Line { broker, heard, figures, work } = open(line(server).await, NodeId::random());
        tokio::spawn(work.run());
        let spoken = Spoken { broker, heard, figures };
        spoken.listens(true).await;
        spoken
    }

    async fn listens(&self, expected: bool) {
        let listening = async {
            while self.figures.is_listening.load(Ordering::Relaxed) != expected {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(5), listening).await.expect("it listens, or does not");
    }

    /// The next kicks of a tenant; others' words are not ours.
    async fn kicks(&mut self, of: &TenantId, count: usize) -> Vec<String> {
        let hearing = async {
            let mut kicks = vec![];
            while kicks.len() < count {
                match self.heard.recv().await.unwrap() {
                    Word::Kick(tenant, id) if tenant == *of => kicks.push(id),
                    _ => {}
                }
            }
            kicks
        };
        timeout(Duration::from_secs(10), hearing).await.expect("they are heard")
    }
}

const SERVERS: [&str; 2] = ["redis", "redis_cluster"];

#[tokio::test]
async fn what_one_tells_all_others_hear_in_its_order_and_itself_does_not() {
    for server in SERVERS.into_iter().filter_map(settings) {
        let mut nodes =
            [Spoken::on(&server).await, Spoken::on(&server).await, Spoken::on(&server).await];
        let tenants: Vec<_> = (0..4).map(|_| tenant(&Uuid::new_v4().to_string())).collect();
        for number in 0..500 {
            for of in &tenants {
                nodes[0].broker.tell(Word::Kick(of.clone(), number.to_string()));
            }
        }
        let expected: Vec<_> = (0..500).map(|number| number.to_string()).collect();
        for node in &mut nodes[1..] {
            let mut heard: Vec<Vec<String>> = vec![vec![]; tenants.len()];
            while heard.iter().any(|ids| ids.len() < 500) {
                let word = timeout(Duration::from_secs(5), node.heard.recv()).await.unwrap();
                if let Some(Word::Kick(of, id)) = word
                    && let Some(at) = tenants.iter().position(|tenant| *tenant == of)
                {
                    heard[at].push(id);
                }
            }
            assert!(heard.iter().all(|ids| *ids == expected));
        }
        // Whatever it hears now, an echo would have come before.
        nodes[1].broker.tell(Word::Kick(tenants[0].clone(), "over".into()));
        assert_eq!(nodes[0].kicks(&tenants[0], 1).await, ["over"]);
    }
}

#[tokio::test]
async fn a_large_batch_arrives_whole_and_in_order_in_messages_of_a_bearable_size() {
    for server in SERVERS.into_iter().filter_map(settings) {
        let (one, mut other) = (Spoken::on(&server).await, Spoken::on(&server).await);
        let of = tenant(&Uuid::new_v4().to_string());
        let long = |position| {
            let mut said = Event::samples().remove(1);
            let Event::Message(message) = &mut said else { panic!() };
            message.body = "x".repeat(8_000);
            event(&of, position, said)
        };
        let events: Vec<_> = (1..=500).map(long).collect();
        one.broker.tell(Word::Committed { events, staff: vec![of.clone()] });
        let (mut positions, mut is_staff_told) = (vec![], false);
        while !is_staff_told {
            let word = timeout(Duration::from_secs(10), other.heard.recv()).await.unwrap();
            let Some(Word::Committed { events, staff }) = word else { continue };
            positions.extend(events.iter().filter(|e| e.tenant == of).map(|e| e.position()));
            is_staff_told = staff.contains(&of);
        }
        assert_eq!(positions, (1..=500).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn after_redis_was_gone_others_are_heard_again_by_themselves() {
    let Some(mut server) = Private::start(&[]).await else { return };
    let (one, mut other) =
        (Spoken::on(&server.settings()).await, Spoken::on(&server.settings()).await);
    let of = tenant("acme");
    one.broker.tell(Word::Kick(of.clone(), "before".into()));
    assert_eq!(other.kicks(&of, 1).await, ["before"]);
    server.kill();
    other.listens(false).await;
    one.broker.tell(Word::Kick(of.clone(), "meanwhile".into()));
    let lost = async {
        while one.figures.lost.load(Ordering::Relaxed) == 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(5), lost).await.expect("nobody waits for it");
    server.start_again().await;
    other.listens(true).await;
    let again = async {
        loop {
            one.broker.tell(Word::Kick(of.clone(), "after".into()));
            if timeout(Duration::from_millis(100), other.kicks(&of, 1)).await.is_ok() {
                return;
            }
        }
    };
    timeout(Duration::from_secs(5), again).await.expect("it is heard again");
    assert_eq!(other.figures.cuts.load(Ordering::Relaxed), 1);
}

#[test]
fn a_queue_that_fills_up_loses_the_volatile_first_and_never_waits() {
    let (words, waiting) = mpsc::channel(WORDS_QUEUE);
    let queue = Queue { words, figures: Arc::default() };
    let typing = Arc::new(Envelope::volatile(tenant("acme"), Event::samples().remove(0)));
    for _ in 0..WORDS_QUEUE {
        queue.tell(Word::Volatile(typing.clone()));
    }
    let (held, lost) = (waiting.len(), queue.figures.lost.load(Ordering::Relaxed));
    assert!(held < WORDS_QUEUE && held as u64 + lost == WORDS_QUEUE as u64, "{held} {lost}");
    queue.tell(Word::Kick(tenant("acme"), "c1".into()));
    assert_eq!(waiting.len(), held + 1, "there is room for what counts");
    for _ in 0..WORDS_QUEUE {
        queue.tell(Word::Kick(tenant("acme"), "c1".into()));
    }
    assert_eq!(waiting.len(), WORDS_QUEUE);
}
