package app

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/testenv"
)

// componentPage requests the page of a component.
func (r *running) componentPage(path string) (page admin.ComponentPage, described config.Component) {
	r.t.Helper()
	status, body := r.get("/api/components/" + path)
	page.Config = &described
	if err := json.Unmarshal([]byte(body), &page); status != http.StatusOK || err != nil {
		r.t.Fatalf("%s: %d, %v: %.300s", path, status, err, body)
	}
	return page, described
}

// option returns an option of a component.
func option(t testing.TB, of []config.Option, name string) config.Option {
	t.Helper()
	for _, o := range of {
		if o.Name == name {
			return o
		}
	}
	t.Fatalf("no option %s in %+v", name, of)
	return config.Option{}
}

// TestComponentPage proves that /api/components shows the options with their positions, without secrets and values of variables, and
// the failures and the latency of a component; and that a reload changes it.
func TestComponentPage(t *testing.T) {
	t.Parallel()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Fail") != "" {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
	}))
	defer receiver.Close()
	text := `http: {listen: "127.0.0.1:${PORT}"}
sources: {made: {type: generate, rate: 0, count: 3}}
transforms:
  part: {type: mask, fields: [number], with: text, on_error: drop}
sinks:
  shop:
    type: webhook
    url: "` + receiver.URL + `/private?key=1"
    allow: [127.0.0.1]
    headers: {X-Fail: "planted-secret"}
    method: ${METHOD}
    queue: {size: 7}
    best_effort: true
  log: {type: file, path: ` + t.TempDir() + `/log}
routes:
  all: {from: [made], through: [part], to: [shop, log], when: "true", dead_letter: log}
`
	env, file := map[string]string{"DATABASE_URL": "not used", "REDIS_URL": "not used", "METHOD": "PUT"}, writeConfig(t, text)
	r := startGateway(t, file, env)
	env["PORT"] = r.port
	r.reloadable(file, env)
	testenv.Eventually(t, testenv.Wait, "the events to be parked", func() bool { return r.sink("shop").DeadLettered == 3 })

	page, described := r.componentPage("sink/shop")
	if page.Health == nil || page.Health.Errors != 3 || len(page.Failures) != 1 || page.Failures[0].Count != 3 || !strings.Contains(page.Failures[0].Text, "422") {
		t.Errorf("%+v, %+v", page.Health, page.Failures)
	}
	if described.Type != "webhook" || described.At != file+":6:3" || described.Summary == "" {
		t.Errorf("%+v", described)
	}
	url, method, headers := option(t, described.Options, "url"), option(t, described.Options, "method"), option(t, described.Options, "headers")
	size, workers := option(t, described.Common, "queue.size"), option(t, described.Common, "workers")
	switch {
	case url.Value != receiver.URL+"/***" || url.At != file+":8:10" || !url.Set:
		t.Errorf("%+v", url)
	case method.Value != "***" || strings.Join(method.Variables, "") != "METHOD":
		t.Errorf("%+v", method)
	case headers.Value.(map[string]any)["X-Fail"] != "***":
		t.Errorf("%+v", headers)
	case size.Value != 7.0 || !size.Set || size.Default != "65536" || size.At != file+":12:19":
		t.Errorf("%+v", size)
	case workers.Value != 1.0 || workers.Set || workers.At != "":
		t.Errorf("%+v", workers)
	}
	testenv.Eventually(t, testenv.Wait, "a latency of the other sink", func() bool {
		page, _ = r.componentPage("sink/log")
		return page.Latency != nil && page.Latency.Events == 3 && page.Latency.P99 != nil
	})
	if page, described = r.componentPage("transform/part"); strings.Join(page.Routes, "") != "all" || page.Health != nil || option(t, described.Common, "on_error").Value != "drop" {
		t.Errorf("%+v, %+v", page, described)
	}
	if _, described = r.componentPage("route/all"); option(t, described.Common, "when").Value != "true" || described.At != file+":16:3" {
		t.Errorf("%+v", described)
	}
	for _, path := range []string{"sink/none", "none/shop", "source/shop"} {
		if status, _ := r.get("/api/components/" + path); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status, _ := r.getWithToken("/api/components/sink/shop", ""); status != http.StatusUnauthorized {
		t.Errorf("without the secret: %d", status)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(text, "size: 7", "size: 8", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	r.reload(testenv.Context(t), "test")
	if page, described = r.componentPage("sink/shop"); option(t, described.Common, "queue.size").Value != 8.0 || len(page.Failures) != 1 {
		t.Errorf("after a reload: %+v, %+v", page.Failures, described.Common)
	}
}
