package exec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"eventgateway/gateway/options"
)

// maxState is the maximum length of a state, in bytes.
const maxState = 64 << 10

// load reads the state that was acked last, once.
func (s *source) load() (state []byte, err error) {
	if s.tracker != nil {
		return s.tracker.Acked().state, nil
	}
	if s.opts.State == "" {
		return nil, nil
	}
	state, err = options.ReadFile(s.opts.State, maxState)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("cannot read the state: %w", err)
	case !json.Valid(state):
		return nil, errors.New("the state is no JSON: restore its file, or delete it to begin without a state")
	}
	s.saved = state
	return state, nil
}

// save writes the state, if it has changed. It writes another file and renames it, so that a kill -9 never leaves an incomplete one.
func (s *source) save(state []byte) error {
	if s.opts.State == "" || state == nil || bytes.Equal(state, s.saved) {
		return nil
	}
	temporary := s.opts.State + ".new"
	err := writeSynced(temporary, state)
	if err == nil {
		err = os.Rename(temporary, s.opts.State)
	}
	if err != nil {
		return fmt.Errorf("cannot store the state: %w", err)
	}
	s.saved = state
	return nil
}

func writeSynced(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}
