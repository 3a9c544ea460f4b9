// This file owns a client's end of a WebSocket (RFC 6455): the handshake, through the HTTP client
// that everything else goes through, and the frames. It must not know what is said.

package switchboard

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"unicode/utf8"
)

// messageBytesMax bounds what is read of a message. The server's own limit for a frame is 512 KiB;
// what it adds to one is little.
const messageBytesMax = 4 << 20

// Opcodes of RFC 6455, section 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// What a client says when it goes, and when it is told nonsense.
const (
	closeNormal   = 1000
	closeProtocol = 1002
)

// closedError is a close frame of the other side.
type closedError struct {
	// code is 0 when it named none.
	code   int
	reason string
}

func (e *closedError) Error() string {
	switch {
	case e.code == 0:
		return "closed without a code"
	case e.reason == "":
		return fmt.Sprintf("closed with %d", e.code)
	}
	return fmt.Sprintf("closed with %d: %s", e.code, e.reason)
}

// socket is an open WebSocket. One goroutine reads; any number may write.
type socket struct {
	line   io.ReadWriteCloser
	reader *bufio.Reader
	// heard is called for each frame that comes.
	heard func()
	write sync.Mutex
}

// upgrade asks for a WebSocket at a path and query below the base URL. Refusals are as of any other
// call.
func (c *ConnectionStatusClient) upgrade(ctx context.Context, path string) (*socket, error) {
	var nonce [16]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return nil, err
	}
	key := base64.StdEncoding.EncodeToString(nonce[:])
	request, err := c.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", "websocket")
	request.Header.Set("Sec-WebSocket-Version", "13")
	request.Header.Set("Sec-WebSocket-Key", key)
	// A timeout of the HTTP client is one of whole exchanges, which this never becomes.
	endless := *c.http
	endless.Timeout = 0
	response, err := endless.Do(request)
	if err != nil {
		return nil, err
	}
	line, isLine := response.Body.(io.ReadWriteCloser)
	switch {
	case response.StatusCode != http.StatusSwitchingProtocols:
		defer response.Body.Close()
		return nil, refusedUpgrade(response)
	case !isLine || !isWebSocket(response.Header, key):
		_ = response.Body.Close()
		return nil, errors.New("the handshake was not answered by a WebSocket server")
	}
	return &socket{line: line, reader: bufio.NewReader(line), heard: func() {}}, nil
}

func isWebSocket(header http.Header, key string) bool {
	// The GUID is RFC 6455's, section 1.3.
	proof := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return header.Get("Sec-WebSocket-Accept") == base64.StdEncoding.EncodeToString(proof[:]) &&
		strings.EqualFold(header.Get("Upgrade"), "websocket")
}

// refusedUpgrade reads an answer that is no upgrade. One of success is none either.
func refusedUpgrade(response *http.Response) error {
	answer, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	if err != nil {
		return err
	}
	var nothing struct{}
	if err := read(response, answer, &nothing); err != nil {
		return err
	}
	return &HTTPError{Status: response.StatusCode}
}

// next is the next text message. Pings are answered, and binary messages passed over: the server
// sends none. A close frame is answered and returned as a *closedError.
func (s *socket) next() ([]byte, error) {
	for {
		opcode, message, err := s.message()
		if err != nil {
			return nil, err
		}
		if opcode == opText {
			if !utf8.Valid(message) {
				return nil, s.refuse("a text that is not UTF-8")
			}
			return message, nil
		}
	}
}

// message puts the frames of a message together. Control frames may come between them.
func (s *socket) message() (opcode byte, message []byte, err error) {
	for {
		isFinal, kind, payload, err := s.frame(messageBytesMax - len(message))
		if err != nil {
			return 0, nil, err
		}
		s.heard()
		switch {
		case kind == opPing:
			if err := s.send(opPong, payload); err != nil {
				return 0, nil, err
			}
			continue
		case kind == opPong:
			continue
		case kind == opClose:
			return 0, nil, s.closedBy(payload)
		case kind == opContinuation && opcode == 0, kind != opContinuation && opcode != 0,
			kind > opBinary:
			return 0, nil, s.refuse(fmt.Sprintf("a frame out of turn (opcode %d)", kind))
		}
		if kind != opContinuation {
			opcode = kind
		}
		message = append(message, payload...)
		if isFinal {
			return opcode, message, nil
		}
	}
}

// frame reads one frame.
func (s *socket) frame(bytesMax int) (isFinal bool, opcode byte, payload []byte, err error) {
	var head [2]byte
	if _, err = io.ReadFull(s.reader, head[:]); err != nil {
		return false, 0, nil, err
	}
	isFinal, opcode = head[0]&0x80 != 0, head[0]&0x0f
	length, err := s.length(head[1] & 0x7f)
	switch isControl := opcode >= opClose; {
	case err != nil:
		return false, 0, nil, err
	case head[0]&0x70 != 0 || head[1]&0x80 != 0:
		return false, 0, nil, s.refuse("a frame with an extension or a mask")
	case isControl && (!isFinal || length > 125):
		return false, 0, nil, s.refuse("a control frame in pieces")
	case length > uint64(bytesMax):
		return false, 0, nil, s.refuse(fmt.Sprintf("a message of more than %d bytes", messageBytesMax))
	}
	payload = make([]byte, length)
	_, err = io.ReadFull(s.reader, payload)
	return isFinal, opcode, payload, err
}

// length is the payload's, which is in the frame's head or behind it.
func (s *socket) length(short byte) (uint64, error) {
	var long [8]byte
	var err error
	switch short {
	case 126:
		_, err = io.ReadFull(s.reader, long[6:])
	case 127:
		_, err = io.ReadFull(s.reader, long[:])
	default:
		return uint64(short), nil
	}
	return binary.BigEndian.Uint64(long[:]), err
}

func (s *socket) closedBy(payload []byte) error {
	closed := &closedError{}
	if len(payload) >= 2 {
		closed.code = int(binary.BigEndian.Uint16(payload))
		closed.reason = string(payload[2:])
		payload = payload[:2]
	}
	// The answer repeats the code; who closed may not wait for it.
	_ = s.send(opClose, payload)
	return closed
}

// refuse says goodbye to who breaks the protocol.
func (s *socket) refuse(what string) error {
	_ = s.goodbye(closeProtocol)
	return errors.New("the server sent " + what)
}

func (s *socket) goodbye(code uint16) error {
	return s.send(opClose, binary.BigEndian.AppendUint16(nil, code))
}

// send writes one whole frame, masked as a client's must be.
func (s *socket) send(opcode byte, payload []byte) error {
	var mask [4]byte
	if _, err := rand.Read(mask[:]); err != nil {
		return err
	}
	var frame bytes.Buffer
	frame.WriteByte(0x80 | opcode)
	switch length := len(payload); {
	case length < 126:
		frame.WriteByte(0x80 | byte(length))
	case length <= 0xffff:
		frame.WriteByte(0x80 | 126)
		_ = binary.Write(&frame, binary.BigEndian, uint16(length))
	default:
		frame.WriteByte(0x80 | 127)
		_ = binary.Write(&frame, binary.BigEndian, uint64(length))
	}
	frame.Write(mask[:])
	for i, b := range payload {
		frame.WriteByte(b ^ mask[i%4])
	}
	s.write.Lock()
	defer s.write.Unlock()
	_, err := s.line.Write(frame.Bytes())
	return err
}
