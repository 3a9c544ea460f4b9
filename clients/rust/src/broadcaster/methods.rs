//! Document 004's methods, one for each event, and those it leaves to be guessed. Each is a payload
//! and [`publish`](EventBroadcaster::publish), whose errors are those of all of them.

use super::{Delivery, EventBroadcaster};
use crate::Error;
use crate::event::{
    AgentLogin, AgentLogout, AgentStateChanged, Alert, CallAnswered, CallEnded, CallHold,
    CallIncoming, CallTransferred, CallUnhold, ChatMessage, ChatSessionEnded, ChatSessionStarted,
    ChatTransferred, ChatTyping, Notification, QueueJoined, QueueLeft, QueueMemberAdded,
    QueueMemberPaused, QueueMemberRemoved, QueueMemberUnpaused, QueueStats, SenderType, attachment,
    unless_empty,
};

/// What every method here returns.
type Handed = Result<Delivery, Error>;

/// # Agents
///
/// An empty text leaves out what may be left out, here and in all methods of document 004.
impl EventBroadcaster {
    /// `agent.login`: an agent logged in. `username` and `extension` may be empty.
    pub async fn agent_login(
        &self,
        user_id: impl Into<String>,
        username: impl Into<String>,
        extension: impl Into<String>,
    ) -> Handed {
        let (username, extension) = (unless_empty(username), unless_empty(extension));
        self.publish(AgentLogin { user_id: user_id.into(), username, extension }).await
    }

    /// `agent.state.changed`: an agent is something else, `break` say, and why. `username` and
    /// `reason` may be empty.
    pub async fn agent_state_change(
        &self,
        user_id: impl Into<String>,
        username: impl Into<String>,
        state: impl Into<String>,
        reason: impl Into<String>,
    ) -> Handed {
        self.publish(AgentStateChanged {
            user_id: user_id.into(),
            username: unless_empty(username),
            state: state.into(),
            reason: unless_empty(reason),
            extension: None,
        })
        .await
    }

    /// `agent.logout`: an agent logged out. `username` may be empty.
    pub async fn agent_logout(
        &self,
        user_id: impl Into<String>,
        username: impl Into<String>,
    ) -> Handed {
        let username = unless_empty(username);
        self.publish(AgentLogout { user_id: user_id.into(), username }).await
    }
}

/// # Calls
impl EventBroadcaster {
    /// `call.incoming`: a call came in. `queue_name` may be empty.
    pub async fn call_incoming(
        &self,
        unique_id: impl Into<String>,
        caller_id: impl Into<String>,
        destination: impl Into<String>,
        queue_name: impl Into<String>,
    ) -> Handed {
        self.publish(CallIncoming {
            unique_id: unique_id.into(),
            caller_id: caller_id.into(),
            destination: destination.into(),
            queue_name: unless_empty(queue_name),
            ..CallIncoming::default()
        })
        .await
    }

    /// `call.answered`: an agent took it. `agent_name` may be empty.
    pub async fn call_answered(
        &self,
        unique_id: impl Into<String>,
        agent_id: impl Into<String>,
        agent_name: impl Into<String>,
    ) -> Handed {
        self.publish(CallAnswered {
            unique_id: unique_id.into(),
            agent_id: agent_id.into(),
            agent_name: unless_empty(agent_name),
            ..CallAnswered::default()
        })
        .await
    }

    /// `call.ended`: it ended, after so many seconds.
    pub async fn call_ended(&self, unique_id: impl Into<String>, duration: u64) -> Handed {
        let unique_id = unique_id.into();
        self.publish(CallEnded { unique_id, duration, ..CallEnded::default() }).await
    }

    /// `call.transferred`: it was given to another destination.
    pub async fn call_transferred(
        &self,
        unique_id: impl Into<String>,
        new_destination: impl Into<String>,
    ) -> Handed {
        self.publish(CallTransferred {
            unique_id: unique_id.into(),
            new_destination: new_destination.into(),
            ..CallTransferred::default()
        })
        .await
    }

