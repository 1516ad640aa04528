package pgverify

import "testing"

// TestParseVersion proves which IDs have an order.
func TestParseVersion(t *testing.T) {
	for id, want := range map[string]version{
		"17-hxkqdp1x3s":           {time: 1821240598072024, number: 17, kind: outboxVersion},
		"17-hxkqdp1x3s/2/0":       {time: 1821240598072024, number: 17, kind: outboxVersion},
		"16b3748-3-hxkqdp1x3s":    {time: 1821240598072024, number: 0x16b3748, index: 3, kind: walVersion},
		"16B3748-3-hxkqdp1x3s":    {time: 1821240598072024, number: 0x16b3748, index: 3, kind: walVersion},
		"orders:1700000000123-45": {time: 1700000000123000, number: 45, kind: streamVersion},
		"a:b:1700000000123-45":    {time: 1700000000123000, number: 45, kind: streamVersion},
		"":                        {},
		"17":                      {},
		"17-0":                    {},
		"order-7":                 {},
		"orders:7":                {},
		"orders:7-1":              {},
		"snapshot-812-00112233445566778899aabbccddeeff":   {},
		"snapshot-812.4-00112233445566778899aabbccddeeff": {},
		"7f2b1c9e-3b1a-4c8e-9d55-1f0e2d3c4b5a":            {},
	} {
		if got := parseVersion(id); got != want {
			t.Errorf("%s: %+v, want %+v", id, got, want)
		}
	}
}

// TestVersionsFollow proves that an event counts unless its ID proves that it is older.
func TestVersionsFollow(t *testing.T) {
	outbox := func(number uint64, time int64) version {
		return version{time: time, number: number, kind: outboxVersion}
	}
	wal := func(number uint64, index uint32, time int64) version {
		return version{time: time, number: number, index: index, kind: walVersion}
	}
	stream := func(number uint64, time int64) version {
		return version{time: time, number: number, kind: streamVersion}
	}
	for name, test := range map[string]struct {
		v, before version
		want      bool
	}{
		"the next":                     {outbox(8, 20), outbox(7, 10), true},
		"the same":                     {outbox(7, 10), outbox(7, 10), false},
		"an older one":                 {outbox(7, 10), outbox(8, 20), false},
		"after a restore":              {outbox(3, 30), outbox(8, 20), true},
		"after a clock was set back":   {outbox(9, 15), outbox(8, 20), true},
		"of the same transaction":      {wal(5, 2, 10), wal(5, 1, 10), true},
		"earlier in the transaction":   {wal(5, 1, 10), wal(5, 2, 10), false},
		"of an older transaction":      {wal(4, 9, 9), wal(5, 1, 10), false},
		"from the outbox to the log":   {wal(5, 1, 30), outbox(99, 20), true},
		"from the log to the outbox":   {outbox(1, 31), wal(500, 1, 30), true},
		"a repeat from the outbox":     {outbox(99, 20), wal(5, 1, 30), false},
		"the next of the stream":       {stream(1, 10), stream(0, 10), true},
		"in a later millisecond":       {stream(0, 11), stream(5, 10), true},
		"an older one of the stream":   {stream(5, 10), stream(0, 11), false},
		"of a stream and the outbox":   {stream(1, 1), outbox(8, 20), true},
		"without an order":             {version{}, outbox(8, 20), true},
		"after one without an order":   {outbox(1, 1), version{}, true},
		"two events without any order": {version{}, version{}, true},
	} {
		if got := test.v.follows(test.before); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
