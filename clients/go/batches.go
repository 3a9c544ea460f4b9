// This file owns what happens to events that were handed over: gathered for a moment, sent in
// batches, one at a time and in their order, sent again while that can help, and each of them
// answered. It must not know what an event or an answer looks like.

package switchboard

import (
	"bytes"
	"context"
	"sync"
	"time"
)

const (
	batchBackoffFirst = 250 * time.Millisecond
	// batchBackoffMax is within what a server that comes back after a long time is noticed.
	batchBackoffMax = 30 * time.Second
)

// entry is an event that waits for its answer.
type entry struct {
	*encoded
	published time.Time
	delivery  *Delivery
}

// flusher waits until so many events have been answered.
type flusher struct {
	until uint64
	done  chan struct{}
}

// batches is a queue of events and the goroutine that empties it.
type batches struct {
	client  *ConnectionStatusClient
	options BroadcasterOptions
	// free is called once for each event that was answered.
	free func()
	// now is replaced by tests, like the client's wait.
	now func() time.Time

	// closing is closed when nothing more is taken, ended when the goroutine is gone.
	closing, ended chan struct{}
	// left is how many events were not answered; to be read after ended.
	left int
	// ctx ends with stop: whatever is being waited for.
	ctx  context.Context
	stop context.CancelFunc
	// wake tells the goroutine that there is something to do.
	wake chan struct{}

	// mutex guards what is below.
	mutex    sync.Mutex
	isClosed bool
	queue    []*entry
	// added and answered count events from the beginning.
	added, answered uint64
	flushers        []flusher
	// failure is what went wrong last, while it goes wrong.
	failure error

	// The goroutine's own.
	// pending are taken from the queue and not yet answered, BatchMax at most.
	pending []*entry
	// failures counts the attempts that failed since one did not.
	failures int
	// notBefore is when the next attempt may be made.
	notBefore time.Time
}

func newBatches(
	client *ConnectionStatusClient, options BroadcasterOptions, free func(),
) *batches {
	ctx, stop := context.WithCancel(context.Background())
	return &batches{
		client: client, options: options, free: free, now: time.Now,
		closing: make(chan struct{}), ended: make(chan struct{}), ctx: ctx, stop: stop,
		wake: make(chan struct{}, 1),
	}
}

// add takes an event; false when nothing more is taken.
func (b *batches) add(event *encoded, delivery *Delivery) bool {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.isClosed {
		return false
	}
	b.queue = append(b.queue, &entry{encoded: event, published: b.now(), delivery: delivery})
	b.added++
	b.rouse()
	return true
}

// flush returns what is closed when everything added so far has been answered.
func (b *batches) flush() <-chan struct{} {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	done := make(chan struct{})
	if b.added == b.answered {
		close(done)
		return done
	}
	b.flushers = append(b.flushers, flusher{until: b.added, done: done})
	b.rouse()
	return done
}

func (b *batches) close() {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if !b.isClosed {
		b.isClosed = true
		close(b.closing)
		b.rouse()
	}
}

func (b *batches) rouse() {
	select {
	case b.wake <- struct{}{}:
	default: // It is going to look anyway.
	}
}

func (b *batches) lastFailure() error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.failure
}

func (b *batches) fail(err error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.failure = err
}

// run works until it is closed and everything is answered, or until it is stopped.
func (b *batches) run() {
	defer close(b.ended)
	defer b.stop()
	for b.gather() {
		b.deliver()
	}
	b.abandon()
}

// gather takes what comes within the linger; false when nothing will come any more.
func (b *batches) gather() bool {
	waiting, isHurried := b.look()
	for ; waiting == 0; waiting, isHurried = b.look() {
		// Closed, with nothing left.
		if isHurried || !b.sleepUntilRoused(nil) {
			return false
		}
	}
	linger := time.NewTimer(b.options.Linger)
	defer linger.Stop()
	for waiting < b.options.BatchMax && !isHurried && b.sleepUntilRoused(linger.C) {
		waiting, isHurried = b.look()
	}
	b.take()
	return b.ctx.Err() == nil
}

// look tells how many events wait, and whether somebody waits for them to be sent.
func (b *batches) look() (waiting int, isHurried bool) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return len(b.queue), b.isClosed || len(b.flushers) > 0
}

// sleepUntilRoused returns false when it was not roused: the time is over, or all is.
func (b *batches) sleepUntilRoused(timer <-chan time.Time) bool {
	select {
	case <-b.wake:
		return true
	case <-timer:
	case <-b.ctx.Done():
	}
	return false
}

