// This file owns the tests of every answer that is none: refusals, failures on the way, malformed
// and endless answers, and ids that are refused before the call.

package switchboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
)

// nobody is the status of a session without users.
const nobody = `{"users":{},"customer_connected":false,"agent_connected":false,` +
	`"total_customer":0,"total_agent":0}`

// 000: acceptance 17, 18, 40
func TestARefusalHasTheTextOfDocument000AndAllThatTheServerSaid(t *testing.T) {
	for _, c := range []struct {
		status                int
		message, detail, code string
	}{
		{400, "Invalid session ID", "invalid UUID format", "invalid_session_id"},
		{401, "Unauthorized", "no token", "unauthorized"},
		{403, "Forbidden", "this conversation is not yours", "forbidden"},
		{404, "Not found", "conversation not found", "not_found"},
		{405, "Method not allowed", "method not allowed here", "method_not_allowed"},
		{429, "Too many requests", "too many requests; try again in 7 s", "rate_limited"},
		{500, "Failed to get connection status", "redis connection failed", "presence_unavailable"},
		{500, "Internal error", "internal error 0f3a", "internal"},
		{503, "Temporarily unavailable", "the log does not answer", "unavailable"},
		{200, "Failed", "said with the status of success", "odd"},
	} {
		o := serve(t, refused(c.status, c.message, c.detail, c.code))
		client, _ := patient(o.URL, 0)
		_, err := client.GetSessionStatus(sessionID)
		var got *APIError
		if !errors.As(fmt.Errorf("wrapped: %w", err), &got) {
			t.Fatalf("%d: got %v", c.status, err)
		}
		want := &APIError{Message: c.message, Detail: c.detail, Code: c.code, Status: c.status}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if err.Error() != "API error: "+c.message {
			t.Errorf("the text is %q", err)
		}
	}
}

func TestARefusalWithoutAMessageIsNamedByItsStatus(t *testing.T) {
	o := serve(t, answer{status: 403, body: `{"success":false}`})
	_, err := NewConnectionStatusClient(o.URL).GetSessionStatus(sessionID)
	if err == nil || err.Error() != "API error: Forbidden" {
		t.Errorf("got %v", err)
	}
}

func TestARefusalOfAValueNamesItsFields(t *testing.T) {
	body := `{"success":false,"message":"Invalid value","error":"status: must be open",
		"code":"invalid","fields":{"status":"must be open"}}`
	o := serve(t, answer{status: 422, body: body})
	_, err := NewConnectionStatusClient(o.URL).GetActiveSessions(context.Background(), SessionFilter{})
	var got *APIError
	if !errors.As(err, &got) || got.Fields["status"] != "must be open" {
		t.Errorf("got %#v", err)
	}
}

func TestAnErrorFromInBetweenIsNamedByItsStatus(t *testing.T) {
	for status, want := range map[int]string{
		404: "HTTP 404: Not Found", 502: "HTTP 502: Bad Gateway", 504: "HTTP 504: Gateway Timeout",
		301: "HTTP 301: Moved Permanently", 599: "HTTP 599: unknown status",
	} {
		for _, body := range []string{"<html>proxy</html>", "", "[]", `{"detail":"x"}`, `{"success":true}`} {
			o := serve(t, answer{status: status, body: body})
			_, err := NewConnectionStatusClient(o.URL).GetSessionStatus(sessionID)
			var got *HTTPError
			if !errors.As(err, &got) || got.Status != status || err.Error() != want {
				t.Errorf("%d %q: got %v", status, body, err)
			}
		}
	}
}

func TestAnAnswerThatIsNoneIsNamed(t *testing.T) {
	user := `"users":{"u1":{"user_id":"u1","user_type":"agent","joined_at":%s}}`
	for body, want := range map[string]string{
		"":                                "not JSON of the right form (application/json)",
		"<html>":                          "not JSON of the right form",
		documented[:80]:                   "unexpected end of JSON input",
		documented + "x":                  "invalid character",
		"null":                            `no "success"`,
		`{"data":` + nobody + `}`:         `no "success"`,
		`{"success":"yes","data":{}}`:     "not JSON of the right form",
		`{"success":true}`:                `no "data"`,
		`{"success":true,"data":null}`:    `no "data"`,
		ok(`[]`).body:                     `"data" has another form`,
		ok(`{}`).body:                     `no "users"`,
		ok(`{"users":null}`).body:         `no "users"`,
		ok(`{"total_agent":-0.5}`).body:   `"data" has another form`,
		ok(`{"users":{"u1":{}}}`).body:    `user "u1" lacks`,
		withTime(user, `"yesterday"`):     `"data" has another form`,
		withTime(user, `null`):            `user "u1" lacks`,
		withTime(user, `"10:30:00"`):      `"data" has another form`,
		withTime(user, `17377146000`):     `"data" has another form`,
		ok(`{"users":{"u1":"u1"}}`).body:  `"data" has another form`,
		ok(`{"users":["u1"]}`).body:       `"data" has another form`,
		ok(`{"agent_connected":1}`).body:  `"data" has another form`,
		ok(`{"total_agent":"one"}`).body:  `"data" has another form`,
		ok(`{"users":{},"users":7}`).body: `"data" has another form`,
	} {
		o := serve(t, answer{status: 200, body: body})
		status, err := NewConnectionStatusClient(o.URL).GetSessionStatus(sessionID)
		var got *MalformedError
		isNamed := errors.As(err, &got) && got.Status == 200 && strings.Contains(err.Error(), want)
		if status != nil || !isNamed {
			t.Errorf("%q: got %v, want %q", body, err, want)
		}
	}
}

