// This file owns the tests of hearing: what a subscriber asks for, what it makes of what it is told,
// and how it comes back.

package switchboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestItAsksForItsEventsAfterItsCursorWithItsToken(t *testing.T) {
	h := openHub(t)
	h.listen(SubscribeOptions{Events: []string{"call.*", "alert"}, After: "c=7&8"})
	caller := h.take()
	if want := "/ws?after=c%3D7%268&events=call.%2A%2Calert"; caller.uri != want {
		t.Errorf("asked for %s, want %s", caller.uri, want)
	}
	if caller.authorization != "Bearer a.b.c" {
		t.Errorf("as %q", caller.authorization)
	}
}

func TestAnEventIsHeardWithEverythingItHas(t *testing.T) {
	h := openHub(t)
	l := h.listen(SubscribeOptions{})
	caller := h.takeAt("c-1")
	if caller.uri != "/ws" {
		t.Errorf("asked for %s", caller.uri)
	}
	caller.hold("c-2")
	incoming, _ := l.next()
	if got := incoming.Connected; got == nil || *got != (Connected{"k1", "u1", "admin", "c-1"}) {
		t.Errorf("connected as %+v", got)
	}
	event := l.event()
	at := time.Date(2025, 1, 24, 10, 30, 0, 123_000_000, time.UTC)
	if event.Type != "call.hold" || event.ID != "e-c-2" || event.Cursor != "c-2" || !event.Timestamp.Equal(at) {
		t.Errorf("heard %+v", event)
	}
	var call CallHold
	if err := event.Decode(&call); err != nil || call.UniqueID != "c-2" {
		t.Errorf("heard %+v (%v)", call, err)
	}
}

func TestItComesBackToWhereItWasAndHearsNothingTwice(t *testing.T) {
	h := openHub(t)
	l := h.listen(SubscribeOptions{Events: []string{"call.*"}, After: "c-1"})
	caller := h.takeAt("c-9")
	caller.hold("c-2")
	caller.hold("c-3")
	caller.breaks()
	caller = h.takeAt("c-9")
	if want := "/ws?after=c-3&events=call.%2A"; caller.uri != want {
		t.Errorf("came back for %s, want %s", caller.uri, want)
	}
	caller.hold("c-3")
	caller.hold("c-4")
	for _, want := range []string{"c-2", "c-3", "c-4"} {
		if got := l.event().Cursor; got != want {
			t.Errorf("heard %s, want %s", got, want)
		}
	}
}

func TestTwoEventsOfOneEntryOfTheLogAreTwoEvents(t *testing.T) {
	h := openHub(t)
	l := h.listen(SubscribeOptions{})
	caller := h.take()
	caller.hold("c-2")
	caller.says(`{"type":"call.unhold","payload":{},"id":"e-c-2","cursor":"c-2"}`)
	for i := 0; i < 2; i++ {
		caller.says(`{"type":"chat.typing","payload":{}}`)
	}
	for _, want := range []string{"call.hold", "call.unhold", "chat.typing", "chat.typing"} {
		if got := l.event().Type; got != want {
			t.Errorf("heard %s, want %s", got, want)
		}
	}
}

func TestWithoutAnEventItComesBackToWhereItsFirstLineBegan(t *testing.T) {
	h := openHub(t)
	l := h.listen(SubscribeOptions{})
	for _, cursor := range []string{"c-5", "c-9"} {
		caller := h.takeAt(cursor)
		l.next() // A line that breaks before it was heard has no place.
		caller.breaks()
		l.loss()
	}
	if got := h.take().uri; got != "/ws?after=c-5" {
		t.Errorf("came back for %s", got)
	}
}

func TestAResyncIsToldAndTheNextLineBeginsWhereThatOneDid(t *testing.T) {
	for payload, want := range map[string]string{
		`{"reason":"cursor_expired"}`:                 "/ws?after=c-9",
		`{"reason":"cursor_expired","cursor":"c-11"}`: "/ws?after=c-11",
	} {
		h := openHub(t)
		l := h.listen(SubscribeOptions{After: "c-1"})
		caller := h.takeAt("c-9")
		caller.says(`{"type":"resync","payload":` + payload + `}`)
		l.next()
		incoming, _ := l.next()
		if incoming.Resync == nil || incoming.Resync.Reason != "cursor_expired" {
			t.Errorf("heard %+v", incoming)
		}
		caller.breaks()
		if got := h.take().uri; got != want {
			t.Errorf("came back for %s, want %s", got, want)
		}
	}
}

