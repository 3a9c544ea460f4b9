// This file owns what is asked of sessions beyond who is connected: the list of active ones, what
// happened around one, and giving one to an agent. It must not know how requests are sent.

package switchboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// The states of a session.
const (
	SessionOpen     = "open"
	SessionWaiting  = "waiting"
	SessionBot      = "bot"
	SessionAssigned = "assigned"
	SessionClosed   = "closed"
)

// SessionFilter says which sessions are listed. Its zero value asks for the first page of all
// that are not closed.
type SessionFilter struct {
	// Status is one of the states above; empty for all but SessionClosed.
	Status string
	// Department is a department's id, a UUID; empty for all.
	Department string
	// Cursor is NextCursor of the page before; empty for the first page.
	Cursor string
	// Limit is how many sessions a page has at most; 0 for the server's 50. The server gives no
	// more than 200.
	Limit int
}

// SessionPage is a page of sessions, newest first.
type SessionPage struct {
	Sessions []SessionSummary `json:"sessions"`
	// NextCursor is where the next page starts; empty on the last one.
	NextCursor string `json:"next_cursor"`
}

// SessionSummary is a session in a list. Texts are empty and times nil where the server has none.
type SessionSummary struct {
	SessionID string `json:"session_id"`
	// ExternalIDs are names that other systems know the session by.
	ExternalIDs []string `json:"external_ids"`
	// Status is one of the states above.
	Status        string `json:"status"`
	CustomerID    string `json:"customer_id"`
	CustomerName  string `json:"customer_name"`
	CustomerEmail string `json:"customer_email"`
	DepartmentID  string `json:"department_id"`
	// AgentID is who has the session, or had it when it was closed.
	AgentID   string `json:"agent_id"`
	AgentName string `json:"agent_name"`
	// CreatedAt and the other times are in UTC, with milliseconds.
	CreatedAt  time.Time  `json:"created_at"`
	QueuedAt   *time.Time `json:"queued_at"`
	AssignedAt *time.Time `json:"assigned_at"`
	ClosedAt   *time.Time `json:"closed_at"`
	// LastSeq is how many messages the session has.
	LastSeq uint64 `json:"last_seq"`
	// Score is the customer's rating, 1 to 5; 0 when there is none.
	Score int `json:"score"`
	// Metadata is whatever the customer's page attached; nil when that is nothing.
	Metadata         map[string]json.RawMessage `json:"metadata"`
	ConnectionStatus ConnectionStatus           `json:"connection_status"`
}

// GetActiveSessions lists the sessions that the caller may see, one page of them.
func (c *ConnectionStatusClient) GetActiveSessions(
	ctx context.Context, filter SessionFilter,
) (*SessionPage, error) {
	var page SessionPage
	if err := c.get(ctx, "/api/sessions", filter.query(), &page); err != nil {
		return nil, err
	}
	return &page, nil
}

// EachActiveSession calls visit for each session of all pages, from filter.Cursor on. It ends with
// the first error of visit or of a page. The client's timeout is for each page; ctx is for all.
func (c *ConnectionStatusClient) EachActiveSession(
	ctx context.Context, filter SessionFilter, visit func(SessionSummary) error,
) error {
	for {
		page, err := c.GetActiveSessions(ctx, filter)
		if err != nil {
			return err
		}
		for _, session := range page.Sessions {
			if err := visit(session); err != nil {
				return err
			}
		}
		if page.NextCursor == "" {
			return nil
		}
		// A server that answers with the page it was asked for would be asked for ever.
		if page.NextCursor == filter.Cursor {
			return &MalformedError{Status: 200, Reason: "next_cursor is the page's own"}
		}
		filter.Cursor = page.NextCursor
	}
}

func (f SessionFilter) query() url.Values {
	query := url.Values{}
	for name, value := range map[string]string{
		"status": f.Status, "department": f.Department, "cursor": f.Cursor,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if f.Limit != 0 {
		query.Set("limit", strconv.Itoa(f.Limit))
	}
	return query
}

func (p *SessionPage) check() error {
	if p.Sessions == nil {
		return errors.New(`no "sessions"`)
	}
	for i := range p.Sessions {
		session := &p.Sessions[i]
		if session.SessionID == "" {
			return fmt.Errorf("session %d of the page has no session_id", i)
		}
		if err := session.ConnectionStatus.check(); err != nil {
			return fmt.Errorf("session %s: %w", session.SessionID, err)
		}
	}
	return nil
}

// SessionEvent is one line of a session's flight recorder: a connect, a disconnect with its
// reason, an assignment; nothing that was said.
type SessionEvent struct {
	// Type is the event's name, such as "conversation.left"; docs/events.md lists them.
	Type string    `json:"type"`
	At   time.Time `json:"at"`
	// Cursor is where the event stands in the log.
	Cursor string `json:"cursor"`
	// EventType is "user_connected" or "user_disconnected"; empty for other events.
	EventType string `json:"event_type"`
	// Payload is a JSON object with the fields of that type.
	Payload json.RawMessage `json:"payload"`
}

// GetSessionEvents tells what happened around a session: the newest limit events, the oldest of
// them first. 0 is the server's 50; the server gives no more than 200.
func (c *ConnectionStatusClient) GetSessionEvents(
	ctx context.Context, sessionID string, limit int,
) ([]SessionEvent, error) {
	if err := checkSessionID(sessionID); err != nil {
		return nil, err
	}
	query := SessionFilter{Limit: limit}.query()
	var events []SessionEvent
	if err := c.get(ctx, "/api/session/"+sessionID+"/events", query, &events); err != nil {
		return nil, err
	}
	return events, nil
}

// Assignment says who has a session now.
type Assignment struct {
	SessionID string `json:"session_id"`
	AgentID   string `json:"agent_id"`
	// AgentName is the agent's name, or its id when it has none.
	AgentName string `json:"agent_name"`
	// DepartmentID is the session's department; empty when it has none.
	DepartmentID string `json:"department_id"`
}

// Assign gives a session to an agent. An agent claims it for itself, with an empty agentID or its
// own; an admin names an agent, or leaves agentID empty to let the server choose. If another agent
// has it already the error is an *APIError with status 409 and its Holder; without a Holder, 409
// says that no agent is free. To give it to the agent that has it succeeds, so a call whose answer
// was lost may be made again.
func (c *ConnectionStatusClient) Assign(
	ctx context.Context, sessionID, agentID string,
) (*Assignment, error) {
	if err := checkSessionID(sessionID); err != nil {
		return nil, err
	}
	body := map[string]string{}
	if agentID != "" {
		if err := checkAgentID(agentID); err != nil {
			return nil, err
		}
		body["agent_id"] = agentID
	}
	var assignment Assignment
	if err := c.post(ctx, "/api/sessions/"+sessionID+"/assign", body, &assignment); err != nil {
		return nil, err
	}
	return &assignment, nil
}

func (a *Assignment) check() error {
	if a.AgentID == "" {
		return errors.New(`no "agent_id"`)
	}
	return nil
}
