// This file owns the tests of WebSocket frames: what is read of them, and what is refused.

package switchboard

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// wire is a line that was recorded: what the server said, and what is answered.
type wire struct {
	io.Reader
	answered bytes.Buffer
}

func (w *wire) Write(frame []byte) (int, error) {
	return w.answered.Write(frame)
}

func (w *wire) Close() error {
	return nil
}

// hearing is a socket on which these frames come.
func hearing(frames ...[]byte) (*socket, *wire) {
	w := &wire{Reader: bytes.NewReader(bytes.Join(frames, nil))}
	return &socket{line: w, reader: bufio.NewReader(w), heard: func() {}}, w
}

func TestAMessageIsReadWhateverItsLengthAndItsPieces(t *testing.T) {
	for _, length := range []int{0, 1, 125, 126, 127, 0xffff, 0x10000, messageBytesMax} {
		text := strings.Repeat("x", length)
		s, _ := hearing(serverFrame(0x80|opText, []byte(text)))
		if got, err := s.next(); err != nil || string(got) != text {
			t.Errorf("%d bytes: read %d (%v)", length, len(got), err)
		}
	}
	s, w := hearing(
		serverFrame(0x80|opBinary, []byte{1}), serverFrame(opText, []byte("a")),
		serverFrame(0x80|opPing, []byte("p")), serverFrame(opContinuation, []byte("b")),
		serverFrame(0x80|opPong, nil), serverFrame(0x80|opContinuation, []byte("c")),
	)
	if got, err := s.next(); err != nil || string(got) != "abc" {
		t.Errorf("read %q (%v)", got, err)
	}
	if opcode, payload, err := readMasked(&w.answered); opcode != opPong || payload != "p" {
		t.Errorf("answered %x %q (%v)", opcode, payload, err)
	}
	if _, err := s.next(); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}

func TestAFrameThatBreaksTheProtocolIsRefused(t *testing.T) {
	half := serverFrame(opText, make([]byte, messageBytesMax))
	for want, frames := range map[string][]byte{
		"a frame with an extension or a mask": serverFrame(0xc0|opText, nil),
		"an extension or a mask":              {0x80 | opText, 0x80, 0, 0, 0, 0},
		"a control frame in pieces":           serverFrame(opPing, nil),
		"control frame":                       serverFrame(0x80|opPing, make([]byte, 126)),
		"out of turn (opcode 0)":              serverFrame(0x80|opContinuation, nil),
		"out of turn (opcode 1)":              append(serverFrame(opText, nil), serverFrame(opText, nil)...),
		"out of turn (opcode 3)":              serverFrame(0x83, nil),
		"out of turn (opcode 11)":             serverFrame(0x8b, nil),
		"more than 4194304 bytes":             {0x80 | opText, 127, 0xff, 0, 0, 0, 0, 0, 0, 0},
		"a message of more than":              append(half, serverFrame(0x80, []byte("x"))...),
		"not UTF-8":                           serverFrame(0x80|opText, []byte{0xff}),
	} {
		s, w := hearing(frames)
		if _, err := s.next(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if opcode, payload, err := readMasked(&w.answered); opcode != opClose || payload != "\x03\xea" {
			t.Errorf("%s: answered %x %q (%v)", want, opcode, payload, err)
		}
	}
}

func TestACloseSaysWithWhatAndWhy(t *testing.T) {
	for want, payload := range map[string]string{
		"closed without a code": "", "closed with 1001": "\x03\xe9",
		"closed with 4008: slow consumer": "\x0f\xa8slow consumer",
	} {
		s, _ := hearing(serverFrame(0x80|opClose, []byte(payload)))
		if _, err := s.next(); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestWhatIsSentCanBeReadByAServer(t *testing.T) {
	for _, length := range []int{125, 126, 0x10000} {
		s, w := hearing()
		if err := s.send(opText, bytes.Repeat([]byte("x"), length)); err != nil {
			t.Fatal(err)
		}
		sent := w.answered.Bytes()
		head := map[int]string{125: "\x81\xfd", 126: "\x81\xfe\x00\x7e", 0x10000: "\x81\xff\x00\x00\x00\x00\x00\x01\x00\x00"}[length]
		if !bytes.HasPrefix(sent, []byte(head)) || len(sent) != len(head)+4+length {
			t.Fatalf("%d bytes went out as %d, beginning with %x", length, len(sent), sent[:10])
		}
		mask, text := sent[len(head):len(head)+4], sent[len(head)+4:]
		for i := range text {
			if text[i]^mask[i%4] != 'x' {
				t.Fatalf("byte %d of %d is masked wrongly", i, length)
			}
		}
	}
}

func TestOnlyTheServersOwnProofMakesAWebSocket(t *testing.T) {
	// The example of RFC 6455, section 1.3.
	const key, proof = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
	header := http.Header{"Upgrade": {"WebSocket"}, "Sec-Websocket-Accept": {proof}}
	if !isWebSocket(header, key) {
		t.Error("the proof of the RFC is refused")
	}
	header.Set("Sec-WebSocket-Accept", strings.ToUpper(proof))
	if isWebSocket(header, key) {
		t.Error("another proof is taken")
	}
}
