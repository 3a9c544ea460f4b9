//! From the engines' decisions to the log, in the order they were made, and the engines' moments.
//!
//! A decision the log refuses came too late: the engine thinks again. One the log cannot keep is
//! tried again until it can.

use std::sync::Arc;
use std::sync::atomic::Ordering::Acquire;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::{sleep, sleep_until};
use uuid::Uuid;

use super::super::App;
use super::super::conversations::handoff;
use super::{Job, notices};
use crate::bot::Language;
use crate::limits::OWED_RETRY_INTERVAL;
use crate::log::{self, Change, Record};
use crate::model::{
    AgentLogin, AgentLogout, AgentRecord, AgentStateChanged, AgentStatus, Assigned, Candidate,
    Conversation, ConversationId, Decided, DecisionOutcome, DepartmentCovered, DepartmentEmpty,
    Escalated, EscalationAction, Event, Handoff, HandoffReason, InCharge, Message, OfferEnded,
    OfferOutcome, Offered, OutsideHours, Role, TenantId, UserId,
};
use crate::routing::{self, Action, AgentState, Decision, Explanation, Input, OfferEnd};

impl App {
    /// Wakes engines at their moments and takes what they decide to the log. Runs for ever.
    pub(super) async fn carry_out_routing(&self) {
        let router = &self.0.router;
        let mut keeping = FuturesUnordered::<BoxFuture<'static, ()>>::new();
        loop {
            self.wake_engines();
            while let Some(job) = router.next_job() {
                let kept = self.carry_out_job(job).await;
                keeping.push(kept);
            }
            let due = router.next_due().filter(|_| !router.is_held.load(Acquire));
            let woken = async {
                match due {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = router.to_carry.notified() => {}
                () = woken => {}
                Some(()) = keeping.next(), if !keeping.is_empty() => {}
            }
        }
    }

    fn wake_engines(&self) {
        if self.0.router.is_held.load(Acquire) {
            return;
        }
        for tenant in self.0.router.take_due() {
            self.route(&tenant, Input::Tick);
        }
    }

    fn stands(&self, job: &Job) -> bool {
        self.ask_engine(&job.tenant, |engine, _| engine.stands(&job.decision)).unwrap_or(false)
    }

    /// Gives a decision its place in the log's order; what is returned waits for the disk.
    async fn carry_out_job(&self, job: Job) -> BoxFuture<'static, ()> {
        if undecided(&job.decision).is_some() && !self.stands(&job) {
            return Box::pin(std::future::ready(()));
        }
        let appended = match self.change_of(&job.tenant, &job.decision).await {
            Ok(change) => self.log.append(&job.tenant, self.as_duty(change)).await,
            Err(err) => Err(err),
        };
        let app = self.clone();
        Box::pin(async move {
            let kept = match appended {
                Ok(pending) => pending.committed().await.map(drop),
                Err(err) => Err(err),
            };
            app.settle_job(job, kept).await;
        })
    }

    async fn settle_job(&self, job: Job, kept: Result<(), log::Error>) {
        match kept {
            Ok(()) => {
                match &job.decision {
                    Decision::Announce(state) => self.tell_change(&state.agent, &job.tenant).await,
                    Decision::Assign { .. } => self.metrics.routed("assigned"),
                    Decision::Offer { .. } => self.metrics.routed("offered"),
                    Decision::Return { .. } => self.metrics.routed("returned"),
                    Decision::Escalate { .. } => self.metrics.routed("escalated"),
                    _ => {}
                }
                if let Some(done) = job.done {
                    // Whoever waited may have given up.
                    let _ = done.send(());
                }
            }
            Err(log::Error::Failed(reason)) => {
                tracing::warn!(error = %reason, "a routing decision waits for the log");
                sleep(OWED_RETRY_INTERVAL).await;
                // What came later may be kept already, and this must not be told behind it as if
                // it were news. Whoever waits for it need not wait any longer.
                if self.stands(&job) {
                    self.0.router.put_back(job);
                }
            }
            // Somebody was quicker.
            Err(_) => {
                self.metrics.routing_superseded_total.inc();
                if let Some(conversation) = undecided(&job.decision)
                    && self.stands(&job)
                {
                    self.route(&job.tenant, Input::Failed(conversation));
                }
            }
        }
    }

