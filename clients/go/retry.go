// This file owns when a question is asked again, and how long is waited before. It must not know
// what is asked.

package switchboard

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net/http"
	"strconv"
	"time"
)

const (
	// backoffFirst is the longest pause after the first refusal that names none itself. Each
	// further one doubles it.
	backoffFirst = 250 * time.Millisecond
	backoffMax   = 5 * time.Second
	// retryAfterMax keeps an absurd number from overflowing a duration. No call waits that long:
	// its timeout is far shorter.
	retryAfterMax = 24 * time.Hour
)

// repeat calls ask until it succeeds, until its failure is none that passes, or until the
// attempts or the time are used up; then it returns the last failure.
func (c *ConnectionStatusClient) repeat(ctx context.Context, ask func() error) error {
	for attempt := 1; ; attempt++ {
		err := ask()
		status, retryAfter := statusOf(err)
		passes := status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
		if !passes || attempt >= c.attempts {
			return err
		}
		pause := c.pause(attempt, retryAfter)
		// A refusal says more than a deadline that is going to be missed, and says it sooner.
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < pause {
			return err
		}
		if err := c.wait(ctx, pause); err != nil {
			return err
		}
	}
}

// pause is never shorter than the server asks for. The random part keeps clients that were
// refused together from coming back together.
func (c *ConnectionStatusClient) pause(attempt int, retryAfter time.Duration) time.Duration {
	backoff := doubled(backoffFirst, attempt-1, backoffMax)
	if retryAfter > 0 {
		return retryAfter + time.Duration(c.random()*float64(backoff))
	}
	return backoff/2 + time.Duration(c.random()*float64(backoff/2))
}

// doubled is a pause that was doubled so many times, but never grew beyond max.
func doubled(pause time.Duration, times int, max time.Duration) time.Duration {
	for i := 0; i < times && pause < max; i++ {
		pause *= 2
	}
	if pause > max {
		return max
	}
	return pause
}

// retryAfterOf reads the header Retry-After: seconds, or a date. 0 when it is absent, unreadable
// or in the past.
func retryAfterOf(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	var after time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		after = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(value); err == nil {
		after = date.Sub(now)
	}
	switch {
	case after < 0:
		return 0
	case after > retryAfterMax:
		return retryAfterMax
	}
	return after
}

// wait returns after a pause, or earlier with the context's error.
func wait(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// random is a number from 0 to 1, 1 excluded. Not math/rand: up to Go 1.19 its shared source
// gives every process the same numbers, and then nothing is spread.
func random() float64 {
	var bytes [8]byte
	if _, err := rand.Read(bytes[:]); err != nil {
		return 0.5
	}
	return float64(binary.LittleEndian.Uint64(bytes[:])>>11) / (1 << 53)
}
