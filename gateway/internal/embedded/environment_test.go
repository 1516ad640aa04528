package embedded_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/internal/embedded"
	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// TestServersDoNotInheritSecrets proves that an embedded server does not inherit the gateway's environment, which
// a role that may run programs in the server could read.
func TestServersDoNotInheritSecrets(t *testing.T) {
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

// TestConnectionsIgnorePGVariables proves that connections to the embedded server ignore the PG* variables, which are
// for another server.
func TestConnectionsIgnorePGVariables(t *testing.T) {
	for name, value := range map[string]string{
		"PGHOST": "192.0.2.1", "PGPORT": "6543", "PGDATABASE": "none", "PGUSER": "none", "PGPASSWORD": "hush", "PGPASSFILE": "/none", "PGAPPNAME": "none",
		"PGCONNECT_TIMEOUT": "x", "PGSSLMODE": "verify-full", "PGSSLKEY": "/none", "PGSSLCERT": "/none", "PGSSLCERTMODE": "require", "PGSSLSNI": "0",
		"PGSSLROOTCERT": "/none", "PGSSLPASSWORD": "hush", "PGSSLNEGOTIATION": "direct", "PGTARGETSESSIONATTRS": "standby", "PGSERVICE": "none",
		"PGSERVICEFILE": "/none", "PGTZ": "Nowhere", "PGOPTIONS": "-c none=1", "PGMINPROTOCOLVERSION": "9", "PGMAXPROTOCOLVERSION": "9",
		"PGCHANNELBINDING": "require", "PGREQUIREAUTH": "none", "PGDATA": "/none",
	} {
		t.Setenv(name, value)
	}
	servers, err := embedded.Start(testenv.Context(t), embedded.Options{Postgres: true})
	if err != nil {
		t.Fatal(err)
	}
	defer servers.Stop(context.WithoutCancel(t.Context()))
	config, err := pgconn.Config(options.NewEmbeddedURL(servers.PostgresURL()), "orders")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(testenv.Context(t), config.ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer pgconn.Close(conn)
	var is string
	if err := conn.QueryRow(testenv.Context(t), "SELECT concat_ws(' ', current_user, current_database(), current_setting('application_name'))").Scan(&is); err != nil || is != "postgres postgres eventgateway orders" {
		t.Errorf("%q, %v", is, err)
	}
}