    async fn change_of(&self, tenant: &TenantId, of: &Decision) -> Result<Change, log::Error> {
        let mut records = vec![];
        let events = match of {
            Decision::Assign { conversation, agent, why } => {
                let to = self.winner(tenant, agent, *conversation).await?;
                let decided = decided(&to, why, DecisionOutcome::Assigned);
                let Winner { session_id, department_id, agent_id, agent_name } = to;
                let given = Assigned { session_id, agent_id, agent_name, department_id };
                vec![self.still_waits(tenant, session_id), decided, Event::Assigned(given)]
            }
            Decision::Offer { conversation, agent, until, attempt, why } => {
                let to = self.winner(tenant, agent, *conversation).await?;
                let decided = decided(&to, why, DecisionOutcome::Offered);
                let (until, attempt) = (*until, *attempt);
                let Winner { session_id, agent_id, agent_name, .. } = to;
                let offered = Offered { session_id, agent_id, agent_name, until, attempt };
                vec![self.still_waits(tenant, session_id), decided, Event::Offered(offered)]
            }
            Decision::EndOffer { conversation, agent, outcome } => {
                let outcome = match outcome {
                    OfferEnd::Expired => OfferOutcome::Expired,
                    OfferEnd::Withdrawn => OfferOutcome::Withdrawn,
                };
                let (session_id, agent_id) = (*conversation, agent.clone());
                vec![Event::OfferEnded(OfferEnded { session_id, agent_id, outcome })]
            }
            Decision::Escalate { conversation, name, waited_seconds, action, .. } => {
                let (session_id, waited_seconds) = (*conversation, *waited_seconds);
                let (rule, action) = (name.clone(), *action);
                self.escalation(tenant, session_id, rule, waited_seconds, action).await?
            }
            Decision::Return { conversation, agent } => {
                self.return_of(tenant, *conversation, agent).await?
            }
            Decision::Announce(state) => {
                records.push(Record::AgentState(record_of(state)));
                self.announcement(tenant, state).await?
            }
            Decision::DepartmentEmpty { department: id, waiting } => {
                records.push(Record::DepartmentAlert(*id, true));
                let (department_id, department) = (*id, self.department_name(tenant, *id));
                let waiting = *waiting;
                vec![Event::DepartmentEmpty(DepartmentEmpty { department_id, department, waiting })]
            }
            Decision::DepartmentCovered { department: id } => {
                records.push(Record::DepartmentAlert(*id, false));
                let (department_id, department) = (*id, self.department_name(tenant, *id));
                vec![Event::DepartmentCovered(DepartmentCovered { department_id, department })]
            }
            Decision::OutsideHours { conversation, opens_at } => {
                let (session_id, opens_at) = (*conversation, *opens_at);
                let told = Event::OutsideHours(OutsideHours { session_id, opens_at });
                let notice = self.notice(tenant, session_id, notices::outside_hours).await?;
                vec![self.still_waits(tenant, session_id), told, notice]
            }
            Decision::QueueMoved { .. } => vec![],
        };
        Ok(Change::new(events, records))
    }

    /// What an agent is now; and that it came, or went, if it did (document 004).
    async fn announcement(
        &self,
        tenant: &TenantId,
        state: &AgentState,
    ) -> Result<Vec<Event>, log::Error> {
        let known = self.log.agent(tenant, &state.agent).await?;
        let extension = known.and_then(|agent| agent.extension);
        let (user_id, username) = (state.agent.clone(), Some(state.name.clone()));
        let changed = Event::AgentStateChanged(changed(state, extension.clone()));
        let is_there = |status| status != AgentStatus::Offline;
        Ok(match (is_there(state.announced), is_there(state.status)) {
            (false, true) => {
                vec![Event::AgentLogin(AgentLogin { user_id, username, extension }), changed]
            }
            (true, false) => {
                vec![changed, Event::AgentLogout(AgentLogout { user_id, username })]
            }
            _ => vec![changed],
        })
    }

    async fn record(
        &self,
        tenant: &TenantId,
        id: ConversationId,
    ) -> Result<Arc<Conversation>, log::Error> {
        self.log.conversation(tenant, id).await?.ok_or(log::Error::UnknownConversation)
    }

    async fn winner(
        &self,
        tenant: &TenantId,
        agent: &UserId,
        id: ConversationId,
    ) -> Result<Winner, log::Error> {
        let agent_name = self.ask_engine(tenant, |e, now| e.agent(now, agent).map(|a| a.name));
        Ok(Winner {
            session_id: id,
            department_id: self.record(tenant, id).await?.department,
            agent_id: agent.clone(),
            agent_name: agent_name.flatten().unwrap_or_else(|| agent.to_string()),
        })
    }

    /// What a rule does that has waited for its time.
    async fn escalation(
        &self,
        tenant: &TenantId,
        session_id: ConversationId,
        rule: String,
        waited_seconds: u64,
        action: Action,
    ) -> Result<Vec<Event>, log::Error> {
        let department_id = match action {
            Action::Department(id) => Some(id),
            _ => None,
        };
        let told = Escalated {
            session_id,
            waited_seconds,
            rule,
            action: match action {
                Action::Supervisors => EscalationAction::Supervisors,
                Action::Department(_) => EscalationAction::Department,
                Action::Bot => EscalationAction::Bot,
                Action::OfflineMessage => EscalationAction::OfflineMessage,
            },
            department_id,
        };
        let mut events = vec![self.still_waits(tenant, session_id), Event::Escalated(told)];
        match action {
            Action::Supervisors | Action::Department(_) => {}
            Action::Bot if self.bot.is_some() => {
                let (queue, bot) = (InCharge::Queue, InCharge::Bot);
                events.push(self.notice(tenant, session_id, notices::to_bot).await?);
                events.push(handoff(session_id, queue, bot, HandoffReason::Escalated));
            }
            // Without a bot the customer is told the same as when nobody is there.
            Action::Bot | Action::OfflineMessage => {
                events.push(self.notice(tenant, session_id, notices::offline).await?);
            }
        }
        Ok(events)
    }