    /// `call.hold`: it was put on hold, by whom. `agent_id` and `agent_name` may be empty.
    pub async fn call_hold(
        &self,
        unique_id: impl Into<String>,
        agent_id: impl Into<String>,
        agent_name: impl Into<String>,
    ) -> Handed {
        self.publish(CallHold {
            unique_id: unique_id.into(),
            agent_id: unless_empty(agent_id),
            agent_name: unless_empty(agent_name),
        })
        .await
    }

    /// `call.unhold`: it is talked in again, by whom. `agent_id` and `agent_name` may be empty.
    pub async fn call_unhold(
        &self,
        unique_id: impl Into<String>,
        agent_id: impl Into<String>,
        agent_name: impl Into<String>,
    ) -> Handed {
        self.publish(CallUnhold {
            unique_id: unique_id.into(),
            agent_id: unless_empty(agent_id),
            agent_name: unless_empty(agent_name),
        })
        .await
    }
}

/// # Queues
impl EventBroadcaster {
    /// `queue.joined`: a call waits in a queue, at this place, from 1. `caller_id` may be empty,
    /// and `position` 0 if it is not known.
    pub async fn queue_joined(
        &self,
        queue_name: impl Into<String>,
        unique_id: impl Into<String>,
        caller_id: impl Into<String>,
        position: u64,
    ) -> Handed {
        self.publish(QueueJoined {
            queue_name: queue_name.into(),
            unique_id: unique_id.into(),
            caller_id: unless_empty(caller_id),
            position: Some(position).filter(|place| *place > 0),
            ..QueueJoined::default()
        })
        .await
    }

    /// `queue.left`: a call left its queue: `connected`, `abandoned`, or the telephone system's own
    /// word. `reason` may be empty.
    pub async fn queue_left(
        &self,
        queue_name: impl Into<String>,
        unique_id: impl Into<String>,
        reason: impl Into<String>,
    ) -> Handed {
        self.publish(QueueLeft {
            queue_name: queue_name.into(),
            unique_id: unique_id.into(),
            reason: unless_empty(reason),
            ..QueueLeft::default()
        })
        .await
    }

    /// `queue.member.added`: somebody works in a queue, on the line `interface`, such as
    /// `PJSIP/1001`. `username` and `interface` may be empty.
    pub async fn queue_member_added(
        &self,
        queue_name: impl Into<String>,
        user_id: impl Into<String>,
        username: impl Into<String>,
        interface: impl Into<String>,
    ) -> Handed {
        self.publish(QueueMemberAdded {
            queue_name: queue_name.into(),
            user_id: user_id.into(),
            username: unless_empty(username),
            interface: unless_empty(interface),
            ..QueueMemberAdded::default()
        })
        .await
    }

    /// `queue.member.removed`: somebody works in it no longer. `username` may be empty.
    pub async fn queue_member_removed(
        &self,
        queue_name: impl Into<String>,
        user_id: impl Into<String>,
        username: impl Into<String>,
    ) -> Handed {
        self.publish(QueueMemberRemoved {
            queue_name: queue_name.into(),
            user_id: user_id.into(),
            username: unless_empty(username),
            ..QueueMemberRemoved::default()
        })
        .await
    }

    /// `queue.member.paused`: a member is not rung for a while. `username` may be empty.
    pub async fn queue_member_paused(
        &self,
        queue_name: impl Into<String>,
        user_id: impl Into<String>,
        username: impl Into<String>,
    ) -> Handed {
        self.publish(QueueMemberPaused {
            queue_name: queue_name.into(),
            user_id: user_id.into(),
            username: unless_empty(username),
            ..QueueMemberPaused::default()
        })
        .await
    }

    /// `queue.member.unpaused`: a member is rung again. `username` may be empty.
    pub async fn queue_member_unpaused(
        &self,
        queue_name: impl Into<String>,
        user_id: impl Into<String>,
        username: impl Into<String>,
    ) -> Handed {
        self.publish(QueueMemberUnpaused {
            queue_name: queue_name.into(),
            user_id: user_id.into(),
            username: unless_empty(username),
            ..QueueMemberUnpaused::default()
        })
        .await
    }

