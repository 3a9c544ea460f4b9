// This file owns the checks of ids before a call. What it refuses it refuses in the server's
// words, so that callers need not tell the two apart. It must not know what the ids are used for.

package switchboard

import "net/http"

const userIDBytesMax = 128

// checkSessionID takes what the server takes: a UUID with its hyphens or without any.
func checkSessionID(id string) error {
	if isUUID(id) {
		return nil
	}
	return &APIError{
		Message: "Invalid session ID",
		Detail:  "invalid UUID format",
		Code:    "invalid_session_id",
		Status:  http.StatusBadRequest,
	}
}

func checkAgentID(id string) error {
	if isUserID(id) {
		return nil
	}
	return &APIError{
		Message: "Invalid ID",
		Detail:  "agent id: an id has 1 to 128 characters of A-Z a-z 0-9 _ . : @ -",
		Code:    "invalid_id",
		Status:  http.StatusBadRequest,
	}
}

func isUUID(text string) bool {
	if len(text) == 36 {
		for _, at := range [...]int{8, 13, 18, 23} {
			if text[at] != '-' {
				return false
			}
		}
		text = text[:8] + text[9:13] + text[14:18] + text[19:23] + text[24:]
	}
	return len(text) == 32 && consistsOf(text, isHexDigit)
}

func isUserID(text string) bool {
	return text != "" && len(text) <= userIDBytesMax && consistsOf(text, func(b byte) bool {
		switch b {
		case '_', '.', ':', '@', '-':
			return true
		}
		return '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
	})
}

func isHexDigit(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
}

func consistsOf(text string, isAllowed func(byte) bool) bool {
	for i := 0; i < len(text); i++ {
		if !isAllowed(text[i]) {
			return false
		}
	}
	return true
}
