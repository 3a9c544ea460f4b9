// This file owns the tests of batches, and of what becomes of the events in them. Sending again is in
// resend_test.go, the queue before them in queue_test.go.

package switchboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// accepted takes the whole batch.
var accepted = acceptedBut(`[]`)

// acceptedBut takes the batch without these.
func acceptedBut(rejected string) answer {
	return answer{status: 202, body: `{"success":true,"message":"done","data":{"accepted":1,"cursor":"c-7",
		"rejected":` + rejected + `}}`}
}

// broadcasting is a broadcaster at prepared answers. Its pauses take no time, but move its clock.
type broadcasting struct {
	*EventBroadcaster
	*origin
	t     *testing.T
	clock *clock
}

// clock stands in for the time.
type clock struct {
	mutex sync.Mutex
	at    time.Time
	taken []time.Duration
}

func (c *clock) now() time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.at
}

func (c *clock) wait(ctx context.Context, pause time.Duration) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.at = c.at.Add(pause)
	c.taken = append(c.taken, pause)
	return ctx.Err()
}

// An hour is longer than any test, so that what is not flushed is not sent.
var unhurried = BroadcasterOptions{Linger: time.Hour, QueueWait: testDeadline}

func broadcast(t *testing.T, options BroadcasterOptions, answers ...answer) *broadcasting {
	t.Helper()
	o := serve(t, answers...)
	c := &clock{at: time.Date(2025, 1, 24, 10, 30, 0, 0, time.UTC)}
	client := NewConnectionStatusClient(o.URL, WithAPIKey("sbk_test"))
	client.wait, client.random = c.wait, func() float64 { return 0.5 }
	if err := options.complete(); err != nil {
		t.Fatal(err)
	}
	// As in NewEventBroadcaster, with another clock.
	b := &EventBroadcaster{options: options, places: make(chan struct{}, options.QueueMax)}
	b.batches = newBatches(client, options, func() { <-b.places })
	b.batches.now = c.now
	go b.batches.run()
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = b.Close(ended)
	})
	return &broadcasting{EventBroadcaster: b, origin: o, t: t, clock: c}
}

// hold hands over an event that is told from others by its call.
func (b *broadcasting) hold(call string) *Delivery {
	b.t.Helper()
	delivery, err := b.TryPublish(NewEvent{Event: CallHold{UniqueID: call}})
	if err != nil {
		b.t.Fatal(err)
	}
	return delivery
}

// flushed waits until everything is answered.
func (b *broadcasting) flushed() {
	b.t.Helper()
	if err := b.Flush(soon(b.t)); err != nil {
		b.t.Fatal(err)
	}
}

// calls are the calls of each request, put together.
func (b *broadcasting) calls() []string {
	b.t.Helper()
	var all []string
	for _, request := range b.requests() {
		calls := ""
		for _, event := range eventsOf(b.t, request) {
			calls += event.Payload["unique_id"].(string)
		}
		all = append(all, calls)
	}
	return all
}

// wireEvent is an event as it was sent.
type wireEvent struct {
	Type    string                 `json:"type"`
	Payload map[string]interface{} `json:"payload"`
	Target  map[string]string      `json:"target"`
	ID      string                 `json:"id"`
}

func eventsOf(t *testing.T, request asked) []wireEvent {
	t.Helper()
	var body struct {
		Events []wireEvent `json:"events"`
	}
	if err := json.Unmarshal([]byte(request.body), &body); err != nil {
		t.Fatal(err)
	}
	return body.Events
}

// soon is a context that ends a test that hangs.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), testDeadline)
	t.Cleanup(cancel)
	return ctx
}

// outcome is what became of an event, as a text.
func outcome(t *testing.T, delivery *Delivery) string {
	t.Helper()
	got, err := delivery.Wait(soon(t))
	switch {
	case err != nil:
		return err.Error()
	case got.ID != delivery.ID():
		t.Errorf("%s was accepted as %s", delivery.ID(), got.ID)
	}
	return "accepted up to " + got.Cursor
}

func TestWhatComesTogetherGoesOutTogetherAndInOrder(t *testing.T) {
	b := broadcast(t, unhurried, accepted)
	told := []*Delivery{b.hold("1"), b.hold("2"), b.hold("3")}
	b.flushed()
	for _, delivery := range told {
		if got := outcome(t, delivery); got != "accepted up to c-7" {
			t.Error(got)
		}
	}
	requests := b.requests()
	if want := []string{"123"}; !reflect.DeepEqual(b.calls(), want) {
		t.Fatalf("sent %q, want %q", b.calls(), want)
	}
	got := requests[0]
	got.body = ""
	want := asked{"POST", eventsPath, "Bearer sbk_test", "application/json", ""}
	if got != want {
		t.Errorf("asked %+v, want %+v", got, want)
	}
}

func TestAnEventIsNotKeptForLongerThanTheLinger(t *testing.T) {
	b := broadcast(t, BroadcasterOptions{Linger: time.Millisecond}, accepted)
	if got := outcome(t, b.hold("1")); got != "accepted up to c-7" {
		t.Error(got)
	}
}

