package pgjson

import (
	"bytes"
	"strings"
	"testing"
)

// orderRow is a row of the order pipeline.
var orderRow = []struct {
	key  string
	oid  uint32
	text []byte
}{
	{`{"id":`, oidInt4, []byte("123456")}, {`,"customer_name":`, oidVarchar, []byte("Ada Lovelace")}, {`,"product_name":`, oidVarchar, []byte("Analytical Engine, 2nd edition")}, {`,"status":`, oidVarchar, []byte("shipped")},
	{`,"amount":`, oidNumeric, []byte("1234.50")}, {`,"created_at":`, oidTimestamp, []byte("2024-07-01 12:00:00.123456")}, {`,"updated_at":`, oidTimestamp, []byte("2024-07-01 12:00:01.654321")},
}

func appendOrder(t testing.TB, types *Types, dst []byte) []byte {
	var err error
	for _, c := range orderRow {
		dst = append(dst, c.key...)
		if dst, err = types.Append(dst, c.oid, c.text); err != nil {
			t.Fatal(err)
		}
	}
	return append(dst, '}')
}

// TestAppendDoesNotAllocate proves that values cost no allocation once dst and the scratch have their size.
func TestAppendDoesNotAllocate(t *testing.T) {
	types, dst := loadedTypes(), make([]byte, 0, 4096)
	for _, c := range []struct {
		oid  uint32
		text string
	}{
		{oidBool, "t"}, {oidInt4, "1"}, {oidFloat8, "NaN"}, {oidText, "a\n\"b\""}, {oidTimestampTZ, "2024-07-01 12:00:00+00"}, {oidJSON, "{}"}, {oidInt4s, "{{1,2},{3,NULL}}"}, {oidTexts, `{"a\"b",c}`}, {oidInt2Vector, "1 2"},
		{oidParts, `{"(1,a)","(2,\"x \"\"y\"\"\")"}`}, {oidWhole, `("(1,""a b"")","{""(2,c)"",""(3,\\""d\\"")""}","2024-07-01 12:00:00+00")`},
	} {
		text := []byte(c.text)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := types.Append(dst, c.oid, text); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", c.text, n)
		}
	}
	if n := testing.AllocsPerRun(100, func() { appendOrder(t, types, dst) }); n > 0 {
		t.Errorf("an order: %v allocations", n)
	}
}

// TestScratchIsBounded proves that one large value does not keep its memory.
func TestScratchIsBounded(t *testing.T) {
	types := loadedTypes()
	text := `(1,"` + strings.Repeat(`\\`, 2*maxScratch) + `")`
	if _, err := types.Append(nil, oidPart, []byte(text)); err != nil || cap(types.scratch) > maxScratch {
		t.Errorf("%d bytes are kept, %v", cap(types.scratch), err)
	}
}

func BenchmarkAppendOrder(b *testing.B) {
	types := loadedTypes()
	dst := appendOrder(b, types, nil)
	b.SetBytes(int64(len(dst)))
	b.ReportAllocs()
	for b.Loop() {
		dst = appendOrder(b, types, dst[:0])
	}
}

// BenchmarkAppendOf measures values of one type.
func BenchmarkAppendOf(b *testing.B) {
	types := loadedTypes()
	for _, c := range []struct {
		name string
		oid  uint32
		text []byte
	}{
		{"int4", oidInt4, []byte("123456")}, {"timestamptz", oidTimestampTZ, []byte("2024-07-01 12:00:00.123456+00")}, {"text/30B", oidText, []byte("Analytical Engine, 2nd edition")},
		{"text/100kB", oidText, bytes.Repeat([]byte("plain text"), 10_000)}, {"text/100kB/lines", oidText, bytes.Repeat([]byte("a line of sixty characters, which ends with a line feed     \n"), 1_667)},
		{"ints/1000", oidInt4s, []byte("{" + strings.Repeat("12345,", 999) + "1}")}, {"composite", oidWhole, []byte(`("(1,""a b"")","{""(2,c)"",""(3,\\""d\\"")""}","2024-07-01 12:00:00+00")`)},
	} {
		b.Run(c.name, func(b *testing.B) {
			var dst []byte
			b.SetBytes(int64(len(c.text)))
			b.ReportAllocs()
			for b.Loop() {
				dst, _ = types.Append(dst[:0], c.oid, c.text)
			}
		})
	}
}
