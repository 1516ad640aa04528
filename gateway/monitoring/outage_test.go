package monitoring

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// notInduced has the alerts that the test of the outage does not bring about, and why. promtool tests them, as all others.
var notInduced = map[string]string{
	"GatewayNotConserved":      "it is a bug in the gateway",
	"GatewayPanic":             "it is a bug in a plugin",
	"GatewayRestarts":          "it needs several starts within a window of seconds",
	"GatewayFilesRunOut":       "it needs thousands of connections",
	"GatewayEmbeddedServer":    "it never clears while the gateway runs",
	"GatewayNotificationQueue": "it needs gigabytes of notifications",
	"GatewaySourceStalled":     "a source reports it after a minute",
	"GatewayClocksDiffer":      "here is only one clock",
	"GatewayOutboxUnread":      "it clears with another configuration of the triggers only",
	"GatewayWALSpooled":        "the least max_lag is 64 MiB",
	"GatewayLateSlowly":        "its window is too long, also when it is scaled",
	"GatewayLosesSlowly":       "its window is too long, also when it is scaled",
}

// thresholds are those of the test: seconds and a few clients, instead of minutes and many.
var thresholds = map[string][2]string{
	"GatewayStreamLag": {"> 60", "> 1"}, "GatewayOutboxLag": {"> 60", "> 1"}, "GatewayWALLag": {"> 60", "> 1"}, "GatewayOutboxGrows": {"> 3600", "> 1"},
	"GatewayWALKept":       {"4 * 1024 * 1024 * 1024", "4 * 1024 * 1024"},
	"GatewayClientsCutOff": {"> 10", "> 0"}, "GatewayClientsRefused": {"> 10", "> 0"}, "GatewayClocksDiffer": {"> 0.1", "> 60"},
}

// TestOutageFiresAlertsAndFillsPanels proves with a real Prometheus and real servers that no alert fires while three gateways
// work; that each alert that can be induced fires in an outage, and clears after it; and that the queries of the dashboard have data.
// Windows and pauses are shorter than those of the files, see scale.
func TestOutageFiresAlertsAndFillsPanels(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	began := time.Now()
	w.p.await("fires, because there are no targets: GatewayAbsent", `ALERTS{alertname="GatewayAbsent", alertstate="firing"}`)
	w.list(true)
	w.p.await("scraped: all gateways", `count(count_over_time(up{job="gateway"}[10m]) > 10 and up == 1) == 3`)
	w.expectNone()

	w.fail()
	early := []string{
		"GatewayPassesNothing", "GatewayComponentDown", "GatewayComponentFailing", "GatewayReloadFailed", "GatewayCertificateExpires", "GatewayCertificateNotLoaded",
		"GatewayQueueFills", "GatewayWALLag", "GatewayWALKept", "GatewayTwoLeaders", "GatewayDeadLetters", "GatewayDropsEvents", "GatewayBreakerOpen",
		"GatewaySinkDisabled", "GatewayClientsCutOff", "GatewayClientsRefused", "GatewayPresencePartial", "GatewayLosesFast",
	}
	w.fired(early...)
	w.failPostgres()
	w.bus.kill()
	w.fired("GatewayDown", "GatewayNoLeader", "GatewayOutboxLag", "GatewayOutboxGrows", "GatewayStreamLag")

	w.mend()
	w.fired("GatewayGap", "GatewayLateFast")
	w.clear()
	w.expectAll()
	w.p.await("accounted for: all events at any time", `count(min_over_time(gateway_conserved[10m]) == 1) == 3`)
	testQueries(t, w.p, began)
}

// fired waits until alerts have fired.
func (w *world) fired(alerts ...string) {
	w.t.Helper()
	w.p.eventually("fired: "+strings.Join(alerts, ", "), func() bool {
		for _, s := range w.p.query(`group by (alertname) (max_over_time(ALERTS{alertstate="firing"}[10m]))`) {
			w.seen[s.Metric["alertname"]] = true
		}
		return !slices.ContainsFunc(alerts, func(name string) bool { return !w.seen[name] })
	}, func() string {
		return fmt.Sprintf("missing: %v; %s", slices.DeleteFunc(slices.Clone(alerts), func(name string) bool { return w.seen[name] }), w.p.firing())
	})
}

// clear waits until no alert fires. Meanwhile orders are inserted, since PostgreSQL removes the WAL of a slot only behind the changes and
// checkpoints that come later.
func (w *world) clear() {
	w.t.Helper()
	w.p.eventually("cleared: all alerts", func() bool {
		w.exec("CHECKPOINT")
		w.order()
		return len(w.p.query(`absent(ALERTS) and on () count(up == 1) == 3`)) > 0
	}, w.p.firing)
}

// expectNone fails if an alert has fired yet, except the one that was induced, and the one of a scrape that a busy machine has delayed.
func (w *world) expectNone() {
	w.t.Helper()
	if s := w.p.query(`max_over_time(ALERTS{alertstate="firing", alertname!~"GatewayAbsent|GatewayDown"}[10m])`); len(s) > 0 {
		w.t.Errorf("while all works: %v", s)
	}
}

// expectAll fails if an alert has not fired that is not in notInduced.
func (w *world) expectAll() {
	w.t.Helper()
	for _, r := range allRules(w.t) {
		if r.Alert != "" && w.seen[r.Alert] == (notInduced[r.Alert] != "") {
			w.t.Errorf("%s has fired: %v; in notInduced: %q", r.Alert, w.seen[r.Alert], notInduced[r.Alert])
		}
	}
}
