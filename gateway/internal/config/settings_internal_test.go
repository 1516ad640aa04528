package config

import (
	"testing"

	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/options"
)

// TestOptionsOutsideOfPlugins proves that the options of the gateway itself meet the rules of plugintest.
func TestOptionsOutsideOfPlugins(t *testing.T) {
	for _, o := range []any{&settings{}, &routeOptions{}, &testOptions{}, &client{}, &router.Capture{}, &delivery.Options{}, &router.Failure{}} {
		for _, problem := range options.Lint(o) {
			t.Errorf("%T: %s", o, problem)
		}
	}
}
