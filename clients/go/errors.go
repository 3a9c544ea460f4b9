// This file owns the errors that a caller can tell apart with errors.As. It must not know when
// they arise.

package switchboard

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// APIError is a refusal by the server: an answer with "success": false. An id that cannot be one
// is refused with the same error before anything is sent.
type APIError struct {
	// Message is the short text for people, such as "Invalid session ID".
	Message string
	// Detail says what exactly is wrong; the answer's "error". It may change.
	Detail string
	// Code is from the closed list in docs/errors.md, such as "invalid_session_id"; programs go
	// by it. Empty when the server sent none.
	Code string
	// Status is the HTTP status.
	Status int
	// RetryAfter is how long the server asks to wait; 0 when it does not say.
	RetryAfter time.Duration
	// Fields says of each field of the request what is wrong with it (status 422).
	Fields map[string]string
	// Holder is who was first, when a session has an agent already (status 409).
	Holder *Holder
}

// Holder is the agent that has a session.
type Holder struct {
	AgentID string `json:"agent_id"`
	// Name is the agent's name, or its id when it has none.
	Name string `json:"name"`
}

// Error has the text of document 000.
func (e *APIError) Error() string {
	return "API error: " + e.Message
}

// HTTPError is an answer with an error status that is not in the server's form: from a proxy in
// between, say, or from another server.
type HTTPError struct {
	// Status is the HTTP status.
	Status int
	// RetryAfter is how long the answer asks to wait; 0 when it does not say.
	RetryAfter time.Duration
}

// Error is the status with its name, such as "HTTP 502: Bad Gateway".
func (e *HTTPError) Error() string {
	return fmt.Sprintf("HTTP %d: %s", e.Status, nameOf(e.Status))
}

// MalformedError is an answer that cannot be understood although its status is one of success, or
// that is too large to be read.
type MalformedError struct {
	// Status is the HTTP status.
	Status int
	// Reason says what is wrong with the answer.
	Reason string
	// Err is the cause, if there is one: an error of encoding/json.
	Err error
}

// Error names the reason and the cause.
func (e *MalformedError) Error() string {
	if e.Err == nil {
		return "switchboard: malformed answer: " + e.Reason
	}
	return fmt.Sprintf("switchboard: malformed answer: %s: %v", e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *MalformedError) Unwrap() error {
	return e.Err
}

func nameOf(status int) string {
	if name := http.StatusText(status); name != "" {
		return name
	}
	return "unknown status"
}

// statusOf is the status that err reports and the pause the answer asked for; 0 when err is no
// answer with an error status.
func statusOf(err error) (int, time.Duration) {
	var refused *APIError
	if errors.As(err, &refused) {
		return refused.Status, refused.RetryAfter
	}
	var failed *HTTPError
	if errors.As(err, &failed) {
		return failed.Status, failed.RetryAfter
	}
	return 0, 0
}

// isPermanent tells whether asking again cannot help: the server understood, and refused for a
// reason that lies with the question or with who asks.
func isPermanent(err error) bool {
	status, _ := statusOf(err)
	if status == http.StatusRequestTimeout || status == http.StatusTooManyRequests {
		return false
	}
	return 400 <= status && status < 500
}
