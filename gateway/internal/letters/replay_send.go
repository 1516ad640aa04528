package letters

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// run runs one replay: it sends the letters, the oldest first, and removes those that are delivered.
func (r *Replays) run(ctx context.Context, p *Replay) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.mu.Lock()
	p.cancel = cancel
	if p.Canceled {
		cancel()
	}
	r.mu.Unlock()
	err := r.send(ctx, p)
	r.mu.Lock()
	defer r.mu.Unlock()
	p.Ended = new(time.Now())
	if err != nil && ctx.Err() == nil {
		p.Error = err.Error()
	}
	p.notify()
}

func (r *Replays) send(ctx context.Context, p *Replay) error {
	numbers, err := r.numbers(ctx, p.request.Query)
	if err != nil {
		return err
	}
	var limit *rate.Limiter
	if p.request.Rate > 0 {
		limit = rate.NewLimiter(rate.Limit(p.request.Rate), 1)
	}
	underway := make(chan struct{}, maxUnderway)
	for _, n := range numbers {
		if limit != nil && limit.Wait(ctx) != nil {
			return ctx.Err()
		}
		select {
		case underway <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !r.sendOne(ctx, p, n, func() { <-underway }) {
			<-underway
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// sendOne sends a letter, unless it is gone, cannot be read, or is under way. done is called once if it was sent, when it is delivered or has failed.
func (r *Replays) sendOne(ctx context.Context, p *Replay, number uint64, done func()) (sent bool) {
	r.mu.Lock()
	if r.queued[number] {
		p.fail(number, errors.New("an earlier replay has sent it, and it is still queued"))
		r.mu.Unlock()
		return false
	}
	r.queued[number] = true // before it is read: an earlier replay may be about to remove it
	r.mu.Unlock()
	l, err := r.letters.Get(number)
	r.mu.Lock()
	if err != nil {
		delete(r.queued, number)
		if !errors.Is(err, ErrNotFound) { // else it was removed meanwhile
			p.fail(number, err)
		}
		r.mu.Unlock()
		return false
	}
	p.Sent++
	p.Queued++
	r.mu.Unlock()
	if p.request.Edit != nil {
		l.Data = *p.request.Edit
	}
	settled := func(err error) { r.addOutcome(outcome{p, number, err, done}) }
	if err := r.deliver(ctx, &l, p.request.To, settled); err != nil {
		settled(err)
	}
	return true
}

// numbers returns the numbers of all letters that match now, the oldest first.
func (r *Replays) numbers(ctx context.Context, q Query) (all []uint64, err error) {
	q.Limit, q.NumbersOnly = MaxLimit, true
	for {
		page, err := r.letters.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range slices.Backward(page.Letters) {
			all = append(all, page.Letters[i].Number)
		}
		if page.Next == 0 {
			slices.Reverse(all)
			return all, nil
		}
		q.Before = page.Next
	}
}
