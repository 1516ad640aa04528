package app

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// silentPostgres returns the URL of a server that accepts each login and then does not answer, such as
// a stopped pooler.
func silentPostgres(t *testing.T) string {
	t.Helper()
	addr := testenv.Serve(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1024))                           // the client fails
		_, _ = conn.Write([]byte("R\x00\x00\x00\x08\x00\x00\x00\x00" + // logged in
			"S\x00\x00\x00\x23standard_conforming_strings\x00on\x00" +
			"S\x00\x00\x00\x19client_encoding\x00UTF8\x00" +
			"Z\x00\x00\x00\x05I")) // ready for a query
		_, _ = io.Copy(io.Discard, conn)
	})
	return "postgres://postgres@" + addr + "/shop?sslmode=disable"
}

// TestCheckReportsOtherServersBesideSilentOnes proves that a server that does not answer does not use up the time
// for the others.
func TestCheckReportsOtherServersBesideSilentOnes(t *testing.T) {
	defer func(d time.Duration) { probeTimeout = d }(probeTimeout)
	probeTimeout = 5 * time.Second
	out, err := commandLine(t, map[string]string{"SILENT": silentPostgres(t), "REDIS_URL": testenv.Redis(t).URL()}, "check", "--live", "-c", writeConfig(t, `
http: {listen: "127.0.0.1:0"}
sources:
  first: {type: postgres-notify, url: "${SILENT}", channels: [c]}
  second: {type: postgres-outbox, url: "${SILENT}"}
  bus: {type: redis-sub, url: "${REDIS_URL}", channels: [c]}
sinks:
  out: {type: stdout}
routes:
  r: {from: [first, second, bus], to: [out]}
`))
	if err == nil || strings.Count(out, "WRONG") != 2 {
		t.Errorf("%v:\n%s", err, out)
	}
	for _, want := range []string{"sources.first: connected to", "sources.second: connected to", "sources.bus: Pub/Sub works", "http.listen: the port is free"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}
