// This file owns the client and its options. It must not know what an answer looks like.

// Package switchboard asks a Switchboard server over REST who is connected to a session, which
// sessions are active and what happened around one, watches a session by polling, gives sessions to
// agents, and says which agents can work (document 001). An EventBroadcaster tells the server what
// happens elsewhere, and a Subscriber hears what happens there (document 004). The names
// NewConnectionStatusClient, ConnectionStatusClient and GetSessionStatus, and the text of an APIError,
// are those of document 000.
//
// It uses the standard library only. It never logs, and no token appears in its errors.
package switchboard

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// timeoutDefault is twice the interval at which dashboards poll: an answer older than that
	// is of no use to them.
	timeoutDefault = 10 * time.Second
	// attemptsDefault leaves room for one refusal by the rate limit and one by a restart.
	attemptsDefault = 3
)

// ConnectionStatusClient asks one server. Any number of goroutines may use it at once.
type ConnectionStatusClient struct {
	baseURL  string
	http     *http.Client
	token    TokenSource
	timeout  time.Duration
	attempts int
	// wrong is what is wrong with the base URL or an option. Every call returns it, because the
	// constructor of document 000 has no error to return.
	wrong error
	// wait and random are replaced by tests, which neither sleep nor throw dice.
	wait   func(context.Context, time.Duration) error
	random func() float64
}

// TokenSource returns the token or API key for the next request. It is asked before each one, so
// that it can renew a token that is about to end, and must allow concurrent calls.
type TokenSource func(context.Context) (string, error)

// Option changes a client while it is made.
type Option func(*ConnectionStatusClient)

// NewConnectionStatusClient makes a client of the server at baseURL: http or https with a host,
// and a path if the server is behind one, such as "http://localhost:8082". A base URL or option
// that cannot be used is reported by every call.
func NewConnectionStatusClient(baseURL string, options ...Option) *ConnectionStatusClient {
	c := &ConnectionStatusClient{
		baseURL:  strings.TrimRight(baseURL, "/"),
		http:     &http.Client{},
		timeout:  timeoutDefault,
		attempts: attemptsDefault,
		wrong:    checkBaseURL(baseURL),
		wait:     wait,
		random:   random,
	}
	for _, option := range options {
		option(c)
	}
	c.http = withoutRedirects(c.http)
	return c
}

// WithTimeout bounds each call, attempts and pauses between them included; 10 s without it. A
// deadline of the call's context that is earlier counts.
func WithTimeout(timeout time.Duration) Option {
	return func(c *ConnectionStatusClient) {
		c.refuseIf(timeout <= 0, "the timeout must be more than 0")
		c.timeout = timeout
	}
}

// WithHTTPClient sets the client that carries the requests, for proxies, certificates and
// connection pools. Redirects are followed only if its CheckRedirect says so.
func WithHTTPClient(client *http.Client) Option {
	return func(c *ConnectionStatusClient) {
		c.refuseIf(client == nil, "the HTTP client is nil")
		if client != nil {
			c.http = client
		}
	}
}

// WithToken sends this token as "Authorization: Bearer ...".
func WithToken(token string) Option {
	return WithTokenSource(func(context.Context) (string, error) { return token, nil })
}

// WithAPIKey sends this API key, which the server takes where it takes a token. Reading needs the
// scope events:read.
func WithAPIKey(key string) Option {
	return WithToken(key)
}

// WithTokenSource asks source for the token before each request, for tokens that end.
func WithTokenSource(source TokenSource) Option {
	return func(c *ConnectionStatusClient) {
		c.refuseIf(source == nil, "the token source is nil")
		c.token = source
	}
}

// WithAttempts sets how often a question is asked while the server answers 429 or 503; 3 without
// it, 1 for never again. Calls that change something are made once in any case.
func WithAttempts(attempts int) Option {
	return func(c *ConnectionStatusClient) {
		c.refuseIf(attempts < 1, "the attempts must be 1 or more")
		c.attempts = attempts
	}
}

// refuseIf keeps the first thing that is wrong.
func (c *ConnectionStatusClient) refuseIf(isWrong bool, reason string) {
	if isWrong && c.wrong == nil {
		c.wrong = errors.New("switchboard: " + reason)
	}
}

// checkBaseURL never shows the URL itself: one with a password in it is what it refuses.
func checkBaseURL(baseURL string) error {
	parsed, err := url.Parse(baseURL)
	switch {
	case err != nil:
		return errors.New("switchboard: the base URL cannot be read")
	case parsed.Scheme != "http" && parsed.Scheme != "https":
		return errors.New("switchboard: the base URL must begin with http:// or https://")
	case parsed.Host == "":
		return errors.New("switchboard: the base URL has no host")
	case parsed.User != nil:
		return errors.New("switchboard: the base URL has a user; use WithToken or WithAPIKey")
	case parsed.RawQuery != "" || parsed.Fragment != "":
		return errors.New("switchboard: the base URL has a query or fragment")
	}
	return nil
}

// withoutRedirects shows a redirect as the HTTPError that it is for an API: following one would
// turn a POST into a GET, and could take the token elsewhere.
func withoutRedirects(client *http.Client) *http.Client {
	if client.CheckRedirect != nil {
		return client
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}
	return &own
}
