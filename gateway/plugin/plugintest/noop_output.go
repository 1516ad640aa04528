package plugintest

import (
	"context"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// Output is a [plugin.Output] that does nothing. A test embeds it, and overrides the methods that it
// checks.
type Output struct{}

// Ready is part of [plugin.Output].
func (Output) Ready() {}

// Emit is part of [plugin.Output].
func (Output) Emit(context.Context, event.Batch) error { return nil }

// TryEmit is part of [plugin.Output].
func (Output) TryEmit(...event.Batch) error { return nil }

// Gap is part of [plugin.Output].
func (Output) Gap(string) {}

// ForwardGap is part of [plugin.Output].
func (Output) ForwardGap(plugin.Gap) {}

// ReportError is part of [plugin.Output].
func (Output) ReportError(error) {}

// SetStalled is part of [plugin.Output].
func (Output) SetStalled(string) {}

var _ plugin.Output = Output{}
