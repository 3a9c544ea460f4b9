// This file owns the tests of sending a batch again: after what, after which pause, with which ids,
// and for how long.

package switchboard

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

// cut is an answer that breaks off.
var cut = answer{status: 202, header: map[string]string{"Content-Length": "99"}, body: `{"succ`}

func TestABatchWhoseAnswerWasCutIsSentAgainWithTheSameIds(t *testing.T) {
	b := broadcast(t, unhurried, cut, cut, accepted)
	told := []*Delivery{b.hold("1"), b.hold("2")}
	b.flushed()
	for _, delivery := range told {
		if got := outcome(t, delivery); got != "accepted up to c-7" {
			t.Error(got)
		}
	}
	requests := b.requests()
	if len(requests) != 3 || requests[1] != requests[0] || requests[2] != requests[0] {
		t.Errorf("sent %+v", requests)
	}
	if got := eventsOf(t, requests[2])[1].ID; got != told[1].ID() {
		t.Errorf("the second event went out as %q", got)
	}
}

func TestABusyServerIsToldAgainAfterThePauseItAsksFor(t *testing.T) {
	for _, status := range []int{429, 503} {
		b := broadcast(t, unhurried, limited(status, "7"), accepted)
		b.hold("1")
		b.flushed()
		// Half of 250 ms comes on top.
		if want := []time.Duration{7125 * time.Millisecond}; !reflect.DeepEqual(b.clock.taken, want) {
			t.Errorf("%d: waited %v, want %v", status, b.clock.taken, want)
		}
	}
}

func TestWhatComesMeanwhileWaitsBehindWhatIsSentAgain(t *testing.T) {
	options := unhurried
	options.BatchMax = 2
	proxy := func(status int) answer { return answer{status: status, body: "<html>"} }
	b := broadcast(t, options, proxy(408), proxy(502), proxy(503), proxy(504), accepted)
	for _, call := range []string{"1", "2", "3", "4", "5"} {
		b.hold(call)
	}
	b.flushed()
	want := []string{"12", "12", "12", "12", "12", "34", "5"}
	if !reflect.DeepEqual(b.calls(), want) {
		t.Errorf("sent %q, want %q", b.calls(), want)
	}
	pauses := []time.Duration{125, 250, 500, 1000}
	for i := range pauses {
		pauses[i] *= time.Millisecond
	}
	if !reflect.DeepEqual(b.clock.taken, pauses) {
		t.Errorf("waited %v, want %v", b.clock.taken, pauses)
	}
}

func TestAfterASuccessThePausesBeginAnew(t *testing.T) {
	options := unhurried
	options.BatchMax = 1
	busy := answer{status: 503}
	b := broadcast(t, options, busy, busy, accepted, busy, accepted)
	b.hold("1")
	b.hold("2")
	b.flushed()
	pauses := []time.Duration{125 * time.Millisecond, 250 * time.Millisecond, 125 * time.Millisecond}
	if !reflect.DeepEqual(b.clock.taken, pauses) {
		t.Errorf("waited %v, want %v", b.clock.taken, pauses)
	}
}

func TestAnEventIsGivenUpAnHourAfterItWasHandedOver(t *testing.T) {
	b := broadcast(t, unhurried, answer{status: 503})
	begun := b.clock.now()
	delivery := b.hold("1")
	b.flushed()
	_, err := delivery.Wait(soon(t))
	var gaveUp *GaveUpError
	var last *HTTPError
	if !errors.As(err, &gaveUp) || gaveUp.After != time.Hour || !errors.As(err, &last) ||
		last.Status != 503 {
		t.Errorf("got %v", err)
	}
	if after := b.clock.now().Sub(begun); after != time.Hour {
		t.Errorf("given up after %v", after)
	}
	// Half of 30 s is the longest pause here.
	if tries := len(b.requests()); tries < 240 || tries > 260 {
		t.Errorf("tried %d times", tries)
	}
	if status := b.Status(); status.Unanswered != 0 || status.Failure == nil {
		t.Errorf("%+v", status)
	}
}

func TestAServerThatIsNotThereIsWaitedForAndTheStatusSaysSo(t *testing.T) {
	gate := make(chan struct{})
	late := accepted
	late.gate = gate
	b := broadcast(t, unhurried, answer{status: 502}, late)
	delivery := b.hold("1")
	flushed := b.batches.flush()
	for deadline := time.Now().Add(testDeadline); len(b.requests()) < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is not told again")
		}
	}
	if failure := b.Status().Failure; failure == nil || failure.Error() != "HTTP 502: Bad Gateway" {
		t.Errorf("the status has %v", failure)
	}
	close(gate)
	<-flushed
	if got := outcome(t, delivery); got != "accepted up to c-7" {
		t.Error(got)
	}
	b.flushed()
	if failure := b.Status().Failure; failure != nil {
		t.Errorf("the status still has %v", failure)
	}
}