func TestAnUnknownNameIsToldAndTheLineStays(t *testing.T) {
	h := openHub(t)
	l := h.listen(SubscribeOptions{Events: []string{"call.hodl", "call.hold"}})
	caller := h.take()
	caller.says(`{"type":"error","payload":{"code":"unknown_event","message":"m","nearest":"call.hold"}}`)
	caller.says(`{"type":"subscribed","payload":{"events":["call.hold"]}}`)
	caller.hold("c-2")
	incoming, _ := l.next()
	if got := incoming.Refused; got == nil || *got != (Refused{"unknown_event", "m", "call.hold"}) {
		t.Errorf("heard %+v", incoming)
	}
	if incoming, _ = l.next(); incoming.Event == nil {
		t.Errorf("heard %+v", incoming)
	}
}

func TestATokenThatEndsOrMayNotListenEndsIt(t *testing.T) {
	for code, want := range map[uint16]error{4001: ErrTokenEnded, 4003: ErrMayNotListen} {
		h := openHub(t)
		l := h.listen(SubscribeOptions{})
		h.take().closes(code)
		if err := l.end(); err != want {
			t.Errorf("%d: %v", code, err)
		}
	}
}

func TestAnyOtherCloseIsFollowedByANewLine(t *testing.T) {
	for _, code := range []uint16{1000, 1001, 4008, 4009, 4010, 4029, 4030} {
		h := openHub(t)
		l := h.listen(SubscribeOptions{After: "c-1"})
		caller := h.take()
		caller.closes(code)
		lost := l.loss()
		if want := fmt.Sprintf("switchboard: closed with %d: because", code); lost.Err.Error() != want {
			t.Errorf("%v, want %s", lost.Err, want)
		}
		if lost.RetryIn != 500*time.Millisecond {
			t.Errorf("again in %v", lost.RetryIn)
		}
		if opcode, payload, err := caller.hears(); opcode != opClose || len(payload) != 2 {
			t.Errorf("the goodbye was answered with %x %q (%v)", opcode, payload, err)
		}
		if got := h.take().uri; got != "/ws?after=c-1" {
			t.Errorf("came back for %s", got)
		}
	}
}

func TestARefusalThatStandsEndsIt(t *testing.T) {
	for _, refusal := range []answer{
		refused(400, "Malformed request", "after", "malformed"),
		refused(401, "Unauthorized", "no token", "unauthorized"),
		refused(403, "Forbidden", "role customer", "forbidden"),
		{status: 404, body: "<html>"}, {status: 302},
	} {
		h := openHub(t, refusal)
		l := h.listen(SubscribeOptions{})
		if status, _ := statusOf(l.end()); status != refusal.status {
			t.Errorf("%d: %v", refusal.status, l.Err())
		}
	}
}

