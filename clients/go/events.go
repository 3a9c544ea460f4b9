// This file owns what can be told to the server: every event of document 004 that a producer may
// post, each with a typed payload whose field names are those on the wire. It must not know how they
// get there.

package switchboard

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
)

// Event is something that happened: one of the payloads here, or an OtherEvent. What is optional is
// left out when it is empty or nil.
type Event interface {
	// EventType is its name on the wire, such as "call.incoming".
	EventType() string
}

// OtherEvent is an event that this version of the package has no type for. The server decides
// whether it knows it.
type OtherEvent struct {
	Type string
	// Payload is a JSON object.
	Payload json.RawMessage
}

// NewEvent is an event with what may be said beside it.
type NewEvent struct {
	Event Event
	// Target says who shall hear it; nil for whoever may hear events of its name.
	Target *Target
	// ID is an id of your own, by which the server knows a repeat for 24 hours: the number of a
	// record, say, so that a program that starts again may tell it again. Empty for a random one.
	ID string
}

// Target says who shall hear an event. Exactly one of its fields is set.
type Target struct {
	UserID string `json:"user_id,omitempty"`
	// Role is "agent", "admin" or "service".
	Role           string `json:"role,omitempty"`
	ConversationID string `json:"conversation_id,omitempty"`
}

// The types of those who write and type in a chat. The server also takes document 004's "visitor"
// for a customer.
const (
	SenderCustomer = "customer"
	SenderAgent    = "agent"
	SenderAdmin    = "admin"
	SenderBot      = "bot"
	SenderService  = "service"
)

// How a call was given away: without asking at the destination, or after talking to it.
const (
	TransferBlind    = "blind"
	TransferAttended = "attended"
)

// AgentStateChanged says that an agent is something else in another system. Whether the server
// routes to it does not follow from that.
type AgentStateChanged struct {
	UserID   string `json:"user_id"`
	Username string `json:"username,omitempty"`
	// State is what it is now: "break".
	State string `json:"state"`
	// Reason is why: "Lunch break".
	Reason    string `json:"reason,omitempty"`
	Extension string `json:"extension,omitempty"`
}

// AgentLogin says that an agent logged in.
type AgentLogin struct {
	UserID    string `json:"user_id"`
	Username  string `json:"username,omitempty"`
	Extension string `json:"extension,omitempty"`
}

// AgentLogout says that an agent logged out.
type AgentLogout struct {
	UserID   string `json:"user_id"`
	Username string `json:"username,omitempty"`
}

// CallIncoming says that a call came in.
type CallIncoming struct {
	// UniqueID is the call, as the telephone system names it; at most 128 bytes, here and below.
	UniqueID string `json:"unique_id"`
	CallerID string `json:"caller_id"`
	// CallerName is the caller's name, if the line shows it.
	CallerName  string `json:"caller_name,omitempty"`
	Destination string `json:"destination"`
	// QueueName is the queue it goes to, if it goes to one.
	QueueName string `json:"queue_name,omitempty"`
	// Corrected tells that it was found out afterwards, because the line to the telephone system
	// was down; here and below.
	Corrected bool `json:"corrected,omitempty"`
}

// CallAnswered says that an agent took a call.
type CallAnswered struct {
	UniqueID  string `json:"unique_id"`
	AgentID   string `json:"agent_id"`
	AgentName string `json:"agent_name,omitempty"`
	// QueueName is the queue it came from, if it came from one.
	QueueName string `json:"queue_name,omitempty"`
	Corrected bool   `json:"corrected,omitempty"`
}

// CallEnded says that a call ended, answered or not.
type CallEnded struct {
	UniqueID string `json:"unique_id"`
	// Duration is the seconds it lasted, from its beginning; 0 if it is not known.
	Duration uint64 `json:"duration"`
	// AgentID is who had it, if somebody did.
	AgentID string `json:"agent_id,omitempty"`
	// Reason is why it ended, in the telephone system's words.
	Reason    string `json:"reason,omitempty"`
	Corrected bool   `json:"corrected,omitempty"`
}

// CallTransferred says that a call was given to another destination.
type CallTransferred struct {
	UniqueID       string `json:"unique_id"`
	NewDestination string `json:"new_destination"`
	// AgentID is who gave it away, if an agent did.
	AgentID string `json:"agent_id,omitempty"`
	// Kind is TransferBlind or TransferAttended, if it is known.
	Kind      string `json:"kind,omitempty"`
	Corrected bool   `json:"corrected,omitempty"`
}

// CallHold says that a call was put on hold.
type CallHold struct {
	UniqueID  string `json:"unique_id"`
	AgentID   string `json:"agent_id,omitempty"`
	AgentName string `json:"agent_name,omitempty"`
}

// CallUnhold says that a call is talked in again.
type CallUnhold struct {
	UniqueID  string `json:"unique_id"`
	AgentID   string `json:"agent_id,omitempty"`
	AgentName string `json:"agent_name,omitempty"`
}

