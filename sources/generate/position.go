package generate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"eventgateway/gateway/inflight"
)

// load reads the position, once.
func (s *source) load() error {
	if s.loaded {
		return nil
	}
	if s.opts.Position != "" {
		text, err := os.ReadFile(s.opts.Position)
		if err == nil {
			s.saved, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		} else if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		if err != nil {
			return fmt.Errorf("cannot read the position: %w", err)
		}
		s.tracker = inflight.NewPositionTracker(s.saved)
	}
	s.loaded = true
	return nil
}

// savePosition writes the position, if it has changed. It writes another file and renames it, so that
// a kill -9 never leaves an incomplete number.
func (s *source) savePosition() error {
	at := s.tracker.Acked()
	if s.opts.Position == "" || at == s.saved {
		return nil
	}
	temporary := s.opts.Position + ".new"
	err := os.WriteFile(temporary, strconv.AppendInt(nil, at, 10), 0o644)
	if err == nil {
		err = os.Rename(temporary, s.opts.Position)
	}
	if err != nil {
		return fmt.Errorf("cannot store the position: %w", err)
	}
	s.saved = at
	return nil
}
