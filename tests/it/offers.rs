//! Offers, where a department asks its agents first: every way in which one ends, what is told of
//! it, and that the place it took is free again (contract 11).

use std::time::Duration;

use serde_json::{Value, json};
use switchboard::model::{Event, OfferOutcome};

use crate::clock::{self, settle};
use crate::office::{Agent, Chat, Office};

const SECOND: Duration = Duration::from_secs(1);
/// Long enough for whatever is on its way in this process.
const MOMENT: Duration = Duration::from_millis(60);

/// The clock stands still. Dewi, then Agus, each with one place, and a conversation that is offered to Dewi.
struct Scene {
    office: Office,
    sales: String,
    dewi: Agent,
    agus: Agent,
    chat: Chat,
}

impl Scene {
    async fn set() -> Scene {
        let office = Office::open(&[]).await;
        let policy =
            json!({"offer": "accept", "offer_timeout_seconds": 20, "offer_retry_seconds": 60});
        let sales = office.department("Sales", policy).await;
        let dewi = office.agent("Dewi", &[&sales], json!({"max_chats": 1})).await;
        let agus = office.agent("Agus", &[&sales], json!({"max_chats": 1})).await;
        office.beat(&dewi, json!({})).await;
        let chat = office.customer_of(&sales).await;
        let scene = Scene { office, sales, dewi, agus, chat };
        scene.is_offered(&scene.chat, &scene.dewi).await;
        scene
    }

    /// Whom a conversation is offered to, by what is kept of it.
    async fn offered(&self, chat: &Chat) -> Option<String> {
        settle().await;
        self.office.kept(chat).await.routing.offer.map(|offer| offer.agent_id.to_string())
    }

    async fn is_offered(&self, chat: &Chat, agent: &Agent) {
        assert_eq!(self.offered(chat).await.as_ref(), Some(&agent.id));
        self.office.waits(chat).await;
    }

    /// How the offers of a conversation ended so far: to whom, and how.
    async fn outcomes(&self, chat: &Chat) -> Vec<(String, OfferOutcome)> {
        let ended = self.office.log().await.into_iter().filter_map(|event| match event {
            Event::OfferEnded(ended) if ended.session_id.to_string() == chat.id => {
                Some((ended.agent_id.to_string(), ended.outcome))
            }
            _ => None,
        });
        ended.collect()
    }

    /// The place is free again: the next customer is offered to this agent at once.
    async fn has_room_again(&self, agent: &Agent) {
        let next = self.office.customer_of(&self.sales).await;
        self.is_offered(&next, agent).await;
    }
}

#[tokio::test]
async fn an_offer_is_accepted_by_a_claim_and_takes_one_place_all_the_time() {
    let _stopped = clock::stop();
    let scene = Scene::set().await;
    let Scene { office, dewi, chat, sales, .. } = &scene;
    let record = office.record(dewi).await;
    assert_eq!((&record["status"], &record["current_chats"]), (&json!("online"), &json!(0)));
    // She has one place, and that is asked for.
    let next = office.customer_of(sales).await;
    assert_eq!(scene.offered(&next).await, None);
    office.does(dewi, chat, "assign", Value::Null).await;
    office.is_with(chat, dewi).await;
    assert_eq!(scene.outcomes(chat).await, [(dewi.id.clone(), OfferOutcome::Accepted)]);
    assert_eq!(scene.offered(&next).await, None);
    // Nothing of it is left when its time would be over.
    clock::advance(30 * SECOND).await;
    office.is_with(chat, dewi).await;
    assert_eq!(scene.outcomes(chat).await.len(), 1);
    office.does(dewi, chat, "close", Value::Null).await;
    scene.is_offered(&next, dewi).await;
}

#[tokio::test]
async fn a_declined_offer_goes_to_the_next_one_and_leaves_the_first_a_place() {
    let _stopped = clock::stop();
    let scene = Scene::set().await;
    let Scene { office, dewi, agus, chat, .. } = &scene;
    office.does(dewi, chat, "decline", Value::Null).await;
    assert_eq!(scene.offered(chat).await, None, "she is not asked again at once");
    office.beat(agus, json!({})).await;
    scene.is_offered(chat, agus).await;
    assert_eq!(scene.outcomes(chat).await, [(dewi.id.clone(), OfferOutcome::Declined)]);
    let again = office.act(dewi, chat, "decline", Value::Null).await;
    assert_eq!(again.status, 409, "{again:?}");
    scene.has_room_again(dewi).await;
}

