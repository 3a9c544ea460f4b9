// This file owns the test of what each of document 004's methods says on the wire.

package switchboard

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"
)

// told is a method of document 004 and what it says.
type told struct {
	tell          func(*EventBroadcaster, context.Context) (*Delivery, error)
	kind, payload string
}

// B, C and D are short for what each of the methods below has.
type (
	B = *EventBroadcaster
	C = context.Context
	D = *Delivery
)

const held = `{"unique_id":"1.2","agent_id":"a1","agent_name":"Sari"}`
const member = `{"queue_name":"support","user_id":"u1","username":"sari"}`

var agentsAndCalls = []told{
	{func(b B, c C) (D, error) { return b.AgentLogin(c, "u1", "sari", "1001") },
		"agent.login", `{"user_id":"u1","username":"sari","extension":"1001"}`},
	{func(b B, c C) (D, error) { return b.AgentStateChange(c, "u1", "sari", "break", "Lunch break") },
		"agent.state.changed", `{"user_id":"u1","username":"sari","state":"break","reason":"Lunch break"}`},
	{func(b B, c C) (D, error) { return b.AgentLogout(c, "u1", "sari") },
		"agent.logout", `{"user_id":"u1","username":"sari"}`},
	{func(b B, c C) (D, error) { return b.CallIncoming(c, "1.2", "+62812", "1500", "support") },
		"call.incoming",
		`{"unique_id":"1.2","caller_id":"+62812","destination":"1500","queue_name":"support"}`},
	{func(b B, c C) (D, error) { return b.CallIncoming(c, "1.2", "+62812", "1500", "") },
		"call.incoming", `{"unique_id":"1.2","caller_id":"+62812","destination":"1500"}`},
	{func(b B, c C) (D, error) { return b.CallAnswered(c, "1.2", "a1", "Sari") }, "call.answered", held},
	{func(b B, c C) (D, error) { return b.CallEnded(c, "1.2", 185) },
		"call.ended", `{"unique_id":"1.2","duration":185}`},
	{func(b B, c C) (D, error) { return b.CallTransferred(c, "1.2", "1002") },
		"call.transferred", `{"unique_id":"1.2","new_destination":"1002"}`},
	{func(b B, c C) (D, error) { return b.CallHold(c, "1.2", "a1", "Sari") }, "call.hold", held},
	{func(b B, c C) (D, error) { return b.CallUnhold(c, "1.2", "a1", "Sari") }, "call.unhold", held},
}

var queues = []told{
	{func(b B, c C) (D, error) { return b.QueueJoined(c, "support", "1.2", "+62812", 3) },
		"queue.joined",
		`{"queue_name":"support","unique_id":"1.2","caller_id":"+62812","position":3}`},
	{func(b B, c C) (D, error) { return b.QueueLeft(c, "support", "1.2", "connected") },
		"queue.left", `{"queue_name":"support","unique_id":"1.2","reason":"connected"}`},
	{func(b B, c C) (D, error) {
		return b.UpdateQueueStats(c, "support", QueueStats{
			QueueName: "another", CallsWaiting: 5, AvailableAgents: 3, LoggedInAgents: 10,
		})
	}, "queue.stats",
		`{"queue_name":"support","calls_waiting":5,"available_agents":3,"logged_in_agents":10}`},
	{func(b B, c C) (D, error) { return b.QueueMemberAdded(c, "support", "u1", "sari", "PJSIP/1001") },
		"queue.member.added",
		`{"queue_name":"support","user_id":"u1","username":"sari","interface":"PJSIP/1001"}`},
	{func(b B, c C) (D, error) { return b.QueueMemberRemoved(c, "support", "u1", "sari") },
		"queue.member.removed", member},
	{func(b B, c C) (D, error) { return b.QueueMemberPaused(c, "support", "u1", "sari") },
		"queue.member.paused", member},
	{func(b B, c C) (D, error) { return b.QueueMemberUnpaused(c, "support", "u1", "sari") },
		"queue.member.unpaused", member},
}

var chatsAndNotices = []told{
	{func(b B, c C) (D, error) { return b.ChatSessionStarted(c, "s1", "Budi", "budi@example.com") },
		"chat.session.started",
		`{"session_id":"s1","visitor_name":"Budi","visitor_email":"budi@example.com"}`},
	{func(b B, c C) (D, error) {
		return b.ChatMessageSent(c, "s1", "m1", "u1", SenderAgent, "Sari", "Hello")
	}, "chat.message", `{"session_id":"s1","message_id":"m1","sender_id":"u1","sender_type":"agent",
		"sender_name":"Sari","body":"Hello"}`},
	{func(b B, c C) (D, error) { return b.ChatTypingIndicator(c, "s1", SenderAgent, "Sari", false) },
		"chat.typing", `{"session_id":"s1","sender_type":"agent","sender_name":"Sari","is_typing":false}`},
	{func(b B, c C) (D, error) { return b.ChatSessionEnded(c, "s1") },
		"chat.session.ended", `{"session_id":"s1"}`},
	{func(b B, c C) (D, error) { return b.ChatTransferred(c, "s1", "a1", "a2") },
		"chat.transferred", `{"session_id":"s1","from_agent_id":"a1","to_agent_id":"a2"}`},
	{func(b B, c C) (D, error) {
		data := map[string]interface{}{"ticket_id": 1234}
		return b.SendNotification(c, "u1", "ticket_assigned", "New ticket", "It is yours", data)
	}, "notification", `{"user_id":"u1","kind":"ticket_assigned","title":"New ticket",
		"body":"It is yours","data":{"ticket_id":1234}}`},
	{func(b B, c C) (D, error) { return b.SendAlert(c, "Maintenance", "In 30 minutes") },
		"alert", `{"title":"Maintenance","body":"In 30 minutes"}`},
}

// 004: acceptance 281, 286 to 302
func TestEveryEventOfDocument004HasAMethod(t *testing.T) {
	all := append(append(append([]told{}, agentsAndCalls...), queues...), chatsAndNotices...)
	b := broadcast(t, unhurried, accepted)
	for _, method := range all {
		if _, err := method.tell(b.EventBroadcaster, soon(t)); err != nil {
			t.Fatal(err)
		}
	}
	b.flushed()
	sent := eventsOf(t, b.requests()[0])
	kinds := map[string]bool{}
	for i, method := range all {
		var payload map[string]interface{}
		if err := json.Unmarshal([]byte(method.payload), &payload); err != nil {
			t.Fatal(err)
		}
		if sent[i].Type != method.kind || !reflect.DeepEqual(sent[i].Payload, payload) {
			t.Errorf("sent %+v, want %s %s", sent[i], method.kind, method.payload)
		}
		kinds[sent[i].Type] = true
	}
	if len(kinds) != 23 {
		t.Errorf("%d events of document 004 have a method", len(kinds))
	}
}
