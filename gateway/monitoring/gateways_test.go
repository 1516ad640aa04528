package monitoring

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// shopConfig is a gateway with a component of each type that has metrics of its own.
const shopConfig = `
http: {listen: "${ADDRESS}"}
shutdown_timeout: 2s
dead_letters: {path: "${DIR}/letters"}
sources:
  notified: {type: postgres-notify, url: "${DATABASE_URL}", channels: [orders_channel], leader: capture}
  outbox: {type: postgres-outbox, url: "${DATABASE_URL}", tables: [orders]}
  wal: {type: postgres-wal, url: "${DATABASE_URL}", tables: [orders], max_lag: {bytes: 64MiB, then: spool}, spool: {path: "${DIR}/spool"}}
  bus: {type: redis-sub, url: "${REDIS_URL}", channels: [orders_updates]}
  stream: {type: redis-stream, url: "${REDIS_URL}", stream: orders, group: shop, consumer: one}
  made: {type: generate, rate: 50, key: number % 10}
  held: {type: generate, rate: 50, in_flight: 20}
  large: {type: generate, rate: 50, size: 64KiB}
transforms:
  guest: {type: wasm, file: "${MODULE}", on_error: drop}
sinks:
  store: {type: redis-stream, url: "${REDIS_URL}", stream: orders, maxlen: 1000}
  pub: {type: redis-pub, url: "${REDIS_URL}", channel: orders_updates}
  dropping: {type: redis-pub, url: "${REDIS_URL}", channel: others, best_effort: true, queue: {size: 10, when_full: drop_newest}}
  browsers:
    type: websocket
    channels: [lobby]
    compression: {enabled: true}
    presence: {channels: [lobby], redis: "${REDIS_URL}"}
  narrow: {type: websocket, path: /narrow, max_lag: {events: 10}}
  single: {type: websocket, path: /single, limits: {clients: 1}}
  shop: {type: webhook, url: "${RECEIVER}/shop", allow: [127.0.0.1], dead_letter: parked}
  flaky: {type: webhook, url: "${RECEIVER}/flaky", allow: [127.0.0.1], best_effort: true, queue: {size: 10, when_full: drop_newest}, retry: {max: 200ms}, breaker: {failures: 2, pause: 500ms}}
  gone: {type: webhook, url: "${RECEIVER}/gone", allow: [127.0.0.1], best_effort: true, queue: {size: 10, when_full: drop_newest}}
  parked: {type: file, path: "${DIR}/parked.jsonl", sync: never}
  program:
    type: exec
    command:
      - /bin/sh
      - -c
      - 'read hello; echo "{\"ready\":1}"; while read -r line; do n=$${line#*:}; echo "{\"ack\":$${n%%,*}}"; done'
routes:
  run: {from: [made], to: [program]}
  capture: {from: [notified, outbox, wal, held], to: [store], dead_letter: parked}
  publish: {from: [made], to: [pub, dropping, shop, flaky, gone]}
  live: {from: [stream], to: [browsers, single]}
  heard: {from: [bus], to: [browsers]}
  broad: {from: [large], through: [guest], to: [narrow]}
`

// guest returns the file of a WebAssembly module, which emits each event as it is.
func guest(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	source, module := filepath.Join(dir, "guest.wat"), filepath.Join(dir, "guest.wasm")
	write(t, source, `(module
		(import "gateway" "read" (func $read (param i32 i32 i32) (result i32)))
		(import "gateway" "emit" (func $emit (param i32 i32)))
		(memory (export "memory") 1)
		(func (export "apply") (param $size i32)
			(drop (call $read (i32.const 0) (i32.const 0) (i32.const 0x10000)))
			(call $emit (i32.const 0) (local.get $size))))`)
	if out, err := exec.Command("wat2wasm", source, "-o", module).CombinedOutput(); err != nil {
		t.Fatalf("wat2wasm (apt-get install wabt): %v\n%s", err, out)
	}
	return module
}