#[tokio::test]
async fn an_offer_that_is_let_pass_ends_with_its_time_and_not_before() {
    let _stopped = clock::stop();
    let scene = Scene::set().await;
    let Scene { office, dewi, agus, chat, .. } = &scene;
    office.beat(agus, json!({})).await;
    clock::advance(19 * SECOND).await;
    scene.is_offered(chat, dewi).await;
    clock::advance(2 * SECOND).await;
    scene.is_offered(chat, agus).await;
    assert_eq!(scene.outcomes(chat).await, [(dewi.id.clone(), OfferOutcome::Expired)]);
    clock::advance(21 * SECOND).await;
    assert_eq!(scene.offered(chat).await, None, "both let it pass");
    // A minute after Dewi let it pass, she may be asked again.
    clock::advance(37 * SECOND).await;
    assert_eq!(scene.offered(chat).await, None);
    clock::advance(3 * SECOND).await;
    scene.is_offered(chat, dewi).await;
    let attempts = office.log().await.into_iter().filter_map(|event| match event {
        Event::Offered(offered) => Some(offered.attempt),
        _ => None,
    });
    assert_eq!(attempts.collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test]
async fn a_claim_by_somebody_else_withdraws_the_offer() {
    let _stopped = clock::stop();
    let scene = Scene::set().await;
    let Scene { office, dewi, agus, chat, .. } = &scene;
    let mut tab = office.socket(dewi).await;
    tab.events_for(MOMENT).await;
    office.does(agus, chat, "assign", Value::Null).await;
    office.is_with(chat, agus).await;
    assert_eq!(scene.outcomes(chat).await, [(dewi.id.clone(), OfferOutcome::Withdrawn)]);
    assert_eq!(tab.event_of("conversation_offer_ended").await["outcome"], "withdrawn");
    // She is told who was quicker, too.
    let late = office.act(dewi, chat, "assign", Value::Null).await;
    assert_eq!((late.status, &late.body["data"]["agent_id"]), (409, &json!(agus.id)), "{late:?}");
    scene.has_room_again(dewi).await;
}

#[tokio::test]
async fn an_agent_that_cannot_answer_any_more_is_not_waited_for() {
    let _stopped = clock::stop();
    for how in ["goes offline", "goes away", "is disabled"] {
        let scene = Scene::set().await;
        let Scene { office, dewi, agus, chat, .. } = &scene;
        let _tab = office.socket(dewi).await;
        office.beat(agus, json!({})).await;
        match how {
            "goes offline" => office.go_offline(dewi).await,
            "goes away" => office.beat(dewi, json!({"status": "away"})).await,
            _ => {
                let path = format!("/api/agents/{}", dewi.id);
                office.admin("PATCH", &path, json!({"is_disabled": true})).await;
            }
        }
        let ended = (dewi.id.clone(), OfferOutcome::Withdrawn);
        scene.is_offered(chat, agus).await;
        assert_eq!(scene.outcomes(chat).await, [ended], "{how}");
    }
}

#[tokio::test]
async fn a_disconnect_during_an_offer_gives_it_to_the_next_at_once() {
    let _stopped = clock::stop();
    let office = Office::open(&[]).await;
    let sales = office.department("Sales", json!({"offer": "accept"})).await;
    let dewi = office.agent("Dewi", &[&sales], json!({})).await;
    let agus = office.agent("Agus", &[&sales], json!({})).await;
    let tab = office.socket(&dewi).await;
    let chat = office.customer_of(&sales).await;
    office.beat(&agus, json!({})).await;
    let offers = async || {
        office.log().await.into_iter().filter_map(|event| match event {
            Event::Offered(offered) => Some(offered.agent_id.to_string()),
            Event::OfferEnded(ended) => Some(format!("{:?}", ended.outcome)),
            _ => None,
        })
    };
    assert_eq!(offers().await.collect::<Vec<_>>(), std::slice::from_ref(&dewi.id));
    tab.client.cut().await;
    office.connections_are(0).await;
    let expected = [dewi.id.clone(), "Withdrawn".to_owned(), agus.id.clone()];
    assert_eq!(offers().await.collect::<Vec<_>>(), expected);
    // She is back at once, but it is Agus who is asked now.
    let _tab = office.socket(&dewi).await;
    assert_eq!(offers().await.collect::<Vec<_>>(), expected);
    office.does(&agus, &chat, "assign", Value::Null).await;
    office.is_with(&chat, &agus).await;
}

#[tokio::test]
async fn a_conversation_that_ends_while_it_is_offered_is_offered_to_nobody() {
    let _stopped = clock::stop();
    let scene = Scene::set().await;
    let Scene { office, dewi, chat, .. } = &scene;
    let path = format!("/api/sessions/{}/close", chat.id);
    let closed = office.ask(&chat.token, "POST", &path, &Value::Null).await;
    assert_eq!(closed.status, 200, "{closed:?}");
    assert_eq!(scene.offered(chat).await, None);
    assert_eq!(scene.outcomes(chat).await, [(dewi.id.clone(), OfferOutcome::Withdrawn)]);
    let late = office.act(dewi, chat, "assign", Value::Null).await;
    assert!(late.status >= 400, "{late:?}");
    scene.has_room_again(dewi).await;
}