// QueueJoined says that a call waits in a queue.
type QueueJoined struct {
	QueueName string `json:"queue_name"`
	UniqueID  string `json:"unique_id"`
	CallerID  string `json:"caller_id,omitempty"`
	// Position is its place in the queue, from 1; 0 if it is not known.
	Position uint64 `json:"position,omitempty"`
	// CallsWaiting is how many calls wait with it.
	CallsWaiting *uint64 `json:"calls_waiting,omitempty"`
	Corrected    bool    `json:"corrected,omitempty"`
}

// QueueLeft says that a call left its queue.
type QueueLeft struct {
	QueueName string `json:"queue_name"`
	UniqueID  string `json:"unique_id"`
	// Reason is "connected", "abandoned", or the telephone system's own word.
	Reason string `json:"reason,omitempty"`
	// WaitedSeconds is how long it waited.
	WaitedSeconds *uint64 `json:"waited_seconds,omitempty"`
	// CallsWaiting is how many calls wait now.
	CallsWaiting *uint64 `json:"calls_waiting,omitempty"`
	Corrected    bool    `json:"corrected,omitempty"`
}

// QueueStats says how busy a queue is. It is volatile: a slow listener may miss one, and the next
// makes good for it.
type QueueStats struct {
	// QueueName is filled in by UpdateQueueStats.
	QueueName string `json:"queue_name"`
	// DepartmentID is the department whose queue it is, a UUID, if it is one's.
	DepartmentID    string `json:"department_id,omitempty"`
	CallsWaiting    uint64 `json:"calls_waiting"`
	AvailableAgents uint64 `json:"available_agents"`
	LoggedInAgents  uint64 `json:"logged_in_agents"`
	// LongestWaitSeconds is how long the first in the queue has waited.
	LongestWaitSeconds *uint64 `json:"longest_wait_seconds,omitempty"`
	// EstimatedWaitSeconds is how long a new one is likely to wait.
	EstimatedWaitSeconds *uint64 `json:"estimated_wait_seconds,omitempty"`
	// AverageHoldSeconds and those below are today's, as the telephone system counts.
	AverageHoldSeconds *uint64 `json:"average_hold_seconds,omitempty"`
	AverageTalkSeconds *uint64 `json:"average_talk_seconds,omitempty"`
	Completed          *uint64 `json:"completed,omitempty"`
	Abandoned          *uint64 `json:"abandoned,omitempty"`
}

// QueueMemberAdded says that somebody works in a queue from now on.
type QueueMemberAdded struct {
	QueueName string `json:"queue_name"`
	UserID    string `json:"user_id"`
	Username  string `json:"username,omitempty"`
	// Interface is the line the queue rings, as the telephone system names it: "PJSIP/1001".
	Interface string `json:"interface,omitempty"`
	Corrected bool   `json:"corrected,omitempty"`
}

// QueueMemberRemoved says that somebody works in a queue no longer.
type QueueMemberRemoved struct {
	QueueName string `json:"queue_name"`
	UserID    string `json:"user_id"`
	Username  string `json:"username,omitempty"`
	Interface string `json:"interface,omitempty"`
	Corrected bool   `json:"corrected,omitempty"`
}

