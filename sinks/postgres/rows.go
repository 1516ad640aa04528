package postgres

import (
	"bytes"
	"fmt"
	"slices"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/rawjson"
)

// row is the row that an event writes or deletes.
type row struct {
	index  int // of the event in the write
	id     string
	object []byte // the values by column, as a JSON object
	delete bool
}

// change has the rows of one key, in the order of their events. Only the last one is written, unless the server refuses it.
type change []row

func (c change) last() row { return c[len(c)-1] }

// rowsOf returns the rows of events. Events whose expressions cannot be evaluated are in failed.
func (s *sink) rowsOf(events []*event.Event, failed map[int]error) (rows []row, keys []string) {
	for i, e := range events {
		r, key, err := s.rowOf(e)
		if err != nil {
			failed[i] = plugin.Permanent(err)
			continue
		}
		r.index, r.id = i, deliveredID(e)
		rows, keys = append(rows, r), append(keys, key)
	}
	return rows, keys
}

// deliveredID returns the ID of an event in the table of delivered events: with the name of its source, since two sources may number
// their events alike. It is "" for an event without an ID.
func deliveredID(e *event.Event) string {
	if e.ID == "" {
		return ""
	}
	return e.Source + "/" + e.ID // no name of a source has a slash
}

// rowOf returns the row of an event, and its key as JSON; "" if the sink has no key.
func (s *sink) rowOf(e *event.Event) (r row, key string, err error) {
	if !s.opts.Delete.IsZero() {
		if r.delete, err = s.eval.True(s.opts.Delete, e); err != nil {
			return r, "", fmt.Errorf("delete: %w", err)
		}
	}
	var keyText []byte
	r.object = append(make([]byte, 0, 256), '{')
	for i, c := range s.opts.Columns {
		isKey := slices.Contains(s.key, i)
		if r.delete && !isKey {
			continue
		}
		if len(r.object) > 1 {
			r.object = append(r.object, ',')
		}
		r.object = append(rawjson.AppendText(r.object, c.Key), ':')
		begin := len(r.object)
		if r.object, err = s.eval.AppendJSON(r.object, c.Value, e); err != nil {
			return r, "", fmt.Errorf("columns.%s: %w", c.Key, err)
		}
		if value := r.object[begin:]; isKey {
			if bytes.Equal(value, []byte("null")) {
				return r, "", fmt.Errorf("the column %s of the key is null: correct its expression, or filter such events", c.Key)
			}
			keyText = append(append(keyText, value...), ',')
		}
	}
	r.object = append(r.object, '}')
	return r, string(keyText), nil
}

// changesOf groups rows by key, in the order of the last row of each. Rows without a key are a change each.
func changesOf(rows []row, keys []string) []change {
	last := map[string]int{}
	var changes []change
	for i, r := range rows {
		earlier, ok := last[keys[i]]
		c := change{r}
		if ok && keys[i] != "" && (!changes[earlier].last().delete || r.delete) { // a row that is deleted and inserted again gets its defaults
			c = append(slices.Clip(changes[earlier]), r)
			changes[earlier] = nil
		}
		last[keys[i]] = len(changes)
		changes = append(changes, c)
	}
	return slices.DeleteFunc(changes, func(c change) bool { return c == nil })
}
