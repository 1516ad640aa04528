package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/testenv"
)

// TestDashboardWithEveryConfig proves that the page shows the state and the events of every example configuration: from the WebSocket
// sink, or a sample where there is none, or it needs a token.
func TestDashboardWithEveryConfig(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../configs/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%v, %d files", err, len(files))
	}
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer receiver.Close()
	folder := t.TempDir()
	vars := map[string]string{"WEBHOOK_URL": receiver.URL, "PARKED_FILE": filepath.Join(folder, "parked"), "AUDIT_FILE": filepath.Join(folder, "audit")}
	ctx, cancel := context.WithCancel(context.Background())
	servers, err := startEmbedded(ctx, loadWithoutServers(t, defaultConfig, nil), "", testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := servers.stop(); err != nil {
			t.Error(err)
		}
	})
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: strings.TrimPrefix(servers.servers.RedisURL(), "unix://")})
	defer client.Close()
	b := startBrowser(t, "")
	for _, file := range append(files, defaultConfig) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			cfg := loadWithoutServers(t, file, vars)
			cfg.SetEmbeddedURLs(servers.servers.PostgresURL(), servers.servers.RedisURL())
			r := startOn(t, ctx, servers, cfg)
			defer r.stop()
			b := &browser{t, b.ctx, b.errors}
			b.run(chromedp.Navigate("http://127.0.0.1:" + r.port + "/" + r.admin.Link(true)))
			b.await(pageIsWell)
			sampled := false
			for _, sink := range r.router.Status().Sinks {
				sampled = sampled || len(sink.Paths) > 0 && !sink.NeedsToken
			}
			if sampled = !sampled; sampled {
				b.await(isSampled)
			} else {
				b.await(isNotSampled)
			}
			testenv.Eventually(t, testenv.Wait, "events on the page", func() bool {
				if err := servers.servers.ChangeOrder(ctx); err != nil {
					t.Fatal(err)
				}
				if err := client.Publish(ctx, "orders_updates", `{"operation":"INSERT","order":{"id":1,"customer_name":"Ada","amount":900.00}}`).Err(); err != nil {
					t.Fatal(err)
				}
				return eval[bool](b, `document.querySelector("key-figures dd").textContent !== "0"`)
			})
			b.checkErrors()
		})
	}
}
