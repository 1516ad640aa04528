package plugintest

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"eventgateway/gateway/plugin"
)

const ruleState = "the state is used by a type with the capability KeepsState, after Build, with values that are not too long"

// State is a [plugin.State] in memory, for tests. It is safe for concurrent use.
type State struct {
	mu     sync.Mutex
	values map[string][]byte
}

// NewState returns an empty State.
func NewState() *State { return &State{values: map[string][]byte{}} }

// Get is part of [plugin.State].
func (s *State) Get(ctx context.Context, key string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.values[key]), nil
}

// Put is part of [plugin.State].
func (s *State) Put(ctx context.Context, key string, value []byte) error {
	if err := errors.Join(ctx.Err(), plugin.CheckState(key, value)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(value) == 0 {
		delete(s.values, key)
	} else {
		s.values[key] = bytes.Clone(value)
	}
	return nil
}

// checkedState is the state of one instance. It checks each call.
type checkedState struct {
	plugin.State
	c        *check
	declared bool // the type has the capability
	built    func() bool
}

// stateOf returns the state of one instance. That of a source belongs to the suite by the name of the component, as in a gateway, because
// its server keeps the events of earlier rules, too. That of others begins empty.
func (c *check) stateOf(kind plugin.Kind, name string, declared bool, built func() bool) plugin.State {
	state := NewState()
	if kind == plugin.KindSource {
		state = c.suite.stateOf(name)
	}
	return &checkedState{state, c, declared, built}
}

func (s *suite) stateOf(name string) *State {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.states == nil {
		s.states = map[string]*State{}
	}
	if s.states[name] == nil {
		s.states[name] = NewState()
	}
	return s.states[name]
}

func (s *checkedState) check(method, key string, value []byte) error {
	err := plugin.CheckState(key, value)
	switch {
	case !s.declared:
		_, err = plugin.NoState{}.Get(context.Background(), key)
		s.c.addFinding(ruleState, "%s of Env.State: %v", method, err)
	case !s.built():
		err = errors.New("use the state in Open, Run, Write or Apply, and not while the plugin is built")
		s.c.addFinding(ruleState, "%s of Env.State is called in Build: %v", method, err)
	case err != nil:
		s.c.addFinding(ruleState, "%s of Env.State: %v", method, err)
	}
	return err
}

// Get is part of [plugin.State].
func (s *checkedState) Get(ctx context.Context, key string) ([]byte, error) {
	if err := s.check("Get", key, nil); err != nil {
		return nil, err
	}
	return s.State.Get(ctx, key)
}

// Put is part of [plugin.State].
func (s *checkedState) Put(ctx context.Context, key string, value []byte) error {
	if err := s.check("Put", key, value); err != nil {
		return err
	}
	return s.State.Put(ctx, key, value)
}
