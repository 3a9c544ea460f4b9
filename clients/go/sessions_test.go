// This file owns the tests of the list of sessions, the flight recorder and assignments.

package switchboard

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

const fullSession = `{
  "session_id": "550e8400-e29b-41d4-a716-446655440000", "external_ids": ["conv-123"],
  "status": "assigned", "customer_id": "customer_1", "customer_name": "Budi",
  "customer_email": "budi@example.com", "department_id": "660e8400-e29b-41d4-a716-446655440000",
  "agent_id": "770e8400-e29b-41d4-a716-446655440001", "agent_name": "Dewi",
  "created_at": "2025-01-24T10:30:00.250Z", "queued_at": "2025-01-24T10:30:01.000Z",
  "assigned_at": "2025-01-24T10:30:02.000Z", "closed_at": null, "last_seq": 18446744073709551615,
  "score": 5, "metadata": {"order": 12345678901234567890},
  "connection_status": ` + nobody + `}`

const bareSession = `{
  "session_id": "550e8400-e29b-41d4-a716-446655440001", "external_ids": [], "status": "open",
  "customer_id": null, "customer_name": null, "customer_email": null, "department_id": null,
  "agent_id": null, "agent_name": null, "created_at": "2025-01-24T10:30:00.000Z",
  "queued_at": null, "assigned_at": null, "closed_at": null, "last_seq": 0, "score": null,
  "metadata": null, "connection_status": ` + nobody + `}`

// 000: acceptance 27, 42
func TestAPageOfSessionsIsReadWhole(t *testing.T) {
	o := serve(t, ok(`{"sessions":[`+fullSession+`,`+bareSession+`],"next_cursor":"c2"}`))
	page, err := NewConnectionStatusClient(o.URL).GetActiveSessions(context.Background(), SessionFilter{})
	if err != nil {
		t.Fatal(err)
	}
	created := time.Date(2025, 1, 24, 10, 30, 0, 0, time.UTC)
	queued, assigned := created.Add(time.Second), created.Add(2*time.Second)
	want := &SessionPage{NextCursor: "c2", Sessions: []SessionSummary{{
		SessionID: sessionID, ExternalIDs: []string{"conv-123"}, Status: SessionAssigned,
		CustomerID: "customer_1", CustomerName: "Budi", CustomerEmail: "budi@example.com",
		DepartmentID: "660e8400-e29b-41d4-a716-446655440000", AgentID: agentID, AgentName: "Dewi",
		CreatedAt: created.Add(250 * time.Millisecond), QueuedAt: &queued, AssignedAt: &assigned,
		LastSeq: 18446744073709551615, Score: 5,
		Metadata:         map[string]json.RawMessage{"order": json.RawMessage("12345678901234567890")},
		ConnectionStatus: ConnectionStatus{Users: map[string]UserInfo{}},
	}, {
		SessionID:   "550e8400-e29b-41d4-a716-446655440001",
		ExternalIDs: []string{}, Status: SessionOpen, CreatedAt: created,
		ConnectionStatus: ConnectionStatus{Users: map[string]UserInfo{}},
	}}}
	if !reflect.DeepEqual(page, want) {
		t.Errorf("got %+v, want %+v", page, want)
	}
	if uri := o.requests()[0].uri; uri != "/api/sessions" {
		t.Errorf("asked %s", uri)
	}
}

func TestAFilterGoesIntoTheQuery(t *testing.T) {
	o := serve(t, ok(`{"sessions":[],"next_cursor":null}`))
	filter := SessionFilter{Status: SessionWaiting, Department: "a&b", Cursor: "c 1", Limit: 200}
	client := NewConnectionStatusClient(o.URL)
	if _, err := client.GetActiveSessions(context.Background(), filter); err != nil {
		t.Fatal(err)
	}
	asked, err := url.Parse(o.requests()[0].uri)
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"status": {"waiting"}, "department": {"a&b"}, "cursor": {"c 1"}, "limit": {"200"},
	}
	if !reflect.DeepEqual(asked.Query(), want) {
		t.Errorf("asked %v, want %v", asked.Query(), want)
	}
}

// pageOf is a page of sessions that have nothing but these ids.
func pageOf(nextCursor string, ids ...string) answer {
	sessions := make([]string, len(ids))
	for i, id := range ids {
		sessions[i] = `{"session_id":"` + id + `","connection_status":` + nobody + `}`
	}
	return ok(`{"sessions":[` + strings.Join(sessions, ",") + `],"next_cursor":` + nextCursor + `}`)
}

