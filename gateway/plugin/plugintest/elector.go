package plugintest

import (
	"context"
	"time"

	"eventgateway/gateway/plugin"
)

// candidate builds one more source that can lead.
func (h SourceHarness) candidate(c *check, opts any) plugin.Elector {
	e, ok := any(build(c, h.Type, opts).impl).(plugin.Elector)
	if !ok {
		c.Fatalf("the type has the capability ElectsLeader, and its source is no plugin.Elector")
	}
	return e
}

// campaign builds a candidate, and returns its leadership of a name that has no leader.
func (h SourceHarness) campaign(c *check, opts any, name string, above int64) plugin.Leadership {
	e := h.candidate(c, opts)
	var l plugin.Leadership
	err := c.call(c.ctx, "Campaign", func(ctx context.Context) (err error) {
		l, err = e.Campaign(ctx, name, above, func(string) {})
		return err
	})
	if err != nil || l == nil {
		if err != errPanicked {
			c.Errorf("Campaign: %v, %v", l, err)
		}
		c.stop()
	}
	return l
}

func (h SourceHarness) checkElection(c *check) {
	if !h.Type.Has(plugin.ElectsLeader) {
		c.Skip("the type has no capability ElectsLeader")
	}
	const name = `odd "name" {1}`
	opts := optionsOf(c, h.Type, h.Reachable)
	confirm := func(l plugin.Leadership) error { return c.call(c.ctx, "Confirm", l.Confirm) }
	resign := func(l plugin.Leadership) {
		_ = c.call(c.ctx, "Resign", func(context.Context) error { l.Resign(); return nil })
	}
	first := h.campaign(c, opts, name, 0)
	if err := confirm(first); err != nil {
		c.Errorf("Confirm fails for the leader: %v", err)
	}
	if d := first.Lease(); d < 0 {
		c.Errorf("the lease is %v", d)
	}
	resign(h.campaign(c, opts, "another name", 0))
	won, wait := h.startStandby(c, opts, name)
	h.checkCampaignCancelled(c, opts, name)
	resign(first)
	second := wait()
	_ = won
	if err := confirm(second); err != nil {
		c.Errorf("Confirm fails for the second leader: %v", err)
	}
	if second.Term() <= first.Term() || first.Term() <= 0 {
		c.Errorf("the second leader has the term %d, and the first one %d", second.Term(), first.Term())
	}
	if err := confirm(first); err == nil {
		c.Errorf("Confirm succeeds after Resign")
	}
	resign(second)
	resign(second) // the router may repeat it after an error
	raised := h.campaign(c, opts, "raised", second.Term()+1000)
	if raised.Term() <= second.Term()+1000 {
		c.Errorf("the term is %d, and has to be higher than %d", raised.Term(), second.Term()+1000)
	}
	resign(raised)
	third := h.campaign(c, opts, name, 0)
	if err := c.await("Confirm", c.begin("Confirm", func() error { return third.Confirm(endedContext()) })); err == nil && third.Lease() > 0 {
		c.Errorf("Confirm succeeds with a context that has ended")
	}
	if h.TakeLock != nil {
		c.callHook(func() { h.TakeLock(c) })
		if err := confirm(third); err == nil {
			c.Errorf("Confirm succeeds after the leader has lost its lock")
		}
	}
	resign(third)
}

// startStandby lets a candidate campaign while another one leads. wait waits until the candidate leads.
func (h SourceHarness) startStandby(c *check, opts any, name string) (won <-chan plugin.Leadership, wait func() plugin.Leadership) {
	e := h.candidate(c, opts)
	waiting, leads := make(chan struct{}, 1000), make(chan plugin.Leadership, 1)
	ctx, cancel := context.WithCancel(context.Background())
	c.Cleanup(cancel)
	done := c.begin("Campaign", func() error {
		l, err := e.Campaign(ctx, name, 0, func(string) {
			select {
			case waiting <- struct{}{}:
			default:
			}
		})
		if err == nil {
			leads <- l
		}
		return err
	})
	select {
	case <-waiting:
	case l := <-leads:
		c.Fatalf("two candidates lead at the same time, the second one in term %d", l.Term())
	case err := <-done:
		c.Fatalf("Campaign returns while another candidate leads: %v", err)
	case <-time.After(c.suite.timeout(c.suite.arrivalTimeout)):
		c.timedOut()
		c.Fatalf("Campaign does not call standby while another candidate leads")
	}
	return leads, func() plugin.Leadership {
		select {
		case l := <-leads:
			return l
		case <-time.After(c.suite.timeout(2 * c.suite.arrivalTimeout)):
			c.timedOut()
			c.Fatalf("the standby does not lead after the leader has resigned")
			return nil
		}
	}
}

// checkCampaignCancelled ends the context of a standby.
func (h SourceHarness) checkCampaignCancelled(c *check, opts any, name string) {
	e := h.candidate(c, opts)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	time.AfterFunc(c.suite.timeout(c.suite.arrivalTimeout), cancel)
	done := c.begin("Campaign", func() error {
		l, err := e.Campaign(ctx, name, 0, func(string) { cancel() })
		if l != nil && err == nil {
			c.Errorf("two candidates lead at the same time")
		}
		return err
	})
	<-ctx.Done()
	if err := c.await("Campaign", done); err == nil {
		c.Errorf("Campaign returns nil after its context has ended")
	}
}
