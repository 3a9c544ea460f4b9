// This file owns one exchange with the server: the request, the bounded answer, and the form that
// all answers have. It must not know what the data of an answer are.

package switchboard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// answerBytesMax bounds what is read of an answer. The largest one is a page of 200 sessions with
// 4 KiB of metadata each and their users, of which a session may have any number.
const answerBytesMax = 8 << 20

// envelope is the form of all answers (docs/rest.md).
type envelope struct {
	Success *bool             `json:"success"`
	Message string            `json:"message"`
	Data    json.RawMessage   `json:"data"`
	Error   string            `json:"error"`
	Code    string            `json:"code"`
	Fields  map[string]string `json:"fields"`
}

// checker is implemented by data that can lack something without which it would mislead.
type checker interface {
	// check says what is missing; nil if nothing is.
	check() error
}

// get asks a question, again if the server cannot answer at the moment, and reads the answer's
// data into data, a pointer.
func (c *ConnectionStatusClient) get(
	ctx context.Context, path string, query url.Values, data interface{},
) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.within(ctx, func(ctx context.Context) error {
		return c.repeat(ctx, func() error {
			return c.exchange(ctx, http.MethodGet, path, nil, data)
		})
	})
}

// post makes a change, once: when no answer comes nobody knows whether it was made.
func (c *ConnectionStatusClient) post(
	ctx context.Context, path string, body, data interface{},
) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("switchboard: the request cannot be encoded: %w", err)
	}
	return c.within(ctx, func(ctx context.Context) error {
		return c.exchange(ctx, http.MethodPost, path, encoded, data)
	})
}

// within gives a call its deadline, and names that deadline when it is what ended the call.
func (c *ConnectionStatusClient) within(
	ctx context.Context, call func(context.Context) error,
) error {
	if c.wrong != nil {
		return c.wrong
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err := call(limited)
	if errors.Is(err, context.DeadlineExceeded) && limited.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("switchboard: no answer within %v: %w", c.timeout, err)
	}
	return err
}

func (c *ConnectionStatusClient) exchange(
	ctx context.Context, method, path string, body []byte, data interface{},
) error {
	request, err := c.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err // It names the method, the URL and the cause.
	}
	defer response.Body.Close()
	// One byte more than allowed tells a large answer from one that is too large.
	answer, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax+1))
	if err != nil {
		return fmt.Errorf("%s %s: the answer broke off: %w", method, path, err)
	}
	if len(answer) > answerBytesMax {
		reason := fmt.Sprintf("more than %d bytes", answerBytesMax)
		return &MalformedError{Status: response.StatusCode, Reason: reason}
	}
	return read(response, answer, data)
}

func (c *ConnectionStatusClient) request(
	ctx context.Context, method, path string, body []byte,
) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.baseURL+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("switchboard: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "switchboard-go")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token == nil {
		return request, nil
	}
	token, err := c.token(ctx)
	if err != nil {
		return nil, fmt.Errorf("switchboard: no token: %w", err)
	}
	if err := checkToken(token); err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	return request, nil
}

// checkToken finds the line break of a file that a token was read from. net/http would refuse it
// as well, but older ones show the value.
func checkToken(token string) error {
	isPrintable := func(b byte) bool { return '!' <= b && b <= '~' }
	switch {
	case token == "":
		return errors.New("switchboard: the token is empty")
	case !consistsOf(token, isPrintable):
		return errors.New("switchboard: the token has blanks, line breaks or non-ASCII characters")
	}
	return nil
}

// read tells a refusal from a failure on the way and from an answer, and reads the answer's data.
func read(response *http.Response, answer []byte, data interface{}) error {
	status := response.StatusCode
	retryAfter := retryAfterOf(response.Header, time.Now())
	var e envelope
	err := json.Unmarshal(answer, &e)
	switch {
	case err == nil && e.Success != nil && !*e.Success:
		return refusal(status, retryAfter, e)
	case status < 200 || status > 299:
		return &HTTPError{Status: status, RetryAfter: retryAfter}
	case err != nil:
		reason := fmt.Sprintf("not JSON of the right form (%s)", contentTypeOf(response.Header))
		return &MalformedError{Status: status, Reason: reason, Err: err}
	case e.Success == nil:
		return &MalformedError{Status: status, Reason: `no "success"`}
	}
	return readData(status, e.Data, data)
}

func readData(status int, raw json.RawMessage, data interface{}) error {
	if len(raw) == 0 || string(raw) == "null" {
		return &MalformedError{Status: status, Reason: `no "data"`}
	}
	if err := json.Unmarshal(raw, data); err != nil {
		return &MalformedError{Status: status, Reason: `"data" has another form`, Err: err}
	}
	if checked, ok := data.(checker); ok {
		if err := checked.check(); err != nil {
			return &MalformedError{Status: status, Reason: err.Error()}
		}
	}
	return nil
}

func refusal(status int, retryAfter time.Duration, e envelope) *APIError {
	refused := &APIError{
		Message:    e.Message,
		Detail:     e.Error,
		Code:       e.Code,
		Status:     status,
		RetryAfter: retryAfter,
		Fields:     e.Fields,
	}
	if refused.Message == "" {
		refused.Message = nameOf(status)
	}
	var holder Holder
	// The data of other refusals, if they ever have any, are none of this client's business.
	if json.Unmarshal(e.Data, &holder) == nil && holder.AgentID != "" {
		refused.Holder = &holder
	}
	return refused
}

func contentTypeOf(header http.Header) string {
	if value := header.Get("Content-Type"); value != "" {
		return value
	}
	return "no content type"
}
