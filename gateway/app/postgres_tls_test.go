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

	"eventgateway/gateway/testenv"
)

// TestPostgresCertificates proves that a URL with the files of libpq connects to a server with a private
// authority, which accepts only clients with a certificate of their role.
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
	if _, err := admin.Exec(testenv.Context(t), "CREATE ROLE gateway LOGIN"); err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	whole := fmt.Sprintf("postgres://gateway@localhost:%s/postgres?sslmode=verify-full&sslrootcert=%s", at.Port(), url.QueryEscape(files.CA))
	const text = `
http: {listen: "127.0.0.1:${PORT}"}
sources: {db: {type: postgres-notify, url: "${DATABASE_URL}", channels: [c]}}
sinks: {browsers: {type: websocket}}
routes: {r: {from: [db], to: [browsers]}}
`
	env := map[string]string{"DATABASE_URL": whole, "PORT": strconv.Itoa(testenv.FreePort(t))}
	if out, err := commandLine(t, env, "check", "--live", "-c", writeConfig(t, text)); err == nil || !strings.Contains(out, "SQLSTATE 28000") {
		t.Errorf("without a certificate: %v\n%s", err, out)
	}
	env["DATABASE_URL"] = strings.Replace(whole, url.QueryEscape(files.CA), url.QueryEscape(files.ClientCert), 1) + "&sslcert=" + files.ClientCert + "&sslkey=" + files.ClientKey
	if out, err := commandLine(t, env, "check", "--live", "-c", writeConfig(t, text)); err == nil || !strings.Contains(out, "x509") {
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
	if got := conn.next(); got != `{"n":1}` {
		t.Errorf("got %s", got)
	}
}
