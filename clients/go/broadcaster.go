// This file owns the broadcaster as its callers see it: how it is made, how events are handed to it,
// and how it is closed. What happens to an event that was handed over is batches.go's business; the
// methods of document 004 are in broadcasts.go.

package switchboard

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	queueMaxDefault    = 10_000
	queueWaitDefault   = 30 * time.Second
	batchMaxDefault    = 100
	lingerDefault      = 20 * time.Millisecond
	giveUpAfterDefault = time.Hour
	// batchMaxLimit is what the server takes in one request.
	batchMaxLimit = 1_000
	// batchBytesMax bounds the JSON of a batch, well below what the server takes.
	batchBytesMax = 512 << 10
)

// BroadcasterOptions says how events are gathered and sent. The zero value is fine.
type BroadcasterOptions struct {
	// QueueMax is how many events may wait for their answers; 0 for 10,000.
	QueueMax int
	// QueueWait is how long an event may wait for a place in a full queue; 0 for 30 s.
	QueueWait time.Duration
	// BatchMax is how many events go out in one batch, up to 1,000; 0 for 100.
	BatchMax int
	// Linger is how long an event waits for others to go out with; 0 for 20 ms.
	Linger time.Duration
	// GiveUpAfter is how long an event is tried, counted from when it was handed over; 0 for an
	// hour.
	GiveUpAfter time.Duration
	// OnRejected, if set, is told of each event that did not get through, whether or not somebody
	// waits for its Delivery. It is called between two batches, and must be quick.
	OnRejected func(Undelivered)
}

// EventBroadcaster tells a server what happens, in the order it is told (document 004). Any number
// of goroutines may use it at once.
//
// Events are gathered for a moment and sent in batches, one at a time. A batch that meets a broken
// line or a busy server is sent again, with the same ids, by which the server knows what it has
// already. Each method hands an event over and returns a Delivery, which tells what became of it.
//
// Document 004's methods take the tenant first. An API key belongs to one tenant, so a broadcaster is
// of one tenant: make one for each.
type EventBroadcaster struct {
	options BroadcasterOptions
	batches *batches
	// places has an element for each event that waits for its answer.
	places chan struct{}
}

// BroadcasterStatus says how a broadcaster fares.
type BroadcasterStatus struct {
	// Unanswered is how many events wait for their answers.
	Unanswered int
	// Failure is what went wrong with the last attempt, if the batch at hand is being sent again. A
	// wrong address looks like a server that is down: look here before an hour has passed.
	Failure error
}

// NewEventBroadcaster makes a broadcaster that goes where the client goes, with its credential: an
// API key with the scope events:write, or an admin's token. Each attempt has the client's timeout.
// Close it; until then it holds a goroutine.
func NewEventBroadcaster(
	client *ConnectionStatusClient, options BroadcasterOptions,
) (*EventBroadcaster, error) {
	if client.wrong != nil {
		return nil, client.wrong
	}
	if err := options.complete(); err != nil {
		return nil, err
	}
	b := &EventBroadcaster{options: options, places: make(chan struct{}, options.QueueMax)}
	b.batches = newBatches(client, options, func() { <-b.places })
	go b.batches.run()
	return b, nil
}

// complete fills in the defaults, and refuses what cannot be.
func (o *BroadcasterOptions) complete() error {
	if o.QueueMax == 0 {
		o.QueueMax = queueMaxDefault
	}
	if o.BatchMax == 0 {
		o.BatchMax = batchMaxDefault
	}
	for span, otherwise := range map[*time.Duration]time.Duration{
		&o.QueueWait: queueWaitDefault, &o.Linger: lingerDefault, &o.GiveUpAfter: giveUpAfterDefault,
	} {
		if *span == 0 {
			*span = otherwise
		}
	}
	switch {
	case o.QueueMax < 1:
		return errors.New("switchboard: QueueMax must be 1 or more")
	case o.BatchMax < 1 || o.BatchMax > batchMaxLimit:
		return fmt.Errorf("switchboard: BatchMax must be 1 to %d", batchMaxLimit)
	case o.QueueWait < 0 || o.Linger < 0 || o.GiveUpAfter < 0:
		return errors.New("switchboard: QueueWait, Linger and GiveUpAfter must be more than 0")
	}
	return nil
}

// Publish hands an event over. It waits for a place in a full queue, until ctx ends or QueueWait is
// over; the error is ErrQueueFull then. Others are ErrEventTooLarge, ErrBroadcasterClosed, and what
// is wrong with the event. What the server says comes with the Delivery.
func (b *EventBroadcaster) Publish(ctx context.Context, event NewEvent) (*Delivery, error) {
	encoded, err := b.encode(event)
	if err != nil {
		return nil, err
	}
	select {
	case b.places <- struct{}{}:
		return b.handOver(encoded)
	default:
	}
	timer := time.NewTimer(b.options.QueueWait)
	defer timer.Stop()
	select {
	case b.places <- struct{}{}:
		return b.handOver(encoded)
	case <-timer.C:
		return nil, ErrQueueFull
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-b.batches.closing:
		return nil, ErrBroadcasterClosed
	}
}

// TryPublish hands an event over without waiting, as Publish does; ErrQueueFull comes at once.
func (b *EventBroadcaster) TryPublish(event NewEvent) (*Delivery, error) {
	encoded, err := b.encode(event)
	if err != nil {
		return nil, err
	}
	select {
	case b.places <- struct{}{}:
		return b.handOver(encoded)
	case <-b.batches.closing:
		return nil, ErrBroadcasterClosed
	default:
		return nil, ErrQueueFull
	}
}

func (b *EventBroadcaster) encode(event NewEvent) (*encoded, error) {
	encoded, err := event.encode()
	if err != nil {
		return nil, err
	}
	if len(encoded.json) > batchBytesMax {
		return nil, fmt.Errorf("%w: %d bytes of JSON, %d are allowed",
			ErrEventTooLarge, len(encoded.json), batchBytesMax)
	}
	return encoded, nil
}

// handOver gives an event to the batches, or its place back.
func (b *EventBroadcaster) handOver(encoded *encoded) (*Delivery, error) {
	delivery := &Delivery{id: encoded.id, done: make(chan struct{})}
	if !b.batches.add(encoded, delivery) {
		<-b.places
		return nil, ErrBroadcasterClosed
	}
	return delivery, nil
}

// Flush waits until every event handed over before has been answered: accepted, rejected or given
// up. That takes as long as GiveUpAfter if the server cannot be reached; ctx ends the waiting.
func (b *EventBroadcaster) Flush(ctx context.Context) error {
	select {
	case <-b.batches.flush():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close takes nothing more, and waits until everything handed over has been answered. When ctx ends
// first, the rest ends with ErrBroadcasterClosed, and Close with an *UnansweredError. Calling it
// twice does no harm.
func (b *EventBroadcaster) Close(ctx context.Context) error {
	b.batches.close()
	select {
	case <-b.batches.ended:
	case <-ctx.Done():
		b.batches.stop()
		<-b.batches.ended
	}
	if left := b.batches.left; left > 0 {
		return &UnansweredError{Count: left}
	}
	return nil
}

// Status says how many events wait, and whether something is wrong at the moment.
func (b *EventBroadcaster) Status() BroadcasterStatus {
	return BroadcasterStatus{Unanswered: len(b.places), Failure: b.batches.lastFailure()}
}
