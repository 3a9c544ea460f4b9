// This file owns the tests of agents: what is asked, what comes of the answers, and what a real
// server makes of it.

package switchboard

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"
)

const beatPath = "/api/agent-status/heartbeat"

// 001: acceptance 89, 90, 91, 97, 108
func TestAnAgentSaysHowItIs(t *testing.T) {
	for _, c := range []struct {
		call   func(*ConnectionStatusClient) (*AgentBeat, error)
		uri    string
		body   string
		status string
	}{
		{beatOf(""), beatPath, `{}`, AgentOnline},
		{beatOf(AgentBusy), beatPath, `{"status":"busy"}`, AgentBusy},
		{(*ConnectionStatusClient).goOffline, "/api/agent-status/offline", `{}`, AgentOffline},
	} {
		o := serve(t, ok(`{"agent_id":"`+agentID+`","status":"`+c.status+`"}`))
		noted, err := c.call(NewConnectionStatusClient(o.URL, WithToken("a.b.c")))
		if err != nil || *noted != (AgentBeat{AgentID: agentID, Status: c.status}) {
			t.Errorf("%s: got %+v (%v)", c.uri, noted, err)
		}
		want := asked{"POST", c.uri, "Bearer a.b.c", "application/json", c.body}
		if requests := o.requests(); len(requests) != 1 || requests[0] != want {
			t.Errorf("asked %+v, want %+v", requests, want)
		}
	}
}

func beatOf(status string) func(*ConnectionStatusClient) (*AgentBeat, error) {
	return func(c *ConnectionStatusClient) (*AgentBeat, error) {
		return c.Heartbeat(context.Background(), status)
	}
}

func (c *ConnectionStatusClient) goOffline() (*AgentBeat, error) {
	return c.SetOffline(context.Background())
}

func TestAHeartbeatIsSentOnceWhateverComesOfIt(t *testing.T) {
	o := serve(t, refused(503, "Temporarily unavailable", "the log does not answer", "unavailable"))
	client, _ := patient(o.URL, 0)
	_, err := client.Heartbeat(context.Background(), AgentOnline)
	var got *APIError
	if !errors.As(err, &got) || got.Status != 503 || len(o.requests()) != 1 {
		t.Errorf("got %v after %d requests", err, len(o.requests()))
	}
}

// 001: acceptance 86, 93, 117
func TestTheAgentsWhoAreThereAreListedWithTheirWork(t *testing.T) {
	o := serve(t, ok(`[{"agent_id":"a1","name":"Dewi","email":"dewi@example.com",
		"department_id":"d1","department":"Support","department_ids":["d1","d2"],"status":"busy",
		"declared":"online","reason":"capacity","since":"2025-01-27T10:30:00Z",
		"last_heartbeat":"2025-01-27T10:33:00Z","current_chats":5,"max_chats":5},
		{"agent_id":"a2","name":"Boss","email":null,"department_id":null,"department":null,
		"department_ids":[],"status":"online","declared":"online","reason":"connected",
		"since":"2025-01-27T10:31:00Z","last_heartbeat":null,"current_chats":0,"max_chats":5}]`))
	agents, err := NewConnectionStatusClient(o.URL).OnlineAgents(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2025, 1, 27, 10, 30, 0, 0, time.UTC)
	beat := at.Add(3 * time.Minute)
	want := []Agent{
		{
			AgentID: "a1", Name: "Dewi", Email: "dewi@example.com", DepartmentID: "d1",
			Department: "Support", DepartmentIDs: []string{"d1", "d2"}, Status: AgentBusy,
			Declared: AgentOnline, Reason: "capacity", Since: at, LastHeartbeat: &beat,
			CurrentChats: 5, MaxChats: 5,
		},
		{
			AgentID: "a2", Name: "Boss", DepartmentIDs: []string{}, Status: AgentOnline,
			Declared: AgentOnline, Reason: "connected", Since: at.Add(time.Minute), MaxChats: 5,
		},
	}
	if !reflect.DeepEqual(agents, want) {
		t.Errorf("got %+v, want %+v", agents, want)
	}
}

func TestAgentsWithoutAnIdOrAStatusAreNoAnswer(t *testing.T) {
	for _, data := range []string{`[{"agent_id":"a1"}]`, `[{"status":"online"}]`, `{}`, `null`} {
		o := serve(t, ok(data))
		_, err := NewConnectionStatusClient(o.URL).OnlineAgents(context.Background())
		var got *MalformedError
		if !errors.As(err, &got) {
			t.Errorf("%s: got %v", data, err)
		}
	}
	o := serve(t, ok(`{}`))
	_, err := NewConnectionStatusClient(o.URL).SetOffline(context.Background())
	var got *MalformedError
	if !errors.As(err, &got) {
		t.Errorf("got %v", err)
	}
}

// 001: acceptance 89, 93, 97, 103, 109, 121
func TestARealAgentIsListedFromItsHeartbeatToItsLogout(t *testing.T) {
	admin := realServer(t)
	ctx := context.Background()
	dewi := login(t, admin, "dewi@demo.example")
	if beat, err := dewi.Heartbeat(ctx, AgentAway); err != nil || beat.AgentID != agentID {
		t.Fatalf("the heartbeat was answered with %+v (%v)", beat, err)
	}
	if beat, err := dewi.Heartbeat(ctx, ""); err != nil || beat.Status != AgentAway {
		t.Errorf("a heartbeat without a status made it %+v (%v)", beat, err)
	}
	if found := onlineAgent(t, admin, agentID); found == nil || found.Status != AgentAway ||
		found.Name != "Dewi" || found.LastHeartbeat == nil || found.MaxChats == 0 {
		t.Errorf("the list has %+v", found)
	}
	if _, err := dewi.SetOffline(ctx); err != nil {
		t.Error(err)
	}
	if found := onlineAgent(t, admin, agentID); found != nil {
		t.Errorf("the list still has %+v", found)
	}
	var got *APIError
	if _, err := dewi.Heartbeat(ctx, "asleep"); !errors.As(err, &got) || got.Fields["status"] == "" {
		t.Errorf("an unknown status got %#v", err)
	}
	// The admin's id of with-server is no UUID.
	if _, err := admin.Heartbeat(ctx, ""); !errors.As(err, &got) || got.Status != 400 {
		t.Errorf("an id that is no UUID got %#v", err)
	}
}

// login is a client of somebody of the demo.
func login(t *testing.T, client *ConnectionStatusClient, email string) *ConnectionStatusClient {
	t.Helper()
	var made struct {
		Token string `json:"token"`
	}
	said := map[string]string{"email": email, "password": "demo"}
	if err := client.post(context.Background(), "/api/auth/login", said, &made); err != nil {
		t.Fatal(err)
	}
	return NewConnectionStatusClient(client.baseURL, WithToken(made.Token))
}

func onlineAgent(t *testing.T, client *ConnectionStatusClient, id string) *Agent {
	t.Helper()
	agents, err := client.OnlineAgents(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for i := range agents {
		if agents[i].AgentID == id {
			return &agents[i]
		}
	}
	return nil
}
