package config

import (
	"testing"

	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/options"
)

// TestOptionsOfOurOwn: those beside the plugins' are written as plugintest wants a plugin's.
func TestOptionsOfOurOwn(t *testing.T) {
	for _, o := range []any{&settings{}, &routeOptions{}, &testOptions{}, &client{}, &router.Capture{}, &delivery.Options{}, &router.Failure{}} {
		for _, problem := range options.Lint(o) {
			t.Errorf("%T: %s", o, problem)
		}
	}
}
