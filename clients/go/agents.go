// This file owns which agents can work (document 001): what the agent of the token says of itself,
// and who is there. It must not know how requests are sent, and keeps no timer.

package switchboard

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The statuses of an agent. An agent may say all but the last with a heartbeat.
const (
	AgentOnline  = "online"
	AgentBusy    = "busy"
	AgentAway    = "away"
	AgentOffline = "offline"
)

// AgentBeat is what the server noted of an agent.
type AgentBeat struct {
	AgentID string `json:"agent_id"`
	// Status is what the agent declares from now on. It may come to another one: an agent whose
	// places are all taken is AgentBusy.
	Status string `json:"status"`
}

// Agent is an agent with its work. Texts are empty and times nil where the server has none.
type Agent struct {
	AgentID string `json:"agent_id"`
	Name    string `json:"name"`
	Email   string `json:"email"`
	// DepartmentID and Department are the first of DepartmentIDs and its name.
	DepartmentID  string   `json:"department_id"`
	Department    string   `json:"department"`
	DepartmentIDs []string `json:"department_ids"`
	// Status is what the agent is, Declared what it said last.
	Status   string `json:"status"`
	Declared string `json:"declared"`
	// Reason is why it is what it is, such as "heartbeat" or "capacity".
	Reason string `json:"reason"`
	// Since is since when; RFC 3339 in UTC, whole seconds, as LastHeartbeat.
	Since time.Time `json:"since"`
	// LastHeartbeat is the last sign of life, of a heartbeat or a socket.
	LastHeartbeat *time.Time `json:"last_heartbeat"`
	CurrentChats  int        `json:"current_chats"`
	MaxChats      int        `json:"max_chats"`
}

// Heartbeat says that the agent of the token is there, with this status; an empty one leaves what
// it said last. It counts for AGENT_STATUS_TTL, 5 minutes; send one every 3. Like every change it
// is sent once; the next one makes good for one that was lost.
func (c *ConnectionStatusClient) Heartbeat(
	ctx context.Context, status string,
) (*AgentBeat, error) {
	body := map[string]string{}
	if status != "" {
		body["status"] = status
	}
	return c.beat(ctx, "/api/agent-status/heartbeat", body)
}

// SetOffline says that the agent of the token goes: it is offline until its next heartbeat or
// login, whatever sockets it has open.
func (c *ConnectionStatusClient) SetOffline(ctx context.Context) (*AgentBeat, error) {
	return c.beat(ctx, "/api/agent-status/offline", struct{}{})
}

func (c *ConnectionStatusClient) beat(
	ctx context.Context, path string, body interface{},
) (*AgentBeat, error) {
	var noted AgentBeat
	if err := c.post(ctx, path, body, &noted); err != nil {
		return nil, err
	}
	return &noted, nil
}

// OnlineAgents lists the agents and admins who are not offline, in the order of their ids.
func (c *ConnectionStatusClient) OnlineAgents(ctx context.Context) ([]Agent, error) {
	var agents agentList
	if err := c.get(ctx, "/api/agent-status/online", nil, &agents); err != nil {
		return nil, err
	}
	return agents, nil
}

func (b *AgentBeat) check() error {
	if b.AgentID == "" || b.Status == "" {
		return errors.New(`no "agent_id" or "status"`)
	}
	return nil
}

type agentList []Agent

// check refuses agents that could not be told from others, or from those who are offline.
func (l *agentList) check() error {
	for i, agent := range *l {
		if agent.AgentID == "" || agent.Status == "" {
			return fmt.Errorf("agent %d lacks agent_id or status", i)
		}
	}
	return nil
}
