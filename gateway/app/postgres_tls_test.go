package app

import (
	"fmt"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/testenv"
)

// TestPostgresCertificates proves that a URL with the files of libpq connects to a server with a private
// authority, which accepts only clients with a certificate of their role: in each PostgreSQL plugin, and for all of its sessions.
func TestPostgresCertificates(t *testing.T) {
	files := testenv.MakeCertificates(t, "gateway")
	hba := filepath.Join(filepath.Dir(files.CA), "pg_hba.conf")
	writeText(t, hba, "local all all trust\nhostssl all gateway 127.0.0.1/32 cert\nhost all postgres 127.0.0.1/32 trust\n")
	if os.Geteuid() == 0 { // the server is another user, and so must get to them
		for dir := filepath.Dir(hba); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		id, err := strconv.Atoi(u.Uid)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{hba, files.CA, files.ServerCert, files.ServerKey} {
			if err := os.Chown(file, id, -1); err != nil {
				t.Fatal(err)
			}
		}
	}
	server := testenv.StartPostgres(t, "-c", "hba_file="+hba, "-c", "ssl=on", "-c", "ssl_ca_file="+files.CA, "-c", "ssl_cert_file="+files.ServerCert, "-c", "ssl_key_file="+files.ServerKey)
	admin, err := pgx.Connect(testenv.Context(t), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(testenv.Context(t))
	items := []pgtrigger.Table{{Schema: "public", Name: "items"}}
	rights, err := pgtrigger.RoleSQL("outbox", "gateway", items)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"CREATE ROLE gateway LOGIN; CREATE TABLE items (id int PRIMARY KEY, name text); GRANT SELECT ON items TO gateway; INSERT INTO items VALUES (1, 'Ada')",
		pgtrigger.Outbox{Tables: items}.CreateSQL(), rights,
	} {
		if _, err := admin.Exec(testenv.Context(t), sql); err != nil {
			t.Fatal(err)
		}
	}
	at, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	whole := fmt.Sprintf("postgres://gateway@localhost:%s/postgres?sslmode=verify-full&sslrootcert=%s", at.Port(), url.QueryEscape(files.CA))
	const text = `
http: {listen: "127.0.0.1:${PORT}"}
sources:
  db: {type: postgres-notify, url: "${DATABASE_URL}", channels: [c]}
  outbox: {type: postgres-outbox, url: "${DATABASE_URL}", tables: [items], leader: one, snapshot: initial}
transforms: {who: {type: lookup, url: "${DATABASE_URL}", into: who, params: [n], query: "SELECT name FROM items WHERE id = $1"}}
sinks:
  browsers: {type: websocket}
  kept: {type: file, path: "${DIR}/kept", sync: never}
routes:
  r: {from: [db], through: [who], to: [browsers]}
  o: {from: [outbox], to: [kept]}
`
	env := map[string]string{"DATABASE_URL": whole, "DIR": t.TempDir(), "PORT": strconv.Itoa(testenv.FreePort(t))}
	if out, err := commandLine(t, env, "check", "--live", "-c", writeConfig(t, text)); err == nil || strings.Count(out, "SQLSTATE 28000") != 3 {
		t.Errorf("without a certificate: %v\n%s", err, out)
	}
	env["DATABASE_URL"] = strings.Replace(whole, url.QueryEscape(files.CA), url.QueryEscape(files.ClientCert), 1) + "&sslcert=" + files.ClientCert + "&sslkey=" + files.ClientKey
	if out, err := commandLine(t, env, "check", "--live", "-c", writeConfig(t, text)); err == nil || strings.Count(out, "x509") != 3 {
		t.Errorf("of another authority: %v\n%s", err, out)
	}
	env["DATABASE_URL"] = whole + "&sslcert=" + files.ClientCert + "&sslkey=" + files.ClientKey
	if out, err := commandLine(t, env, "check", "--live", "-c", writeConfig(t, text)); err != nil {
		t.Errorf("with a certificate: %v\n%s", err, out)
	}
	delete(env, "PORT")
	r := startGateway(t, writeConfig(t, text), env)
	conn := r.dial()
	if _, err := admin.Exec(testenv.Context(t), `SELECT pg_notify('c', '{"n":1}')`); err != nil {
		t.Fatal(err)
	}
	if got := conn.next(); got != `{"n":1,"who":{"name":"Ada"}}` {
		t.Errorf("got %s", got)
	}
	if _, err := admin.Exec(testenv.Context(t), "INSERT INTO items VALUES (2, repeat('x', 20000))"); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, testenv.Wait, "the row that was there, and the new one", func() bool { return len(payloads(t, filepath.Join(env["DIR"], "kept"))) >= 2 })
	var plain int
	if err := admin.QueryRow(testenv.Context(t), "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.usename = 'gateway' AND NOT (s.ssl AND s.client_dn = '/CN=gateway')").Scan(&plain); err != nil || plain > 0 {
		t.Errorf("%d sessions without the certificate, %v", plain, err)
	}
}
