package testenv

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// RoleSQL returns SQL that creates a role. It drops the role first, with all that it owns.
func RoleSQL(name string) string {
	return fmt.Sprintf(`DO $$ BEGIN DROP OWNED BY %[1]s CASCADE; DROP ROLE %[1]s; EXCEPTION WHEN undefined_object THEN NULL; END $$; CREATE ROLE %[1]s LOGIN;`, name)
}

// RoleURL returns the URL by which a role connects to the package's PostgreSQL server.
func RoleURL(t testing.TB, role string) string {
	return strings.Replace(Postgres(t).URL(), "postgres@", role+"@", 1)
}

// ConnectAs returns a session of a role. Unlike after SET ROLE, the session cannot reset its role.
func ConnectAs(t testing.TB, role string) *pgx.Conn {
	t.Helper()
	return connect(t, RoleURL(t, role))
}

// RevokePublic revokes the default rights of all roles in the database: to connect, to create temporary objects, and to
// use the schema public. It grants them again when the test ends.
func RevokePublic(t testing.TB) {
	t.Helper()
	conn := Connect(t)
	exec := func(sql string) {
		if _, err := conn.Exec(context.Background(), sql); err != nil {
			t.Error(err)
		}
	}
	exec(`REVOKE ALL ON DATABASE postgres FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC`)
	t.Cleanup(func() {
		exec(`GRANT CONNECT, TEMPORARY ON DATABASE postgres TO PUBLIC; GRANT USAGE ON SCHEMA public TO PUBLIC`)
	})
}
