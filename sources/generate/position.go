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
			s.kept, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		} else if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		if err != nil {
			return fmt.Errorf("cannot read the position: %w", err)
		}
		s.flight = inflight.NewPositionTracker(s.kept)
	}
	s.loaded = true
	return nil
}

// keep writes the position, where it has changed: to another file, which then takes
// the place of the first, so that a kill -9 never leaves half a number.
func (s *source) keep() error {
	at := s.flight.Acked()
	if s.opts.Position == "" || at == s.kept {
		return nil
	}
	fresh := s.opts.Position + ".new"
	err := os.WriteFile(fresh, strconv.AppendInt(nil, at, 10), 0o644)
	if err == nil {
		err = os.Rename(fresh, s.opts.Position)
	}
	if err != nil {
		return fmt.Errorf("cannot keep the position: %w", err)
	}
	s.kept = at
	return nil
}
