package postgreswal

import (
	"context"

	"eventgateway/gateway/event"
)

// snapshot is the progress of reading existing rows, by table. It is immutable.
type snapshot struct{}

// json returns what is stored; nil if there is no progress.
func (s *snapshot) json() ([]byte, error) { return nil, nil }

// startSnapshot loads the progress of an earlier run. With again, changes were lost, and all tables are read again.
func (r *reader) startSnapshot(ctx context.Context, progress []byte, again bool) error { return nil }

// emitSnapshot emits the next existing rows, and reports whether it has done anything.
func (r *reader) emitSnapshot(ctx context.Context) (bool, error) { return false, nil }

// noteChange notes a change that is about to be emitted.
func (r *reader) noteChange(e *event.Event) {}

// noteCommitted notes that all changes of a transaction were emitted.
func (r *reader) noteCommitted(tx transaction) {}
