package app

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"eventgateway/gateway/testenv"
)

const rolesConfig = `
http:
  listen: "127.0.0.1:${PORT}"
  admin:
    token: "${TOKEN:-}"
    users:
      reader: {password: "${READER}", role: read}
      boss: {password: "${BOSS}", role: admin}
sources: {bus: {type: redis-sub, url: "${REDIS_URL}", channels: [c]}}
sinks: {out: {type: websocket}}
routes: {r: {from: [bus], to: [out]}}
`

// hashOf returns a cheap hash of a password.
func hashOf(t *testing.T, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

// basic returns the header of a user who logs in, and further fields.
func basic(name, password string, fields ...string) http.Header {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(name, password)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	return r.Header
}

// TestUsersHaveRoles proves that users log in with passwords, that the role read changes nothing, and that no page of
// another site changes anything with the credentials of a browser.
func TestUsersHaveRoles(t *testing.T) {
	const token = "a token of sixteen bytes"
	env := map[string]string{"READER": hashOf(t, "r3ad"), "BOSS": hashOf(t, "b0ss"), "TOKEN": token, "REDIS_URL": testenv.Redis(t).URL()}
	file := writeConfig(t, rolesConfig)
	r := startGateway(t, file, env)
	api := "http://127.0.0.1:" + r.port + "/api/"
	for name, header := range map[string]http.Header{"reader": basic("reader", "r3ad"), "boss": basic("boss", "b0ss"), "wrong": basic("boss", "r3ad"), "unknown": basic("nobody", "r3ad"), "token": authorization(token)} {
		read, change := 200, 404 // there is no demo without embedded servers
		switch name {
		case "reader":
			change = 403
		case "wrong", "unknown":
			read, change = 401, 401
		}
		req, err := http.NewRequest("GET", api+"status", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var status struct{ Role string }
		_ = json.NewDecoder(answer.Body).Decode(&status) // a refusal is text
		answer.Body.Close()
		if role := map[int]string{401: "", 403: "read", 404: "admin"}[change]; answer.StatusCode != read || status.Role != role {
			t.Errorf("%s reads: %d, role %q, want %d, %q", name, answer.StatusCode, status.Role, read, role)
		}
		if got := send(t, "POST", api+"demo", "", header).StatusCode; got != change {
			t.Errorf("%s changes: %d, want %d", name, got, change)
		}
	}
	for name, c := range map[string]struct {
		header http.Header
		status int
	}{
		"own origin":                {basic("boss", "b0ss", "Sec-Fetch-Site", "same-origin", "Origin", "http://127.0.0.1:"+r.port), 404},
		"another site":              {basic("boss", "b0ss", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"), 401},
		"another site, old browser": {basic("boss", "b0ss", "Origin", "https://evil.example"), 403},
		"another site with token":   {http.Header{"Authorization": {"Bearer " + token}, "Origin": {"https://evil.example"}}, 403},
	} {
		if got := send(t, "POST", api+"demo", "", c.header).StatusCode; got != c.status {
			t.Errorf("%s: %d, want %d", name, got, c.status)
		}
	}
	for mode, want := range map[string]bool{"": true, "navigate": true, "cors": false} {
		header := http.Header{}
		if mode != "" {
			header.Set("Sec-Fetch-Mode", mode)
		}
		if got := send(t, "GET", api+"status", "", header).Header.Get("WWW-Authenticate"); strings.Contains(got, "Basic") != want || !strings.Contains(got, "Bearer") {
			t.Errorf("the browser is asked for a password by mode %q: %s", mode, got)
		}
	}
	cookies := r.testLogin(t, api)
	env["READER"], env["PORT"] = hashOf(t, "n3w"), r.port
	r.reloadable(file, env)
	r.reload(testenv.Context(t), "test")
	for name, want := range map[string]int{"reader": 401, "boss": 200} {
		if got := send(t, "GET", api+"status", "", nil, cookies[name]).StatusCode; got != want {
			t.Errorf("the cookie of %s after another password: %d, want %d", name, got, want)
		}
	}
	if got := send(t, "GET", api+"status", "", basic("reader", "n3w")).StatusCode; got != 200 {
		t.Errorf("the new password: %d", got)
	}
}

// testLogin logs users in as browsers do, and returns their cookies.
func (r *running) testLogin(t *testing.T, api string) map[string]*http.Cookie {
	t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	cookies := map[string]*http.Cookie{}
	for name, password := range map[string]string{"reader": "r3ad", "boss": "b0ss"} {
		req, err := http.NewRequest("GET", api+"session", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = basic(name, password, "Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "../" || len(resp.Cookies()) != 1 {
			t.Fatalf("%s logs in: %s, %v", name, resp.Status, resp.Cookies())
		}
		cookies[name] = resp.Cookies()[0]
		for path, want := range map[string]int{"GET status": 200, "POST demo": map[string]int{"reader": 403, "boss": 404}[name]} {
			method, path, _ := strings.Cut(path, " ")
			if got := send(t, method, api+path, "", nil, cookies[name]).StatusCode; got != want {
				t.Errorf("%s %s with the cookie of %s: %d, want %d", method, path, name, got, want)
			}
		}
		for _, kind := range []string{"", "Digest x", "Basic x", "Bearer ", "Bearer x"} {
			header := http.Header{"Authorization": {kind}}
			if resp := send(t, "POST", api+"session", "", header, cookies[name]); resp.StatusCode != 401 || len(resp.Cookies()) > 0 {
				t.Errorf("the cookie of %s with %q makes a cookie: %s", name, kind, resp.Status)
			}
		}
		stolen := *cookies[name]
		stolen.Value, _, _ = strings.Cut(stolen.Value, "/") // as if it were that of the secret's holder
		if got := send(t, "GET", api+"status", "", nil, &stolen).StatusCode; got != 401 {
			t.Errorf("a part of the cookie: %d", got)
		}
	}
	return cookies
}

// TestPasswordsAreBounded proves that wrong passwords are answered 429 when there are many, and that a user who has
// logged in before goes on.
func TestPasswordsAreBounded(t *testing.T) {
	r := startGateway(t, writeConfig(t, rolesConfig), map[string]string{"READER": hashOf(t, "r3ad"), "BOSS": hashOf(t, "b0ss")})
	status := "http://127.0.0.1:" + r.port + "/api/status"
	if got := send(t, "GET", status, "", basic("reader", "r3ad")).StatusCode; got != 200 {
		t.Fatalf("the right password: %d", got)
	}
	var refused atomic.Int32
	var attempts sync.WaitGroup
	for range 100 {
		attempts.Go(func() {
			resp := send(t, "GET", status, "", basic("boss", "wrong"))
			if resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") != "" {
				refused.Add(1)
			} else if resp.StatusCode != 401 {
				t.Errorf("a wrong password: %s", resp.Status)
			}
		})
	}
	attempts.Wait()
	if refused.Load() == 0 {
		t.Error("all of 100 attempts at once were checked")
	}
	for range 100 {
		if got := send(t, "GET", status, "", basic("reader", "r3ad")).StatusCode; got != 200 {
			t.Fatalf("a user who has logged in: %d", got)
		}
	}
	r.secret() // one was generated, which signs the cookies of users
}

// TestClientCertificatesHaveRoles proves that a client certificate has the role of its name, and that others have none.
func TestClientCertificatesHaveRoles(t *testing.T) {
	files := testenv.MakeCertificates(t, "ops")
	text := strings.NewReplacer("tls: {", fmt.Sprintf("admin: {certificates: {ops: admin, prometheus: read}}\n  tls: {client_ca: %q, ", files.CA)).Replace(tlsConfig)
	r := startGateway(t, writeConfig(t, text), map[string]string{"CERT": files.ServerCert, "KEY": files.ServerKey})
	for name, want := range map[string][3]int{"": {401, 401, 200}, "ops": {200, 404, 200}, "prometheus": {200, 403, 200}, "stranger": {401, 401, 200}} {
		config := &tls.Config{InsecureSkipVerify: true}
		if name != "" {
			pair, err := tls.LoadX509KeyPair(files.Client(t, name))
			if err != nil {
				t.Fatal(err)
			}
			config.Certificates = []tls.Certificate{pair}
		}
		transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
		client := &http.Client{Transport: transport}
		for i, request := range []string{"GET /api/status", "POST /api/demo", "GET /healthz"} {
			method, path, _ := strings.Cut(request, " ")
			req, err := http.NewRequest(method, "https://127.0.0.1:"+r.port+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != want[i] {
				t.Errorf("%q, %s: %s, want %d", name, request, resp.Status, want[i])
			}
		}
		transport.CloseIdleConnections()
	}
}

// TestProfilesNeedAdmin proves that profiles are served on the admin listener only, where they are enabled, and to the
// role admin.
func TestProfilesNeedAdmin(t *testing.T) {
	for _, enabled := range []bool{true, false} {
		port := strconv.Itoa(testenv.FreePort(t))
		text := strings.Replace(rolesConfig, "    users:", fmt.Sprintf("    listen: \"127.0.0.1:%s\"\n    pprof: %v\n    users:", port, enabled), 1)
		r := startGateway(t, writeConfig(t, text), map[string]string{"READER": hashOf(t, "r3ad"), "BOSS": hashOf(t, "b0ss")})
		for path, admin := range map[string]int{"": 200, "heap": 200, "goroutine?debug=1": 200, "cmdline": 404, "profile?seconds=1": 200} {
			for name, c := range map[string]struct {
				header http.Header
				status int
			}{"none": {nil, 401}, "reader": {basic("reader", "r3ad"), 403}, "boss": {basic("boss", "b0ss"), admin}} {
				want := c.status
				if !enabled {
					want = 404
				}
				if got := send(t, "GET", "http://127.0.0.1:"+port+"/debug/pprof/"+path, "", c.header).StatusCode; got != want {
					t.Errorf("enabled %v, %s gets %q: %d, want %d", enabled, name, path, got, want)
				}
			}
		}
		if got := send(t, "GET", "http://127.0.0.1:"+r.port+"/debug/pprof/", "", basic("boss", "b0ss")).StatusCode; got == 200 {
			t.Error("the shared listener serves profiles")
		}
		if got := send(t, "GET", "http://127.0.0.1:"+port+"/api/status", "", nil).StatusCode; got != 401 {
			t.Errorf("a local listener with users is open: %d", got)
		}
		r.stop()
	}
}
