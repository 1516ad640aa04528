package pgsnapshot

import "testing"

// TestParseTxSnapshot proves which transactions a pg_snapshot sees.
func TestParseTxSnapshot(t *testing.T) {
	parsed := func(text string) *TxSnapshot {
		t.Helper()
		s, err := ParseTxSnapshot(text)
		if err != nil {
			t.Fatal(err)
		}
		if again := (&TxSnapshot{Xmin: s.Xmin, Xmax: s.Xmax, Running: s.Running}).String(); again != text || s.String() != text {
			t.Errorf("%s is %s, %s", text, s, again)
		}
		return s
	}
	s := parsed("10:20:12,15")
	for xid, want := range map[int64]bool{9: true, 10: true, 12: false, 13: true, 15: false, 19: true, 20: false, 30: false} {
		if s.Sees(xid) != want {
			t.Errorf("%d: %v", xid, !want)
		}
	}
	if parsed("7:7:").Sees(7) {
		t.Error("it sees its xmax")
	}
	for _, text := range []string{"1:2", "1:x:", "1:2:3,", "1:2:3:4"} {
		if _, err := ParseTxSnapshot(text); err == nil {
			t.Errorf("%q is parsed", text)
		}
	}
}

// TestFullXID proves that transaction ids of 32 bits are found around a change of the epoch.
func TestFullXID(t *testing.T) {
	const epoch = 1 << 32
	s := &TxSnapshot{Xmax: 3*epoch + 5}
	for half, want := range map[uint32]int64{5: 3*epoch + 5, 3: 3*epoch + 3, 1000: 3*epoch + 1000, 1<<32 - 1: 3*epoch - 1, 1<<31 + 100: 2*epoch + 1<<31 + 100} {
		if got := s.FullXID(half); got != want {
			t.Errorf("%d: %d, want %d", half, got, want)
		}
	}
	s.Xmax = 3*epoch - 2
	for half, want := range map[uint32]int64{1<<32 - 5: 3*epoch - 5, 1<<32 - 1: 3*epoch - 1, 7: 3*epoch + 7} {
		if got := s.FullXID(half); got != want {
			t.Errorf("%d: %d, want %d", half, got, want)
		}
	}
}