// QueueMemberPaused says that a member is not rung for a while.
type QueueMemberPaused struct {
	QueueName string `json:"queue_name"`
	UserID    string `json:"user_id"`
	Username  string `json:"username,omitempty"`
	Interface string `json:"interface,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Corrected bool   `json:"corrected,omitempty"`
}

// QueueMemberUnpaused says that a member is rung again.
type QueueMemberUnpaused struct {
	QueueName string `json:"queue_name"`
	UserID    string `json:"user_id"`
	Username  string `json:"username,omitempty"`
	Interface string `json:"interface,omitempty"`
	Corrected bool   `json:"corrected,omitempty"`
}

// ChatSessionStarted says that a chat began. A chat.* of a conversation that the server keeps is the
// real thing, here and below; of one it does not know it is an announcement.
type ChatSessionStarted struct {
	// SessionID is the conversation, as its system names it; at most 128 bytes, here and below.
	SessionID    string `json:"session_id"`
	VisitorName  string `json:"visitor_name,omitempty"`
	VisitorEmail string `json:"visitor_email,omitempty"`
}

// ChatMessage says that somebody said something in a chat.
type ChatMessage struct {
	SessionID string `json:"session_id"`
	MessageID string `json:"message_id,omitempty"`
	SenderID  string `json:"sender_id"`
	// SenderType is SenderAgent, SenderCustomer and so on.
	SenderType string `json:"sender_type"`
	SenderName string `json:"sender_name,omitempty"`
	Body       string `json:"body"`
}

// ChatSessionEnded says that a chat ended.
type ChatSessionEnded struct {
	SessionID string `json:"session_id"`
}

// ChatTransferred says that a chat was given to another.
type ChatTransferred struct {
	SessionID      string `json:"session_id"`
	FromAgentID    string `json:"from_agent_id,omitempty"`
	ToAgentID      string `json:"to_agent_id,omitempty"`
	ToDepartmentID string `json:"to_department_id,omitempty"`
}

// ChatTyping says that somebody types in a chat, or stopped. It is volatile.
type ChatTyping struct {
	SessionID  string `json:"session_id"`
	UserID     string `json:"user_id,omitempty"`
	SenderType string `json:"sender_type"`
	Name       string `json:"sender_name,omitempty"`
	IsTyping   bool   `json:"is_typing"`
}

// Notification is something for one user, kept for it while it is offline.
type Notification struct {
	UserID string `json:"user_id"`
	// NotificationID is its id, a UUID, by which it is marked as read; the server's own if empty.
	NotificationID string `json:"notification_id,omitempty"`
	// Kind is what it is about, a word for programs: "ticket_assigned".
	Kind  string                 `json:"kind,omitempty"`
	Title string                 `json:"title,omitempty"`
	Body  string                 `json:"body,omitempty"`
	Data  map[string]interface{} `json:"data,omitempty"`
}

// Alert is something for everybody of the tenant.
type Alert struct {
	Title string `json:"title"`
	Body  string `json:"body"`
	// Kind is what it is about, a word for programs: "maintenance".
	Kind string                 `json:"kind,omitempty"`
	Data map[string]interface{} `json:"data,omitempty"`
}

// The names on the wire.

func (AgentStateChanged) EventType() string   { return "agent.state.changed" }
func (AgentLogin) EventType() string          { return "agent.login" }
func (AgentLogout) EventType() string         { return "agent.logout" }
func (CallIncoming) EventType() string        { return "call.incoming" }
func (CallAnswered) EventType() string        { return "call.answered" }
func (CallEnded) EventType() string           { return "call.ended" }
func (CallTransferred) EventType() string     { return "call.transferred" }
func (CallHold) EventType() string            { return "call.hold" }
func (CallUnhold) EventType() string          { return "call.unhold" }
func (QueueJoined) EventType() string         { return "queue.joined" }
func (QueueLeft) EventType() string           { return "queue.left" }
func (QueueStats) EventType() string          { return "queue.stats" }
func (QueueMemberAdded) EventType() string    { return "queue.member.added" }
func (QueueMemberRemoved) EventType() string  { return "queue.member.removed" }
func (QueueMemberPaused) EventType() string   { return "queue.member.paused" }
func (QueueMemberUnpaused) EventType() string { return "queue.member.unpaused" }
func (ChatSessionStarted) EventType() string  { return "chat.session.started" }
func (ChatMessage) EventType() string         { return "chat.message" }
func (ChatSessionEnded) EventType() string    { return "chat.session.ended" }
func (ChatTransferred) EventType() string     { return "chat.transferred" }
func (ChatTyping) EventType() string          { return "chat.typing" }
func (Notification) EventType() string        { return "notification" }
func (Alert) EventType() string               { return "alert" }
func (e OtherEvent) EventType() string        { return e.Type }

// MarshalJSON is the payload alone, as of the typed ones.
func (e OtherEvent) MarshalJSON() ([]byte, error) {
	return e.Payload.MarshalJSON()
}

// encoded is an event as POST /api/events takes it.
type encoded struct {
	eventType, id string
	json          []byte
}

func (e NewEvent) encode() (*encoded, error) {
	if e.Event == nil {
		return nil, errors.New("switchboard: there is no event to publish")
	}
	if t := e.Target; t != nil && !t.isOne() {
		return nil, errors.New("switchboard: a target has exactly one of UserID, Role and ConversationID")
	}
	id := e.ID
	if id == "" {
		random, err := randomID()
		if err != nil {
			return nil, err
		}
		id = random
	}
	wire := struct {
		Type    string  `json:"type"`
		Payload Event   `json:"payload"`
		Target  *Target `json:"target,omitempty"`
		ID      string  `json:"id"`
	}{e.Event.EventType(), e.Event, e.Target, id}
	text, err := json.Marshal(wire)
	if err != nil {
		return nil, fmt.Errorf("switchboard: the event cannot be encoded: %w", err)
	}
	return &encoded{eventType: wire.Type, id: id, json: text}, nil
}

func (t *Target) isOne() bool {
	set := 0
	for _, value := range [...]string{t.UserID, t.Role, t.ConversationID} {
		if value != "" {
			set++
		}
	}
	return set == 1
}

// randomID is a random UUID.
func randomID() (string, error) {
	var bytes [16]byte
	if _, err := rand.Read(bytes[:]); err != nil {
		return "", fmt.Errorf("switchboard: this machine has no randomness: %w", err)
	}
	bytes[6] = bytes[6]&0x0f | 0x40
	bytes[8] = bytes[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", bytes[:4], bytes[4:6], bytes[6:8], bytes[8:10], bytes[10:]), nil
}
