package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"eventgateway/gateway/redisconn"
	"eventgateway/gateway/testenv"
)

// failingPipelines is a configuration whose events are settled in every possible way.
const failingPipelines = `
http: {listen: ":${PORT}"}
shutdown_timeout: 1s
sources:
  made: {type: generate, rate: 0, count: 50, key: number %% 10}
  bus: {type: redis-sub, url: "${REDIS_URL}", channels: [counted], key: order.id}
transforms:
  broken: {type: filter, when: number.x.y > 1, on_error: drop}
  parked: {type: filter, when: number.x.y > 1}
  passed: {type: filter, when: number.x.y > 1, on_error: pass}
  even: {type: filter, when: number %% 2 == 0, on_error: drop}
sinks:
  browsers: {type: websocket}
  letters: {type: file, path: "${DIR}/letters", sync: never}
  full: {type: webhook, url: "%[1]s/hangs", allow: [127.0.0.1], timeout: 1h, best_effort: true, queue: {size: 5, batch: 1, when_full: drop_newest}}
  shop: {type: webhook, url: "%[1]s/one-fails", allow: [127.0.0.1], workers: 4, retry: {initial: 1h, max: 1h}}
  strict: {type: webhook, url: "%[1]s/refuses", allow: [127.0.0.1], dead_letter: letters}
  former: {type: webhook, url: "%[1]s/gone", allow: [127.0.0.1]}
routes:
  drops: {from: [made], through: [broken], to: [browsers]}
  parks: {from: [made], through: [parked], to: [browsers], dead_letter: letters}
  passes: {from: [made], through: [passed], to: [browsers]}
  halves: {from: [made], through: [even], to: [full, strict]}
  all: {from: [made], to: [full, shop, former]}
  memory: {from: [bus], through: [parked], to: [browsers]}
`

// failingReceiver returns the HTTP receivers of failingPipelines. The path /hangs answers when hang is closed.
func failingReceiver(hang <-chan struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.URL.Path == "/hangs":
			<-hang
		case r.URL.Path == "/gone":
			w.WriteHeader(http.StatusGone)
		case r.URL.Path == "/refuses", r.URL.Path == "/one-fails" && string(body) == `{"number":7}`:
			http.Error(w, "no", map[string]int{"/refuses": http.StatusUnprocessableEntity, "/one-fails": http.StatusInternalServerError}[r.URL.Path])
		}
	})
}

// counted holds all numbers of the status, the page or /metrics, by kind, component and field.
type counted map[string]float64

// inStatus returns the numbers of /api/status.
func (r *running) inStatus() (counted, map[string]any) {
	r.t.Helper()
	_, body := r.get("/api/status")
	var status map[string]any
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		r.t.Fatal(err)
	}
	all := counted{}
	for _, kind := range []string{"source", "route", "sink"} {
		for _, c := range status[kind+"s"].([]any) {
			component := c.(map[string]any)
			all.add(kind+" "+component["name"].(string), "", component)
		}
	}
	return all, status
}

func (c counted) add(key, before string, fields map[string]any) {
	for name, value := range fields {
		switch v := value.(type) {
		case float64:
			c[key+" "+before+name] = v
		case map[string]any:
			if name == "plugin" {
				c.add(key, "", v)
			} else {
				c.add(key, name+".", v)
			}
		}
	}
}

// onPage returns the numbers of the page.
func (b *browser) onPage() counted {
	all := counted{}
	for _, line := range eval[[]string](b, `[...document.querySelectorAll("component-list li")].flatMap(li => [...li.querySelectorAll("dd")]
		.map(dd => [li.dataset.kind, li.dataset.name, dd.dataset.count, dd.textContent].join(" ")))`) {
		f := strings.Fields(line)
		n, err := strconv.ParseFloat(f[3], 64)
		if err != nil {
			b.t.Fatal(err)
		}
		all[strings.Join(f[:3], " ")] = n
	}
	return all
}

var (
	documented = regexp.MustCompile("(?m)^\\| `(gateway_\\w+)` \\| \\w+ \\| ([^|]*) \\| `([^`|]+)` \\|")
	sample     = regexp.MustCompile(`(?m)^(gateway_\w+)\{(.*)\} (\S+)$`)
	label      = regexp.MustCompile(`(\w+)="([^"]*)"`)
)

