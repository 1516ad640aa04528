// Command gateway-full is the gateway with everything that is too large for the command gateway: plugins and features whose
// dependencies add more than 3 MB to the binary, or 10 ms to its start. It reads the same configurations.
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
	app.Main(plugin.Set{Sources: sources.All(), Transforms: transforms.All(), Sinks: sinks.All()}, app.ACME(acmeclient.New))
}