func TestABatchHasAHundredEventsAtMost(t *testing.T) {
	b := broadcast(t, unhurried, accepted)
	sent := ""
	for i := 0; i < 250; i++ {
		call := fmt.Sprint(i, " ")
		b.hold(call)
		sent += call
	}
	b.flushed()
	var sizes []int
	for _, request := range b.requests() {
		sizes = append(sizes, len(eventsOf(t, request)))
	}
	if want := []int{100, 100, 50}; !reflect.DeepEqual(sizes, want) {
		t.Errorf("sent batches of %v, want %v", sizes, want)
	}
	if got := strings.Join(b.calls(), ""); got != sent {
		t.Errorf("sent %s, want %s", got, sent)
	}
}

func TestABatchHasNoMoreBytesThanTheServerTakes(t *testing.T) {
	b := broadcast(t, unhurried, accepted)
	long := strings.Repeat("x", 200<<10)
	for i := 0; i < 3; i++ {
		if _, err := b.SendAlert(soon(t), "Long", long); err != nil {
			t.Fatal(err)
		}
	}
	b.flushed()
	var sizes []int
	for _, request := range b.requests() {
		sizes = append(sizes, len(eventsOf(t, request)))
	}
	if want := []int{2, 1}; !reflect.DeepEqual(sizes, want) {
		t.Errorf("sent batches of %v, want %v", sizes, want)
	}
	if _, err := b.SendAlert(soon(t), "Longer", long+long+long); !errors.Is(err, ErrEventTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestAnEventKeepsTheIdAndTheTargetItIsGiven(t *testing.T) {
	b := broadcast(t, unhurried, accepted)
	for _, event := range []NewEvent{
		{Event: CallHold{UniqueID: "1"}, ID: "cdr-17", Target: &Target{UserID: "u1"}},
		{Event: OtherEvent{Type: "call.parked", Payload: json.RawMessage(`{"lot":7}`)}},
		{Event: CallHold{UniqueID: "1"}},
	} {
		if _, err := b.Publish(soon(t), event); err != nil {
			t.Fatal(err)
		}
	}
	b.flushed()
	sent := eventsOf(t, b.requests()[0])
	if sent[0].ID != "cdr-17" || !reflect.DeepEqual(sent[0].Target, map[string]string{"user_id": "u1"}) {
		t.Errorf("sent %+v", sent[0])
	}
	if sent[1].Type != "call.parked" || sent[1].Payload["lot"] != 7.0 || sent[1].Target != nil {
		t.Errorf("sent %+v", sent[1])
	}
	if !isUUID(sent[1].ID) || !isUUID(sent[2].ID) || sent[1].ID == sent[2].ID {
		t.Errorf("the ids are %q and %q", sent[1].ID, sent[2].ID)
	}
}

func TestAnEventThatCannotBeSentIsRefusedBeforeItIs(t *testing.T) {
	b := broadcast(t, unhurried, accepted)
	for want, event := range map[string]NewEvent{
		"there is no event":   {},
		"exactly one of":      {Event: Alert{}, Target: &Target{UserID: "u1", Role: "agent"}},
		"has exactly one":     {Event: Alert{}, Target: &Target{}},
		"cannot be encoded":   {Event: OtherEvent{Type: "call.parked", Payload: json.RawMessage("{")}},
		"unsupported type: f": {Event: Alert{Data: map[string]interface{}{"f": func() {}}}},
	} {
		if _, err := b.Publish(soon(t), event); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if status := b.Status(); status.Unanswered != 0 {
		t.Errorf("%+v", status)
	}
}

func TestARejectedEventIsToldToItsCallerAndTheOthersAreAccepted(t *testing.T) {
	heard := make(chan Undelivered, 9)
	options := unhurried
	options.OnRejected = func(undelivered Undelivered) { heard <- undelivered }
	b := broadcast(t, options, acceptedBut(`[{"index":1,"code":"invalid","message":"payload.duration"}]`))
	told := []*Delivery{b.hold("1"), b.hold("2"), b.hold("3")}
	b.flushed()
	for i, want := range []string{
		"accepted up to c-7", "switchboard: rejected (invalid): payload.duration", "accepted up to c-7",
	} {
		if got := outcome(t, told[i]); got != want {
			t.Errorf("event %d: %s, want %s", i, got, want)
		}
	}
	got := <-heard
	var rejected *RejectedError
	if got.ID != told[1].ID() || got.Type != "call.hold" || !errors.As(got.Err, &rejected) ||
		len(heard) != 0 {
		t.Errorf("heard %+v", got)
	}
}

func TestWhenAllAreRejectedEachLearnsWhy(t *testing.T) {
	b := broadcast(t, unhurried, answer{status: 422, body: `{"success":false,"message":"No","data":{
		"accepted":0,"rejected":[{"index":0,"code":"unknown_event","message":"a"},
		{"index":1,"code":"invalid","message":"b"}]}}`})
	first, second := b.hold("1"), b.hold("2")
	b.flushed()
	if got := outcome(t, first); got != "switchboard: rejected (unknown_event): a" {
		t.Error(got)
	}
	if got := outcome(t, second); got != "switchboard: rejected (invalid): b" {
		t.Error(got)
	}
}

func TestARefusalThatStandsForAllIsNotAskedForAgain(t *testing.T) {
	for _, c := range []struct {
		answer answer
		want   string
	}{
		{refused(403, "Forbidden", "no scope", "forbidden"), "rejected (forbidden): no scope"},
		{refused(422, "Invalid value", "events: none", "invalid"), "rejected (invalid): events: none"},
		{refused(500, "Internal error", "", "internal"), "rejected (internal): Internal error"},
		{answer{status: 404, body: "<html>"}, "rejected (http_404): HTTP 404: Not Found"},
		{answer{status: 302}, "rejected (http_302): HTTP 302: Found"},
	} {
		b := broadcast(t, unhurried, c.answer)
		told := []*Delivery{b.hold("1"), b.hold("2")}
		b.flushed()
		for _, delivery := range told {
			if got := outcome(t, delivery); got != "switchboard: "+c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		}
		if len(b.requests()) != 1 {
			t.Errorf("%s: asked %q", c.want, b.calls())
		}
	}
}

func TestABatchRefusedForOneOfItsEventsIsHalvedUntilThatOneIsAlone(t *testing.T) {
	for _, status := range []int{400, 409, 413} {
		wrong := refused(status, "No", "one is wrong", "conflict")
		b := broadcast(t, unhurried, wrong, accepted, wrong, wrong, accepted)
		var told []*Delivery
		for i := 1; i <= 6; i++ {
			told = append(told, b.hold(fmt.Sprint(i)))
		}
		b.flushed()
		if want := []string{"123456", "123", "456", "4", "56"}; !reflect.DeepEqual(b.calls(), want) {
			t.Errorf("sent %q, want %q", b.calls(), want)
		}
		for i, delivery := range told {
			_, err := delivery.Wait(soon(t))
			var rejected *RejectedError
			if isFourth := i == 3; errors.As(err, &rejected) != isFourth {
				t.Errorf("event %d: %v", i+1, err)
			}
		}
	}
}

func TestAnAnswerThatIsNoneOfThisServerEndsTheEventWithThatName(t *testing.T) {
	for _, body := range []string{
		"<html>", "{}", `{"success":true}`, `{"success":true,"data":null}`, `{"success":false}`,
		`{"success":true,"data":{"rejected":[{"index":1}]}}`, `{"success":true,"data":{"rejected":7}}`,
	} {
		b := broadcast(t, unhurried, answer{status: 200, body: body})
		delivery := b.hold("1")
		b.flushed()
		_, err := delivery.Wait(soon(t))
		var malformed *MalformedError
		if !errors.As(err, &malformed) {
			t.Errorf("%s: got %v", body, err)
		}
	}
}

func TestABroadcasterThatCannotBeIsRefused(t *testing.T) {
	client := NewConnectionStatusClient("http://example.test")
	for want, options := range map[string]BroadcasterOptions{
		"QueueMax must be 1 or more":      {QueueMax: -1},
		"BatchMax must be 1 to 1000":      {BatchMax: 1_001},
		"GiveUpAfter must be more than 0": {GiveUpAfter: -1},
	} {
		_, err := NewEventBroadcaster(client, options)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := NewEventBroadcaster(NewConnectionStatusClient("localhost"), unhurried); err == nil {
		t.Error("a base URL that is none is taken")
	}
	fine, err := NewEventBroadcaster(client, BroadcasterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := fine.Close(soon(t)); err != nil {
		t.Error(err)
	}
}

func TestManyTellAtOnceAndNothingIsLost(t *testing.T) {
	var mutex sync.Mutex
	sent := map[string]int{}
	b := broadcast(t, BroadcasterOptions{QueueMax: 50, BatchMax: 7, Linger: time.Microsecond}, accepted)
	b.origin.Server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.origin.ServeHTTP(w, r)
		mutex.Lock()
		defer mutex.Unlock()
		requests := b.requests()
		for _, event := range eventsOf(t, requests[len(requests)-1]) {
			sent[event.Payload["unique_id"].(string)]++
		}
	})
	var tellers sync.WaitGroup
	for teller := 0; teller < 8; teller++ {
		tellers.Add(1)
		go func(teller int) {
			defer tellers.Done()
			for i := 0; i < 100; i++ {
				event := CallHold{UniqueID: fmt.Sprintf("%d-%d", teller, i)}
				if _, err := b.Publish(soon(t), NewEvent{Event: event}); err != nil {
					t.Error(err)
				}
			}
		}(teller)
	}
	tellers.Wait()
	b.flushed()
	if len(sent) != 800 {
		t.Errorf("%d events were sent", len(sent))
	}
}
