// This file owns what only a real server can show: a demo server at SWITCHBOARD_URL, asked with
// the admin's token in SWITCHBOARD_TOKEN (scripts/with-server sets both). Without them it is
// skipped.

package switchboard

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"testing"
	"time"
)

// otherAgentID is, beside agentID, an agent that every demo server has.
const otherAgentID = "770e8400-e29b-41d4-a716-446655440002"

// realServer is a client of the server under test.
func realServer(t *testing.T) *ConnectionStatusClient {
	t.Helper()
	baseURL := os.Getenv("SWITCHBOARD_URL")
	if baseURL == "" {
		t.Skip("SWITCHBOARD_URL names no server")
	}
	return NewConnectionStatusClient(baseURL, WithToken(os.Getenv("SWITCHBOARD_TOKEN")))
}

// startedSession is what a customer gets that starts a session.
type startedSession struct {
	SessionID string `json:"session_id"`
	UserID    string `json:"user_id"`
	Token     string `json:"token"`
}

// start begins a session as a customer.
func start(t *testing.T, client *ConnectionStatusClient) startedSession {
	t.Helper()
	var started startedSession
	if err := client.post(context.Background(), "/api/sessions", struct{}{}, &started); err != nil {
		t.Fatal(err)
	}
	return started
}

// connect opens the customer's socket. A handshake is all it takes to be there.
func connect(t *testing.T, client *ConnectionStatusClient, started startedSession) net.Conn {
	t.Helper()
	base, err := url.Parse(client.baseURL)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialTimeout("tcp", base.Host, testDeadline)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(testDeadline))
	fmt.Fprintf(conn, "GET /ws/%s/%s/customer HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"+
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
		started.SessionID, started.UserID, base.Host, started.Token)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the handshake was answered with %s", response.Status)
	}
	return conn
}

func nextChange(t *testing.T, changes <-chan StatusChange) StatusChange {
	t.Helper()
	select {
	case change, isOpen := <-changes:
		if !isOpen || change.Err != nil {
			t.Fatalf("the watch ended or failed: %v", change.Err)
		}
		return change
	case <-time.After(testDeadline):
		t.Fatal("nothing changed")
		return StatusChange{}
	}
}

