package testenv

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Database creates an empty database on the package's PostgreSQL server, and returns its URL. It drops the database
// first. encoding is a name of PostgreSQL, such as LATIN1.
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

// ConnectURL returns a session of the server at a URL. It ends with the test.
func ConnectURL(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	return connect(t, url)
}

// Encoding is an encoding of a database, with texts to test it.
type Encoding struct {
	Name  string // as PostgreSQL names it
	Text  string // a text that it can encode
	Odd   string // bytes that it accepts and that have no UTF-8 form; or ""
	Reads string // what replaces these bytes in JSON
}

// Encodings are the encodings that plugins are tested with.
var Encodings = []Encoding{
	{"LATIN1", "café", "", ""}, {"WIN1252", "caf€", "\x81", `\u0081`}, {"EUC_JP", "日本", "\xf5\xa1", `\ufffd`}, {"SQL_ASCII", "café", "\xe9", `\u00e9`},
}

// ExecRaw executes SQL whose bytes are in an encoding.
func ExecRaw(t testing.TB, url, encoding, sql string) {
	t.Helper()
	conn := connect(t, url+"&client_encoding="+encoding)
	if _, err := conn.PgConn().Exec(Context(t), sql).ReadAll(); err != nil {
		t.Fatal(err)
	}
}