func (b *batches) take() {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	count := len(b.queue)
	if count > b.options.BatchMax {
		count = b.options.BatchMax
	}
	b.pending = append(b.pending, b.queue[:count]...)
	for i := range b.queue[:count] {
		b.queue[i] = nil // The array behind the slice would keep them.
	}
	b.queue = b.queue[count:]
}

// deliver sends what is pending until all of it is answered, or it is stopped.
func (b *batches) deliver() {
	// A batch that is refused because of one of its events is halved until that one is alone.
	limit := len(b.pending)
	for b.pause() && len(b.pending) > 0 {
		count := b.fitting(limit)
		result := b.client.postEvents(b.ctx, b.body(count), count)
		switch {
		case result.passes && b.ctx.Err() != nil:
			return
		case result.passes:
			b.notBefore = b.now().Add(b.backoff(result.retryAfter))
			b.fail(result.err)
			continue
		case result.err == nil:
			b.settle(count, result)
		case result.mayBeOnes && count > 1:
			limit = count / 2
		default:
			b.refuse(count, result.err)
		}
		if !result.mayBeOnes || count == 1 {
			limit = 2 * count
		}
		b.failures, b.notBefore = 0, time.Time{}
		b.fail(nil)
	}
}

// backoff is the pause after a failure: exponential with full jitter, on top of what the server asks
// for.
func (b *batches) backoff(retryAfter time.Duration) time.Duration {
	longest := doubled(batchBackoffFirst, b.failures, batchBackoffMax)
	b.failures++
	return retryAfter + time.Duration(b.client.random()*float64(longest))
}

// pause waits until the next attempt may be made, and gives up what gets too old meanwhile; false
// when it is stopped.
func (b *batches) pause() bool {
	for {
		b.giveUp()
		if len(b.pending) == 0 || !b.now().Before(b.notBefore) {
			return true
		}
		until := b.pending[0].published.Add(b.options.GiveUpAfter)
		if b.notBefore.Before(until) {
			until = b.notBefore
		}
		if b.client.wait(b.ctx, until.Sub(b.now())) != nil {
			return false
		}
	}
}

// giveUp ends what is too old. Without a failure there is nothing to give up yet: it is the next one
// to be sent.
func (b *batches) giveUp() {
	last := b.lastFailure()
	for last != nil && len(b.pending) > 0 &&
		b.now().Sub(b.pending[0].published) >= b.options.GiveUpAfter {
		b.refuse(1, &GaveUpError{After: b.options.GiveUpAfter, Last: last})
	}
}

// fitting is how many of the pending go out together: not more than the limit, nor than fit.
func (b *batches) fitting(limit int) int {
	size, count := 0, 0
	for _, entry := range b.pending {
		size += len(entry.json)
		if count == limit || size > batchBytesMax {
			break
		}
		count++
	}
	return count
}

func (b *batches) body(count int) []byte {
	events := make([][]byte, 0, count)
	for _, entry := range b.pending[:count] {
		events = append(events, entry.json)
	}
	body := append([]byte(`{"events":[`), bytes.Join(events, []byte(","))...)
	return append(body, "]}"...)
}

func (b *batches) settle(count int, result posted) {
	rejected := make(map[int]error, len(result.rejected))
	for _, one := range result.rejected {
		rejected[one.Index] = &RejectedError{Code: one.Code, Message: one.Message}
	}
	for i, entry := range b.pop(count) {
		b.end(entry, Accepted{ID: entry.id, Cursor: result.cursor}, rejected[i])
	}
}

func (b *batches) refuse(count int, err error) {
	for _, entry := range b.pop(count) {
		b.end(entry, Accepted{}, err)
	}
}

func (b *batches) pop(count int) []*entry {
	popped := b.pending[:count:count]
	b.pending = b.pending[count:]
	return popped
}

// end answers an event. Its place is free before anybody learns of it.
func (b *batches) end(entry *entry, accepted Accepted, err error) {
	b.free()
	if err != nil {
		accepted = Accepted{}
		if b.options.OnRejected != nil {
			b.options.OnRejected(Undelivered{ID: entry.id, Type: entry.eventType, Err: err})
		}
	}
	entry.delivery.end(accepted, err)
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.answered++
	for len(b.flushers) > 0 && b.flushers[0].until <= b.answered {
		close(b.flushers[0].done)
		b.flushers = b.flushers[1:]
	}
}

// abandon ends whatever is left.
func (b *batches) abandon() {
	b.mutex.Lock()
	b.isClosed = true
	b.pending = append(b.pending, b.queue...)
	b.queue = nil
	b.mutex.Unlock()
	b.left = len(b.pending)
	b.refuse(len(b.pending), ErrBroadcasterClosed)
}
