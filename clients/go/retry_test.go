// This file owns the tests of asking again: after what, how often, and after which pause.

package switchboard

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"
)

func limited(status int, retryAfter string) answer {
	a := refused(status, "Too many requests", "too many", "rate_limited")
	if retryAfter != "" {
		a.header = map[string]string{"Retry-After": retryAfter}
	}
	return a
}

func TestAQuestionIsAskedAgainAfterThePauseTheServerAsksFor(t *testing.T) {
	o := serve(t, limited(429, "1"), limited(503, "2"), ok(nobody))
	client, pauses := patient(o.URL, 0.5)
	if _, err := client.GetSessionStatus(sessionID); err != nil {
		t.Fatal(err)
	}
	// Half of 250 ms and half of 500 ms come on top.
	want := []time.Duration{1125 * time.Millisecond, 2250 * time.Millisecond}
	if !reflect.DeepEqual(pauses.taken, want) {
		t.Errorf("waited %v, want %v", pauses.taken, want)
	}
}

func TestWithoutAWordOfTheServerThePausesDouble(t *testing.T) {
	busy := answer{status: 503, body: "<html>proxy</html>"}
	for dice, want := range map[float64][]time.Duration{
		0: {125, 250, 500, 1000, 2000, 2500, 2500},
		1: {250, 500, 1000, 2000, 4000, 5000, 5000},
	} {
		o := serve(t, busy)
		client, pauses := patient(o.URL, dice, WithAttempts(8))
		if _, err := client.GetSessionStatus(sessionID); err == nil {
			t.Fatal("no error")
		}
		for i := range want {
			want[i] *= time.Millisecond
		}
		if !reflect.DeepEqual(pauses.taken, want) {
			t.Errorf("waited %v, want %v", pauses.taken, want)
		}
	}
}

func TestAfterTheLastAttemptTheRefusalIsReturned(t *testing.T) {
	for attempts, options := range map[int][]Option{3: nil, 1: {WithAttempts(1)}, 5: {WithAttempts(5)}} {
		o := serve(t, limited(429, "1"))
		client, _ := patient(o.URL, 0, options...)
		_, err := client.GetSessionStatus(sessionID)
		var got *APIError
		if !errors.As(err, &got) || got.Status != 429 || got.RetryAfter != time.Second {
			t.Errorf("got %#v", err)
		}
		if asked := len(o.requests()); asked != attempts {
			t.Errorf("asked %d times, want %d", asked, attempts)
		}
	}
}

func TestOtherFailuresAreReturnedAtOnce(t *testing.T) {
	for _, a := range []answer{
		refused(401, "Unauthorized", "no token", "unauthorized"),
		refused(500, "Failed to get connection status", "redis connection failed", "presence_unavailable"),
		{status: 502, body: "proxy"},
		{status: 200, body: "{"},
	} {
		o := serve(t, a)
		client, pauses := patient(o.URL, 0)
		if _, err := client.GetSessionStatus(sessionID); err == nil {
			t.Error("no error")
		}
		if len(o.requests()) != 1 || len(pauses.taken) != 0 {
			t.Errorf("%d: asked %d times", a.status, len(o.requests()))
		}
	}
}

func TestAChangeIsMadeOnceWhateverTheAnswer(t *testing.T) {
	for _, status := range []int{429, 503} {
		o := serve(t, limited(status, "1"))
		client, _ := patient(o.URL, 0)
		_, err := client.Assign(context.Background(), sessionID, agentID)
		var got *APIError
		if !errors.As(err, &got) || got.Status != status || got.RetryAfter != time.Second {
			t.Errorf("got %#v", err)
		}
		if asked := len(o.requests()); asked != 1 {
			t.Errorf("%d: asked %d times", status, asked)
		}
	}
}

func TestAPauseThatWouldMissTheDeadlineIsNotBegun(t *testing.T) {
	o := serve(t, limited(429, "60"))
	client, pauses := patient(o.URL, 0)
	_, err := client.GetSessionStatus(sessionID)
	var got *APIError
	if !errors.As(err, &got) || got.RetryAfter != time.Minute {
		t.Errorf("got %#v", err)
	}
	if len(pauses.taken) != 0 {
		t.Errorf("waited %v", pauses.taken)
	}
}

func TestACallThatIsCalledOffDuringAPauseEnds(t *testing.T) {
	o := serve(t, limited(429, "9"))
	client := NewConnectionStatusClient(o.URL)
	begun := time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	client.random = func() float64 {
		cancel()
		return 0
	}
	if _, err := client.GetSessionStatusContext(ctx, sessionID); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it ended after %v", took)
	}
}

func TestTheDiceAreFair(t *testing.T) {
	sum := 0.0
	for i := 0; i < 1000; i++ {
		n := random()
		if n < 0 || n >= 1 {
			t.Fatalf("threw %v", n)
		}
		sum += n
	}
	if sum < 400 || sum > 600 {
		t.Errorf("the mean of 1000 throws is %v", sum/1000)
	}
}
