package websocket

import (
	"cmp"
	"fmt"
	"slices"
)

// Values of the option slow_client.
const (
	slowDisconnect = "disconnect"
	slowDropOldest = "drop_oldest"
	slowConflate   = "conflate"
)

// handleSlowClients handles each reader whose lag exceeds a bound, as slow_client says: it evicts the client, or moves the reader to the
// end of its topic. It returns the greatest lag of the others, in messages. sink.lagCheckDue says when it is called.
func (s *sink) handleSlowClients() uint64 {
	var greatestLag uint64
	var filtered []lagging
	history := s.hub.historyBegin()
	var all []lagging
	for _, c := range s.listClients() {
		all = c.appendLags(all[:0])
		for _, l := range all {
			// Messages that are older than the history are in memory for this client.
			tooOld := l.since > 0 && l.since+uint64(s.opts.MaxLag.Bytes) < history
			if l.messages > uint64(s.opts.MaxLag.Events) || l.bytes > uint64(s.opts.MaxLag.Bytes) || tooOld {
				s.handleSlow(l)
				continue
			}
			greatestLag = max(greatestLag, l.messages)
			if l.topic.filtered() && l.chunks > 0 {
				filtered = append(filtered, l)
			}
		}
	}
	s.boundMemory(filtered)
	return greatestLag
}

// lagging is a reader that may have a lag, its topic and its lag.
type lagging struct {
	reader *reader
	topic  *topic
	lag
}

// appendLags appends the lags of the client's readers. Idle readers have none.
func (c *client) appendLags(all []lagging) []lagging {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.readers {
		if !r.idle() {
			all = append(all, lagging{r, r.topic, r.lag()})
		}
	}
	return all
}

// boundMemory handles the slowest of the readers with filters, so that the chunks for the others take no more than
// limits.filter_memory. Readers of one topic share its chunks.
func (s *sink) boundMemory(readers []lagging) {
	slices.SortFunc(readers, func(a, b lagging) int { return cmp.Compare(a.chunks, b.chunks) })
	memory, held := uint64(0), map[*topic]uint64{}
	for i, l := range readers {
		memory += (l.chunks - held[l.topic]) * chunkBytes
		held[l.topic] = l.chunks
		if memory > uint64(s.opts.Limits.FilterMemory) {
			for _, slow := range readers[i:] {
				s.handleSlow(slow)
			}
			return
		}
	}
}

// handleSlow evicts the client of a reader with a lag, or moves the reader to the end of its topic, as the option
// slow_client says.
func (s *sink) handleSlow(l lagging) {
	if s.opts.SlowClient == slowDisconnect {
		l.reader.client.close(closeFrame(closeSlow, fmt.Sprintf("too slow: a lag of %d messages; connect again to get new ones", l.messages)), "slow", false)
		return
	}
	s.metrics.skipped.Add(float64(s.hub.skipToEnd(l.reader, s.opts.SlowClient == slowConflate)))
}
