package testenv

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Database makes a database of the package's PostgreSQL server anew, and returns its URL.
// Encoding is one of PostgreSQL's names, as LATIN1.
func Database(t testing.TB, name, encoding string) string {
	t.Helper()
	conn := Connect(t)
	quoted := pgx.Identifier{name}.Sanitize()
	for _, sql := range []string{
		"DROP DATABASE IF EXISTS " + quoted + " WITH (FORCE)",
		fmt.Sprintf("CREATE DATABASE %s ENCODING '%s' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0", quoted, encoding),
	} {
		if _, err := conn.Exec(Context(t), sql); err != nil {
			t.Fatal(err)
		}
	}
	u, err := url.Parse(Postgres(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// ConnectURL returns a session at a URL, which ends with the test.
func ConnectURL(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	return connect(t, url)
}

// Encoding is one that a database may have.
type Encoding struct {
	Name  string // as PostgreSQL has it
	Text  string // that it can hold
	Odd   string // bytes that it takes, and UTF-8 cannot say; or ""
	Reads string // what stands for these in JSON
}

// Encodings are those with which plugins are tried.
var Encodings = []Encoding{
	{"LATIN1", "café", "", ""}, {"WIN1252", "caf€", "\x81", `\u0081`}, {"EUC_JP", "日本", "\xf5\xa1", `\ufffd`}, {"SQL_ASCII", "café", "\xe9", `\u00e9`},
}

// ExecRaw executes SQL whose bytes are those of the database's encoding.
func ExecRaw(t testing.TB, url, encoding, sql string) {
	t.Helper()
	conn := connect(t, url+"&client_encoding="+encoding)
	if _, err := conn.PgConn().Exec(Context(t), sql).ReadAll(); err != nil {
		t.Fatal(err)
	}
}
