//! Conversations: who has them, how they begin and end.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::audit::audit_entry;
use super::identity::new_customer;
use crate::auth;
use crate::limits::{LIST_READ_ROWS, LIST_READS_MAX};
use crate::log::{Change, ConversationFilter, Once, Outcome, Record};
use crate::model::{
    Assigned, ChatTransferred, Closed, ConnectionStatus, Conversation, ConversationId, Error,
    Event, ExternalId, Handoff, HandoffReason, Identity, InCharge, Moment, OfferEnded,
    OfferOutcome, Queued, Rated, Reopened, Role, SessionEnded, SessionStarted, Status, TenantId,
    Transferred, UserId,
};
use crate::routing::Input;

/// What a customer says when it starts a conversation.
#[derive(Clone, Debug, Default)]
pub struct NewConversation {
    /// Its name.
    pub name: Option<String>,
    /// Its e-mail address.
    pub email: Option<String>,
    /// The department it asks for.
    pub department: Option<Uuid>,
    /// What another system calls the conversation.
    pub external_id: Option<ExternalId>,
    /// Skills its agent must have.
    pub skills: Vec<String>,
    /// The language its agent must speak.
    pub language: Option<String>,
    /// Whatever its page attaches.
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A conversation that just began.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Started {
    /// The conversation.
    pub session_id: ConversationId,
    /// The customer's user id.
    pub user_id: UserId,
    /// The customer's proof: a token.
    pub token: String,
    /// The customer's other proof, for clients that cannot hold a token.
    pub session_key: String,
    /// Where it stands in its queue.
    pub queue: QueuePlace,
}

/// A place in a queue.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct QueuePlace {
    /// From 1.
    pub position: u64,
    /// Seconds until an agent is likely to take it.
    pub estimated_wait_seconds: u64,
}

/// Who is to have a conversation.
#[derive(Clone, Debug)]
pub enum Claim {
    /// Whoever asks; for an admin, whom the router finds.
    Own,
    /// This agent.
    Agent(UserId),
}

/// Where a conversation goes.
#[derive(Clone, Debug)]
pub enum TransferTo {
    /// To an agent.
    Agent(UserId),
    /// To a department's queue.
    Department(Uuid),
}

/// A conversation in a list.
pub struct Summary {
    /// Its record.
    pub conversation: Arc<Conversation>,
    /// Who is connected to it.
    pub status: ConnectionStatus,
}

/// A page of a list of conversations.
#[derive(Default)]
pub struct SummaryPage {
    /// The conversations.
    pub summaries: Vec<Summary>,
    /// Where the next page begins, if there is one; it may turn out empty.
    pub next: Option<(Moment, ConversationId)>,
}

impl App {
    /// The conversation that goes by a name: its own id, or one another system gave it.
    ///
    /// # Errors
    /// 404 for a name nobody knows. Whether the conversation may be seen is not asked here.
    pub async fn conversation_named(
        &self,
        tenant: &TenantId,
        name: &ExternalId,
    ) -> Result<ConversationId, Error> {
        // Ids come first: whoever names its conversation like another one must not step into
        // that one's place.
        if let Some(id) = ConversationId::parse(name.as_str())
            && self.log.conversation(tenant, id).await.map_err(|e| self.fault(e))?.is_some()
        {
            return Ok(id);
        }
        let found = self.log.conversation_by_external_id(tenant, name).await;
        found.map_err(|e| self.fault(e))?.ok_or(Error::NotFound("conversation"))
    }

    /// A page of conversations that `who` may see, newest first, each with who is connected.
    ///
    /// # Errors
    /// 403 for customers.
    pub async fn sessions(
        &self,
        who: &Identity,
        filter: ConversationFilter,
    ) -> Result<SummaryPage, Error> {
        if !who.is_admin() && who.role != Role::Agent {
            return Err(Error::Forbidden("for agents and admins only".into()));
        }
        let wanted = filter.limit;
        let mut filter = ConversationFilter { limit: wanted.max(LIST_READ_ROWS), ..filter };
        let mut page = SummaryPage::default();
        // An agent may see few of many; what it may not see is passed over, but not for ever.
        for _ in 0..LIST_READS_MAX {
            let read = self.log.conversations(&who.tenant, filter.clone()).await;
            let read = read.map_err(|e| self.fault(e))?;
            let is_end = read.len() < filter.limit;
            for conversation in read {
                if page.summaries.len() == wanted {
                    page.next = filter.after;
                    return Ok(page);
                }
                filter.after = Some((conversation.created_at, conversation.id));
                if conversation.is_open_to(who) {
                    let status = self.status_of(&who.tenant, conversation.id).await?;
                    page.summaries.push(Summary { conversation, status });
                }
            }
            if is_end {
                return Ok(page);
            }
        }
        page.next = filter.after;
        Ok(page)
    }

