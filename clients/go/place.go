// This file owns what a frame of the hub means, and where in the log a subscriber is after it. It
// knows no line.

package switchboard

import (
	"encoding/json"
	"time"
)

// hubFrame is what the hub sends.
type hubFrame struct {
	Type      string          `json:"type"`
	Payload   json.RawMessage `json:"payload"`
	ID        string          `json:"id"`
	Timestamp time.Time       `json:"timestamp"`
	Cursor    string          `json:"cursor"`
}

// place is how far the log has been heard.
type place struct {
	// after is where a new line begins.
	after string
	// lastType and lastID are the name and id of the event there; empty when there is none, or none
	// known.
	lastType, lastID string
	// atConnect is where the log was when the line at hand was made.
	atConnect string
}

// read reads a frame. Nil when nobody has to hear of it; isPing when the server asks for a sign of
// life.
func (p *place) read(message []byte) (incoming *Incoming, isPing bool, err error) {
	var frame hubFrame
	if err := json.Unmarshal(message, &frame); err != nil {
		return nil, false, err
	}
	switch frame.Type {
	case "":
		return nil, false, &MalformedError{Reason: `a frame without "type"`}
	case "connected":
		incoming, err = p.connected(frame.Payload)
	case "resync":
		incoming, err = p.resync(frame.Payload)
	case "error":
		refused := &Refused{}
		incoming, err = &Incoming{Refused: refused}, json.Unmarshal(frame.Payload, refused)
	case "ping":
		isPing = true
	case "pong", "subscribed", "unsubscribed", "authenticated", "ack":
	default:
		incoming = p.event(frame)
	}
	return incoming, isPing, err
}

// connected: without an event of its own a new line begins where the first one did, since something
// may happen while there is none.
func (p *place) connected(payload json.RawMessage) (*Incoming, error) {
	connected := &Connected{}
	if err := json.Unmarshal(payload, connected); err != nil {
		return nil, err
	}
	p.atConnect = connected.Cursor
	if p.after == "" {
		p.after = connected.Cursor
	}
	return &Incoming{Connected: connected}, nil
}

// resync: the old place leads nowhere; what is told from now on begins where the line did.
func (p *place) resync(payload json.RawMessage) (*Incoming, error) {
	var told struct {
		Reason string `json:"reason"`
		Cursor string `json:"cursor"`
	}
	if err := json.Unmarshal(payload, &told); err != nil {
		return nil, err
	}
	*p = place{after: told.Cursor, atConnect: p.atConnect}
	if p.after == "" {
		p.after = p.atConnect
	}
	return &Incoming{Resync: &Resync{Reason: told.Reason}}, nil
}

// event is nil for the event that was the last one already.
func (p *place) event(frame hubFrame) *Incoming {
	if frame.Cursor != "" {
		if p.after == frame.Cursor && p.lastType == frame.Type && p.lastID == frame.ID {
			return nil
		}
		p.after, p.lastType, p.lastID = frame.Cursor, frame.Type, frame.ID
	}
	return &Incoming{Event: &HubEvent{
		Type: frame.Type, Payload: frame.Payload, ID: frame.ID, Timestamp: frame.Timestamp,
		Cursor: frame.Cursor,
	}}
}
