package monitoring

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

const configs = "../../configs/prometheus/"

// promtool runs promtool, and returns what it prints.
func promtool(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(testenv.Context(t), "promtool", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("promtool %s (apt-get install prometheus): %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// prometheus is a Prometheus that a test has started.
type prometheus struct {
	t   *testing.T
	url string
}

// startPrometheus starts Prometheus with a configuration file. It ends with the test.
func startPrometheus(t *testing.T, config string) *prometheus {
	t.Helper()
	p := &prometheus{t, "http://127.0.0.1:" + strconv.Itoa(testenv.FreePort(t))}
	data, err := os.MkdirTemp("", "prometheus") // not t.TempDir, which is removed before Prometheus has ended
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(data) })
	var log testenv.Log
	cmd := exec.Command("prometheus", "--config.file="+config, "--storage.tsdb.path="+data, "--web.listen-address="+strings.TrimPrefix(p.url, "http://"))
	cmd.Stdout, cmd.Stderr, cmd.Dir = &log, &log, data
	if err := cmd.Start(); err != nil {
		t.Fatalf("cannot start prometheus (apt-get install prometheus): %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("prometheus:\n%s", log.String())
		}
	})
	testenv.Eventually(t, testenv.Wait, "ready: Prometheus", func() bool {
		resp, err := http.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, log.String)
	return p
}

// series is one series of an answer.
type series struct {
	Metric map[string]string
	Value  [2]any   // of an instant: time, and the number as text
	Values [][2]any // of a range
}

// query evaluates an expression now.
func (p *prometheus) query(expr string) []series {
	p.t.Helper()
	var answer struct{ Result []series }
	if err := p.get("/api/v1/query", url.Values{"query": {expr}}, &answer); err != nil {
		p.t.Fatal(err)
	}
	return answer.Result
}

// queryRange evaluates an expression for each step since a time.
func (p *prometheus) queryRange(expr string, since time.Time, step time.Duration) ([]series, error) {
	seconds := func(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }
	var answer struct{ Result []series }
	err := p.get("/api/v1/query_range", url.Values{
		"query": {expr}, "start": {seconds(since)}, "end": {seconds(time.Now())}, "step": {strconv.FormatFloat(step.Seconds(), 'f', 3, 64)},
	}, &answer)
	return answer.Result, err
}

// get requests a path of the API, and decodes the data of the answer.
func (p *prometheus) get(path string, parameters url.Values, data any) error {
	resp, err := http.Get(p.url + path + "?" + parameters.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", parameters.Get("query"), answer.Error)
	}
	return json.Unmarshal(answer.Data, data)
}

// await waits until an expression has a result.
func (p *prometheus) await(what, expr string) {
	p.t.Helper()
	p.eventually(what, func() bool { return len(p.query(expr)) > 0 }, p.firing)
}

// eventually waits until a condition holds. It asks less often than testenv.Eventually, since each query costs Prometheus time.
func (p *prometheus) eventually(what string, condition func() bool, state func() string) {
	p.t.Helper()
	testenv.Eventually(p.t, 3*testenv.Wait, what, func() bool {
		if condition() {
			return true
		}
		time.Sleep(100 * time.Millisecond)
		return false
	}, state)
}

// firing lists the alerts that fire now.
func (p *prometheus) firing() string {
	var text strings.Builder
	for _, s := range p.query(`ALERTS{alertstate="firing"}`) {
		fmt.Fprintf(&text, "\n%v", s.Metric)
	}
	return "firing:" + text.String()
}