func TestEverySessionOfAllPagesIsVisitedOnce(t *testing.T) {
	o := serve(t, pageOf(`"c1"`, "a", "b"), pageOf(`"c2"`), pageOf("null", "c"))
	var visited []string
	err := NewConnectionStatusClient(o.URL).EachActiveSession(
		context.Background(), SessionFilter{Status: SessionWaiting},
		func(session SessionSummary) error {
			visited = append(visited, session.SessionID)
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "c"}; !reflect.DeepEqual(visited, want) {
		t.Errorf("visited %v, want %v", visited, want)
	}
	var uris []string
	for _, request := range o.requests() {
		uris = append(uris, request.uri)
	}
	want := []string{
		"/api/sessions?status=waiting", "/api/sessions?cursor=c1&status=waiting",
		"/api/sessions?cursor=c2&status=waiting",
	}
	if !reflect.DeepEqual(uris, want) {
		t.Errorf("asked %v, want %v", uris, want)
	}
}

func TestAVisitEndsWithTheFirstError(t *testing.T) {
	enough := errors.New("enough")
	o := serve(t, pageOf(`"c1"`, "a", "b"), refused(403, "Forbidden", "no", "forbidden"))
	client := NewConnectionStatusClient(o.URL)
	visits := 0
	err := client.EachActiveSession(context.Background(), SessionFilter{}, func(SessionSummary) error {
		visits++
		return enough
	})
	if err != enough || visits != 1 {
		t.Errorf("got %v after %d visits", err, visits)
	}
	ignore := func(SessionSummary) error { return nil }
	var got *APIError
	if err := client.EachActiveSession(context.Background(), SessionFilter{}, ignore); !errors.As(err, &got) {
		t.Errorf("got %v", err)
	}
}

func TestPagesThatGoInACircleAreNotFollowed(t *testing.T) {
	o := serve(t, pageOf(`"c1"`, "a"))
	ignore := func(SessionSummary) error { return nil }
	err := NewConnectionStatusClient(o.URL).EachActiveSession(context.Background(), SessionFilter{}, ignore)
	var got *MalformedError
	if !errors.As(err, &got) || len(o.requests()) != 2 {
		t.Errorf("got %v after %d requests", err, len(o.requests()))
	}
}

func TestAPageThatLacksSomethingIsNamed(t *testing.T) {
	for data, want := range map[string]string{
		`{}`:                                          `no "sessions"`,
		`{"sessions":[{}]}`:                           "session 0 of the page has no session_id",
		`{"sessions":[{"session_id":"a"}]}`:           `session a: no "users"`,
		`{"sessions":[` + fullSession + `,{}]}`:       "session 1 of the page has no session_id",
		`{"sessions":[{"created_at":"yesterday"}]}`:   `"data" has another form`,
		`{"sessions":[{"metadata":"not an object"}]}`: `"data" has another form`,
	} {
		o := serve(t, ok(data))
		_, err := NewConnectionStatusClient(o.URL).GetActiveSessions(context.Background(), SessionFilter{})
		var got *MalformedError
		if !errors.As(err, &got) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", data, err, want)
		}
	}
}

func TestTheFlightRecorderIsReadInItsOrder(t *testing.T) {
	o := serve(t, ok(`[
		{"type":"conversation.joined","at":"2025-01-24T10:30:00.000Z","cursor":"L1-1",
			"event_type":"user_connected","payload":{"user_id":"user_123"}},
		{"type":"conversation.queued","at":"2025-01-24T10:30:01.000Z","cursor":null,"payload":{}}]`))
	events, err := NewConnectionStatusClient(o.URL).GetSessionEvents(context.Background(), sessionID, 20)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2025, 1, 24, 10, 30, 0, 0, time.UTC)
	want := []SessionEvent{{
		Type: "conversation.joined", At: at, Cursor: "L1-1", EventType: "user_connected",
		Payload: json.RawMessage(`{"user_id":"user_123"}`),
	}, {
		Type: "conversation.queued", At: at.Add(time.Second), Payload: json.RawMessage(`{}`),
	}}
	if !reflect.DeepEqual(events, want) {
		t.Errorf("got %+v, want %+v", events, want)
	}
	if uri := o.requests()[0].uri; uri != "/api/session/"+sessionID+"/events?limit=20" {
		t.Errorf("asked %s", uri)
	}
}

// 000: acceptance 43
func TestASessionIsGivenToAnAgent(t *testing.T) {
	o := serve(t, ok(assigned))
	client := NewConnectionStatusClient(o.URL, WithToken("a.b.c"))
	for agent, body := range map[string]string{agentID: `{"agent_id":"` + agentID + `"}`, "": `{}`} {
		assignment, err := client.Assign(context.Background(), sessionID, agent)
		if err != nil {
			t.Fatal(err)
		}
		want := Assignment{SessionID: sessionID, AgentID: agentID, AgentName: "Dewi"}
		if *assignment != want {
			t.Errorf("got %+v, want %+v", *assignment, want)
		}
		requests, path := o.requests(), "/api/sessions/"+sessionID+"/assign"
		sent := asked{"POST", path, "Bearer a.b.c", "application/json", body}
		if got := requests[len(requests)-1]; got != sent {
			t.Errorf("sent %+v, want %+v", got, sent)
		}
	}
}

func TestTheSecondOfTwoClaimsLearnsWhoWasFirst(t *testing.T) {
	conflict := func(data string) answer {
		return answer{status: 409, body: `{"success":false,"message":"Conflict","error":"assigned already",
			"code":"conflict"` + data + `}`}
	}
	for data, want := range map[string]*Holder{
		`,"data":{"agent_id":"agent_456","name":"Dewi"}`: {AgentID: "agent_456", Name: "Dewi"},
		"":                nil,
		`,"data":null`:    nil,
		`,"data":{}`:      nil,
		`,"data":"odd"`:   nil,
		`,"data":["odd"]`: nil,
	} {
		o := serve(t, conflict(data))
		_, err := NewConnectionStatusClient(o.URL).Assign(context.Background(), sessionID, agentID)
		var got *APIError
		if !errors.As(err, &got) || got.Status != 409 || !reflect.DeepEqual(got.Holder, want) {
			t.Errorf("%s: got %#v", data, err)
		}
	}
}

func TestAnAssignmentToNobodyIsNone(t *testing.T) {
	o := serve(t, ok(`{"session_id":"`+sessionID+`"}`))
	_, err := NewConnectionStatusClient(o.URL).Assign(context.Background(), sessionID, "")
	var got *MalformedError
	if !errors.As(err, &got) {
		t.Errorf("got %v", err)
	}
}
