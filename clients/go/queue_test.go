// This file owns the tests of the queue of a broadcaster: how full it gets, who waits for it, and how
// it is closed.

package switchboard

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"
)

func TestAFullQueueRefusesAtOnceOrAfterAWaitAndTakesMoreWhenThereIsRoom(t *testing.T) {
	gate := make(chan struct{})
	late := accepted
	late.gate = gate
	options := BroadcasterOptions{QueueMax: 2, QueueWait: time.Millisecond, Linger: time.Nanosecond}
	b := broadcast(t, options, late)
	b.hold("1")
	b.hold("2")
	event := NewEvent{Event: CallHold{UniqueID: "3"}}
	if _, err := b.TryPublish(event); err != ErrQueueFull {
		t.Errorf("got %v", err)
	}
	if _, err := b.Publish(context.Background(), event); err != ErrQueueFull {
		t.Errorf("got %v", err)
	}
	if status := b.Status(); status.Unanswered != 2 || status.Failure != nil {
		t.Errorf("%+v", status)
	}
	close(gate)
	b.flushed()
	b.hold("3")
	b.flushed()
	if status := b.Status(); status.Unanswered != 0 {
		t.Errorf("%+v", status)
	}
}

func TestWhatWaitsForAPlaceGetsTheOneThatIsFreedOrEndsWithItsContext(t *testing.T) {
	gate := make(chan struct{})
	late := accepted
	late.gate = gate
	b := broadcast(t, BroadcasterOptions{QueueMax: 1, Linger: time.Nanosecond}, late)
	b.hold("1")
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	event := NewEvent{Event: CallHold{UniqueID: "2"}}
	if _, err := b.Publish(ctx, event); err != context.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
	time.AfterFunc(10*time.Millisecond, func() { close(gate) })
	delivery, err := b.Publish(soon(t), event)
	if err != nil {
		t.Fatal(err)
	}
	if got := outcome(t, delivery); got != "accepted up to c-7" {
		t.Error(got)
	}
}

func TestWhoWaitsForADeliveryMayStopWaiting(t *testing.T) {
	b := broadcast(t, unhurried, accepted)
	delivery := b.hold("1")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := delivery.Wait(ctx); err != context.Canceled {
		t.Errorf("got %v", err)
	}
	b.flushed()
	<-delivery.Done()
	if _, err := delivery.Wait(ctx); err != nil {
		t.Errorf("what is known is not told: %v", err)
	}
}

func TestACloseSendsEverythingAndTakesNothingMore(t *testing.T) {
	options := unhurried
	options.BatchMax = 2
	b := broadcast(t, options, answer{status: 503}, accepted)
	var told []*Delivery
	for i := 1; i <= 5; i++ {
		told = append(told, b.hold(fmt.Sprint(i)))
	}
	if err := b.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	for _, delivery := range told {
		if got := outcome(t, delivery); got != "accepted up to c-7" {
			t.Error(got)
		}
	}
	if want := []string{"12", "12", "34", "5"}; !reflect.DeepEqual(b.calls(), want) {
		t.Errorf("sent %q, want %q", b.calls(), want)
	}
	event := NewEvent{Event: Alert{}}
	if _, err := b.TryPublish(event); err != ErrBroadcasterClosed {
		t.Errorf("got %v", err)
	}
	if _, err := b.Publish(soon(t), event); err != ErrBroadcasterClosed {
		t.Errorf("got %v", err)
	}
	if err := b.Close(soon(t)); err != nil || b.Status().Unanswered != 0 {
		t.Errorf("closed again: %v, %+v", err, b.Status())
	}
	b.flushed()
}

func TestACloseInAHurrySaysWhatItLeftAndEachEventLearnsIt(t *testing.T) {
	heard := make(chan Undelivered, 9)
	options := unhurried
	options.BatchMax = 2
	options.OnRejected = func(undelivered Undelivered) { heard <- undelivered }
	late := accepted
	late.gate = make(chan struct{})
	b := broadcast(t, options, late)
	var told []*Delivery
	for i := 1; i <= 5; i++ {
		told = append(told, b.hold(fmt.Sprint(i)))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	err := b.Close(ctx)
	var unanswered *UnansweredError
	if !errors.As(err, &unanswered) || unanswered.Count != 5 || len(heard) != 5 {
		t.Errorf("got %v, and %d were heard of", err, len(heard))
	}
	for _, delivery := range told {
		if _, err := delivery.Wait(soon(t)); err != ErrBroadcasterClosed {
			t.Errorf("got %v", err)
		}
	}
}

func TestWhatWaitsForAPlaceWhenItIsClosedIsRefused(t *testing.T) {
	late := accepted
	late.gate = make(chan struct{})
	b := broadcast(t, BroadcasterOptions{QueueMax: 1, Linger: time.Nanosecond}, late)
	b.hold("1")
	time.AfterFunc(10*time.Millisecond, b.batches.close)
	if _, err := b.Publish(soon(t), NewEvent{Event: Alert{}}); err != ErrBroadcasterClosed {
		t.Errorf("got %v", err)
	}
}
