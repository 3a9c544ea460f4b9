// This file owns document 004's methods, one for each event, and those it leaves to be guessed. Each
// is a payload and Publish, whose errors are those of all of them. An empty text leaves out what may
// be left out.

package switchboard

import "context"

func (b *EventBroadcaster) tell(ctx context.Context, event Event) (*Delivery, error) {
	return b.Publish(ctx, NewEvent{Event: event})
}

// AgentLogin tells agent.login: an agent logged in. username and extension may be empty.
func (b *EventBroadcaster) AgentLogin(
	ctx context.Context, userID, username, extension string,
) (*Delivery, error) {
	return b.tell(ctx, AgentLogin{UserID: userID, Username: username, Extension: extension})
}

// AgentStateChange tells agent.state.changed: an agent is something else, "break" say, and why.
// username and reason may be empty.
func (b *EventBroadcaster) AgentStateChange(
	ctx context.Context, userID, username, state, reason string,
) (*Delivery, error) {
	return b.tell(ctx, AgentStateChanged{
		UserID: userID, Username: username, State: state, Reason: reason,
	})
}

// AgentLogout tells agent.logout: an agent logged out. username may be empty.
func (b *EventBroadcaster) AgentLogout(
	ctx context.Context, userID, username string,
) (*Delivery, error) {
	return b.tell(ctx, AgentLogout{UserID: userID, Username: username})
}

// CallIncoming tells call.incoming: a call came in. queueName may be empty.
func (b *EventBroadcaster) CallIncoming(
	ctx context.Context, uniqueID, callerID, destination, queueName string,
) (*Delivery, error) {
	return b.tell(ctx, CallIncoming{
		UniqueID: uniqueID, CallerID: callerID, Destination: destination, QueueName: queueName,
	})
}

// CallAnswered tells call.answered: an agent took it. agentName may be empty.
func (b *EventBroadcaster) CallAnswered(
	ctx context.Context, uniqueID, agentID, agentName string,
) (*Delivery, error) {
	return b.tell(ctx, CallAnswered{UniqueID: uniqueID, AgentID: agentID, AgentName: agentName})
}

// CallEnded tells call.ended: it ended, after so many seconds.
func (b *EventBroadcaster) CallEnded(
	ctx context.Context, uniqueID string, seconds uint64,
) (*Delivery, error) {
	return b.tell(ctx, CallEnded{UniqueID: uniqueID, Duration: seconds})
}

// CallTransferred tells call.transferred: it was given to another destination.
func (b *EventBroadcaster) CallTransferred(
	ctx context.Context, uniqueID, newDestination string,
) (*Delivery, error) {
	return b.tell(ctx, CallTransferred{UniqueID: uniqueID, NewDestination: newDestination})
}

// CallHold tells call.hold: it was put on hold, by whom. agentID and agentName may be empty.
func (b *EventBroadcaster) CallHold(
	ctx context.Context, uniqueID, agentID, agentName string,
) (*Delivery, error) {
	return b.tell(ctx, CallHold{UniqueID: uniqueID, AgentID: agentID, AgentName: agentName})
}

// CallUnhold tells call.unhold: it is talked in again, by whom. agentID and agentName may be empty.
func (b *EventBroadcaster) CallUnhold(
	ctx context.Context, uniqueID, agentID, agentName string,
) (*Delivery, error) {
	return b.tell(ctx, CallUnhold{UniqueID: uniqueID, AgentID: agentID, AgentName: agentName})
}

// QueueJoined tells queue.joined: a call waits in a queue, at this place, from 1. callerID may be
// empty, and position 0 if it is not known.
func (b *EventBroadcaster) QueueJoined(
	ctx context.Context, queueName, uniqueID, callerID string, position uint64,
) (*Delivery, error) {
	return b.tell(ctx, QueueJoined{
		QueueName: queueName, UniqueID: uniqueID, CallerID: callerID, Position: position,
	})
}

// QueueLeft tells queue.left: a call left its queue: "connected", "abandoned", or the telephone
// system's own word. reason may be empty.
func (b *EventBroadcaster) QueueLeft(
	ctx context.Context, queueName, uniqueID, reason string,
) (*Delivery, error) {
	return b.tell(ctx, QueueLeft{QueueName: queueName, UniqueID: uniqueID, Reason: reason})
}

