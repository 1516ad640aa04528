package plugintest

import (
	"context"
	"errors"
	"time"

	"eventgateway/gateway/plugin"
)

// electing is the sound source as an Elector.
type electing struct{ *lines }

func (s *electing) Campaign(ctx context.Context, name string, above int64, standby func(string)) (plugin.Leadership, error) {
	return s.h.campaign(s.lines, ctx, name, above, standby)
}

// lock is a leadership of the server.
type lock struct {
	s    *lineServer
	name string
	term int64
	lost chan struct{}
}

func (s *lines) campaign(ctx context.Context, name string, above int64, standby func(string)) (plugin.Leadership, error) {
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

func (s *lineServer) lock(name string, above int64) (mine, other *lock) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if held := s.leaders[name]; held != nil {
		return nil, held
	}
	s.term = max(s.term, above) + 1
	l := &lock{s, name, s.term, make(chan struct{})}
	s.leaders[name] = l
	return l, nil
}

func (s *lineServer) unseat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, l := range s.leaders {
		close(l.lost)
		delete(s.leaders, name)
	}
}

func (l *lock) Term() int64          { return l.term }
func (l *lock) Lease() time.Duration { return time.Second }

func (l *lock) Confirm(ctx context.Context) error {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if l.s.leaders[l.name] != l {
		return errors.New("the lock is gone")
	}
	return nil
}

func (l *lock) Resign() {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if l.s.leaders[l.name] == l {
		close(l.lost)
		delete(l.s.leaders, l.name)
	}
}

// faulty is a leadership with one fault.
type faulty struct {
	*lock
	confirm func(*lock, context.Context) error
	resign  func(*lock)
	term    func(*lock) int64
}

func (f faulty) Confirm(ctx context.Context) error {
	if f.confirm != nil {
		return f.confirm(f.lock, ctx)
	}
	return f.lock.Confirm(ctx)
}

func (f faulty) Resign() {
	if f.resign != nil {
		f.resign(f.lock)
		return
	}
	f.lock.Resign()
}

func (f faulty) Term() int64 {
	if f.term != nil {
		return f.term(f.lock)
	}
	return f.lock.Term()
}

func electorFaults() []planted {
	type campaign = func(*lines, context.Context, string, int64, func(string)) (plugin.Leadership, error)
	hang := make(chan struct{})
	led := func(f faulty) campaign {
		return func(s *lines, ctx context.Context, name string, above int64, standby func(string)) (plugin.Leadership, error) {
			l, err := s.campaign(ctx, name, above, standby)
			if err != nil {
				return nil, err
			}
			f.lock = l.(*lock)
			return f, nil
		}
	}
	plant := func(name, rule string, c campaign) planted { return sourceFault(name, rule, lineHooks{campaign: c}) }
	return []planted{
		plant("everyone leads", ruleElects, func(s *lines, _ context.Context, name string, above int64, _ func(string)) (plugin.Leadership, error) {
			return &lock{s.o.s, name, above + 1, nil}, nil
		}),
		plant("Campaign does not call standby", ruleElects, func(s *lines, ctx context.Context, name string, above int64, _ func(string)) (plugin.Leadership, error) {
			return s.campaign(ctx, name, above, func(string) {})
		}),
		plant("Campaign ignores its context", ruleContext, func(s *lines, ctx context.Context, name string, above int64, standby func(string)) (plugin.Leadership, error) {
			return s.campaign(context.WithoutCancel(ctx), name, above, standby)
		}),
		plant("Campaign panics", rulePanics, func(*lines, context.Context, string, int64, func(string)) (plugin.Leadership, error) {
			panic("planted")
		}),
		plant("Campaign ignores the term above which it has to be", ruleElects, func(s *lines, ctx context.Context, name string, _ int64, standby func(string)) (plugin.Leadership, error) {
			return s.campaign(ctx, name, 0, standby)
		}),
		plant("Campaign returns neither a leadership nor an error", ruleElects, func(*lines, context.Context, string, int64, func(string)) (plugin.Leadership, error) {
			return nil, nil
		}),
		plant("Campaign leaks a goroutine", ruleLeft, func(s *lines, ctx context.Context, name string, above int64, standby func(string)) (plugin.Leadership, error) {
			go func() { <-hang }()
			return s.campaign(ctx, name, above, standby)
		}),
		plant("Confirm always confirms", ruleElects, led(faulty{confirm: func(*lock, context.Context) error { return nil }})),
		plant("Confirm never confirms", ruleElects, led(faulty{confirm: func(*lock, context.Context) error { return errors.New("planted") }})),
		plant("Confirm panics", rulePanics, led(faulty{confirm: func(*lock, context.Context) error { panic("planted") }})),
		plant("Confirm ignores its context", ruleContext, led(faulty{confirm: func(l *lock, ctx context.Context) error {
			if ctx.Err() != nil {
				<-hang
			}
			return l.Confirm(ctx)
		}})),
		plant("Resign panics", rulePanics, led(faulty{resign: func(*lock) { panic("planted") }})),
		plant("Resign blocks", ruleContext, led(faulty{resign: func(*lock) { <-hang }})),
		plant("Resign gives nothing up", ruleElects, led(faulty{resign: func(*lock) {}})),
		plant("terms do not rise", ruleElects, led(faulty{term: func(*lock) int64 { return 1 }})),
	}
}