// 000: acceptance 9 to 16, 27, 40, 41, 43
func TestARealCustomerIsSeenAssignedAndSeenToLeave(t *testing.T) {
	client := realServer(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	started := start(t, client)
	assign := func(ctx context.Context, id string) error {
		_, err := client.Assign(ctx, id, agentID)
		return err
	}
	changes, err := client.Watch(ctx, started.SessionID, WatchOptions{
		Interval: intervalMin, AutoAssign: assign,
	})
	if err != nil {
		t.Fatal(err)
	}
	if first := nextChange(t, changes); len(first.Status.Users) != 0 {
		t.Errorf("somebody is there before anybody came: %+v", first.Status)
	}
	customer := connect(t, client, started)
	came := nextChange(t, changes)
	if !came.Status.NeedsAgent() || len(came.Joined) != 1 || came.Joined[0].UserID != started.UserID ||
		came.Joined[0].UserType != UserTypeCustomer || time.Since(came.Joined[0].JoinedAt) > time.Minute {
		t.Errorf("the customer came as %+v", came)
	}
	isHeldBy(t, client, started.SessionID)
	_ = customer.Close()
	if left := nextChange(t, changes); len(left.Left) != 1 || left.Left[0].UserID != started.UserID {
		t.Errorf("the customer left as %+v", left)
	}
	isRecorded(t, client, started.SessionID)
}

// isHeldBy checks that the session is agentID's, in the list and for another who wants it.
func isHeldBy(t *testing.T, client *ConnectionStatusClient, id string) {
	t.Helper()
	_, err := client.Assign(context.Background(), id, otherAgentID)
	var got *APIError
	if !errors.As(err, &got) || got.Status != 409 || got.Holder == nil || got.Holder.AgentID != agentID {
		t.Errorf("the second claim got %#v", err)
	}
	filter := SessionFilter{Status: SessionAssigned, Limit: 1}
	found := 0
	err = client.EachActiveSession(context.Background(), filter, func(session SessionSummary) error {
		if session.SessionID == id {
			found++
			if session.AgentID != agentID || session.AssignedAt == nil ||
				!session.ConnectionStatus.CustomerConnected {
				t.Errorf("the list has %+v", session)
			}
		}
		return nil
	})
	if err != nil || found != 1 {
		t.Errorf("found %d times in the list: %v", found, err)
	}
}

// isRecorded checks what the flight recorder has of the customer's stay. Who is connected is known
// a moment before it is recorded, so the leave may still be on its way.
func isRecorded(t *testing.T, client *ConnectionStatusClient, id string) {
	t.Helper()
	deadline := time.Now().Add(testDeadline)
	for {
		events, err := client.GetSessionEvents(context.Background(), id, 200)
		if err != nil {
			t.Fatal(err)
		}
		told := recorded(t, id, events)
		if told["conversation.left user_disconnected"] == "network_error" {
			_, hasJoined := told["conversation.joined user_connected"]
			_, isAssigned := told["conversation.assigned "]
			if !hasJoined || !isAssigned {
				t.Errorf("recorded %q", told)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no leave is recorded: %q", told)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// recorded are the events of a session by their names, with the reason of each if it has one.
func recorded(t *testing.T, id string, events []SessionEvent) map[string]string {
	t.Helper()
	told := map[string]string{}
	for _, event := range events {
		var payload struct {
			SessionID string `json:"session_id"`
			Reason    string `json:"reason"`
		}
		if err := json.Unmarshal(event.Payload, &payload); err != nil || payload.SessionID != id {
			t.Errorf("recorded %s (%v)", event.Payload, err)
		}
		if event.At.IsZero() || event.Cursor == "" {
			t.Errorf("recorded %+v", event)
		}
		told[event.Type+" "+event.EventType] = payload.Reason
	}
	return told
}

func TestEveryRealSessionIsListedOnce(t *testing.T) {
	client := realServer(t)
	begun := map[string]int{}
	for i := 0; i < 3; i++ {
		begun[start(t, client).SessionID] = 0
	}
	count := func(session SessionSummary) error {
		if _, isOurs := begun[session.SessionID]; isOurs {
			begun[session.SessionID]++
		}
		return nil
	}
	filter := SessionFilter{Limit: 2}
	if err := client.EachActiveSession(context.Background(), filter, count); err != nil {
		t.Fatal(err)
	}
	for id, times := range begun {
		if times != 1 {
			t.Errorf("%s was listed %d times", id, times)
		}
	}
}

// 000: acceptance 17
func TestARealServerRefusesAnIdInTheWordsOfThisClient(t *testing.T) {
	client := realServer(t)
	var status ConnectionStatus
	err := client.get(context.Background(), "/api/session/session_123/connection-status", nil, &status)
	if want := checkSessionID("session_123"); !reflect.DeepEqual(err, want) {
		t.Errorf("the server says %#v, the client %#v", err, want)
	}
}

func TestARealKeyThatMayReadEventsLooksAndDoesNotAssign(t *testing.T) {
	client := realServer(t)
	var made struct {
		Key string `json:"key"`
	}
	wanted := map[string]interface{}{"name": "dashboard", "scopes": []string{"events:read"}}
	if err := client.post(context.Background(), "/api/keys", wanted, &made); err != nil {
		t.Fatal(err)
	}
	dashboard := NewConnectionStatusClient(client.baseURL, WithAPIKey(made.Key))
	id := start(t, client).SessionID
	if _, err := dashboard.GetSessionStatus(id); err != nil {
		t.Error(err)
	}
	if _, err := dashboard.GetSessionEvents(context.Background(), id, 0); err != nil {
		t.Error(err)
	}
	_, err := dashboard.Assign(context.Background(), id, agentID)
	var got *APIError
	if !errors.As(err, &got) || got.Status != 403 {
		t.Errorf("it assigned, or %#v", err)
	}
}

func TestRealRefusalsAreTyped(t *testing.T) {
	client := realServer(t)
	ctx := context.Background()
	unknown := "00000000-0000-4000-8000-000000000000"
	stranger := NewConnectionStatusClient(client.baseURL, WithToken("x.y.z"))
	_, noToken := stranger.GetSessionStatus(unknown)
	_, noSession := client.GetSessionEvents(ctx, unknown, 0)
	_, noStatus := client.GetActiveSessions(ctx, SessionFilter{Status: "asleep"})
	_, noCursor := client.GetActiveSessions(ctx, SessionFilter{Cursor: "elsewhere"})
	_, noAgent := client.Assign(ctx, start(t, client).SessionID, "nobody")
	for want, err := range map[string]error{
		"unauthorized": noToken, "not_found": noSession, "invalid": noStatus, "malformed": noCursor,
	} {
		var got *APIError
		if !errors.As(err, &got) || got.Code != want {
			t.Errorf("%s: got %#v", want, err)
		}
	}
	var got *APIError
	if !errors.As(noStatus, &got) || got.Fields["status"] == "" {
		t.Errorf("the field is not named: %#v", noStatus)
	}
	if !errors.As(noAgent, &got) || got.Status != 404 {
		t.Errorf("an unknown agent: %#v", noAgent)
	}
	if status, err := client.GetSessionStatus(unknown); err != nil || len(status.Users) != 0 {
		t.Errorf("an unknown session has %+v (%v)", status, err)
	}
}
