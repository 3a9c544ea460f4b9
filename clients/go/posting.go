// This file owns one exchange with POST /api/events: a batch goes there, and its answer is sorted
// into what it means. When it is tried again is none of its business.

package switchboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const eventsPath = "/api/events"

// posted is what an answer means for the batch. With no err each event was looked at, and those that
// are not in rejected are the server's now; with one none was.
type posted struct {
	rejected []rejectedEvent
	cursor   string
	err      error
	// passes tells that it may go better later, after retryAfter at least.
	passes     bool
	retryAfter time.Duration
	// mayBeOnes tells that the reason may be one event's alone.
	mayBeOnes bool
}

type rejectedEvent struct {
	// Index is its place in the batch, from 0.
	Index   int    `json:"index"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// postEvents sends a batch of so many events, once.
func (c *ConnectionStatusClient) postEvents(
	ctx context.Context, body []byte, count int,
) (result posted) {
	err := c.within(ctx, func(ctx context.Context) error {
		request, err := c.request(ctx, http.MethodPost, eventsPath, body)
		if err != nil {
			return err
		}
		response, err := c.http.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		answer, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
		if err != nil {
			// The server may have taken the batch; their ids keep the events from being doubled.
			return fmt.Errorf("%s %s: the answer broke off: %w", request.Method, eventsPath, err)
		}
		result = judge(response.StatusCode, answer, count)
		result.retryAfter = retryAfterOf(response.Header, time.Now())
		return nil
	})
	if err != nil {
		return posted{err: err, passes: true}
	}
	return result
}

// judge sorts an answer.
func judge(status int, answer []byte, count int) posted {
	var e envelope
	unreadable := json.Unmarshal(answer, &e)
	isRefused := e.Success != nil && !*e.Success
	switch {
	// 408 is a proxy's that grew tired of an idle connection.
	case status == 408 || status == 429 || status == 502 || status == 503 || status == 504:
		return posted{err: failureOf(status, e), passes: true}
	case 200 <= status && status < 300 && unreadable == nil && e.Success != nil && !isRefused:
		return looked(status, e.Data, count)
	case 200 <= status && status < 300:
		err := &MalformedError{Status: status, Reason: "not in the server's form", Err: unreadable}
		return posted{err: err}
	case status == 422:
		if result := looked(status, e.Data, count); len(result.rejected) > 0 {
			return result
		}
	}
	mayBeOnes := status == 400 || status == 409 || status == 413
	return posted{err: rejection(status, e), mayBeOnes: mayBeOnes}
}

// looked reads the answer to a batch whose events were looked at one by one.
func looked(status int, raw json.RawMessage, count int) posted {
	var data struct {
		Rejected []rejectedEvent `json:"rejected"`
		Cursor   string          `json:"cursor"`
	}
	err := json.Unmarshal(raw, &data)
	if len(raw) == 0 || string(raw) == "null" {
		err = errors.New(`no "data"`)
	}
	for _, one := range data.Rejected {
		if one.Index < 0 || one.Index >= count {
			err = fmt.Errorf("event %d of %d is rejected", one.Index, count)
		}
	}
	if err != nil {
		return posted{err: &MalformedError{Status: status, Reason: `"data" has another form`, Err: err}}
	}
	return posted{rejected: data.Rejected, cursor: data.Cursor}
}

// failureOf names an answer that may be another one later.
func failureOf(status int, e envelope) error {
	if e.Success == nil {
		return &HTTPError{Status: status}
	}
	return refusal(status, 0, e)
}

// rejection has what the server says, the longer text first; the status when it says nothing.
func rejection(status int, e envelope) error {
	rejected := &RejectedError{Code: e.Code, Message: e.Error}
	if rejected.Code == "" {
		rejected.Code = fmt.Sprintf("http_%d", status)
	}
	if rejected.Message == "" {
		rejected.Message = e.Message
	}
	if rejected.Message == "" {
		rejected.Message = (&HTTPError{Status: status}).Error()
	}
	return rejected
}
