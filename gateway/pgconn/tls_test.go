package pgconn_test

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/testenv"
)

// readableByServer copies files for a server that does not run as root.
func readableByServer(t *testing.T, files ...string) (copies []string) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "egtest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if u, err := user.Lookup("postgres"); err == nil && os.Geteuid() == 0 {
			uid, _ := strconv.Atoi(u.Uid)
			gid, _ := strconv.Atoi(u.Gid)
			if err := os.Chown(path, uid, gid); err != nil {
				t.Fatal(err)
			}
		}
		copies = append(copies, path)
	}
	return copies
}

// TestTLS with a private authority and a certificate of the client, and what an error says without.
func TestTLS(t *testing.T) {
	ours, foreign := testenv.MakeCertificates(t, "postgres"), testenv.MakeCertificates(t, "postgres")
	hba := filepath.Join(t.TempDir(), "pg_hba.conf")
	if err := os.WriteFile(hba, []byte("local all all trust\nhostssl all all 127.0.0.1/32 cert\nhostnossl all all 127.0.0.1/32 trust\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := readableByServer(t, ours.ServerCert, ours.ServerKey, ours.CA, hba)
	server := testenv.StartPostgres(t, "-c", "ssl=on", "-c", "ssl_cert_file="+files[0], "-c", "ssl_key_file="+files[1], "-c", "ssl_ca_file="+files[2], "-c", "hba_file="+files[3])
	host := fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=", testenv.Port(t, server))
	client := "&sslcert=" + ours.ClientCert + "&sslkey=" + ours.ClientKey
	for name, c := range map[string]struct{ params, fails string }{
		"all checked":         {"verify-full&sslrootcert=" + ours.CA + client, ""},
		"TLS 1.3":             {"verify-ca&ssl_min_protocol_version=TLSv1.3&sslrootcert=" + ours.CA + client, ""},
		"nothing checked":     {"no-verify" + client, ""},
		"another authority":   {"verify-full&sslrootcert=" + foreign.CA + client, "certificate signed by unknown authority"},
		"no root":             {"verify-full" + client, "certificate signed by unknown authority"},
		"no certificate":      {"verify-full&sslrootcert=" + ours.CA, "connection requires a valid client certificate"},
		"a foreign one":       {"verify-full&sslrootcert=" + ours.CA + "&sslcert=" + foreign.ClientCert + "&sslkey=" + foreign.ClientKey, "failed to"}, // the server ends the connection, which shows in one way or another
		"certificate is gone": {"verify-full&sslrootcert=" + ours.CA + "&sslcert=/no/cert&sslkey=/no/key", "open /no/key: no such file or directory"},
	} {
		config, err := pgconn.Config(options.NewURL(host+c.params), "test")
		if err == nil {
			var conn *pgx.Conn
			if conn, err = pgx.ConnectConfig(testenv.Context(t), config.ConnConfig); err == nil {
				var on bool
				if err := conn.QueryRow(testenv.Context(t), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&on); err != nil || !on {
					t.Errorf("%s: TLS %t, %v", name, on, err)
				}
				conn.Close(context.Background())
			} else {
				err = pgconn.Summarize(err)
			}
		}
		if (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: %v, want %q", name, err, c.fails)
		}
	}
}
