// This file owns the tests of a watch: what counts as news, when it ends, and the hook for
// customers without an agent. Its polls are stepped through, so that no time passes.

package switchboard

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// present is the answer that shows these users: "c1@30 a1@35" are a customer who came at second
// 30 and an agent who came at second 35.
func present(users string) answer {
	var entries []string
	totals := map[byte]int{}
	for _, user := range strings.Fields(users) {
		id, second, _ := strings.Cut(user, "@")
		userType := map[byte]string{'c': UserTypeCustomer, 'a': UserTypeAgent, 'o': UserTypeAdmin}[id[0]]
		totals[id[0]]++
		entries = append(entries, fmt.Sprintf(
			`%q:{"user_id":%q,"user_type":%q,"joined_at":"2025-01-24T10:30:%sZ"}`, id, id, userType, second))
	}
	return ok(fmt.Sprintf(
		`{"users":{%s},"customer_connected":%t,"agent_connected":%t,"total_customer":%d,"total_agent":%d}`,
		strings.Join(entries, ","), totals['c'] > 0, totals['a'] > 0, totals['c'], totals['a']))
}

// watched is a watch whose polls are stepped through.
type watched struct {
	t       *testing.T
	steps   *steps
	origin  *origin
	changes <-chan StatusChange
	cancel  context.CancelFunc
	isBegun bool
}

func watchOf(t *testing.T, options WatchOptions, answers ...answer) *watched {
	t.Helper()
	o := serve(t, answers...)
	client := NewConnectionStatusClient(o.URL, WithAttempts(1))
	steps := newSteps()
	client.wait = steps.wait
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	changes, err := client.Watch(ctx, sessionID, options)
	if err != nil {
		t.Fatal(err)
	}
	return &watched{t: t, steps: steps, origin: o, changes: changes, cancel: cancel}
}

// poll lets one poll happen, and tells what it reported. The watch stands still when it returns.
func (w *watched) poll() string {
	w.t.Helper()
	if w.isBegun {
		w.steps.step()
	}
	w.isBegun = true
	w.steps.settled(w.t)
	var told []string
	for len(w.changes) > 0 {
		told = append(told, tell(<-w.changes))
	}
	return strings.Join(told, "; ")
}

// isClosed waits for the end of the channel.
func (w *watched) isClosed() bool {
	select {
	case _, isOpen := <-w.changes:
		return !isOpen
	case <-time.After(testDeadline):
		return false
	}
}

func tell(change StatusChange) string {
	if change.Err != nil {
		return change.Err.Error()
	}
	var words []string
	for _, user := range change.Joined {
		words = append(words, fmt.Sprintf("+%s@%d", user.UserID, user.JoinedAt.Second()))
	}
	for _, user := range change.Left {
		words = append(words, fmt.Sprintf("-%s@%d", user.UserID, user.JoinedAt.Second()))
	}
	words = append(words, fmt.Sprintf("(%d/%d)", change.Status.TotalCustomer, change.Status.TotalAgent))
	return strings.Join(words, " ")
}

func (w *watched) tells(want ...string) {
	w.t.Helper()
	for i, line := range want {
		if got := w.poll(); got != line {
			w.t.Errorf("poll %d told %q, want %q", i+1, got, line)
		}
	}
}

// 000: acceptance 1, 28, 46
func TestAWatchReportsTheFirstStatusAndThenWhatChanges(t *testing.T) {
	w := watchOf(t, WatchOptions{},
		present(""), present(""), present("c1@30"), present("c1@30"), present("a1@35 a2@36 c1@30"),
		present("a1@35 c1@40"), present("a1@35 c1@40 o1@50"), present("a1@35 c1@40"), present(""))
	w.tells("(0/0)", "", "+c1@30 (1/0)", "", "+a1@35 +a2@36 (1/2)",
		"+c1@40 -a2@36 -c1@30 (1/1)", "+o1@50 (1/1)", "-o1@50 (1/1)",
		"-a1@35 -c1@40 (0/0)", "")
}

func TestAChangeSaysWhatWasBefore(t *testing.T) {
	w := watchOf(t, WatchOptions{}, present("c1@30"), present("c1@30 a1@35"))
	first := <-w.changes
	w.steps.settled(t)
	w.steps.step()
	second := <-w.changes
	if first.Previous != nil || first.SessionID != sessionID || second.Previous != first.Status {
		t.Errorf("got %+v and %+v", first, second)
	}
}

// 000: acceptance 28
func TestAWatchPollsEveryFiveSecondsUnlessToldOtherwise(t *testing.T) {
	for interval, want := range map[time.Duration]time.Duration{
		0: 5 * time.Second, 100 * time.Millisecond: 100 * time.Millisecond, time.Minute: time.Minute,
	} {
		w := watchOf(t, WatchOptions{Interval: interval}, present(""))
		if pause := w.steps.settled(t); pause != want {
			t.Errorf("waited %v, want %v", pause, want)
		}
		if asked := len(w.origin.requests()); asked != 1 {
			t.Errorf("asked %d times before the first pause", asked)
		}
	}
}

func TestAnIntervalThatIsASlipOfTheHandIsRefused(t *testing.T) {
	client := NewConnectionStatusClient("http://example.test")
	for _, interval := range []time.Duration{5, -time.Second, 99 * time.Millisecond} {
		_, err := client.Watch(context.Background(), sessionID, WatchOptions{Interval: interval})
		if err == nil || !strings.Contains(err.Error(), "interval must be 100ms or more") {
			t.Errorf("%v: got %v", interval, err)
		}
	}
}

