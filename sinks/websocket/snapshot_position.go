package websocket

import (
	"crypto/rand"
	"strings"
)

// The position of a snapshot names the state of gaps: its epoch ends with the mark of the hub, which each gap renews. A
// client that resumes at the offset of the last gap may have missed messages. But a position with the present mark was
// given after that gap, and the rows of its snapshot were read after it. Without the mark a client could not resume
// before the first message behind a gap, and so would request one snapshot after the other.

// newGapMark returns a new mark.
func newGapMark() string { return rand.Text()[:12] }

// holds reports whether the history holds all messages behind a position, and no gap was noted since the mark.
func (h *hub) holds(at startPoint, gapMark string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trim(h.now())
	_, _, ok := h.resumeOffset(at.epoch, resumePoint{given: true, epoch: at.epoch, text: at.name, offset: at.offset})
	return ok && h.gapMark == gapMark
}

// currentGapMark returns the mark that distinguishes the positions before and after the last gap.
func (h *hub) currentGapMark() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.gapMark
}

// issuedSinceGap reports whether a position is from a snapshot that began after the last gap. It needs the hub's lock.
func (h *hub) issuedSinceGap(from resumePoint) bool {
	return strings.HasSuffix(from.epoch, "."+h.gapMark)
}
