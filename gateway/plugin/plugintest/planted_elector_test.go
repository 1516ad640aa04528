package plugintest

import (
	"context"
	"errors"
	"time"

	"eventgateway/gateway/plugin"
)

// electing is lineSource as an Elector.
type electing struct{ *lineSource }

func (s *electing) Campaign(ctx context.Context, name string, above int64, standby func(string)) (plugin.Leadership, error) {
	return s.h.campaign(s.lineSource, ctx, name, above, standby)
}

// serverLock is a leadership by a lock of the server.
type serverLock struct {
	server *lineServer
	name   string
	term   int64
	lost   chan struct{}
}

func (s *lineSource) campaign(ctx context.Context, name string, above int64, standby func(string)) (plugin.Leadership, error) {
	for {
		l, held := s.o.s.lock(name, above)
		if l != nil {
			return l, nil
		}
		standby("")
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-held.lost:
		}
	}
}

func (s *lineServer) lock(name string, above int64) (won, other *serverLock) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if held := s.leaders[name]; held != nil {
		return nil, held
	}
	s.term = max(s.term, above) + 1
	l := &serverLock{s, name, s.term, make(chan struct{})}
	s.leaders[name] = l
	return l, nil
}

func (s *lineServer) revokeLocks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, l := range s.leaders {
		close(l.lost)
		delete(s.leaders, name)
	}
}

func (l *serverLock) Term() int64          { return l.term }
func (l *serverLock) Lease() time.Duration { return time.Second }

func (l *serverLock) Confirm(ctx context.Context) error {
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if l.server.leaders[l.name] != l {
		return errors.New("the lock is lost")
	}
	return nil
}

func (l *serverLock) Resign() {
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	if l.server.leaders[l.name] == l {
		close(l.lost)
		delete(l.server.leaders, l.name)
	}
}

// faultyLeadership is a serverLock with one fault.
type faultyLeadership struct {
	*serverLock
	confirm func(*serverLock, context.Context) error
	resign  func(*serverLock)
	term    func(*serverLock) int64
}

func (f faultyLeadership) Confirm(ctx context.Context) error {
	if f.confirm != nil {
		return f.confirm(f.serverLock, ctx)
	}
	return f.serverLock.Confirm(ctx)
}

func (f faultyLeadership) Resign() {
	if f.resign != nil {
		f.resign(f.serverLock)
		return
	}
	f.serverLock.Resign()
}

func (f faultyLeadership) Term() int64 {
	if f.term != nil {
		return f.term(f.serverLock)
	}
	return f.serverLock.Term()
}

func electorFaults() []planted {
	type campaign = func(*lineSource, context.Context, string, int64, func(string)) (plugin.Leadership, error)
	hang := make(chan struct{})
	withFault := func(f faultyLeadership) campaign {
		return func(s *lineSource, ctx context.Context, name string, above int64, standby func(string)) (plugin.Leadership, error) {
			l, err := s.campaign(ctx, name, above, standby)
			if err != nil {
				return nil, err
			}
			f.serverLock = l.(*serverLock)
			return f, nil
		}
	}
	plant := func(name, rule string, c campaign) planted { return sourceFault(name, rule, lineHooks{campaign: c}) }
	return []planted{
		plant("all candidates lead", ruleElects, func(s *lineSource, _ context.Context, name string, above int64, _ func(string)) (plugin.Leadership, error) {
			return &serverLock{s.o.s, name, above + 1, nil}, nil
		}),
		plant("Campaign does not call standby", ruleElects, func(s *lineSource, ctx context.Context, name string, above int64, _ func(string)) (plugin.Leadership, error) {
			return s.campaign(ctx, name, above, func(string) {})
		}),
		plant("Campaign ignores its context", ruleContext, func(s *lineSource, ctx context.Context, name string, above int64, standby func(string)) (plugin.Leadership, error) {
			return s.campaign(context.WithoutCancel(ctx), name, above, standby)
		}),
		plant("Campaign panics", rulePanics, func(*lineSource, context.Context, string, int64, func(string)) (plugin.Leadership, error) {
			panic("planted")
		}),
		plant("Campaign ignores the lower bound of the term", ruleElects, func(s *lineSource, ctx context.Context, name string, _ int64, standby func(string)) (plugin.Leadership, error) {
			return s.campaign(ctx, name, 0, standby)
		}),
		plant("Campaign returns neither a leadership nor an error", ruleElects, func(*lineSource, context.Context, string, int64, func(string)) (plugin.Leadership, error) {
			return nil, nil
		}),
		plant("Campaign leaks a goroutine", ruleLeaks, func(s *lineSource, ctx context.Context, name string, above int64, standby func(string)) (plugin.Leadership, error) {
			go func() { <-hang }()
			return s.campaign(ctx, name, above, standby)
		}),
		plant("Confirm always confirms", ruleElects, withFault(faultyLeadership{confirm: func(*serverLock, context.Context) error { return nil }})),
		plant("Confirm never confirms", ruleElects, withFault(faultyLeadership{confirm: func(*serverLock, context.Context) error { return errors.New("planted") }})),
		plant("Confirm panics", rulePanics, withFault(faultyLeadership{confirm: func(*serverLock, context.Context) error { panic("planted") }})),
		plant("Confirm ignores its context", ruleContext, withFault(faultyLeadership{confirm: func(l *serverLock, ctx context.Context) error {
			if ctx.Err() != nil {
				<-hang
			}
			return l.Confirm(ctx)
		}})),
		plant("Resign panics", rulePanics, withFault(faultyLeadership{resign: func(*serverLock) { panic("planted") }})),
		plant("Resign blocks", ruleContext, withFault(faultyLeadership{resign: func(*serverLock) { <-hang }})),
		plant("Resign keeps the lock", ruleElects, withFault(faultyLeadership{resign: func(*serverLock) {}})),
		plant("terms do not increase", ruleElects, withFault(faultyLeadership{term: func(*serverLock) int64 { return 1 }})),
	}
}
