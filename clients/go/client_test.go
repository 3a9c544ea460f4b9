// This file owns the tests of making a client, of asking for a status, of tokens and of deadlines.

package switchboard

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
)

// documented is the answer that document 000 shows.
const documented = `{
  "success": true,
  "message": "Connection status retrieved successfully",
  "data": {
    "users": {
      "user_123": {"user_id": "user_123", "user_type": "customer", "joined_at": "2025-01-24T10:30:00Z"},
      "agent_456": {"user_id": "agent_456", "user_type": "agent", "joined_at": "2025-01-24T10:35:00Z"}
    },
    "customer_connected": true,
    "agent_connected": true,
    "total_customer": 1,
    "total_agent": 1
  }
}`

// 000: acceptance 9, 11 to 16, 40
func TestTheDocumentedAnswerIsReadWhole(t *testing.T) {
	o := serve(t, answer{status: 200, body: documented})
	status, err := NewConnectionStatusClient(o.URL).GetSessionStatus(sessionID)
	if err != nil {
		t.Fatal(err)
	}
	want := &ConnectionStatus{
		Users: map[string]UserInfo{
			"user_123":  {"user_123", UserTypeCustomer, time.Date(2025, 1, 24, 10, 30, 0, 0, time.UTC)},
			"agent_456": {"agent_456", UserTypeAgent, time.Date(2025, 1, 24, 10, 35, 0, 0, time.UTC)},
		},
		CustomerConnected: true, AgentConnected: true, TotalCustomer: 1, TotalAgent: 1,
	}
	if !reflect.DeepEqual(status, want) {
		t.Errorf("got %+v, want %+v", status, want)
	}
	request := o.requests()[0]
	if request.method != "GET" || request.uri != statusPath || request.authorization != "" {
		t.Errorf("asked %+v", request)
	}
}