func TestARefusalThatPassesIsWaitedFor(t *testing.T) {
	h := openHub(t, limited(503, "7"), limited(429, ""), answer{status: 500})
	l := h.listen(SubscribeOptions{})
	for _, want := range []string{
		"API error: Too many requests in 7.5s", "API error: Too many requests in 1s",
		"HTTP 500: Internal Server Error in 2s",
	} {
		lost := l.loss()
		if got := fmt.Sprint(lost.Err, " in ", lost.RetryIn); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	h.take()
}

func TestPausesGrowUntilALineWasAGoodOne(t *testing.T) {
	h := openHub(t)
	isGood := make(chan bool, 1)
	l := h.listen(SubscribeOptions{}, func(l *line) { l.goodLine = 100 * time.Millisecond })
	var taken []time.Duration
	for i := 0; i < 8; i++ {
		h.take().breaks()
		taken = append(taken, l.loss().RetryIn/(500*time.Millisecond))
	}
	if got := fmt.Sprint(taken); got != "[1ns 2ns 4ns 8ns 16ns 30ns 30ns 30ns]" {
		t.Errorf("half seconds: %v", got)
	}
	caller := h.take()
	time.AfterFunc(110*time.Millisecond, func() { isGood <- true })
	<-isGood
	caller.breaks()
	if got := l.loss().RetryIn; got != 500*time.Millisecond {
		t.Errorf("after a good line it waits %v", got)
	}
}

// 004: acceptance 306, 341
func TestSignsOfLifeGoBothWays(t *testing.T) {
	h := openHub(t)
	h.listen(SubscribeOptions{}, func(l *line) { l.pingInterval = 20 * time.Millisecond })
	caller := h.take()
	for i := 0; i < 3; i++ {
		if opcode, payload, err := caller.hears(); opcode != opText || payload != `{"type":"ping"}` {
			t.Fatalf("heard %x %q (%v)", opcode, payload, err)
		}
	}
	caller.frame(0x80|opPing, []byte("54"))
	caller.says(`{"type":"ping"}`)
	caller.says(`{"type":"pong"}`)
	answers := map[string]bool{}
	for len(answers) < 2 {
		opcode, payload, err := caller.hears()
		if err != nil {
			t.Fatal(err)
		}
		if payload != `{"type":"ping"}` {
			answers[fmt.Sprintf("%x %s", opcode, payload)] = true
		}
	}
	if !answers["a 54"] || !answers[`1 {"type":"pong"}`] {
		t.Errorf("answered %v", answers)
	}
}

func TestALineThatIsSilentForTooLongIsDead(t *testing.T) {
	h := openHub(t)
	l := h.listen(SubscribeOptions{}, func(l *line) { l.silenceMax = 200 * time.Millisecond })
	caller := h.take()
	begun := time.Now()
	// Any frame is a sign of life: these keep it for longer than it may be silent.
	for i := 0; i < 6; i++ {
		<-time.After(50 * time.Millisecond)
		caller.frame(0x80|opPong, nil)
	}
	if lost := l.loss(); !errors.Is(lost.Err, errSilent) || time.Since(begun) < 500*time.Millisecond {
		t.Errorf("%v after %v", lost.Err, time.Since(begun))
	}
	h.take()
}

func TestAnOwnerThatIsSlowIsWaitedForAndMissesNothing(t *testing.T) {
	h := openHub(t)
	l := h.listen(SubscribeOptions{}, func(l *line) { l.silenceMax = 200 * time.Millisecond })
	caller := h.take()
	for i := 0; i < 2*incomingMax; i++ {
		caller.hold(fmt.Sprint(i))
	}
	<-time.After(500 * time.Millisecond)
	for i := 0; i < 2*incomingMax; i++ {
		incoming, _ := l.next()
		if incoming.Event == nil || incoming.Event.Cursor != fmt.Sprint(i) {
			t.Fatalf("instead of event %d: %+v", i, incoming)
		}
	}
}

func TestItSaysGoodbyeWhenItsContextEnds(t *testing.T) {
	h := openHub(t)
	l := h.listen(SubscribeOptions{})
	caller := h.takeAt("c-1")
	l.next()
	l.cancel()
	if opcode, payload, err := caller.hears(); opcode != opClose || payload != "\x03\xe8" {
		t.Errorf("heard %x %q (%v)", opcode, payload, err)
	}
	if err := l.end(); err != context.Canceled {
		t.Errorf("ended with %v", err)
	}
}

func TestAContextThatEndsEndsAHandshakeAndAPauseToo(t *testing.T) {
	for _, url := range []string{hanging(t, false).URL, "http://127.0.0.1:1"} {
		ctx, cancel := context.WithCancel(context.Background())
		s, err := NewConnectionStatusClient(url).Subscribe(ctx, SubscribeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(20*time.Millisecond, cancel)
		l := &listening{Subscriber: s, t: t}
		if err := l.end(); err != context.Canceled {
			t.Errorf("%s: ended with %v", url, err)
		}
	}
}

func TestAFrameThatCannotBeReadEndsTheLineAndNotTheSubscriber(t *testing.T) {
	for _, frame := range []string{"", "[]", "{}", `{"type":7}`, `{"type":"connected","payload":7}`,
		`{"type":"resync"}`, `{"type":"error","payload":"no"}`} {
		h := openHub(t)
		l := h.listen(SubscribeOptions{})
		h.take().says(frame)
		if lost := l.loss(); !strings.Contains(lost.Err.Error(), "a frame that cannot be read") {
			t.Errorf("%s: %v", frame, lost.Err)
		}
		h.take()
	}
}

func TestTheTimeoutOfTheCallersOwnHTTPClientIsNoneOfALine(t *testing.T) {
	h := openHub(t)
	own := &http.Client{Timeout: 50 * time.Millisecond}
	client := NewConnectionStatusClient(h.URL, WithHTTPClient(own))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := client.Subscribe(ctx, SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	caller := h.take()
	<-time.After(100 * time.Millisecond)
	caller.hold("c-1")
	if incoming := <-s.Incoming(); incoming.Event == nil {
		t.Errorf("heard %+v", incoming.Disconnected)
	}
}

func TestASubscriberThatCannotBeIsRefused(t *testing.T) {
	ctx := context.Background()
	client := NewConnectionStatusClient("http://example.test")
	for _, events := range [][]string{{""}, {"call.*,alert"}} {
		_, err := client.Subscribe(ctx, SubscribeOptions{Events: events})
		if err == nil || !strings.Contains(err.Error(), "no name or pattern of events") {
			t.Errorf("%q: %v", events, err)
		}
	}
	if _, err := NewConnectionStatusClient("localhost").Subscribe(ctx, SubscribeOptions{}); err == nil {
		t.Error("a base URL that is none is taken")
	}
}