// inMetrics returns the numbers of /metrics, by their names in the status according to metrics.md.
func (r *running) inMetrics() counted {
	r.t.Helper()
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		r.t.Fatal(err)
	}
	fields := map[string]string{}
	for _, m := range documented.FindAllStringSubmatch(string(text), -1) {
		fields[m[1]] = m[3]
	}
	all := counted{}
	for _, m := range sample.FindAllStringSubmatch(r.metrics(), -1) {
		field, ok := fields[m[1]]
		if !ok {
			continue
		}
		if field == "plugin" {
			field = m[1]
		}
		component := ""
		labels := map[string]string{}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			labels[l[1]] = l[2]
			if slices.Contains([]string{"source", "route", "sink"}, l[1]) {
				component = l[1] + " " + l[2]
			}
		}
		if component == "" {
			component = labels["kind"] + " " + labels["component"]
		}
		n, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			r.t.Fatal(err)
		}
		all[component+" "+strings.ReplaceAll(field, "REASON", labels["reason"])] += n
	}
	return all
}

// difference describes where the numbers of a place differ from those of the status.
func (c counted) difference(place string, other counted) string {
	var out []string
	for key, n := range c {
		if got, ok := other[key]; !ok || got != n {
			out = append(out, fmt.Sprintf("%s is %v in the status; %s: %v, %v", key, n, place, got, ok))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// TestPageStatusAndMetricsAgree proves that each number of the status is on the page and in /metrics.
func TestPageStatusAndMetricsAgree(t *testing.T) {
	hang := make(chan struct{})
	receiver := httptest.NewServer(failingReceiver(hang))
	defer receiver.Close()
	defer close(hang)
	r := startGateway(t, writeConfig(t, fmt.Sprintf(failingPipelines, receiver.URL)), map[string]string{"DIR": t.TempDir()})
	redis := testenv.RedisClient(t)
	for channel, messages := range map[string][]string{"counted": {"no JSON", `{"number":1}`}, redisconn.SharedGapChannel: {`{"id":"1","reason":"lost"}`}} {
		for _, m := range messages {
			if err := redis.Publish(testenv.Context(t), channel, m).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.dial().Close()
	b := openDashboard(t, r)
	want := counted{
		"source made emitted": 50, "source made outstanding": 50, "source bus emitted": 2, "source bus acked": 2, "source bus gaps": 1, "source bus gaps_at_start": 1,
		"source bus gaps_passed_on": 1, "source bus keyless": 2,
		"route drops in": 50, "route drops dropped": 50, "route drops errors": 50, "route parks dead_lettered": 50, "route passes out": 50, "route passes errors": 50,
		"route halves filtered": 25, "route halves out": 25, "route memory dead_lettered": 2,
		"sink full in": 75, "sink full writing": 1, "sink full delivered": 0,
		"sink shop delivered": 45, "sink shop retrying": 1, "sink shop held_back": 4, "sink strict dead_lettered": 25, "sink letters in": 75,
		"sink browsers gateway_websocket_disconnects_total": 1,
	}
	var status counted
	reached := func() bool {
		status, _ = r.inStatus()
		return want.difference("the status", status) == ""
	}
	defer func() {
		if t.Failed() {
			t.Log(want.difference("it", status))
		}
	}()
	testenv.Eventually(t, testenv.Wait, "all faults have happened", reached)
	wrong := ""
	defer func() {
		if t.Failed() {
			t.Log(wrong)
		}
	}()
	testenv.Eventually(t, testenv.Wait, "the same everywhere", func() bool {
		status, _ = r.inStatus()
		wrong = status.difference("the page", b.onPage()) + "\n" + status.difference("/metrics", r.inMetrics())
		return wrong == "\n"
	})
	full := status["sink full dropped.drop_newest"] // 69, or one more if its worker began later
	if full < 69 {
		t.Errorf("the sink full has dropped %v", full)
	}
	for figure, n := range map[string]string{"Dropped": fmt.Sprint(50 + full), "Dead letters": "77", "Gaps": "0", "Gaps passed on": "1", "Accounted for": "all"} {
		if got := eval[string](b, fmt.Sprintf(`[...document.querySelectorAll("key-figures div")].find(d => d.firstChild.textContent === %q).lastChild.textContent`, figure)); got != n {
			t.Errorf("the page shows %s: %s, want %s", figure, got, n)
		}
	}
	if _, overview := r.inStatus(); overview["dead_letters"] != 2.0 {
		t.Errorf("%v dead letters in memory", overview["dead_letters"])
	}
	if n, _ := r.metric(`gateway_edge_events_total{from="dead letters of route memory",to="memory"}`); n != 2 {
		t.Errorf("the edge to memory has %v", n)
	}
	b.await(`[...document.querySelectorAll('component-list li[data-name="drops"]')].every(li => li.innerText.includes("dropped 50"))`)
	b.screenshots("counts")
	b.checkErrors()
}
