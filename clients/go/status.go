// This file owns who is connected to a session: the question, its answer, and what changed
// between two answers. It must not know how often anybody asks.

package switchboard

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"
)

// The user types of a session. An admin observes, and counts in neither total.
const (
	UserTypeCustomer = "customer"
	UserTypeAgent    = "agent"
	UserTypeAdmin    = "admin"
)

// ConnectionStatus says who is connected to a session.
type ConnectionStatus struct {
	// Users are the customers, agents and admins who are connected, by user id. Never nil.
	Users             map[string]UserInfo `json:"users"`
	CustomerConnected bool                `json:"customer_connected"`
	AgentConnected    bool                `json:"agent_connected"`
	TotalCustomer     int                 `json:"total_customer"`
	TotalAgent        int                 `json:"total_agent"`
}

// UserInfo is a user who is connected, however many connections it holds.
type UserInfo struct {
	UserID string `json:"user_id"`
	// UserType is UserTypeCustomer, UserTypeAgent or UserTypeAdmin.
	UserType string `json:"user_type"`
	// JoinedAt is when the user's first connection came: RFC 3339 in UTC, whole seconds.
	JoinedAt time.Time `json:"joined_at"`
}

// GetSessionStatus says who is connected to a session. A session that nobody knows has nobody in
// it. It is GetSessionStatusContext without a context of its own.
func (c *ConnectionStatusClient) GetSessionStatus(sessionID string) (*ConnectionStatus, error) {
	return c.GetSessionStatusContext(context.Background(), sessionID)
}

// GetSessionStatusContext says who is connected to a session, and gives up when ctx ends or the
// client's timeout is over. The error is an *APIError, an *HTTPError, a *MalformedError, or says
// why no answer came.
func (c *ConnectionStatusClient) GetSessionStatusContext(
	ctx context.Context, sessionID string,
) (*ConnectionStatus, error) {
	if err := checkSessionID(sessionID); err != nil {
		return nil, err
	}
	var status ConnectionStatus
	if err := c.get(ctx, "/api/session/"+sessionID+"/connection-status", nil, &status); err != nil {
		return nil, err
	}
	return &status, nil
}

// NeedsAgent tells whether a customer is connected and no agent is.
func (s *ConnectionStatus) NeedsAgent() bool {
	return s.CustomerConnected && !s.AgentConnected
}

// check refuses what would pass for "nobody is here", and users without an id or a time.
func (s *ConnectionStatus) check() error {
	if s.Users == nil {
		return errors.New(`no "users"`)
	}
	for id, user := range s.Users {
		if user.UserID == "" || user.UserType == "" || user.JoinedAt.IsZero() {
			return fmt.Errorf("user %q lacks user_id, user_type or joined_at", id)
		}
	}
	return nil
}

// differsFrom tells whether anything changed since an earlier status.
func (s *ConnectionStatus) differsFrom(earlier *ConnectionStatus) bool {
	return s.CustomerConnected != earlier.CustomerConnected ||
		s.AgentConnected != earlier.AgentConnected ||
		s.TotalCustomer != earlier.TotalCustomer ||
		s.TotalAgent != earlier.TotalAgent ||
		len(s.Users) != len(earlier.Users) ||
		len(usersOnlyIn(s, earlier)) > 0
}

// usersOnlyIn lists the users of one status that are not in the other, by user id. A user who
// left and came back in between has another JoinedAt, and is not the same.
func usersOnlyIn(one, other *ConnectionStatus) []UserInfo {
	var only []UserInfo
	for id, user := range one.Users {
		if same, ok := other.Users[id]; !ok || !user.equals(same) {
			only = append(only, user)
		}
	}
	sort.Slice(only, func(i, j int) bool { return only[i].UserID < only[j].UserID })
	return only
}

// equals compares the times as moments; == would also compare their zones.
func (u UserInfo) equals(other UserInfo) bool {
	return u.UserID == other.UserID && u.UserType == other.UserType &&
		u.JoinedAt.Equal(other.JoinedAt)
}
