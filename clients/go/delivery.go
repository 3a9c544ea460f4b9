// This file owns what became of an event, and the names of the ways in which it can end. It must not
// know how that was found out.

package switchboard

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrQueueFull is returned when as many events as allowed wait for their answers.
	ErrQueueFull = errors.New("switchboard: the queue of events is full")
	// ErrBroadcasterClosed is how an event ends that was not answered before its broadcaster was
	// closed, and what a closed broadcaster returns.
	ErrBroadcasterClosed = errors.New("switchboard: the broadcaster is closed")
	// ErrEventTooLarge is returned for an event that no batch has room for.
	ErrEventTooLarge = errors.New("switchboard: the event is too large")
)

// RejectedError is an event that the server refuses; telling it again would not help.
type RejectedError struct {
	// Code is from the server's closed list (docs/errors.md), such as "unknown_event"; "http_" and
	// the status when the answer was not in the server's form.
	Code string
	// Message says what is wrong, with the path of the field if it is one.
	Message string
}

// Error has the code and the message.
func (e *RejectedError) Error() string {
	return fmt.Sprintf("switchboard: rejected (%s): %s", e.Code, e.Message)
}

// GaveUpError is an event for which the server could not be reached for too long. It may have been
// accepted without the answer coming back.
type GaveUpError struct {
	// After is for how long it was tried.
	After time.Duration
	// Last is what went wrong the last time.
	Last error
}

// Error says for how long, and the last cause.
func (e *GaveUpError) Error() string {
	return fmt.Sprintf("switchboard: given up after %v: %v", e.After, e.Last)
}

// Unwrap returns the last cause.
func (e *GaveUpError) Unwrap() error {
	return e.Last
}

// UnansweredError is what Close returns when its context ends first. Each of those events ended with
// ErrBroadcasterClosed.
type UnansweredError struct {
	// Count is how many events were left.
	Count int
}

// Error says how many were left.
func (e *UnansweredError) Error() string {
	return fmt.Sprintf("switchboard: closed with %d events unanswered", e.Count)
}

// Accepted says that the server has an event, and will not lose it.
type Accepted struct {
	// ID is the event's id: the one it was given, or a random one.
	ID string
	// Cursor is where the tenant's log is behind the batch this event was in; empty if the server
	// told none. A subscriber that begins after it hears what came later.
	Cursor string
}

// Undelivered is an event that did not get through, as OnRejected hears of it.
type Undelivered struct {
	// ID is the event's id, Type its name, such as "call.incoming".
	ID, Type string
	// Err is what its Delivery returns.
	Err error
}

// Delivery is an event on its way. Nobody has to wait for it.
type Delivery struct {
	id       string
	done     chan struct{}
	accepted Accepted
	err      error
}

// ID is the event's id: the one it was given, or a random one.
func (d *Delivery) ID() string {
	return d.id
}

// Done is closed when the event was answered or given up; Wait returns at once then.
func (d *Delivery) Done() <-chan struct{} {
	return d.done
}

// Wait tells what became of the event. Its errors are a *RejectedError, a *GaveUpError, a
// *MalformedError (an answer of success from something that is none of this server), and
// ErrBroadcasterClosed; or that of ctx, which ends the waiting and not the event.
func (d *Delivery) Wait(ctx context.Context) (Accepted, error) {
	select {
	case <-d.done:
		return d.accepted, d.err
	default:
	}
	select {
	case <-d.done:
		return d.accepted, d.err
	case <-ctx.Done():
		return Accepted{}, ctx.Err()
	}
}

func (d *Delivery) end(accepted Accepted, err error) {
	d.accepted, d.err = accepted, err
	close(d.done)
}
