package postgresnotify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// fetchField is the field with which the trigger of `gateway sql` marks a row that was too large to
// be notified. Its value is the table, quoted. An event keeps the field if the row could not be
// fetched, or is deleted: then it has only the key.
const fetchField = "_gateway_fetch"

func isLargeRow(payload []byte) bool { return bytes.Contains(payload, []byte(`"`+fetchField+`"`)) }

// largeRow is what the trigger sent in the place of a large row.
type largeRow struct {
	operation string
	field     string // that holds the key
	key       map[string]json.RawMessage
	table     string
}

// parseLargeRow parses the three fields of such a payload.
func parseLargeRow(payload []byte) (largeRow, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(payload, &fields); err != nil {
		return largeRow{}, err
	}
	var m largeRow
	for name, value := range fields {
		switch name {
		case "operation":
			_ = json.Unmarshal(value, &m.operation) // checked below
		case fetchField:
			_ = json.Unmarshal(value, &m.table)
		default:
			m.field = name
			_ = json.Unmarshal(value, &m.key)
		}
	}
	if len(fields) == 3 && m.operation != "" && m.table != "" && string(fields[m.field]) == "null" {
		return largeRow{}, errors.New("the trigger on " + m.table + " could not notify the row, nor its key: the table has no primary key, or the server's log has a warning with the reason")
	}
	if len(fields) != 3 || m.operation == "" || m.table == "" || len(m.key) == 0 {
		return largeRow{}, errors.New("the trigger of gateway sql did not write this payload")
	}
	return m, nil
}

// payload returns the notification of a small row.
func (m largeRow) payload(row []byte) []byte {
	operation, _ := json.Marshal(m.operation) // strings always encode
	field, _ := json.Marshal(m.field)
	return fmt.Appendf(nil, `{"operation" : %s, %s : %s}`, operation, field, row)
}

// matches reports whether a row, or its key, has the key of m.
func (m largeRow) matches(row map[string]json.RawMessage) bool {
	for column, value := range m.key {
		if !bytes.Equal(row[column], value) {
			return false
		}
	}
	return true
}
