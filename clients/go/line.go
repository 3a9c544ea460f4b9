// This file owns the life of a line to the hub, and of those that follow it: what comes is handed to
// the owner, signs of life go both ways, and when one ends a new one is tried. It must not know what a
// frame means.

package switchboard

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"
)

const (
	// hubPingInterval is document 004's.
	hubPingInterval = 30 * time.Second
	// hubSilenceMax is three pings without an answer; the server's own ones come every 54 s.
	hubSilenceMax = 90 * time.Second
	// hubGoodLine is how long a good line was there. One that ends sooner counts as a failure, so
	// that a server that takes everybody in and throws them out is not run down.
	hubGoodLine       = 10 * time.Second
	lineBackoffFirst  = time.Second
	lineBackoffMax    = 30 * time.Second
	goodbyePause      = time.Second
	closeTokenEnded   = 4001
	closeMayNotListen = 4003
)

// errSilent ends a line on which nothing comes any more.
var errSilent = errors.New("the line is dead")

// line is one line after the other, to one owner. Its goroutine alone touches it.
type line struct {
	client *ConnectionStatusClient
	query  url.Values
	place  place
	owner  *Subscriber
	// pingInterval and the others are shorter in tests.
	pingInterval, silenceMax, goodLine time.Duration
	// failures counts the lines and attempts that were no good since one was.
	failures int
}

func (l *line) run(ctx context.Context) {
	defer close(l.owner.incoming)
	for {
		begun := time.Now()
		err := l.one(ctx)
		if ctx.Err() != nil {
			l.owner.err = ctx.Err()
			return
		}
		if err = final(err); err != nil && isFinal(err) {
			l.owner.err = err
			return
		}
		if time.Since(begun) >= l.goodLine {
			l.failures = 0
		}
		pause := l.backoff(err)
		lost := Incoming{Disconnected: &Disconnected{Err: err, RetryIn: pause}}
		if !l.tell(ctx, lost) || l.client.wait(ctx, pause) != nil {
			l.owner.err = ctx.Err()
			return
		}
	}
}

// final names the ends of a line that have a name.
func final(err error) error {
	var closed *closedError
	if errors.As(err, &closed) {
		switch closed.code {
		case closeTokenEnded:
			return ErrTokenEnded
		case closeMayNotListen:
			return ErrMayNotListen
		}
	}
	return err
}

// isFinal tells whether a new line would end in the same way.
func isFinal(err error) bool {
	status, _ := statusOf(err)
	isRedirect := 200 <= status && status < 400
	return errors.Is(err, ErrTokenEnded) || errors.Is(err, ErrMayNotListen) ||
		isRedirect || isPermanent(err)
}

// backoff is exponential with full jitter, on top of what the server asks for.
func (l *line) backoff(err error) time.Duration {
	_, retryAfter := statusOf(err)
	longest := doubled(lineBackoffFirst, l.failures, lineBackoffMax)
	l.failures++
	return retryAfter + time.Duration(l.client.random()*float64(longest))
}

// one is one line, from the attempt at it to its end.
func (l *line) one(ctx context.Context) error {
	socket, err := l.dial(ctx)
	if err != nil {
		return err
	}
	defer socket.line.Close()
	return l.listen(ctx, socket)
}

func (l *line) dial(ctx context.Context) (opened *socket, err error) {
	query := url.Values{}
	for name, values := range l.query {
		query[name] = values
	}
	if l.place.after != "" {
		query.Set("after", l.place.after)
	}
	path := "/ws"
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	err = l.client.within(ctx, func(ctx context.Context) error {
		opened, err = l.client.upgrade(ctx, path)
		return err
	})
	return opened, err
}

func (l *line) listen(ctx context.Context, socket *socket) error {
	var isSilent atomic.Bool
	// Closing the line is what ends a read that waits, and a write to who takes nothing any more.
	watchdog := time.AfterFunc(l.silenceMax, func() {
		isSilent.Store(true)
		_ = socket.line.Close()
	})
	defer watchdog.Stop()
	socket.heard = func() { watchdog.Reset(l.silenceMax) }
	over := make(chan struct{})
	defer close(over)
	go l.ping(ctx, socket, over)
	for {
		message, err := socket.next()
		if isSilent.Load() {
			return errSilent
		}
		if err != nil {
			return fmt.Errorf("switchboard: %w", err)
		}
		// A slow owner is no silence of the line.
		watchdog.Stop()
		if err := l.hear(ctx, socket, message); err != nil {
			return err
		}
		watchdog.Reset(l.silenceMax)
	}
}

// ping says every now and then that somebody is there, and at last that nobody is any more.
func (l *line) ping(ctx context.Context, socket *socket, over <-chan struct{}) {
	ticker := time.NewTicker(l.pingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-over:
			return
		case <-ctx.Done():
			// A goodbye that does not get through must not keep anybody.
			hurry := time.AfterFunc(goodbyePause, func() { _ = socket.line.Close() })
			_ = socket.goodbye(closeNormal)
			hurry.Stop()
			_ = socket.line.Close()
			return
		case <-ticker.C:
			if socket.send(opText, []byte(`{"type":"ping"}`)) != nil {
				_ = socket.line.Close()
				return
			}
		}
	}
}

func (l *line) hear(ctx context.Context, socket *socket, message []byte) error {
	incoming, isPing, err := l.place.read(message)
	switch {
	case err != nil:
		return fmt.Errorf("switchboard: a frame that cannot be read: %w", err)
	case isPing:
		return socket.send(opText, []byte(`{"type":"pong"}`))
	case incoming != nil && !l.tell(ctx, *incoming):
		return ctx.Err()
	}
	return nil
}

// tell waits for a slow owner; false when ctx ended meanwhile.
func (l *line) tell(ctx context.Context, incoming Incoming) bool {
	select {
	case l.owner.incoming <- incoming:
		return true
	case <-ctx.Done():
		return false
	}
}
