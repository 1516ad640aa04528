package exec

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"eventgateway/gateway/plugin"
)

// stateKey is the key of the state of the program in the state of the component.
const stateKey = "program"

// load returns the state of the last acked batch. It reads the store only before the first Run.
func (s *source) load(ctx context.Context) (state []byte, err error) {
	if s.tracker != nil {
		return s.tracker.Acked().state, nil
	}
	if !s.opts.Acks {
		return nil, nil
	}
	state, err = s.store.Get(ctx, stateKey)
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot read the state: %w", err)
	case len(state) == 0:
		return nil, nil
	case !json.Valid(state):
		return nil, errors.New("the stored state is not JSON: restore it, or delete it to begin without a state")
	}
	s.saved = state
	return state, nil
}

// save stores the state, if it has changed.
func (s *source) save(ctx context.Context, state []byte) error {
	if state == nil || bytes.Equal(state, s.saved) {
		return nil
	}
	if err := s.store.Put(ctx, stateKey, state); err != nil {
		return fmt.Errorf("cannot store the state: %w", err)
	}
	s.saved = state
	return nil
}

// maxState is the maximum length of a state, in bytes.
const maxState = plugin.MaxStateValue
