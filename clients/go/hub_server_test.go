// This file owns what only a real server can show of telling and hearing; see server_test.go.

package switchboard

import (
	"context"
	"errors"
	"testing"
	"time"
)

// realHub listens to a real server, and tells it things as a service with a key.
func realHub(t *testing.T, options SubscribeOptions) (*EventBroadcaster, *listening) {
	t.Helper()
	admin := realServer(t)
	var made struct {
		Key string `json:"key"`
	}
	wanted := map[string]interface{}{"name": "pbx", "scopes": []string{"events:write", "events:read"}}
	if err := admin.post(context.Background(), "/api/keys", wanted, &made); err != nil {
		t.Fatal(err)
	}
	service := NewConnectionStatusClient(admin.baseURL, WithAPIKey(made.Key))
	broadcaster, err := NewEventBroadcaster(service, BroadcasterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broadcaster.Close(soon(t)); err != nil {
			t.Error(err)
		}
	})
	return broadcaster, realListener(t, service, options)
}

// realListener is connected when this returns.
func realListener(t *testing.T, c *ConnectionStatusClient, options SubscribeOptions) *listening {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	s, err := c.Subscribe(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	l := &listening{Subscriber: s, t: t, cancel: cancel}
	if incoming, _ := l.next(); incoming.Connected == nil {
		t.Fatalf("instead of a line: %+v (%v)", incoming, s.Err())
	}
	return l
}

// 004: acceptance 281, 286 to 302, 307 to 329
func TestARealServerTakesEveryEventAndTellsIt(t *testing.T) {
	broadcaster, listener := realHub(t, SubscribeOptions{})
	all := append(append(append([]told{}, agentsAndCalls...), queues...), chatsAndNotices...)
	var deliveries []*Delivery
	awaited := map[string]bool{}
	for _, method := range all {
		delivery, err := method.tell(broadcaster, soon(t))
		if err != nil {
			t.Fatal(err)
		}
		deliveries = append(deliveries, delivery)
		// What is for one user is heard by that user.
		awaited[delivery.ID()] = method.kind != "notification"
	}
	for i, delivery := range deliveries {
		if accepted, err := delivery.Wait(soon(t)); err != nil || accepted.Cursor == "" {
			t.Errorf("%s: %+v (%v)", all[i].kind, accepted, err)
		}
		if !awaited[delivery.ID()] {
			delete(awaited, delivery.ID())
		}
	}
	for len(awaited) > 0 {
		// Others may tell something too, and login tells of more than was said.
		delete(awaited, listener.event().ID)
	}
}

// 004: acceptance 363
func TestARealServerKnowsARepeatAndTellsWhatWasMissed(t *testing.T) {
	broadcaster, listener := realHub(t, SubscribeOptions{Events: []string{"call.*"}})
	id, err := randomID()
	if err != nil {
		t.Fatal(err)
	}
	tell := func(suffix string, seconds uint64) error {
		event := NewEvent{Event: CallEnded{UniqueID: id, Duration: seconds}, ID: id + suffix}
		delivery, err := broadcaster.Publish(soon(t), event)
		if err == nil {
			_, err = delivery.Wait(soon(t))
		}
		return err
	}
	for _, suffix := range []string{"-1", "-1", "-2", "-3"} {
		if err := tell(suffix, 9); err != nil {
			t.Fatal(err)
		}
	}
	var rejected *RejectedError
	if err := tell("-1", 10); !errors.As(err, &rejected) || rejected.Code != "conflict" {
		t.Errorf("another event of the same id: %v", err)
	}
	first := heardOf(t, listener, id, "-1", "-2", "-3")
	listener.cancel()
	// A new subscriber, behind the first event.
	again := realListener(t, realServer(t), SubscribeOptions{Events: []string{"call.*"}, After: first})
	heardOf(t, again, id, "-2", "-3")
}

// heardOf checks that just these events of an id are heard, and returns the first one's cursor.
func heardOf(t *testing.T, l *listening, id string, suffixes ...string) string {
	t.Helper()
	first := ""
	for _, suffix := range suffixes {
		event := l.event()
		if event.ID != id+suffix || event.Cursor == "" || time.Since(event.Timestamp) > time.Minute {
			t.Errorf("instead of %s: %+v", suffix, event)
		}
		if first == "" {
			first = event.Cursor
		}
	}
	return first
}

func TestARealServerNamesWhatIsWrongWithAnEvent(t *testing.T) {
	broadcaster, _ := realHub(t, SubscribeOptions{})
	for want, event := range map[string]Event{
		"unknown_event": OtherEvent{Type: "call.incomming", Payload: []byte(`{}`)},
		"invalid":       OtherEvent{Type: "call.ended", Payload: []byte(`{"unique_id":"1","durration":2}`)},
	} {
		delivery, err := broadcaster.Publish(soon(t), NewEvent{Event: event})
		if err != nil {
			t.Fatal(err)
		}
		_, err = delivery.Wait(soon(t))
		var rejected *RejectedError
		if !errors.As(err, &rejected) || rejected.Code != want {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

func TestARealServerNamesAnUnknownPatternAndLetsNobodyInWithoutAToken(t *testing.T) {
	listener := realListener(t, realServer(t), SubscribeOptions{Events: []string{"call.hodl", "alert"}})
	if incoming, _ := listener.next(); incoming.Refused == nil || incoming.Refused.Nearest != "call.hold" {
		t.Errorf("heard %+v", incoming)
	}
	resumed := realListener(t, realServer(t), SubscribeOptions{After: "nowhere"})
	if incoming, _ := resumed.next(); incoming.Resync == nil || incoming.Resync.Reason != "unknown_cursor" {
		t.Errorf("heard %+v", incoming)
	}
	stranger := NewConnectionStatusClient(realServer(t).baseURL, WithToken("x.y.z"))
	s, err := stranger.Subscribe(soon(t), SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l := &listening{Subscriber: s, t: t}
	if status, _ := statusOf(l.end()); status != 401 {
		t.Errorf("a stranger was refused with %v", s.Err())
	}
}
