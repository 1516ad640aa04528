package letters

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/logsample"
)

// Options of a [Store].
type Options struct {
	Path     string        // a folder, which is created
	MaxBytes int64         // of its segments in all
	MaxAge   time.Duration // 0: no bound
}

// Store keeps dead letters in a folder on the disk.
type Store struct {
	folder string
	opts   Options
	log    *slog.Logger
	lines  logsample.Sampler
	lock   *os.File
	wake   chan struct{} // a letter is pending, or the store is closing
	ended  chan struct{} // closed when the writer has ended
	files  sync.Mutex    // orders changes of the files that the writer and Remove make; taken before mu

	mu           sync.Mutex
	segments     []*segment // the oldest first; the last one is appended to
	components   []string
	component    map[string]uint16
	next         uint64 // number of the next letter
	pending      []*pending
	pendingBytes int
	writing      int           // letters that the writer writes now
	settling     bool          // letters of the last write are not settled yet
	written      chan struct{} // closed when the writer has written; nil: nothing waits
	space        chan struct{} // closed when there is space in pending; nil: nothing waits
	closing      bool
	counts       stats.LettersStatus
	failed       error // of the last write; nil: it succeeded
}

// ErrClosed is the error for a letter that was not stored, because the gateway stops.
var ErrClosed = errors.New("the dead-letter store is closed: the gateway is stopping")

// New returns the store of a folder, which is not open yet.
func New(o Options, log *slog.Logger) *Store {
	return &Store{
		folder: o.Path, opts: o, log: log, next: 1, component: map[string]uint16{}, lines: logsample.Sampler{Interval: time.Minute},
		wake: make(chan struct{}, 1), ended: make(chan struct{}),
	}
}

// Open opens the store. No other process may have its folder open. Without an error, the store must be closed.
func (s *Store) Open() error {
	if err := s.lockFolder(); err != nil {
		return fmt.Errorf("dead_letters.path: %w", err)
	}
	if err := s.openSegments(); err != nil {
		_ = s.closeFiles() // nothing was written
		return fmt.Errorf("dead_letters.path: %w", err)
	}
	for _, seg := range s.segments {
		s.counts.Found += uint64(seg.live)
	}
	go s.write()
	return nil
}

// lockFolder creates the folder, and locks it against other processes.
func (s *Store) lockFolder() error {
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return fmt.Errorf("%w: let the user of the gateway write there, or name another folder", err)
	}
	if info, err := os.Stat(s.folder); err == nil && info.Mode().Perm()&0o022 != 0 { // a volume that is mounted may need this mode
		s.log.Warn("dead-letter folder writable by other users", "path", s.folder, "mode", info.Mode().Perm().String(),
			"effect", "they can delete and replace dead letters", "hint", "chmod go-w the folder, or name one inside it: the gateway creates that for itself")
	}
	lock, err := os.OpenFile(filepath.Join(s.folder, "lock"), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("%w: let the user of the gateway write there, or name another folder", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close() // nothing was written
		return fmt.Errorf("another process has locked the folder %s (%w): give each gateway a folder of its own", s.folder, err)
	}
	s.lock = lock
	return nil
}

// Close writes the pending letters, and closes the store.
func (s *Store) Close() error {
	s.mu.Lock()
	second := s.closing
	s.closing = true
	s.freeSpace()
	s.mu.Unlock()
	if s.lock == nil { // it was not opened
		return nil
	}
	if second {
		<-s.ended
		return nil
	}
	s.wakeWriter()
	<-s.ended
	return s.closeFiles()
}

func (s *Store) closeFiles() error {
	var err error
	for _, seg := range s.segments {
		err = errors.Join(err, seg.file.Close())
	}
	return errors.Join(err, s.lock.Close())
}

// componentOf returns the index of a component. The caller holds the lock.
func (s *Store) componentOf(name string) uint16 {
	i, ok := s.component[name]
	if !ok && len(s.components) < 1<<16-1 {
		i = uint16(len(s.components))
		s.components = append(s.components, name)
		s.component[name] = i
	}
	return i
}

// Status is part of [Collection].
func (s *Store) Status() stats.LettersStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.counts
	st.Path, st.MaxBytes, st.Total, st.Pending = s.folder, uint64(s.opts.MaxBytes), s.next-1, uint64(len(s.pending)+s.writing)
	for _, seg := range s.segments {
		st.Held += uint64(seg.live)
		st.Bytes += uint64(seg.size)
	}
	if t, ok := s.oldest(); ok {
		st.Oldest = &t
	}
	if s.failed != nil {
		st.Error = s.failed.Error()
	}
	return st
}

// oldest returns the time of the oldest letter. The caller holds the lock.
func (s *Store) oldest() (time.Time, bool) {
	for _, seg := range s.segments {
		if seg.live == 0 {
			continue
		}
		for i := range seg.entries {
			if e := &seg.entries[i]; !e.gone {
				return time.UnixMilli(e.at), true
			}
		}
	}
	return time.Time{}, false
}