    /// `queue.stats`: how busy a queue is. The name given here counts, whatever the statistics have.
    pub async fn update_queue_stats(
        &self,
        queue_name: impl Into<String>,
        stats: QueueStats,
    ) -> Handed {
        self.publish(QueueStats { queue_name: queue_name.into(), ..stats }).await
    }
}

/// # Chats
impl EventBroadcaster {
    /// `chat.session.started`: a chat began. `visitor_name` and `visitor_email` may be empty.
    pub async fn chat_session_started(
        &self,
        session_id: impl Into<String>,
        visitor_name: impl Into<String>,
        visitor_email: impl Into<String>,
    ) -> Handed {
        self.publish(ChatSessionStarted {
            session_id: session_id.into(),
            visitor_name: unless_empty(visitor_name),
            visitor_email: unless_empty(visitor_email),
        })
        .await
    }

    /// `chat.message`: somebody said something. `message_id` and `sender_name` may be empty.
    pub async fn chat_message_sent(
        &self,
        session_id: impl Into<String>,
        message_id: impl Into<String>,
        sender_id: impl Into<String>,
        sender_type: SenderType,
        sender_name: impl Into<String>,
        body: impl Into<String>,
    ) -> Handed {
        self.publish(ChatMessage {
            session_id: session_id.into(),
            message_id: unless_empty(message_id),
            sender_id: sender_id.into(),
            sender_type,
            sender_name: unless_empty(sender_name),
            body: body.into(),
        })
        .await
    }

    /// `chat.typing`: somebody types, or stopped. `name` may be empty.
    pub async fn chat_typing_indicator(
        &self,
        session_id: impl Into<String>,
        sender_type: SenderType,
        name: impl Into<String>,
        is_typing: bool,
    ) -> Handed {
        self.publish(ChatTyping {
            session_id: session_id.into(),
            user_id: None,
            sender_type,
            name: unless_empty(name),
            is_typing,
        })
        .await
    }

    /// `chat.session.ended`: it ended.
    pub async fn chat_session_ended(&self, session_id: impl Into<String>) -> Handed {
        self.publish(ChatSessionEnded { session_id: session_id.into() }).await
    }

    /// `chat.transferred`: one agent gave it to another. `from_agent_id` may be empty, and
    /// `to_agent_id` if it waits now; to a department it goes by
    /// [`publish`](EventBroadcaster::publish).
    pub async fn chat_transferred(
        &self,
        session_id: impl Into<String>,
        from_agent_id: impl Into<String>,
        to_agent_id: impl Into<String>,
    ) -> Handed {
        self.publish(ChatTransferred {
            session_id: session_id.into(),
            from_agent_id: unless_empty(from_agent_id),
            to_agent_id: unless_empty(to_agent_id),
            to_department_id: None,
        })
        .await
    }
}

/// # Notices
impl EventBroadcaster {
    /// `notification`: something for one user, kept for it while it is offline. `kind`, `title` and
    /// `body` may be empty; `data` is a JSON object, or `()`.
    ///
    /// # Errors
    /// [`Error::Payload`] for other data.
    pub async fn send_notification(
        &self,
        user_id: impl Into<String>,
        kind: impl Into<String>,
        title: impl Into<String>,
        body: impl Into<String>,
        data: impl serde::Serialize,
    ) -> Handed {
        let data = attachment(data).map_err(|err| Error::Payload(err.to_string()))?;
        self.publish(Notification {
            user_id: user_id.into(),
            notification_id: None,
            kind: unless_empty(kind),
            title: unless_empty(title),
            body: unless_empty(body),
            data,
        })
        .await
    }

    /// `alert`: something for everybody of the tenant.
    pub async fn send_alert(&self, title: impl Into<String>, body: impl Into<String>) -> Handed {
        let (title, body) = (title.into(), body.into());
        self.publish(Alert { title, body, ..Alert::default() }).await
    }
}
