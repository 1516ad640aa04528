package pgverify

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/rawjson"
)

// change is the content of an event: what it changes in a table.
type change struct {
	operation string
	table     string  // "" if the event does not name it
	key       []byte  // nil for TRUNCATE; valid until the next change is read
	before    *string // another key that the row had; nil if it had none
	row       []byte  // nil if there is none
	id        string
	version   version
	partial   columnSet
	keyOnly   bool // row has the key only
}

// fetchField marks a row that postgres-notify could not fetch: the event has only its key.
const fetchField = "_gateway_fetch"

// changeReader reads changes from events. Its methods are not safe for concurrent use.
type changeReader struct {
	name  string // of the table, in events
	tree  rawjson.Tree
	spans []rawjson.Span
	keys  *pgconn.KeyFinder
	text  []byte // scratch: the key

	operation, field, before, after, table, id, at, fetch int // numbers of the members
}

// newChangeReader returns a reader of changes of a table. field has the row in a payload of output: order.
func newChangeReader(name, field string, key []pgconn.KeyColumn) *changeReader {
	r := &changeReader{name: name, keys: pgconn.NewKeyFinder(key)}
	member := func(name string) int { return r.tree.Member(0, name) }
	r.operation, r.field, r.before, r.after = member("operation"), member(field), member("old"), member("new")
	r.table, r.id, r.at, r.fetch = member("table"), member("id"), member("at"), member(fetchField)
	r.spans = make([]rawjson.Span, r.tree.Len())
	return r
}

var (
	errNoKey      = errors.New("the event has no primary key")
	errOtherTable = errors.New("the event is of another table")
	// errNestedKey means that the text of a key cannot be read back.
	errNestedKey = errors.New("the primary key has a value that is a JSON array or object: tables with such keys cannot be compared")
)

// event returns the event that a line of JSON holds: as the sink file writes it, or only its payload.
func (r *changeReader) event(line []byte) (*event.Event, error) {
	if err := r.tree.Find(line, r.spans); err != nil {
		return nil, err
	}
	if r.spans[r.operation].Found() {
		return &event.Event{Data: line}, nil
	}
	return event.ParseLine(line)
}

// read returns the change of an event. The error is errOtherTable where the event names another table.
func (r *changeReader) read(e *event.Event) (c change, err error) {
	if err := r.tree.Find(e.Data, r.spans); err != nil {
		return c, err
	}
	if c.operation = r.member(e, r.operation); c.operation == "" {
		return c, errors.New("the payload has no operation")
	}
	isChange := !r.spans[r.field].Found() // else the payload has the row only, and fields of transforms
	c.table, _ = e.Attr(event.AttrTable)
	if c.table == "" && isChange {
		c.table = r.member(e, r.table)
	}
	if c.table != "" && c.table != r.name {
		return c, errOtherTable
	}
	if c.id = e.ID; c.id == "" && isChange {
		c.id = r.payloadID(e)
	}
	c.version = parseVersion(c.id)
	incomplete, _ := e.Attr(attrIncomplete)
	readBack, _ := e.Attr(attrReadBack)
	c.partial = newColumnSet(incomplete, readBack)
	c.keyOnly = r.spans[r.fetch].Found()
	row, before := r.object(e, r.field), []byte(nil)
	if isChange {
		row, before = r.object(e, r.after), r.object(e, r.before)
	}
	switch c.operation {
	case "TRUNCATE":
		return c, nil
	case "INSERT", "READ":
		before = nil
	case "UPDATE":
	case "DELETE":
		if isChange {
			row, before = before, nil
		}
	default:
		return c, fmt.Errorf("the operation %.100q is not known", c.operation)
	}
	if c.row = row; row == nil {
		return c, errNoKey
	}
	if c.before, err = r.keyBefore(e, before); err != nil {
		return c, err
	}
	if c.key, err = r.key(row); c.before != nil && string(c.key) == *c.before {
		c.before = nil
	}
	return c, err
}

// Attributes of events of postgres-wal, with the names of columns that the row does not have, or not as they were written.
const (
	attrIncomplete = "incomplete"
	attrReadBack   = "read_back"
)

// member returns the text of a member that is a string, and the JSON text of another one; "" if there is none.
func (r *changeReader) member(e *event.Event, number int) string {
	text := r.spans[number].Of(e.Data)
	if len(text) > 0 && text[0] == '"' {
		return rawjson.Text(text)
	}
	return string(text)
}

// object returns the text of a member that is an object, nil if it is not.
func (r *changeReader) object(e *event.Event, number int) []byte {
	if text := r.spans[number].Of(e.Data); len(text) > 0 && text[0] == '{' {
		return text
	}
	return nil
}

// payloadID returns the ID in a payload of output: change. That of an outbox is a number there, and the time is beside it.
func (r *changeReader) payloadID(e *event.Event) string {
	text := r.spans[r.id].Of(e.Data)
	if len(text) == 0 || text[0] == '"' {
		return r.member(e, r.id)
	}
	at, err := time.Parse(time.RFC3339Nano, r.member(e, r.at))
	if err != nil {
		return ""
	}
	return string(text) + "-" + strconv.FormatInt(at.UnixMicro(), 36)
}

// key returns the text of a row's key, as it stands behind the table in the keys of events.
func (r *changeReader) key(row []byte) ([]byte, error) {
	values, _ := r.keys.Find(row)
	if len(values) == 0 {
		return nil, errNoKey
	}
	for _, v := range values {
		switch v[0] {
		case '{', '[':
			return nil, errNestedKey
		case 'n': // null
			return nil, errNoKey
		}
	}
	r.text = append(r.text[:0], pgconn.RowKey("", values)[1:]...)
	return r.text, nil
}

// keyBefore returns the key that a row had before, nil if it is not in the event. old is the old row, or nil.
func (r *changeReader) keyBefore(e *event.Event, old []byte) (*string, error) {
	if text, ok := e.Attr(event.AttrKeyBefore); ok {
		key, ok := strings.CutPrefix(text, r.name+":")
		if !ok {
			return nil, fmt.Errorf("the attribute %s is no key of the table", event.AttrKeyBefore)
		}
		return &key, nil
	}
	if old == nil {
		return nil, nil
	}
	key, err := r.key(old)
	if errors.Is(err, errNoKey) { // the old row has not all columns of the key
		return nil, nil
	}
	text := string(key)
	return &text, err
}
