package options

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Secret is text that is never shown: it prints, logs and marshals as ***.
type Secret struct{ text string }

// NewSecret returns text as a Secret.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the text itself. It must not be logged or put into an error.
func (s Secret) Reveal() string { return s.text }

// IsZero reports whether there is no text.
func (s Secret) IsZero() bool { return s.text == "" }

func (s Secret) String() string {
	if s.text == "" {
		return ""
	}
	return "***"
}

// GoString keeps %#v from showing the text.
func (s Secret) GoString() string { return "Secret(" + s.String() + ")" }

// MarshalText keeps JSON and slog from showing the text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText sets the text without any change.
func (s *Secret) UnmarshalText(b []byte) error { s.text = string(b); return nil }

// OptionType names the type in tables.
func (Secret) OptionType() string { return "secret" }

// Duration is a time span, written as 250ms, 10s, 5m, 2h or 7d.
type Duration time.Duration

// D returns d as a [time.Duration].
func (d Duration) D() time.Duration { return time.Duration(d) }

func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// UnmarshalText parses a duration in Go's notation, or in days, such as 7d.
func (d *Duration) UnmarshalText(b []byte) error {
	text := string(b)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n <= 36500 {
			*d = Duration(time.Duration(n) * 24 * time.Hour)
			return nil
		}
	}
	v, err := time.ParseDuration(text)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration: write a number and a unit, such as 250ms, 10s, 5m, 2h or 7d", text)
	}
	*d = Duration(v)
	return nil
}

// OptionType names the type in tables.
func (Duration) OptionType() string { return "duration" }

// Size is a number of bytes, written as 65536, 64KiB, 16MiB or 1GiB. KB, MB
// and GB are powers of ten.
type Size int64

var sizeUnits = []struct {
	suffix string
	factor int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1},
}

// UnmarshalText parses a number with an optional unit.
func (s *Size) UnmarshalText(b []byte) error {
	text := strings.TrimSpace(string(b))
	for _, u := range sizeUnits {
		if digits, ok := strings.CutSuffix(text, u.suffix); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
			if err != nil || n < 0 || n > (1<<62)/u.factor {
				break
			}
			*s = Size(n * u.factor)
			return nil
		}
	}
	return fmt.Errorf("%q is not a size: write a number and a unit, such as 65536, 64KiB, 16MiB or 1GiB", text)
}

func (s Size) String() string {
	for _, u := range []int{2, 1, 0} {
		if f := sizeUnits[u].factor; s != 0 && int64(s)%f == 0 {
			return strconv.FormatInt(int64(s)/f, 10) + sizeUnits[u].suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// OptionType names the type in tables.
func (Size) OptionType() string { return "size" }

// Map is a mapping that keeps the order of the file.
type Map[T any] []Entry[T]

// Entry is one key of a [Map] and its value.
type Entry[T any] struct {
	Key   string
	Value T
}

// add appends a key and returns a pointer to its value, for the decoder.
func (m *Map[T]) add(key string) any {
	*m = append(*m, Entry[T]{Key: key})
	return &(*m)[len(*m)-1].Value
}

func (m *Map[T]) reset() { *m = nil }

// orderedMap is implemented by *Map of any T.
type orderedMap interface {
	add(key string) any
	reset()
}