    /// A customer starts a conversation, which waits for an agent from now on, unless new ones
    /// begin with the bot (`bot.first`); its place is then the one it would have.
    ///
    /// # Errors
    /// 404 for an unknown tenant or department, 409 for an external id that is taken, 422.
    pub async fn start_conversation(
        &self,
        tenant: &TenantId,
        new: NewConversation,
    ) -> Result<Started, Error> {
        if !self.is_known(tenant).await? {
            return Err(Error::NotFound("tenant"));
        }
        if let Some(id) = new.department {
            let found = self.log.department(tenant, id).await.map_err(|e| self.fault(e))?;
            found.ok_or(Error::NotFound("department"))?;
        }
        let session_id = ConversationId::random();
        let user_id = new_customer()?;
        let session_key = auth::new_session_key();
        let token = self.customer_token(tenant, &user_id, new.name.clone(), session_id)?;
        let started = SessionStarted {
            session_id,
            customer_id: Some(user_id.clone()),
            visitor_name: new.name,
            visitor_email: new.email,
            department_id: new.department,
            skills: super::routing::check_skills(new.skills)?,
            language: super::routing::check_language(new.language)?,
            external_ids: new.external_id.into_iter().collect(),
            metadata: new.metadata,
        };
        let conversation = Conversation::begin(&started, Moment::now());
        let queued = self.queued(tenant, &conversation);
        let taken_up = self.taken_up(tenant, &conversation);
        let queue = QueuePlace {
            position: queued.position,
            estimated_wait_seconds: queued.estimated_wait_seconds,
        };
        let change = Change::new(
            vec![Event::SessionStarted(started), taken_up],
            vec![Record::SessionKey(session_id, auth::digest(&session_key))],
        );
        let kept = self.log.commit(tenant, change).await.map_err(|e| self.fault(e))?;
        self.routed(tenant, &kept).await;
        // Of many who came at once, each is told where it came to stand.
        let queue = self.place_of(tenant, &conversation).unwrap_or(queue);
        Ok(Started { session_id, user_id, token, session_key, queue })
    }

    /// Gives a conversation to an agent; the second of two claims learns who was first.
    ///
    /// # Errors
    /// 403, 404, 409 with the holder, 422 for an agent that cannot be.
    pub async fn assign(
        &self,
        who: &Identity,
        id: ConversationId,
        claim: Claim,
    ) -> Result<Assigned, Error> {
        let conversation = self.conversation_for_work(who, id).await?;
        // Of several the router chooses for at once, each knows what the one before was given.
        let turn = match claim {
            Claim::Own if who.is_admin() => Some(self.routing_turn(&who.tenant).await),
            _ => None,
        };
        let agent_id = match claim {
            Claim::Own if who.role == Role::Agent => who.subject.clone(),
            Claim::Agent(agent) if who.is_admin() || agent == who.subject => agent,
            Claim::Own if who.is_admin() => self.find_agent(&who.tenant, &conversation)?,
            _ => return Err(Error::Forbidden("an agent claims for itself".into())),
        };
        let agent_name = self.name_of(who, &agent_id).await?;
        if agent_id == who.subject {
            self.route(&who.tenant, Input::WorksUnseen(agent_id.clone()));
        }
        let department_id = conversation.department;
        let assigned = Assigned { session_id: id, agent_id, agent_name, department_id };
        // Each told only if it is so when this is committed: the bot has it, or it was offered.
        let from_bot = handoff(id, InCharge::Bot, InCharge::Agent, HandoffReason::Taken);
        let agent_id = assigned.agent_id.clone();
        let outcome = OfferOutcome::Accepted;
        let accepted = Event::OfferEnded(OfferEnded { session_id: id, agent_id, outcome });
        let mut events = vec![from_bot, accepted, Event::Assigned(assigned.clone())];
        events.extend(admin_act(who, "conversation.assigned", id));
        let kept = self.commit_work(who, events).await?;
        if turn.is_some() {
            self.routed(&who.tenant, &kept).await;
        }
        Ok(assigned)
    }

