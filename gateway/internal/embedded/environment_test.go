package embedded_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// TestServersGetNoSecrets: a private server is started without the gateway's environment, which a role
// that may run programs in the server could read.
func TestServersGetNoSecrets(t *testing.T) {
	t.Setenv("WEBHOOK_SECRET", "hush")
	conn, err := pgx.Connect(testenv.Context(t), testenv.StartPostgres(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(testenv.Context(t), `CREATE TEMP TABLE environment (line text); COPY environment FROM PROGRAM 'env'`); err != nil {
		t.Fatal(err)
	}
	var found string
	if err := conn.QueryRow(testenv.Context(t), `SELECT string_agg(line, '; ') FROM environment`).Scan(&found); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(found, "hush") || !strings.Contains(found, "PATH=") {
		t.Errorf("environment: %s", found)
	}
}
