// This file owns the subscriber as its owner sees it: how it is made, and what it hears. The line to
// the server, and when a new one is tried, are line.go's business.

package switchboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// incomingMax is how much waits for a slow owner before the line is not read any more.
const incomingMax = 256

var (
	// ErrTokenEnded ends a subscriber whose token ended (close code 4001). A new one with a new
	// token and the last cursor goes on where it was.
	ErrTokenEnded = errors.New("switchboard: the token has ended")
	// ErrMayNotListen ends a subscriber whose token may no longer listen (close code 4003).
	ErrMayNotListen = errors.New("switchboard: the token may not listen")
)

// SubscribeOptions says what a subscriber hears.
type SubscribeOptions struct {
	// Events are names and patterns: "call.incoming", "call.*". None for everything that the token
	// may hear.
	Events []string
	// After is the cursor behind which it begins, of a HubEvent or of an Accepted. Empty for what
	// happens from now on.
	After string
}

// Subscriber hears what happens in a tenant, in the order of its log. When the line breaks it is made
// anew, and what was missed comes first: nothing is lost and nothing doubled.
type Subscriber struct {
	incoming chan Incoming
	err      error
}

// Incoming is one thing heard; exactly one of its fields is set.
type Incoming struct {
	// Event is something that happened.
	Event *HubEvent
	// Resync says that what happened since the last event cannot be told. Whoever keeps a state
	// must read it anew; what happens from now on follows.
	Resync *Resync
	// Refused says that the server did not understand something, such as the name of an event; the
	// rest counts.
	Refused *Refused
	// Connected says that there is a line to the server.
	Connected *Connected
	// Disconnected says that there is none, and that a new one is tried.
	Disconnected *Disconnected
}

// HubEvent is something that happened.
type HubEvent struct {
	// Type is its name, such as "call.incoming".
	Type string
	// Payload is a JSON object; Decode reads it.
	Payload json.RawMessage
	// ID is the same when the event is told again: its producer's, if that gave one.
	ID string
	// Timestamp is when it happened; RFC 3339 in UTC, milliseconds.
	Timestamp time.Time
	// Cursor is where it is in the tenant's log. Empty for a volatile event, such as chat.typing,
	// which is told once or not at all. Keep it to go on from here another day.
	Cursor string
}

// Decode reads the payload into one of the payload types, a pointer to it: that of its Type, or one
// of your own.
func (e *HubEvent) Decode(payload interface{}) error {
	return json.Unmarshal(e.Payload, payload)
}

// Resync says that what happened since the last event cannot be told.
type Resync struct {
	// Reason is "cursor_expired" or "unknown_cursor".
	Reason string
}

// Refused says that the server did not understand something.
type Refused struct {
	// Code is from the server's closed list: "unknown_event".
	Code    string `json:"code"`
	Message string `json:"message"`
	// Nearest is the known name that is written most like the unknown one.
	Nearest string `json:"nearest"`
}

// Connected says as whom the subscriber listens.
type Connected struct {
	// ConnectionID is the connection, as the server's log names it.
	ConnectionID string `json:"connection_id"`
	UserID       string `json:"user_id"`
	Role         string `json:"role"`
	// Cursor is where the tenant's log was.
	Cursor string `json:"cursor"`
}

// Disconnected says that the line is lost.
type Disconnected struct {
	// Err is what happened to it.
	Err error
	// RetryIn is when a new one is tried.
	RetryIn time.Duration
}

// Subscribe listens until ctx ends, with the client's credential: an agent's or admin's token, or an
// API key with the scope events:read. The client's timeout is for each handshake.
//
// Read Incoming until it is closed. An owner that is slow stops the line from being read; the server
// closes a line that is not read for a minute, and goes on where it was on the next one.
func (c *ConnectionStatusClient) Subscribe(
	ctx context.Context, options SubscribeOptions,
) (*Subscriber, error) {
	l, err := c.newLine(options)
	if err != nil {
		return nil, err
	}
	go l.run(ctx)
	return l.owner, nil
}

// Incoming is what is heard. It is closed when ctx ends, and after an error that trying again cannot
// mend.
func (s *Subscriber) Incoming() <-chan Incoming {
	return s.incoming
}

// Err says, once Incoming is closed, why: ErrTokenEnded, ErrMayNotListen, a refusal of the handshake
// (an *APIError or *HTTPError), or the error of the context.
func (s *Subscriber) Err() error {
	return s.err
}

func (c *ConnectionStatusClient) newLine(options SubscribeOptions) (*line, error) {
	if c.wrong != nil {
		return nil, c.wrong
	}
	query := url.Values{}
	for _, pattern := range options.Events {
		if pattern == "" || strings.Contains(pattern, ",") {
			return nil, fmt.Errorf("switchboard: %q is no name or pattern of events", pattern)
		}
	}
	if len(options.Events) > 0 {
		query.Set("events", strings.Join(options.Events, ","))
	}
	return &line{
		client: c, query: query, place: place{after: options.After},
		owner:        &Subscriber{incoming: make(chan Incoming, incomingMax)},
		pingInterval: hubPingInterval, silenceMax: hubSilenceMax, goodLine: hubGoodLine,
	}, nil
}
