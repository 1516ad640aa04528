package postgresoutbox

import (
	"context"

	"eventgateway/gateway/plugin"
)

// measured is a gauge of what measure sees.
type measured interface {
	Lost()
	Forget()
}

func lost(g measured)   { g.Lost() }
func forget(g measured) { g.Forget() }

// measures has each gauge of the source know that nothing is measured now.
func (s *source) measures(note func(measured)) {
	for _, g := range []measured{s.lagRows, s.lagSeconds, s.oldest, s.gaps, s.kept} {
		note(g)
	}
}

// Campaign is part of [plugin.Elector]. While another gateway leads, that one measures.
func (s *source) Campaign(ctx context.Context, name string, above int64, standby func(holder string)) (plugin.Leadership, error) {
	return s.Elector.Campaign(ctx, name, above, func(holder string) {
		s.measures(forget)
		standby(holder)
	})
}
