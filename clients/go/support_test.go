// This file owns what several tests need: servers with prepared answers, and pauses that take no
// time. It must not know what is tested with them.

package switchboard

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

const (
	sessionID  = "550e8400-e29b-41d4-a716-446655440000"
	agentID    = "770e8400-e29b-41d4-a716-446655440001"
	statusPath = "/api/session/" + sessionID + "/connection-status"
)

// assigned are the data of an answer that gives sessionID to agentID.
const assigned = `{"session_id":"` + sessionID + `","agent_id":"` + agentID + `",
	"agent_name":"Dewi","department_id":null}`

// testDeadline ends a test that hangs; no test waits that long when all is well.
const testDeadline = 10 * time.Second

// answer is one prepared answer.
type answer struct {
	status int
	header map[string]string
	body   string
	// gate, if set, is what the answer waits for.
	gate <-chan struct{}
}

// asked is one request that came.
type asked struct {
	method, uri, authorization, contentType, body string
}

// origin answers with the prepared answers in their order, and with the last one from then on.
type origin struct {
	*httptest.Server
	mutex   sync.Mutex
	answers []answer
	asked   []asked
}

func serve(t *testing.T, answers ...answer) *origin {
	t.Helper()
	o := &origin{answers: answers}
	o.Server = httptest.NewServer(o)
	t.Cleanup(o.Close)
	return o
}

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	next := o.take(asked{
		method: r.Method, uri: r.RequestURI, authorization: r.Header.Get("Authorization"),
		contentType: r.Header.Get("Content-Type"), body: string(body),
	})
	if next.gate != nil {
		select {
		case <-next.gate:
		case <-r.Context().Done():
		}
	}
	w.Header().Set("Content-Type", "application/json")
	for name, value := range next.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(next.status)
	_, _ = io.WriteString(w, next.body)
}

func (o *origin) take(request asked) answer {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.asked = append(o.asked, request)
	next := o.answers[0]
	if len(o.answers) > 1 {
		o.answers = o.answers[1:]
	}
	return next
}

// requests are those that have come so far.
func (o *origin) requests() []asked {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return append([]asked(nil), o.asked...)
}

// ok is a successful answer with these data.
func ok(data string) answer {
	return answer{status: 200, body: `{"success":true,"message":"done","data":` + data + `}`}
}

// refused is a refusal in the server's form.
func refused(status int, message, detail, code string) answer {
	body := `{"success":false,"message":"` + message + `","error":"` + detail + `","code":"` + code + `"}`
	return answer{status: status, body: body}
}

// pauses stands in for the clock: it keeps how long each pause would have been, and takes none.
type pauses struct {
	mutex sync.Mutex
	taken []time.Duration
}

func (p *pauses) wait(_ context.Context, pause time.Duration) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.taken = append(p.taken, pause)
	return nil
}

// patient is a client whose pauses take no time and whose dice show always the same.
func patient(url string, dice float64, options ...Option) (*ConnectionStatusClient, *pauses) {
	c := NewConnectionStatusClient(url, options...)
	p := &pauses{}
	c.wait, c.random = p.wait, func() float64 { return dice }
	return c, p
}

// steps stands in for the clock of a watch: each poll after the first waits for a step.
type steps struct {
	paused chan time.Duration
	next   chan struct{}
}

func newSteps() *steps {
	return &steps{paused: make(chan time.Duration), next: make(chan struct{})}
}

func (s *steps) wait(ctx context.Context, pause time.Duration) error {
	select {
	case s.paused <- pause:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-s.next:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settled waits until the poll that goes on is over, and says how long the pause after it is.
func (s *steps) settled(t *testing.T) time.Duration {
	t.Helper()
	select {
	case pause := <-s.paused:
		return pause
	case <-time.After(testDeadline):
		t.Fatal("the poll did not end")
		return 0
	}
}

// step lets the next poll begin. A watch that has been settled before takes it at once.
func (s *steps) step() {
	s.next <- struct{}{}
}
