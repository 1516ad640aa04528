package websocket

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// extensionsHeader is spelled as in RFC 6455. gorilla refuses to send the canonical spelling of net/http.
const extensionsHeader = "Sec-WebSocket-Extensions"

const permessageDeflate = "permessage-deflate"

// acceptDeflate accepts the first offer of permessage-deflate that the gateway can honour. It returns the header of the answer, and
// the window of the client: the largest payload in bytes that may be compressed. Without such an offer it returns "" and 0.
func acceptDeflate(header http.Header) (answer string, window int) {
	for _, value := range header.Values(extensionsHeader) {
		for _, offer := range splitQuoted(value, ',') {
			if window, ok := parseDeflateOffer(offer); ok {
				answer = permessageDeflate + "; server_no_context_takeover; client_no_context_takeover"
				if window != anyWindow {
					answer += "; server_max_window_bits=" + strconv.Itoa(windowBits(window))
				}
				return answer, window
			}
		}
	}
	return "", 0
}

// parseDeflateOffer returns the window of an offer. It reports false for other extensions, and for offers that must be declined
// (RFC 7692, section 7): an unknown parameter, one that comes twice, or an invalid value.
func parseDeflateOffer(offer string) (window int, ok bool) {
	parts := splitQuoted(offer, ';')
	if strings.TrimSpace(parts[0]) != permessageDeflate {
		return 0, false
	}
	window = anyWindow
	var names []string
	for _, part := range parts[1:] {
		name, value, hasValue := strings.Cut(part, "=")
		name, value = strings.TrimSpace(name), unquote(strings.TrimSpace(value))
		if slices.Contains(names, name) {
			return 0, false
		}
		names = append(names, name)
		bits := slices.Index(windowBitValues, value) + minWindowBits
		switch name {
		case "server_no_context_takeover", "client_no_context_takeover":
			if hasValue {
				return 0, false
			}
		case "client_max_window_bits": // the client may use any window
			if hasValue && bits < minWindowBits {
				return 0, false
			}
		case "server_max_window_bits":
			if bits < minWindowBits {
				return 0, false
			}
			window = 1 << bits
		default:
			return 0, false
		}
	}
	return window, true
}

const minWindowBits = 8

// windowBitValues are the values of a parameter for a window, from minWindowBits on.
var windowBitValues = []string{"8", "9", "10", "11", "12", "13", "14", "15"}

// windowBits returns the binary logarithm of a window.
func windowBits(window int) (bits int) {
	for window > 1 {
		window /= 2
		bits++
	}
	return bits
}