func withTime(user, joinedAt string) string {
	return ok("{" + fmt.Sprintf(user, joinedAt) + "}").body
}

func TestTheCauseOfAMalformedAnswerCanBeAskedFor(t *testing.T) {
	o := serve(t, answer{status: 200, body: "{"})
	_, err := NewConnectionStatusClient(o.URL).GetSessionStatus(sessionID)
	var cause *json.SyntaxError
	if !errors.As(err, &cause) {
		t.Errorf("got %v", err)
	}
}

func TestAnEndlessAnswerIsNotReadToItsEnd(t *testing.T) {
	blanks := strings.Repeat(" ", 64<<10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := w.Write([]byte(blanks)); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	_, err := NewConnectionStatusClient(server.URL).GetSessionStatus(sessionID)
	var got *MalformedError
	if !errors.As(err, &got) || got.Reason != "more than 8388608 bytes" {
		t.Errorf("got %v", err)
	}
}

func TestTheLargestAnswerThatIsAllowedIsRead(t *testing.T) {
	body := ok(nobody).body
	o := serve(t, answer{status: 200, body: body + strings.Repeat(" ", answerBytesMax-len(body))})
	if _, err := NewConnectionStatusClient(o.URL).GetSessionStatus(sessionID); err != nil {
		t.Error(err)
	}
}

func TestAnAnswerThatBreaksOffIsNoAnswer(t *testing.T) {
	header := map[string]string{"Content-Length": "100"}
	o := serve(t, answer{status: 200, header: header, body: `{"success":true`})
	_, err := NewConnectionStatusClient(o.URL).GetSessionStatus(sessionID)
	if err == nil || !strings.Contains(err.Error(), "the answer broke off") {
		t.Errorf("got %v", err)
	}
}

// 000: acceptance 10, 17
func TestAnIdThatCannotBeOneIsRefusedBeforeTheCall(t *testing.T) {
	o := serve(t, ok(nobody))
	client := NewConnectionStatusClient(o.URL)
	ctx := context.Background()
	for _, id := range []string{
		"", "session_123", sessionID[:35], sessionID + "0", "{" + sessionID + "}", "urn:uuid:" + sessionID,
		strings.Replace(sessionID, "0", "g", 1), strings.Replace(sessionID, "-", "0", 1),
		"../../../../../../../../../../admin0", "550e8400e29b41d4a71644665544000/",
	} {
		_, asked := client.GetSessionStatus(id)
		_, recorded := client.GetSessionEvents(ctx, id, 0)
		_, assigned := client.Assign(ctx, id, "")
		_, watched := client.Watch(ctx, id, WatchOptions{})
		for _, err := range []error{asked, recorded, assigned, watched} {
			var got *APIError
			if !errors.As(err, &got) || got.Code != "invalid_session_id" || got.Status != 400 ||
				got.Detail != "invalid UUID format" || err.Error() != "API error: Invalid session ID" {
				t.Errorf("%q: got %#v", id, err)
			}
		}
	}
	for _, id := range []string{"a b", "ä", "a/b", strings.Repeat("a", 129)} {
		_, err := client.Assign(ctx, sessionID, id)
		var got *APIError
		if !errors.As(err, &got) || got.Code != "invalid_id" || !strings.Contains(got.Detail, "agent id") {
			t.Errorf("%q: got %#v", id, err)
		}
	}
	if len(o.requests()) != 0 {
		t.Errorf("sent %v", o.requests())
	}
}

func TestAnIdIsTakenWithItsHyphensOrWithout(t *testing.T) {
	o := serve(t, ok(nobody))
	client := NewConnectionStatusClient(o.URL)
	for _, id := range []string{
		sessionID, strings.ToUpper(sessionID), strings.ReplaceAll(sessionID, "-", ""),
	} {
		if _, err := client.GetSessionStatus(id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestOnlyRefusalsThatAskingAgainCannotMendArePermanent(t *testing.T) {
	for status, want := range map[int]bool{
		400: true, 401: true, 403: true, 404: true, 405: true,
		200: false, 301: false, 408: false, 429: false, 500: false, 502: false, 503: false,
	} {
		if isPermanent(&APIError{Status: status}) != want || isPermanent(&HTTPError{Status: status}) != want {
			t.Errorf("%d: want %v", status, want)
		}
	}
	if isPermanent(errors.New("no route to host")) || isPermanent(&MalformedError{Status: 200}) {
		t.Error("a failure on the way is taken for a refusal")
	}
}

func TestRetryAfterIsReadAsSecondsAndAsADate(t *testing.T) {
	now := time.Date(2025, 1, 24, 10, 30, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"7":                             7 * time.Second,
		"-7":                            0,
		"soon":                          0,
		"1.5":                           0,
		"4294967295":                    24 * time.Hour,
		"99999999999999999999":          0,
		"Fri, 24 Jan 2025 10:30:09 GMT": 9 * time.Second,
		"Fri, 24 Jan 2025 10:29:00 GMT": 0,
		"Fri, 24 Jan 2225 10:29:00 GMT": 24 * time.Hour,
	} {
		if got := retryAfterOf(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
}