func TestAStatusIsWrittenAsItWasRead(t *testing.T) {
	o := serve(t, answer{status: 200, body: documented})
	status, err := NewConnectionStatusClient(o.URL).GetSessionStatus(sessionID)
	if err != nil {
		t.Fatal(err)
	}
	written, err := json.Marshal(status)
	if err != nil {
		t.Fatal(err)
	}
	var got, want struct {
		Data map[string]interface{} `json:"data"`
	}
	if err := json.Unmarshal([]byte(`{"data":`+string(written)+`}`), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(documented), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// 000: acceptance 41
func TestACustomerWithoutAnAgentNeedsOne(t *testing.T) {
	for _, c := range []struct{ customer, agent, needs bool }{
		{true, false, true}, {true, true, false}, {false, false, false}, {false, true, false},
	} {
		status := ConnectionStatus{CustomerConnected: c.customer, AgentConnected: c.agent}
		if status.NeedsAgent() != c.needs {
			t.Errorf("%+v", c)
		}
	}
}

func TestATokenAndAnAPIKeyAreSentAsBearer(t *testing.T) {
	asks := 0
	source := func(context.Context) (string, error) {
		asks++
		return "renewed", nil
	}
	for want, option := range map[string]Option{
		"Bearer a.b.c":    WithToken("a.b.c"),
		"Bearer sbk_test": WithAPIKey("sbk_test"),
		"Bearer renewed":  WithTokenSource(source),
	} {
		o := serve(t, ok(nobody))
		client := NewConnectionStatusClient(o.URL+"/", option)
		for i := 0; i < 2; i++ {
			if _, err := client.GetSessionStatus(sessionID); err != nil {
				t.Fatal(err)
			}
		}
		for _, request := range o.requests() {
			if request.authorization != want || request.uri != statusPath {
				t.Errorf("sent %+v, want %q", request, want)
			}
		}
	}
	if asks != 2 {
		t.Errorf("the source was asked %d times for 2 requests", asks)
	}
}

func saysWithoutSecret(err error, want string) bool {
	return err != nil && strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "secret")
}

func TestATokenThatCannotBeSentIsNamedAndNotShown(t *testing.T) {
	fails := func(context.Context) (string, error) { return "", errors.New("the vault is closed") }
	for want, option := range map[string]Option{
		"blanks, line breaks":     WithToken("a.secret\n"),
		"the token is empty":      WithToken(""),
		"no token: the vault is ": WithTokenSource(fails),
	} {
		o := serve(t, ok(nobody))
		_, err := NewConnectionStatusClient(o.URL, option).GetSessionStatus(sessionID)
		if !saysWithoutSecret(err, want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if len(o.requests()) != 0 {
			t.Error("a request was sent")
		}
	}
}

func TestWhatIsWrongWithAClientIsSaidByEachCall(t *testing.T) {
	for _, c := range []struct {
		baseURL string
		option  Option
		want    string
	}{
		{"localhost:8082", nil, "must begin with http:// or https://"},
		{"", nil, "must begin with http:// or https://"},
		{"http://", nil, "has no host"},
		{"http://a\x7fb", nil, "cannot be read"},
		{"http://user:secret@example.test", nil, "has a user"},
		{"http://example.test/?a=b", nil, "has a query"},
		{"http://example.test", WithTimeout(0), "timeout"},
		{"http://example.test", WithAttempts(0), "attempts"},
		{"http://example.test", WithHTTPClient(nil), "HTTP client is nil"},
		{"http://example.test", WithTokenSource(nil), "token source is nil"},
	} {
		option := c.option
		if option == nil {
			option = WithTimeout(time.Second)
		}
		client := NewConnectionStatusClient(c.baseURL, option)
		_, asked := client.GetSessionStatus(sessionID)
		_, assigned := client.Assign(context.Background(), sessionID, "")
		_, watched := client.Watch(context.Background(), sessionID, WatchOptions{})
		for _, err := range []error{asked, assigned, watched} {
			if !saysWithoutSecret(err, c.want) {
				t.Errorf("%q: got %v, want %q", c.baseURL, err, c.want)
			}
		}
	}
}

func TestATokenIsNotTakenToWhereARedirectPoints(t *testing.T) {
	elsewhere := serve(t, ok(nobody))
	header := map[string]string{"Location": elsewhere.URL + statusPath}
	o := serve(t, answer{status: 307, header: header})
	own := &http.Client{}
	for _, option := range []Option{WithAttempts(1), WithHTTPClient(own)} {
		_, err := NewConnectionStatusClient(o.URL, WithToken("a.b.c"), option).GetSessionStatus(sessionID)
		var failed *HTTPError
		if !errors.As(err, &failed) || failed.Status != 307 {
			t.Errorf("got %v", err)
		}
	}
	if len(elsewhere.requests()) != 0 {
		t.Error("the redirect was followed")
	}
	if own.CheckRedirect != nil {
		t.Error("the caller's own HTTP client was changed")
	}
}

// hanging answers nothing until the test is over, or the head of an answer only.
func hanging(t *testing.T, sendsHead bool) *httptest.Server {
	t.Helper()
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if sendsHead {
			_, _ = w.Write([]byte(`{"success":`))
			w.(http.Flusher).Flush()
		}
		<-over
	}))
	t.Cleanup(func() {
		close(over)
		server.Close()
	})
	return server
}

func TestAServerThatDoesNotAnswerIsGivenUpInTime(t *testing.T) {
	for _, sendsHead := range []bool{false, true} {
		client := NewConnectionStatusClient(hanging(t, sendsHead).URL, WithTimeout(20*time.Millisecond))
		_, err := client.GetSessionStatus(sessionID)
		want := "no answer within 20ms"
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v", err)
		}
	}
}

func TestTheTimeoutOfTheCallersOwnHTTPClientIsNotTakenForTheClients(t *testing.T) {
	own := &http.Client{Timeout: 20 * time.Millisecond}
	client := NewConnectionStatusClient(hanging(t, false).URL, WithHTTPClient(own))
	_, err := client.GetSessionStatus(sessionID)
	if err == nil || strings.Contains(err.Error(), "10s") {
		t.Errorf("got %v", err)
	}
}

func TestTheContextOfACallEndsIt(t *testing.T) {
	client := NewConnectionStatusClient(hanging(t, false).URL)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(10*time.Millisecond, cancel)
	_, err := client.GetSessionStatusContext(ctx, sessionID)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	soon, cancelSoon := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancelSoon()
	_, err = client.GetSessionStatusContext(soon, sessionID)
	if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "10s") {
		t.Errorf("got %v, want the caller's deadline, not the client's", err)
	}
}

func TestAServerThatIsNotThereIsNamed(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	_, err := NewConnectionStatusClient(gone.URL, WithToken("a.secret")).GetSessionStatus(sessionID)
	if !saysWithoutSecret(err, gone.URL) {
		t.Errorf("got %v", err)
	}
}
