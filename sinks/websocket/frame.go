package websocket

import (
	"encoding/binary"
	"strconv"
)

// Opcodes of RFC 6455, section 5.2.
const (
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xA
	final    = 0x80
)

// Close codes of RFC 6455, section 7.4.1, and of IANA's registry.
const (
	closeRestart = 1012 // service restart: connect again
	closeSlow    = 1013 // try again later
	closePolicy  = 1008
	closeRemoved = 4000 // for applications: an operator has disconnected the client, which must not connect again by itself
)

// frameSize returns the size in bytes of a server's frame with n payload bytes.
func frameSize(n int) int {
	switch {
	case n < 126:
		return 2 + n
	case n < 1<<16:
		return 4 + n
	}
	return 10 + n
}

// appendFrame appends a whole, unmasked frame, as servers send them.
func appendFrame(dst []byte, opcode byte, payload []byte) []byte {
	n := len(payload)
	dst = append(dst, final|opcode)
	switch {
	case n < 126:
		dst = append(dst, byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
	return append(dst, payload...)
}

// closeFrame returns a close frame. It truncates the reason to 123 bytes.
func closeFrame(code int, reason string) []byte {
	payload := binary.BigEndian.AppendUint16(nil, uint16(code))
	return appendFrame(nil, opClose, append(payload, reason[:min(len(reason), 123)]...))
}

func itoa(n int) string { return strconv.Itoa(n) }

// frameAt reads the frame at the begin of b, which appendFrame has written.
func frameAt(b []byte) (opcode byte, payload []byte, size int) {
	n, header := int(b[1]), 2
	switch n {
	case 126:
		n, header = int(binary.BigEndian.Uint16(b[2:])), 4
	case 127:
		n, header = int(binary.BigEndian.Uint64(b[2:])), 10
	}
	return b[0] & 0xf, b[header : header+n], header + n
}
