package app

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/testenv"
)

// proxyBlocks returns the blocks of a language in proxies.md.
func proxyBlocks(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/proxies.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// nginx runs nginx with a block of the documentation, on a port without TLS.
func nginx(t *testing.T, port int, block, to string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nginx.conf")
	block = strings.NewReplacer("443 ssl", fmt.Sprintf("127.0.0.1:%d", port), "127.0.0.1:8080", to).Replace(block)
	writeText(t, file, "daemon off; master_process off; pid nginx.pid; error_log stderr;\nevents {}\nhttp { access_log off;\n"+block+"}\n")
	testenv.StartProxy(t, port, "nginx", "-p", filepath.Dir(file)+"/", "-c", file)
}

// nginxTLS runs nginx with a block of the documentation, with a certificate of a private authority.
func nginxTLS(t *testing.T, port int, block, to string) {
	t.Helper()
	c := testenv.MakeCertificates(t, "client")
	nginx(t, port, strings.Replace(block, "listen 443 ssl;", fmt.Sprintf("listen 127.0.0.1:%d ssl; ssl_certificate %s; ssl_certificate_key %s;", port, c.ServerCert, c.ServerKey), 1), to)
}

// caddy runs Caddy with a block of the documentation, on a port without TLS.
func caddy(t *testing.T, port int, block, to string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "Caddyfile")
	block = strings.NewReplacer("shop.example {", fmt.Sprintf("http://shop.example:%d {", port), "127.0.0.1:8080", to).Replace(block)
	writeText(t, file, "{\n  admin off\n  auto_https off\n}\n"+block)
	testenv.StartProxy(t, port, "caddy", "run", "--config", file, "--adapter", "caddyfile")
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDocumentedProxies proves that each configuration of proxies.md works for a browser.
func TestDocumentedProxies(t *testing.T) {
	config, nginxes, caddies := proxyBlocks(t, "yaml"), proxyBlocks(t, "nginx"), proxyBlocks(t, "caddy")
	if len(config) != 1 || len(nginxes) != 2 || len(caddies) != 2 {
		t.Fatalf("proxies.md has %d, %d and %d configurations", len(config), len(nginxes), len(caddies))
	}
	passing := map[string]string{ // the sub-path on
		"nginx": strings.Replace(nginxes[1], "127.0.0.1:8080/;", "127.0.0.1:8080;", 1), "caddy": strings.Replace(caddies[1], "handle_path", "handle", 1),
	}
	base := regexp.MustCompile(`  base_path.*\n`)
	for _, c := range []struct {
		name, block, path string
		start             func(t *testing.T, port int, block, to string)
		passes            bool
	}{
		{"nginx", nginxes[0], "/", nginx, false}, {"nginx below a path", nginxes[1], "/orders/", nginx, false}, {"nginx with TLS below a path", nginxes[1], "/orders/", nginxTLS, false}, {"nginx that passes the path on", passing["nginx"], "/orders/", nginx, true},
		{"Caddy", caddies[0], "/", caddy, false}, {"Caddy below a path", caddies[1], "/orders/", caddy, false}, {"Caddy that passes the path on", passing["caddy"], "/orders/", caddy, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			port := testenv.FreePort(t)
			origin := fmt.Sprintf("http://shop.example:%d", port)
			if strings.Contains(c.name, "TLS") {
				origin = strings.Replace(origin, "http", "https", 1)
			}
			text := strings.NewReplacer("127.0.0.1:8080", "127.0.0.1:${PORT}", "https://shop.example", origin, "limits: {", "limits: {per_address: 3, ").Replace(config[0])
			if !c.passes {
				text = base.ReplaceAllString(text, "")
			}
			r := startGateway(t, writeConfig(t, text), nil)
			c.start(t, port, c.block, "127.0.0.1:"+r.port)
			b := openAs(t, "shop.example", origin+strings.TrimSuffix(c.path, "/")+r.admin.Link(true))
			if at := eval[string](b, `location.pathname + location.hash`); at != c.path {
				t.Errorf("the page is at %s", at)
			}
			b.await(`document.querySelector("health-state").dataset.state === "well"`) // by the cookie
			eval[bool](b, `(window.heard = {}, new EventSource(".").onmessage = ({ data }) => { heard.events = data }, window.own = new WebSocket(new URL(".", location.href).href.replace(/^http/, "ws"), "orders"), own.onmessage = ({ data }) => { heard.own = data }, true)`)
			b.await(`own.readyState === 1 && own.protocol === "orders"`)
			testenv.Eventually(t, testenv.Wait, "all to hear of it", func() bool {
				if err := testenv.RedisClient(t).Publish(testenv.Context(t), "orders_updates", `{"operation":"INSERT","order":{"id":1,"customer_name":"Ada"}}`).Err(); err != nil {
					t.Fatal(err)
				}
				return eval[bool](b, `document.querySelectorAll("tr[data-operation]").length === 1 && heard.own !== undefined && heard.events === heard.own`)
			})
			b.checkErrors()
			if cookies := b.cookies(); len(cookies) != 1 || cookies[0].Secure != strings.HasPrefix(origin, "https") || !cookies[0].HTTPOnly {
				t.Errorf("the cookies: %+v", cookies)
			}
			testForwarded(t, strings.Replace(origin, "http", "ws", 1)+c.path, port)
		})
	}
}

// testForwarded connects clients with X-Forwarded-For headers of their own. per_address must limit each client to
// three connections.
func testForwarded(t *testing.T, url string, port int) {
	t.Helper()
	for i, want := range []int{101, 101, 101, 429} {
		dialer := websocket.Dialer{HandshakeTimeout: testenv.Wait, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, NetDial: func(network, _ string) (net.Conn, error) {
			return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}, Timeout: testenv.Wait}).Dial(network, "127.0.0.1:"+strconv.Itoa(port))
		}}
		conn, resp, err := dialer.Dial(url, http.Header{"X-Forwarded-For": {fmt.Sprintf("198.51.100.%d", i)}})
		if resp == nil || resp.StatusCode != want {
			t.Fatalf("client %d of an address: %v, %+v, want %d", i, err, resp, want)
		}
		if conn != nil {
			defer conn.Close()
		}
	}
}

// TestProxyWithoutUpgradeIsExplained proves that a handshake without its headers, which a plain proxy_pass drops, gets
// an answer with the reason.
func TestProxyWithoutUpgradeIsExplained(t *testing.T) {
	r := startGateway(t, writeConfig(t, adminConfig), nil)
	port := testenv.FreePort(t)
	nginx(t, port, "server { listen 443 ssl; location / { proxy_pass http://127.0.0.1:8080; proxy_read_timeout "+strconv.Itoa(int(testenv.Wait/time.Second))+"; } }\n", "127.0.0.1:"+r.port)
	_, resp, err := websocket.DefaultDialer.Dial(fmt.Sprintf("ws://127.0.0.1:%d/", port), nil)
	if resp == nil || resp.StatusCode != http.StatusUpgradeRequired {
		t.Fatalf("%v, %+v", err, resp)
	}
	body := make([]byte, 1024)
	n, _ := resp.Body.Read(body)
	if !strings.Contains(string(body[:n]), "a proxy in between has dropped them") {
		t.Errorf("the answer is %s", body[:n])
	}
}