func TestAWatchGoesOnThroughFailuresAndTellsEachOnce(t *testing.T) {
	busy := refused(503, "Temporarily unavailable", "the log does not answer", "unavailable")
	w := watchOf(t, WatchOptions{},
		present("c1@30"), busy, busy, answer{status: 502}, busy, present("c1@30"), present("c1@30"), busy)
	w.tells("+c1@30 (1/0)", "API error: Temporarily unavailable", "", "HTTP 502: Bad Gateway",
		"API error: Temporarily unavailable", "(1/0)", "", "API error: Temporarily unavailable")
}

func TestWhatChangedDuringAFailureIsTold(t *testing.T) {
	w := watchOf(t, WatchOptions{}, present("c1@30"), answer{status: 500}, present("a1@35"))
	w.tells("+c1@30 (1/0)", "HTTP 500: Internal Server Error", "+a1@35 -c1@30 (0/1)")
}

func TestAWatchEndsWithARefusalThatStands(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404} {
		w := watchOf(t, WatchOptions{}, present(""), refused(status, "No", "no", "no"))
		w.tells("(0/0)")
		w.steps.step()
		change := <-w.changes
		var got *APIError
		if !errors.As(change.Err, &got) || got.Status != status || change.Status != nil {
			t.Errorf("%d: got %+v", status, change)
		}
		if !w.isClosed() {
			t.Errorf("%d: the watch goes on", status)
		}
	}
}

func TestAWatchEndsWithItsContext(t *testing.T) {
	w := watchOf(t, WatchOptions{}, present(""))
	w.tells("(0/0)")
	w.cancel()
	if !w.isClosed() {
		t.Error("the watch goes on, or told the end as a change")
	}
}

func TestAWatchEndsWithItsContextDuringAPoll(t *testing.T) {
	client := NewConnectionStatusClient(hanging(t, false).URL)
	// One round may go well by chance: the end could be told, or not be, as the scheduler likes.
	for i := 0; i < 20; i++ {
		ctx, cancel := context.WithCancel(context.Background())
		changes, err := client.Watch(ctx, sessionID, WatchOptions{})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		w := &watched{t: t, changes: changes}
		if !w.isClosed() {
			t.Fatal("the watch goes on, or told the end as a change")
		}
	}
}

func TestAReaderThatFallsBehindMissesNothingAndStopsThePolls(t *testing.T) {
	var answers []answer
	for i := 0; i < changesMax+3; i++ {
		answers = append(answers, present(fmt.Sprintf("c1@%02d", i)))
	}
	w := watchOf(t, WatchOptions{}, answers...)
	for i := 0; i < changesMax; i++ {
		w.steps.settled(t)
		w.steps.step()
	}
	// The next poll has nowhere to put its change, and is not over before there is room.
	select {
	case <-w.steps.paused:
		t.Fatal("a poll ended without room for its change")
	case <-time.After(20 * time.Millisecond):
	}
	for i := 0; i <= changesMax; i++ {
		if change := <-w.changes; change.Joined[0].JoinedAt.Second() != i {
			t.Errorf("change %d is %s", i, tell(change))
		}
	}
	w.steps.settled(t)
}

func TestAWatchWithoutAReaderEndsWithItsContext(t *testing.T) {
	o := serve(t, present("c1@30"))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	full := make(chan StatusChange, 1)
	full <- StatusChange{}
	client := NewConnectionStatusClient(o.URL)
	w := &watch{client: client, sessionID: sessionID, changes: full}
	w.options.AutoAssign = func(context.Context, string) error {
		time.AfterFunc(10*time.Millisecond, cancel) // The change is being sent by then.
		return nil
	}
	ended := make(chan struct{})
	go func() {
		w.run(ctx)
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(testDeadline):
		t.Error("the watch goes on")
	}
}

// 000: acceptance 41
func TestACustomerWithoutAnAgentIsAssignedOnceEachTimeItWaits(t *testing.T) {
	var calls []string
	options := WatchOptions{AutoAssign: func(_ context.Context, id string) error {
		calls = append(calls, id)
		return nil
	}}
	w := watchOf(t, options, present(""), present("a1@10"), present("c1@30"), present("c1@30"),
		present("c1@30 o1@31"), present("c1@30 a1@35"), present("c1@30"), present(""), present("c1@50"))
	for i, want := range []int{0, 0, 1, 1, 1, 1, 2, 2, 3} {
		w.poll()
		if len(calls) != want {
			t.Errorf("after poll %d there were %d calls, want %d", i+1, len(calls), want)
		}
	}
	for _, id := range calls {
		if id != sessionID {
			t.Errorf("called for %q", id)
		}
	}
}

// 000: acceptance 41
func TestAnAssignmentThatFailsIsToldOnceAndTriedAgain(t *testing.T) {
	var outcomes = []error{errors.New("nobody is free"), errors.New("nobody is free"), nil}
	calls := 0
	options := WatchOptions{AutoAssign: func(context.Context, string) error {
		calls++
		return outcomes[calls-1]
	}}
	w := watchOf(t, options, present("c1@30"))
	w.tells("+c1@30 (1/0); switchboard: auto-assign: nobody is free", "", "", "")
	if calls != 3 {
		t.Errorf("called %d times, want 3", calls)
	}
}

func TestAnAssignmentHasTheClientsTimeout(t *testing.T) {
	options := WatchOptions{AutoAssign: func(ctx context.Context, _ string) error {
		deadline, ok := ctx.Deadline()
		if left := time.Until(deadline); !ok || left <= 0 || left > timeoutDefault {
			t.Errorf("its deadline is in %v", left)
		}
		return nil
	}}
	watchOf(t, options, present("c1@30")).poll()
}
