// This file owns a double of the hub: it takes lines, and says on them what a test tells it to. It
// must not know what is tested with it.

package switchboard

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// hub is a server whose lines a test takes one by one.
type hub struct {
	*httptest.Server
	t       *testing.T
	callers chan *caller
	// refusals are given to the handshakes before the first one is taken.
	refusals chan answer
}

// caller is a line that was taken.
type caller struct {
	t *testing.T
	// uri and authorization are those of the handshake.
	uri, authorization string
	conn               net.Conn
	reader             *bufio.Reader
}

func openHub(t *testing.T, refusals ...answer) *hub {
	t.Helper()
	h := &hub{t: t, callers: make(chan *caller, 64), refusals: make(chan answer, len(refusals))}
	for _, refusal := range refusals {
		h.refusals <- refusal
	}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case refusal := <-h.refusals:
		for name, value := range refusal.header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(refusal.status)
		_, _ = io.WriteString(w, refusal.body)
		return
	default:
	}
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		h.t.Error(err)
		return
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	proof := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(proof[:]))
	h.callers <- &caller{
		t: h.t, uri: r.RequestURI, authorization: r.Header.Get("Authorization"), conn: conn,
		reader: buffered.Reader,
	}
}

// take is the next line.
func (h *hub) take() *caller {
	h.t.Helper()
	select {
	case caller := <-h.callers:
		_ = caller.conn.SetDeadline(time.Now().Add(testDeadline))
		return caller
	case <-time.After(testDeadline):
		h.t.Fatal("nobody calls")
		return nil
	}
}

// takeAt is the next line, which is told where the log is.
func (h *hub) takeAt(cursor string) *caller {
	h.t.Helper()
	caller := h.take()
	caller.says(`{"type":"connected","payload":{"connection_id":"k1","user_id":"u1","role":"admin",
		"cursor":"` + cursor + `"}}`)
	return caller
}

// frame writes a frame with this first byte.
func (c *caller) frame(first byte, payload []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(serverFrame(first, payload)); err != nil {
		c.t.Error(err)
	}
}

func serverFrame(first byte, payload []byte) []byte {
	frame := []byte{first}
	switch length := len(payload); {
	case length < 126:
		frame = append(frame, byte(length))
	case length <= 0xffff:
		frame = binary.BigEndian.AppendUint16(append(frame, 126), uint16(length))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 127), uint64(length))
	}
	return append(frame, payload...)
}

func (c *caller) says(text string) {
	c.t.Helper()
	c.frame(0x80|opText, []byte(text))
}

// hold tells of a call on hold, at this place in the log.
func (c *caller) hold(cursor string) {
	c.t.Helper()
	c.says(`{"type":"call.hold","payload":{"unique_id":"` + cursor + `"},"id":"e-` + cursor + `",
		"timestamp":"2025-01-24T10:30:00.123Z","cursor":"` + cursor + `"}`)
}

func (c *caller) closes(code uint16) {
	c.t.Helper()
	c.frame(0x80|opClose, append(binary.BigEndian.AppendUint16(nil, code), "because"...))
}

// breaks cuts the line.
func (c *caller) breaks() {
	_ = c.conn.Close()
}

// hears is the next frame of the subscriber.
func (c *caller) hears() (opcode byte, payload string, err error) {
	return readMasked(c.reader)
}

// readMasked reads a short frame of a client.
func readMasked(r io.Reader) (opcode byte, payload string, err error) {
	var head [6]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, "", err
	}
	if head[1]&0x80 == 0 || head[1]&0x7f > 125 {
		return 0, "", fmt.Errorf("a frame that begins with %x", head)
	}
	text := make([]byte, head[1]&0x7f)
	if _, err := io.ReadFull(r, text); err != nil {
		return 0, "", err
	}
	for i := range text {
		text[i] ^= head[2+i%4]
	}
	return head[0] & 0x0f, string(text), nil
}

// listening is a subscriber of a hub. Its pauses take no time.
type listening struct {
	*Subscriber
	t      *testing.T
	pauses *pauses
	cancel context.CancelFunc
}

func (h *hub) listen(options SubscribeOptions, change ...func(*line)) *listening {
	h.t.Helper()
	client, pauses := patient(h.URL, 0.5, WithToken("a.b.c"))
	l, err := client.newLine(options)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, change := range change {
		change(l)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.t.Cleanup(cancel)
	go l.run(ctx)
	return &listening{Subscriber: l.owner, t: h.t, pauses: pauses, cancel: cancel}
}

// next is the next thing heard; false at the end.
func (l *listening) next() (Incoming, bool) {
	l.t.Helper()
	select {
	case incoming, isOpen := <-l.Incoming():
		return incoming, isOpen
	case <-time.After(testDeadline):
		l.t.Fatal("nothing is heard")
		return Incoming{}, false
	}
}

// event is the next event; the rest is passed over.
func (l *listening) event() *HubEvent {
	l.t.Helper()
	for {
		incoming, isOpen := l.next()
		if !isOpen {
			l.t.Fatalf("the end: %v", l.Err())
		}
		if incoming.Event != nil {
			return incoming.Event
		}
	}
}

// loss is the next loss of a line.
func (l *listening) loss() *Disconnected {
	l.t.Helper()
	for {
		incoming, isOpen := l.next()
		if !isOpen {
			l.t.Fatalf("the end: %v", l.Err())
		}
		if incoming.Disconnected != nil {
			return incoming.Disconnected
		}
	}
}

// end is why nothing more is heard.
func (l *listening) end() error {
	l.t.Helper()
	for {
		if _, isOpen := l.next(); !isOpen {
			return l.Err()
		}
	}
}