    /// Whom the router would give it to now.
    fn find_agent(&self, tenant: &TenantId, conversation: &Conversation) -> Result<UserId, Error> {
        let found = self.would_get(tenant, conversation);
        found.ok_or(Error::Conflict {
            message: "no agent who could take it is online and free".into(),
            holder: None,
        })
    }

    async fn name_of(&self, who: &Identity, agent: &UserId) -> Result<String, Error> {
        match self.agent_name(&who.tenant, agent).await? {
            Some(name) => Ok(name),
            None if *agent == who.subject => {
                Ok(who.name.as_deref().unwrap_or(agent.as_str()).into())
            }
            None => Err(Error::NotFound("agent")),
        }
    }

    /// Gives a conversation on, to an agent or to a department's queue.
    ///
    /// # Errors
    /// 403, 404, 409 if it changed hands meanwhile.
    pub async fn transfer(
        &self,
        who: &Identity,
        id: ConversationId,
        to: TransferTo,
        note: Option<String>,
    ) -> Result<Transferred, Error> {
        self.transfer_once(who, id, to, note, None).await
    }

    /// The same, known again by its key.
    pub(super) async fn transfer_once(
        &self,
        who: &Identity,
        id: ConversationId,
        to: TransferTo,
        note: Option<String>,
        once: Option<Once>,
    ) -> Result<Transferred, Error> {
        let conversation = self.conversation_for_work(who, id).await?;
        if !who.is_admin() && !conversation.is_assigned_to(who) {
            return Err(Error::Forbidden("it is not assigned to you".into()));
        }
        let mut transferred = Transferred {
            session_id: id,
            from_agent_id: conversation.agent.clone(),
            to_agent_id: None,
            to_agent_name: None,
            to_department_id: None,
            note,
        };
        let mut queued: Option<Queued> = None;
        match to {
            TransferTo::Agent(agent) => {
                transferred.to_agent_name = Some(self.name_of(who, &agent).await?);
                transferred.to_agent_id = Some(agent);
            }
            TransferTo::Department(department) => {
                let found = self.log.department(&who.tenant, department).await;
                found.map_err(|e| self.fault(e))?.ok_or(Error::NotFound("department"))?;
                transferred.to_department_id = Some(department);
                let moved = Conversation {
                    department: Some(department),
                    queued_at: None,
                    ..conversation.as_ref().clone()
                };
                queued = Some(self.queued(&who.tenant, &moved));
            }
        }
        let to = if queued.is_some() { InCharge::Queue } else { InCharge::Agent };
        let from_bot = handoff(id, InCharge::Bot, to, HandoffReason::Transferred);
        let told = ChatTransferred {
            session_id: id,
            from_agent_id: transferred.from_agent_id.clone(),
            to_agent_id: transferred.to_agent_id.clone(),
            to_department_id: transferred.to_department_id,
        };
        let mut events =
            vec![from_bot, Event::Transferred(transferred.clone()), Event::ChatTransferred(told)];
        events.extend(queued.map(Event::Queued));
        events.extend(admin_act(who, "conversation.transferred", id));
        self.commit_work_once(who, events, once).await?;
        Ok(transferred)
    }

    /// Ends a conversation: its customer, its agent or an admin may.
    ///
    /// # Errors
    /// 403, 404, 409 if it is closed already.
    pub async fn close(&self, who: &Identity, id: ConversationId) -> Result<Closed, Error> {
        self.close_once(who, id, None).await
    }

    /// The same, known again by its key.
    pub(super) async fn close_once(
        &self,
        who: &Identity,
        id: ConversationId,
        once: Option<Once>,
    ) -> Result<Closed, Error> {
        let conversation = self.conversation_for(who, id).await?;
        check_hands(who, &conversation)?;
        let closed = Closed { session_id: id, by: who.user.clone(), agent_id: None };
        let mut events = vec![
            Event::Closed(closed.clone()),
            Event::SessionEnded(SessionEnded { session_id: id }),
        ];
        events.extend(admin_act(who, "conversation.closed", id));
        self.commit_work_once(who, events, once).await?;
        Ok(closed)
    }

