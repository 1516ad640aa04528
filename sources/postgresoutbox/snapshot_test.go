package postgresoutbox

import (
	"strings"
	"testing"

	"eventgateway/gateway/testenv/sourcetest"
)

func withSnapshot(tables ...string) func(*Options) {
	return func(o *Options) { o.Output, o.Snapshot, o.Tables = "change", "initial", tables }
}

// TestSnapshotNeedsATrigger, as all reading of a table that is named.
func TestSnapshotNeedsATrigger(t *testing.T) {
	resetDatabase(t, sourcetest.ItemsSQL)
	sourcetest.Exec(t, newSession(t), outbox(t).CreateSQL())
	err := newSource(t, withSnapshot("items")).Run(t.Context(), sourcetest.NewCollector())
	if err == nil || !strings.Contains(err.Error(), "nothing captures the changes of public.items: its trigger is not there") {
		t.Errorf("error %v", err)
	}
}