    /// Its agent is lost: it waits again, before all others.
    async fn return_of(
        &self,
        tenant: &TenantId,
        session_id: ConversationId,
        agent: &UserId,
    ) -> Result<Vec<Event>, log::Error> {
        let record = self.record(tenant, session_id).await?;
        let mut waiting = Conversation { queued_at: None, ..record.as_ref().clone() };
        waiting.routing.is_head = true;
        let queued = self.queued(tenant, &waiting);
        let returned = Handoff {
            session_id,
            from: InCharge::Agent,
            to: InCharge::Queue,
            reason: HandoffReason::AgentLost,
            agent_id: Some(agent.clone()),
            stint: None,
        };
        Ok(vec![Event::Handoff(returned), Event::Queued(queued)])
    }

    /// What the customer is told in the conversation itself, for clients that know no event of
    /// this kind.
    async fn notice(
        &self,
        tenant: &TenantId,
        session_id: ConversationId,
        text: fn(Option<Language>) -> &'static str,
    ) -> Result<Event, log::Error> {
        let record = self.record(tenant, session_id).await?;
        let language = record.routing.language.as_deref().and_then(Language::of_tag);
        Ok(Event::Message(Message {
            session_id,
            message_id: Uuid::now_v7(),
            seq: 0,
            client_id: None,
            sender_id: UserId::bot(),
            sender_type: Role::Bot,
            sender_name: Some(Arc::from(self.config.bot.name.as_str())),
            body: text(language).to_owned(),
        }))
    }

    /// A question put to the log: what comes along is refused unless it still waits, in the stint
    /// the engine knows.
    fn still_waits(&self, tenant: &TenantId, session_id: ConversationId) -> Event {
        let stint = self.ask_engine(tenant, |engine, _| engine.stint_of(session_id)).flatten();
        Event::Handoff(Handoff {
            session_id,
            from: InCharge::Queue,
            to: InCharge::Queue,
            reason: HandoffReason::Taken,
            agent_id: None,
            stint,
        })
    }

    fn department_name(&self, tenant: &TenantId, id: Uuid) -> String {
        let found = self.ask_engine(tenant, |engine, _| engine.department(Some(id)));
        found.flatten().map_or_else(|| id.to_string(), |department| department.name)
    }
}

/// The conversation whose decision has to be thought over when it is refused. What only tells
/// something came too late, and that is that.
fn undecided(of: &Decision) -> Option<ConversationId> {
    match of {
        Decision::Assign { conversation, .. }
        | Decision::Offer { conversation, .. }
        | Decision::Return { conversation, .. } => Some(*conversation),
        Decision::EndOffer { .. }
        | Decision::Escalate { .. }
        | Decision::OutsideHours { .. }
        | Decision::Announce(_)
        | Decision::DepartmentEmpty { .. }
        | Decision::DepartmentCovered { .. }
        | Decision::QueueMoved { .. } => None,
    }
}

/// Who gets a conversation, as the events tell it.
struct Winner {
    session_id: ConversationId,
    department_id: Option<Uuid>,
    agent_id: UserId,
    agent_name: String,
}

/// Why it went to whom, for `GET /api/routing/decisions/{conversation_id}`.
fn decided(to: &Winner, why: &Explanation, outcome: DecisionOutcome) -> Event {
    let candidate = |c: &routing::Candidate| Candidate {
        agent_id: c.agent.clone(),
        status: c.status,
        current_chats: c.current_chats,
        max_chats: c.max_chats,
        idle_seconds: c.idle_ms / 1000,
        excluded: c.excluded.map(|by| by.as_str().to_owned()),
        score: Some(c.score),
    };
    let excluded =
        why.excluded.iter().map(|(by, count)| (by.as_str().to_owned(), u64::from(*count)));
    Event::Decided(Decided {
        decision_id: Uuid::now_v7(),
        session_id: to.session_id,
        department_id: to.department_id,
        trigger: why.trigger.as_str().to_owned(),
        strategy: why.strategy.as_str().to_owned(),
        outcome,
        winner_id: to.agent_id.clone(),
        winner_name: to.agent_name.clone(),
        candidates: why.candidates.iter().map(candidate).collect(),
        considered: u64::from(why.considered),
        excluded: excluded.collect(),
    })
}

fn record_of(state: &AgentState) -> AgentRecord {
    AgentRecord {
        agent: state.agent.clone(),
        declared: state.declared,
        status: state.status,
        reason: state.reason,
        since: state.since,
    }
}

fn changed(state: &AgentState, extension: Option<String>) -> AgentStateChanged {
    AgentStateChanged {
        user_id: state.agent.clone(),
        username: Some(state.name.clone()),
        extension,
        state: state.status,
        reason: state.reason,
        declared: state.declared,
        since: state.since,
        current_chats: state.current_chats,
        max_chats: state.max_chats,
        department_ids: state.departments.clone(),
    }
}