    /// Takes a closed conversation up again; it waits for an agent like a new one.
    ///
    /// # Errors
    /// 403, 404, 409 if it is not closed.
    pub async fn reopen(&self, who: &Identity, id: ConversationId) -> Result<Reopened, Error> {
        let conversation = self.conversation_for(who, id).await?;
        check_hands(who, &conversation)?;
        let reopened = Reopened { session_id: id, by: who.user.clone(), agent_id: None };
        let queued = self.queued(&who.tenant, &conversation);
        let mut events = vec![Event::Reopened(reopened.clone()), Event::Queued(queued)];
        events.extend(admin_act(who, "conversation.reopened", id));
        let outcomes = self.commit_work(who, events).await?;
        match outcomes.first() {
            Some(Outcome::Kept(_)) => Ok(reopened),
            _ => Err(Error::Conflict { message: "it is not closed".into(), holder: None }),
        }
    }

    /// The customer says how it was.
    ///
    /// # Errors
    /// 403 for anybody else, 404, 422 for a score outside 1 to 5.
    pub async fn rate(
        &self,
        who: &Identity,
        id: ConversationId,
        score: u8,
        comment: Option<String>,
    ) -> Result<Rated, Error> {
        if who.role != Role::Customer {
            return Err(Error::Forbidden("the customer rates".into()));
        }
        self.conversation_for(who, id).await?;
        if !(1..=5).contains(&score) {
            return Err(Error::Invalid { field: "score", reason: "must be 1 to 5".into() });
        }
        let rated = Rated { session_id: id, score, comment, agent_id: None };
        self.commit_work(who, vec![Event::Rated(rated.clone())]).await?;
        Ok(rated)
    }

    async fn conversation_for_work(
        &self,
        who: &Identity,
        id: ConversationId,
    ) -> Result<Arc<Conversation>, Error> {
        if !who.is_admin() && who.role != Role::Agent {
            return Err(Error::Forbidden("for agents and admins only".into()));
        }
        match self.conversation_for(who, id).await {
            // An agent that comes too late for a claim learns who was first, not that it may not.
            Err(Error::Forbidden(_)) if who.role == Role::Agent => {
                let found = self.log.conversation(&who.tenant, id).await;
                let found =
                    found.map_err(|e| self.fault(e))?.ok_or(Error::NotFound("conversation"))?;
                match found.holder().filter(|_| found.status == Status::Assigned) {
                    Some(holder) => Err(Error::Conflict {
                        message: format!("assigned to {} already", holder.name),
                        holder: Some(holder),
                    }),
                    None => Err(Error::Forbidden("it is not waiting for you".into())),
                }
            }
            found => found,
        }
    }

    async fn commit_work(&self, who: &Identity, events: Vec<Event>) -> Result<Vec<Outcome>, Error> {
        self.commit_work_once(who, events, None).await
    }

    async fn commit_work_once(
        &self,
        who: &Identity,
        events: Vec<Event>,
        once: Option<Once>,
    ) -> Result<Vec<Outcome>, Error> {
        let change = Change { once, ..Change::events(events) };
        self.log.commit(&who.tenant, change).await.map_err(|e| self.fault(e))
    }
}

fn check_hands(who: &Identity, conversation: &Conversation) -> Result<(), Error> {
    if conversation.is_in_the_hands_of(who) {
        Ok(())
    } else {
        Err(Error::Forbidden("for its customer, its agent and admins only".into()))
    }
}

/// A conversation passes from one to another, if the first one has it.
pub(super) fn handoff(
    session_id: ConversationId,
    from: InCharge,
    to: InCharge,
    reason: HandoffReason,
) -> Event {
    Event::Handoff(Handoff { session_id, from, to, reason, agent_id: None, stint: None })
}

/// An admin's act on a conversation goes to the audit trail in the same commit.
fn admin_act(who: &Identity, action: &str, id: ConversationId) -> Option<Event> {
    who.is_admin().then(|| audit_entry(who, action, Some(id.to_string())))
}
