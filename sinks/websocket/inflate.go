package websocket

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"io"
	"sync"
)

// inflater reads the frames of a client that may send compressed messages, and turns these into messages that are not
// compressed. gorilla could do this as well, but bounds only the compressed bytes: 4 KiB could become 4 MiB.
//
// It reads a compressed message to its end before it inflates it, so a client that sends slowly takes no decompressor.
// All else it hands on unchanged, also what is invalid: gorilla closes the connection then.
type inflater struct {
	max      int         // bound of a message, in bytes
	refuse   func() bool // reports whether messages are ignored, so that they are not inflated
	inflated int         // bytes of the last message that was inflated

	in      *bufio.Reader
	rest    int64        // bytes of the current frame that are still handed on unchanged
	out     []byte       // bytes to hand on
	open    bool         // in a compressed message
	opcode  byte         // of that message
	message bytes.Buffer // its compressed bytes
}

// inflateBuffer is the size of the buffer of an inflater, in bytes. Clients send little.
const inflateBuffer = 256

// maxKeptMessage is the size of the largest buffer of a message that is kept for the next, in bytes.
const maxKeptMessage = 4 << 10

var (
	decompressors = sync.Pool{New: func() any { return flate.NewReader(nil) }}
	// messageTail ends a message, and the stream (RFC 7692, section 7.2.2).
	messageTail = []byte{0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff}

	errInflated = errors.New("the inflated message is too large")
)

func newInflater(conn io.Reader, max int, refuse func() bool) *inflater {
	return &inflater{in: bufio.NewReaderSize(conn, inflateBuffer), max: max, refuse: refuse}
}

// Read is part of [io.Reader].
func (r *inflater) Read(p []byte) (int, error) {
	for {
		switch {
		case len(r.out) > 0:
			n := copy(p, r.out)
			r.out = r.out[n:]
			return n, nil
		case r.rest > 0:
			n, err := r.in.Read(p[:min(int64(len(p)), r.rest)])
			r.rest -= int64(n)
			return n, err
		}
		if err := r.readFrame(); err != nil {
			return 0, err
		}
	}
}

// readFrame reads the header of a frame, and of a compressed message the whole frame.
func (r *inflater) readFrame() error {
	header, length, err := r.readHeader()
	if err != nil {
		return err
	}
	opcode := header[0] & 0xf
	isData, isFinal, masked := opcode == opText || opcode == opBinary, header[0]&final != 0, header[1]&0x80 != 0
	switch {
	case !r.open && isData && header[0]&0x70 == rsv1 && masked:
		r.open, r.opcode = true, opcode
	case r.open && header[0]&0x7f == 0 && masked: // it continues
	case r.open && opcode < opClose: // gorilla does not know that a message is open
		r.fail()
		return nil
	default:
		r.out, r.rest = header, length
		return nil
	}
	// The fixed codes of deflate take nine bits for some bytes.
	if length < 0 || int64(r.message.Len())+length > int64(r.max+r.max/8+64) {
		r.failTooLarge()
		return nil
	}
	begin := r.message.Len()
	if _, err := io.CopyN(&r.message, r.in, length); err != nil {
		return err
	}
	mask := header[len(header)-4:]
	for i, payload := 0, r.message.Bytes()[begin:]; i < len(payload); i++ {
		payload[i] ^= mask[i&3]
	}
	if isFinal {
		r.endMessage()
	}
	return nil
}

// readHeader reads the header of a frame, which ends with the mask if the frame is masked.
func (r *inflater) readHeader() (header []byte, length int64, err error) {
	header = make([]byte, 2, 14)
	if _, err := io.ReadFull(r.in, header); err != nil {
		return nil, 0, err
	}
	size := map[byte]int{126: 2, 127: 8}[header[1]&0x7f]
	if header[1]&0x80 != 0 {
		size += 4
	}
	header = header[:2+size]
	if _, err := io.ReadFull(r.in, header[2:]); err != nil {
		return nil, 0, err
	}
	switch length = int64(header[1] & 0x7f); length {
	case 126:
		length = int64(binary.BigEndian.Uint16(header[2:]))
	case 127:
		length = int64(binary.BigEndian.Uint64(header[2:]))
	}
	return header, length, nil
}

// endMessage hands on the message as one frame.
func (r *inflater) endMessage() {
	var payload []byte
	if r.opcode == opText && !r.refuse() { // binary messages are ignored
		var err error
		if payload, err = inflate(r.message.Bytes(), r.max); err == errInflated {
			r.failTooLarge()
			return
		} else if err != nil {
			r.fail()
			return
		}
		r.inflated = len(payload)
	}
	r.out = appendMasked(r.opcode, payload)
	r.close()
}

// close ends a message.
func (r *inflater) close() {
	r.open = false
	if r.message.Reset(); r.message.Cap() > maxKeptMessage {
		r.message = bytes.Buffer{}
	}
}

// fail hands on a frame that gorilla answers with close code 1002.
func (r *inflater) fail() {
	r.out = []byte{final | rsv1 | opText, 0x80, 0, 0, 0, 0}
	r.close()
}

// failTooLarge hands on the header of a frame that gorilla answers with close code 1009.
func (r *inflater) failTooLarge() {
	r.out = appendMasked(r.opcode, nil)[:2]
	r.out[1] = 0x80 | 127
	r.out = append(binary.BigEndian.AppendUint64(r.out, uint64(r.max+1)), 0, 0, 0, 0)
	r.close()
}

// inflate returns an inflated message, or errInflated if it exceeds a bound.
func inflate(message []byte, max int) ([]byte, error) {
	z := decompressors.Get().(io.ReadCloser)
	defer decompressors.Put(z)
	_ = z.(flate.Resetter).Reset(bytes.NewReader(append(message, messageTail...)), nil) // Reset of flate never fails
	payload, err := io.ReadAll(io.LimitReader(z, int64(max)+1))
	if len(payload) > max {
		return nil, errInflated
	}
	return payload, err
}

// appendMasked returns a whole frame of a client, masked with zeros.
func appendMasked(opcode byte, payload []byte) []byte {
	frame := appendFrame(make([]byte, 0, len(payload)+14), opcode, payload)
	header := len(frame) - len(payload)
	frame = append(frame, 0, 0, 0, 0)
	copy(frame[header+4:], payload)
	clear(frame[header : header+4])
	frame[1] |= 0x80
	return frame
}
