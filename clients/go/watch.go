// This file owns watching a session: when it is polled, what counts as news, and the hook for
// customers without an agent. It must not know how a status is asked for.

package switchboard

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// intervalDefault is the interval of the dashboards in document 000.
	intervalDefault = 5 * time.Second
	// intervalMin keeps a slip of the hand, 5 instead of 5*time.Second, from flooding the server.
	intervalMin = 100 * time.Millisecond
	// changesMax is how much news waits for a slow reader.
	changesMax = 16
)

// WatchOptions says how a session is watched.
type WatchOptions struct {
	// Interval is the pause between two polls; 0 for 5 s, otherwise 100 ms or more.
	Interval time.Duration
	// AutoAssign, if set, is called when a customer is connected and no agent is: once, and again
	// when that is so again after it was not. If it fails its error is reported as a change, and
	// it is called again at the next poll. Polling waits for it; its context ends after the
	// client's timeout.
	AutoAssign func(ctx context.Context, sessionID string) error
}

// StatusChange is one piece of news of a session: a status that differs from the one before, or an
// error.
type StatusChange struct {
	SessionID string
	// Status is who is connected now; nil when Err is set.
	Status *ConnectionStatus
	// Previous is the last status that was reported; nil in the first change.
	Previous *ConnectionStatus
	// Joined and Left are the users who came and went since Previous, by user id. A user who left
	// and came back between two polls is in both.
	Joined, Left []UserInfo
	// Err says why the status is not known, or why AutoAssign failed. Further errors are not
	// reported while their text is the same.
	Err error
}

// Watch polls a session until ctx ends and reports what changes. The first status is always
// reported, and so is the first one after an error.
//
// The channel holds 16 changes. A reader that falls behind misses none: polling waits for it. The
// channel is closed when ctx ends, and after a refusal that asking again cannot mend (400, 401,
// 403, 404 and the like), which is the last change then.
func (c *ConnectionStatusClient) Watch(
	ctx context.Context, sessionID string, options WatchOptions,
) (<-chan StatusChange, error) {
	if options.Interval == 0 {
		options.Interval = intervalDefault
	}
	switch {
	case c.wrong != nil:
		return nil, c.wrong
	case options.Interval < intervalMin:
		return nil, fmt.Errorf("switchboard: the interval must be %v or more", intervalMin)
	}
	if err := checkSessionID(sessionID); err != nil {
		return nil, err
	}
	w := &watch{
		client: c, sessionID: sessionID, options: options,
		changes: make(chan StatusChange, changesMax),
	}
	go w.run(ctx)
	return w.changes, nil
}

// errEnded ends a watch whose context ended or that was refused for good.
var errEnded = errors.New("the watch has ended")

// watch is the state of one watch. Its goroutine alone touches it.
type watch struct {
	client    *ConnectionStatusClient
	sessionID string
	options   WatchOptions
	changes   chan StatusChange
	// reported is the last status that was reported; nil before the first.
	reported *ConnectionStatus
	// pollFailure and hookFailure are the texts of the errors that go on; empty when all is well.
	pollFailure, hookFailure string
	// isCared tells that AutoAssign has succeeded for the customer who is waiting.
	isCared bool
}

func (w *watch) run(ctx context.Context) {
	defer close(w.changes)
	for w.poll(ctx) == nil {
		if w.client.wait(ctx, w.options.Interval) != nil {
			return
		}
	}
}

func (w *watch) poll(ctx context.Context) error {
	status, err := w.client.GetSessionStatusContext(ctx, w.sessionID)
	if ctx.Err() != nil {
		return errEnded
	}
	if err != nil {
		return w.reportPollFailure(ctx, err)
	}
	// The customer waits, the reader of the channel does not: the hook comes first.
	hookErr := w.autoAssign(ctx, status)
	if err := w.reportStatus(ctx, status); err != nil {
		return err
	}
	return w.reportHookFailure(ctx, hookErr)
}

func (w *watch) autoAssign(ctx context.Context, status *ConnectionStatus) error {
	if w.options.AutoAssign == nil || !status.NeedsAgent() {
		w.isCared = false
		return nil
	}
	if w.isCared {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, w.client.timeout)
	defer cancel()
	if err := w.options.AutoAssign(limited, w.sessionID); err != nil {
		return fmt.Errorf("switchboard: auto-assign: %w", err)
	}
	w.isCared = true
	return nil
}

func (w *watch) reportStatus(ctx context.Context, status *ConnectionStatus) error {
	earlier, hadFailed := w.reported, w.pollFailure != ""
	w.reported, w.pollFailure = status, ""
	if earlier != nil && !hadFailed && !status.differsFrom(earlier) {
		return nil
	}
	change := StatusChange{Status: status, Previous: earlier}
	if earlier == nil {
		earlier = &ConnectionStatus{}
	}
	change.Joined = usersOnlyIn(status, earlier)
	change.Left = usersOnlyIn(earlier, status)
	return w.send(ctx, change)
}

func (w *watch) reportPollFailure(ctx context.Context, err error) error {
	if text := err.Error(); text != w.pollFailure {
		w.pollFailure = text
		if err := w.send(ctx, StatusChange{Previous: w.reported, Err: err}); err != nil {
			return err
		}
	}
	if isPermanent(err) {
		return errEnded
	}
	return nil
}

func (w *watch) reportHookFailure(ctx context.Context, err error) error {
	if err == nil {
		w.hookFailure = ""
		return nil
	}
	if err.Error() == w.hookFailure {
		return nil
	}
	w.hookFailure = err.Error()
	return w.send(ctx, StatusChange{Previous: w.reported, Err: err})
}

func (w *watch) send(ctx context.Context, change StatusChange) error {
	change.SessionID = w.sessionID
	select {
	case w.changes <- change:
		return nil
	case <-ctx.Done():
		return errEnded
	}
}
