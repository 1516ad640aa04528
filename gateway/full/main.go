// Command gateway-full is the command gateway with further plugins and features, whose dependencies are too large for gateway:
// gateway/docs/architecture.md has the limits. It reads the same configurations.
package main

import (
	"eventgateway/gateway/app"
	"eventgateway/gateway/full/acmeclient"
	"eventgateway/gateway/plugin"
	"eventgateway/sinks"
	"eventgateway/sources"
	"eventgateway/transforms"
)

func main() {
	app.Main(plugin.Set{Sources: sources.All(), Transforms: transforms.All(), Sinks: sinks.All()}, app.ACME(acmeclient.New), app.Programs(sources.Program, transforms.Program, sinks.Program))
}