// QueueMemberAdded tells queue.member.added: somebody works in a queue, on the line iface, such as
// "PJSIP/1001". username and iface may be empty.
func (b *EventBroadcaster) QueueMemberAdded(
	ctx context.Context, queueName, userID, username, iface string,
) (*Delivery, error) {
	return b.tell(ctx, QueueMemberAdded{
		QueueName: queueName, UserID: userID, Username: username, Interface: iface,
	})
}

// QueueMemberRemoved tells queue.member.removed: somebody works in it no longer. username may be
// empty.
func (b *EventBroadcaster) QueueMemberRemoved(
	ctx context.Context, queueName, userID, username string,
) (*Delivery, error) {
	return b.tell(ctx, QueueMemberRemoved{QueueName: queueName, UserID: userID, Username: username})
}

// QueueMemberPaused tells queue.member.paused: a member is not rung for a while. username may be
// empty.
func (b *EventBroadcaster) QueueMemberPaused(
	ctx context.Context, queueName, userID, username string,
) (*Delivery, error) {
	return b.tell(ctx, QueueMemberPaused{QueueName: queueName, UserID: userID, Username: username})
}

// QueueMemberUnpaused tells queue.member.unpaused: a member is rung again. username may be empty.
func (b *EventBroadcaster) QueueMemberUnpaused(
	ctx context.Context, queueName, userID, username string,
) (*Delivery, error) {
	return b.tell(ctx, QueueMemberUnpaused{QueueName: queueName, UserID: userID, Username: username})
}

// UpdateQueueStats tells queue.stats: how busy a queue is. The name given here counts, whatever the
// statistics have.
func (b *EventBroadcaster) UpdateQueueStats(
	ctx context.Context, queueName string, stats QueueStats,
) (*Delivery, error) {
	stats.QueueName = queueName
	return b.tell(ctx, stats)
}

// ChatSessionStarted tells chat.session.started: a chat began. visitorName and visitorEmail may be
// empty.
func (b *EventBroadcaster) ChatSessionStarted(
	ctx context.Context, sessionID, visitorName, visitorEmail string,
) (*Delivery, error) {
	return b.tell(ctx, ChatSessionStarted{
		SessionID: sessionID, VisitorName: visitorName, VisitorEmail: visitorEmail,
	})
}

// ChatMessageSent tells chat.message: somebody said something. messageID and senderName may be empty.
func (b *EventBroadcaster) ChatMessageSent(
	ctx context.Context, sessionID, messageID, senderID, senderType, senderName, body string,
) (*Delivery, error) {
	return b.tell(ctx, ChatMessage{
		SessionID: sessionID, MessageID: messageID, SenderID: senderID, SenderType: senderType,
		SenderName: senderName, Body: body,
	})
}

// ChatTypingIndicator tells chat.typing: somebody types, or stopped. name may be empty.
func (b *EventBroadcaster) ChatTypingIndicator(
	ctx context.Context, sessionID, senderType, name string, isTyping bool,
) (*Delivery, error) {
	return b.tell(ctx, ChatTyping{
		SessionID: sessionID, SenderType: senderType, Name: name, IsTyping: isTyping,
	})
}

// ChatSessionEnded tells chat.session.ended: it ended.
func (b *EventBroadcaster) ChatSessionEnded(
	ctx context.Context, sessionID string,
) (*Delivery, error) {
	return b.tell(ctx, ChatSessionEnded{SessionID: sessionID})
}

// ChatTransferred tells chat.transferred: one agent gave it to another. fromAgentID may be empty, and
// toAgentID if it waits now; to a department it goes by Publish.
func (b *EventBroadcaster) ChatTransferred(
	ctx context.Context, sessionID, fromAgentID, toAgentID string,
) (*Delivery, error) {
	return b.tell(ctx, ChatTransferred{
		SessionID: sessionID, FromAgentID: fromAgentID, ToAgentID: toAgentID,
	})
}

// SendNotification tells notification: something for one user, kept for it while it is offline. kind,
// title and body may be empty, data nil.
func (b *EventBroadcaster) SendNotification(
	ctx context.Context, userID, kind, title, body string, data map[string]interface{},
) (*Delivery, error) {
	return b.tell(ctx, Notification{
		UserID: userID, Kind: kind, Title: title, Body: body, Data: data,
	})
}

// SendAlert tells alert: something for everybody of the tenant.
func (b *EventBroadcaster) SendAlert(ctx context.Context, title, body string) (*Delivery, error) {
	return b.tell(ctx, Alert{Title: title, Body: body})
}
