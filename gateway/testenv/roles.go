package testenv

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// RoleSQL makes a role of the package's PostgreSQL server anew, without what it owned before.
func RoleSQL(name string) string {
	return fmt.Sprintf(`DO $$ BEGIN DROP OWNED BY %[1]s CASCADE; DROP ROLE %[1]s; EXCEPTION WHEN undefined_object THEN NULL; END $$; CREATE ROLE %[1]s LOGIN;`, name)
}

// AsRole returns the URL of the package's PostgreSQL server for a role.
func AsRole(t testing.TB, role string) string {
	return strings.Replace(Postgres(t).URL(), "postgres@", role+"@", 1)
}

// Login returns a session of a role that has logged in as it, and so cannot get other rights
// back.
func Login(t testing.TB, role string) *pgx.Conn {
	t.Helper()
	return connect(t, AsRole(t, role))
}
