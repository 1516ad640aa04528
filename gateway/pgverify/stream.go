package pgverify

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
)

// streamInput is a Redis stream, as the sink redis-stream writes it.
type streamInput struct {
	client redis.UniversalClient
	stream string
	from   string // where the next read begins: after the last entry
	count  int64  // entries of the next read
	lost   int64  // entries that were trimmed before the first read
}

// Bounds of a read: entries, and the bytes beyond which the next read gets fewer.
const (
	maxEntries  = 5000
	targetBytes = 4 << 20
)

func newStreamInput(client redis.UniversalClient, stream string) *streamInput {
	return &streamInput{client: client, stream: stream, from: "-", count: 100}
}

func (in *streamInput) read(ctx context.Context, f func(item) error) error {
	if in.from == "-" {
		n, err := in.client.Exists(ctx, in.stream).Result()
		if err == nil && n == 0 {
			err = fmt.Errorf("there is no stream %s", in.stream)
		}
		if err != nil {
			return err
		}
		if info, err := in.client.XInfoStream(ctx, in.stream).Result(); err == nil { // older servers, and users without the right, do not say
			in.lost = max(info.EntriesAdded-info.Length, 0)
		}
	}
	var err error
	in.from, err = in.readRange(ctx, in.from, "+", f)
	return err
}

func (in *streamInput) rescan(ctx context.Context, f func(item) error) (bool, error) {
	_, err := in.readRange(ctx, "-", strings.TrimPrefix(in.from, "("), f)
	return true, err
}

// readRange calls f with the entries of a range, and returns where the next one begins.
func (in *streamInput) readRange(ctx context.Context, from, to string, f func(item) error) (next string, err error) {
	if to == "-" { // nothing was read
		return from, nil
	}
	for {
		entries, err := in.client.XRangeN(ctx, in.stream, from, to, in.count).Result()
		if err != nil || len(entries) == 0 {
			return from, err
		}
		bytes := 0
		for _, entry := range entries {
			e := entryEvent(entry)
			bytes += len(e.Data)
			if err := f(item{event: e, location: func() string { return in.stream + " " + entry.ID }}); err != nil {
				return from, err
			}
		}
		from = "(" + entries[len(entries)-1].ID
		switch {
		case bytes > targetBytes:
			in.count = max(in.count/2, 1)
		case bytes < targetBytes/4:
			in.count = min(2*in.count, maxEntries)
		}
	}
}

// entryEvent returns the event of an entry of the sink.
func entryEvent(entry redis.XMessage) *event.Event {
	text := func(name string) string {
		text, _ := entry.Values[name].(string)
		return text
	}
	e := &event.Event{ID: text("id"), Data: event.StringData(text("data"))}
	for name := range entry.Values {
		if attr, ok := strings.CutPrefix(name, "attr."); ok {
			e.Attrs = append(e.Attrs, event.Attr{Name: attr, Value: text(name)})
		}
	}
	return e
}

func (in *streamInput) grows() bool { return true }

func (in *streamInput) note() string {
	if in.lost == 0 {
		return ""
	}
	return fmt.Sprintf("%d older entries of the stream %s were trimmed: rows whose last event was among them are missing here", in.lost, in.stream)
}

func (in *streamInput) close() { _ = in.client.Close() } // nothing was written
