package spool

import (
	"os"
	"path/filepath"
	"testing"
)

// benchSync is how many bytes are written between two syncs.
const benchSync = 4 << 20

// BenchmarkAppend compares the spool with a bare file that gets the same bytes in writes of the same size.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{100, 1000, 10_000} {
		data := make([]byte, size)
		name := map[int]string{100: "100B", 1000: "1kB", 10_000: "10kB"}[size]
		b.Run("spool/"+name, func(b *testing.B) {
			s, err := Open(b.TempDir(), identity, 0)
			must(b, err)
			defer s.Close()
			b.SetBytes(int64(size))
			b.ReportAllocs()
			unsynced := 0
			for i := 0; b.Loop(); i++ {
				r := Record{LSN: uint64(i), Data: data}
				if i%10 == 9 {
					r.Commit = uint64(i)
				}
				must(b, s.Append(r))
				if unsynced += size; unsynced >= benchSync {
					unsynced = 0
					must(b, s.Sync())
					if s.Size() > 2*maxSegmentBytes {
						must(b, s.Trim(s.End()))
					}
				}
			}
			must(b, s.Sync())
		})
		b.Run("file/"+name, func(b *testing.B) {
			f, err := os.OpenFile(filepath.Join(b.TempDir(), "file"), os.O_CREATE|os.O_RDWR, 0o600)
			must(b, err)
			defer f.Close()
			b.SetBytes(int64(size))
			var buf []byte
			at, unsynced := int64(0), 0
			write := func() {
				_, err := f.WriteAt(buf, at)
				must(b, err)
				at, buf = at+int64(len(buf)), buf[:0]
			}
			for b.Loop() {
				if buf = append(buf, data...); len(buf) >= bufferBytes {
					write()
				}
				if unsynced += size; unsynced >= benchSync {
					unsynced = 0
					write()
					must(b, f.Sync())
					if at > maxSegmentBytes {
						must(b, f.Truncate(0))
						at = 0
					}
				}
			}
			write()
			must(b, f.Sync())
		})
	}
}

// BenchmarkNext measures how fast a spool is read, from the cache of the kernel.
func BenchmarkNext(b *testing.B) {
	s, err := Open(b.TempDir(), identity, 0)
	must(b, err)
	defer s.Close()
	data := make([]byte, 1000)
	for i := range 64 << 10 {
		must(b, s.Append(Record{LSN: uint64(i), Commit: uint64(i + 1), Data: data}))
	}
	must(b, s.Sync())
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	r := s.NewReader()
	for b.Loop() {
		_, ok, err := r.Next()
		must(b, err)
		if !ok {
			must(b, r.Close())
			r = s.NewReader()
		}
	}
	must(b, r.Close())
}