// busConfig is a gateway with TLS that gets events from Redis only.
const busConfig = `
http:
  listen: "${ADDRESS}"
  tls: {cert: "${CERT}", key: "${KEY}", client_ca: "${CA}", client_auth: required}
sources: {bus: {type: redis-sub, url: "${REDIS_URL}", channels: [orders_updates]}}
sinks: {browsers: {type: websocket}}
routes: {live: {from: [bus], to: [browsers]}}
`

// twinConfig is a gateway with an admin listener. With another database than the shop's, its leadership of the same name is another one.
const twinConfig = `
http: {listen: "127.0.0.1:0", admin: {listen: "${ADDRESS}"}}
sources: {notified: {type: postgres-notify, url: "${DATABASE_URL}", channels: [orders_channel], leader: LEADER}}
sinks: {out: {type: stdout}}
routes: {live: {from: [notified], to: [out]}}
`

// receiver is the server of the webhooks. Its answers are those of a failing one while failing is set.
type receiver struct {
	url     string
	failing atomic.Bool
}

func startReceiver(t *testing.T) *receiver {
	r := &receiver{}
	statuses := map[string]int{"/shop": http.StatusUnprocessableEntity, "/flaky": http.StatusInternalServerError, "/gone": http.StatusGone}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		if r.failing.Load() {
			w.WriteHeader(statuses[req.URL.Path])
		}
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// tlsFiles are the certificates of the gateway bus, and those of Prometheus as its client.
type tlsFiles struct {
	testenv.Certificates
	cert, key string // of the gateway; the test replaces them
}

func makeTLSFiles(t *testing.T) *tlsFiles {
	f := &tlsFiles{Certificates: testenv.MakeCertificates(t, "prometheus")}
	dir := t.TempDir()
	f.cert, f.key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	f.issue(t, 30*24*time.Hour)
	return f
}

// issue gives the gateway a new certificate.
func (f *tlsFiles) issue(t *testing.T, valid time.Duration) {
	t.Helper()
	cert, key := f.Server(t, time.Now().Add(valid))
	write(t, f.key, read(t, key))
	write(t, f.cert, read(t, cert))
}

// client returns the configuration of a client that shows its certificate.
func (f *tlsFiles) client(t *testing.T) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(f.ClientCert, f.ClientKey)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(read(t, f.CA)))
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots}
}

// scrapeConfig writes the configuration of a Prometheus that scrapes gateways as the three files of configs/prometheus do. It
// returns its path, and a function that lists the targets or none. At first there are none.
func scrapeConfig(t *testing.T, rules []string, files *tlsFiles, targets map[string]string) (path string, list func(bool)) {
	t.Helper()
	dir := t.TempDir()
	list = func(all bool) {
		for name, address := range targets {
			text := "[]"
			if all {
				text = fmt.Sprintf(`[{"targets": [%q]}]`, address)
			}
			write(t, filepath.Join(dir, name+".json"), text)
		}
	}
	list(false)
	config := object{"global": object{"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"}, "rule_files": rules}
	var scrapes []any
	for name := range targets {
		var shipped struct {
			Scrapes []object `yaml:"scrape_configs"`
		}
		text := read(t, configs+name+".yml")
		text = strings.NewReplacer("/etc/prometheus/gateway-ca.crt", files.CA, "/etc/prometheus/client.crt", files.ClientCert, "/etc/prometheus/client.key", files.ClientKey).Replace(text)
		decodeYAML(t, text, &shipped)
		if len(shipped.Scrapes) != 1 || shipped.Scrapes[0]["job_name"] != "gateway" {
			t.Fatalf("%s.yml: %v", name, shipped.Scrapes)
		}
		scrape := shipped.Scrapes[0]
		delete(scrape, "static_configs")
		scrape["job_name"] = name // names are unique; the label is that of the file
		scrape["relabel_configs"] = []object{{"target_label": "job", "replacement": "gateway"}}
		scrape["file_sd_configs"] = []object{{"files": []string{filepath.Join(dir, name+".json")}, "refresh_interval": "1s"}}
		scrapes = append(scrapes, scrape)
	}
	config["scrape_configs"] = scrapes
	path = filepath.Join(dir, "prometheus.yml")
	encodeYAML(t, path, config)
	promtool(t, "check", "config", path)
	return path, list
}
