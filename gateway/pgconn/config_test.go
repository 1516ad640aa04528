package pgconn

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// hosts returns where a configuration connects, in order.
func hosts(c *pgx.ConnConfig) string {
	text := fmt.Sprintf("%s:%d", c.Host, c.Port)
	for _, f := range c.Fallbacks {
		if h := fmt.Sprintf("%s:%d", f.Host, f.Port); !strings.HasSuffix(text, h) {
			text += " " + h
		}
	}
	return text
}

// TestURLs as libpq has them: what they mean, or what of them cannot be meant. No error has the secret.
func TestURLs(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	service := write("services", "[shop]\nhost=db.example\nport=5433\ndbname=orders\nuser=ann\npassword=s3cretpw\n")
	passfile := write("pass", "db.example:5432:*:ann:s3cretpw\n")
	for text, want := range map[string]string{
		"postgres://u:s3cretpw@h1:5433,h2/db":                                                "h1:5433 h2:5432 db u",
		"postgres://u:s3cretpw@[::1]:5433,[fe80::1]/db":                                      "::1:5433 fe80::1:5432 db u",
		"postgres://u:s3cretpw@%2Frun%2Fpg:5433/db":                                          "/run/pg:5433 db u",
		"postgres://u:s3cretpw@ho%73t/db":                                                    "host:5432 db u",
		"postgres:///db?host=/run/pg&user=u&password=s3cretpw":                               "/run/pg:5432 db u",
		"POSTGRES://u:s3cretpw@h/db":                                                         "h:5432 db u",
		"postgres://u:s3%40retpw@h/a%2Fb":                                                    "h:5432 a/b u",
		"postgres:///?service=shop&servicefile=" + service:                                   "db.example:5433 orders ann",
		"postgres://ann@db.example/orders?passfile=" + passfile:                              "db.example:5432 orders ann",
		"postgres://u:s3cretpw@h/db?sslmode=no-verify&uselibpqcompat=true":                   "h:5432 db u",
		"postgres://u:s3cretpw@h/db?keepalives=1&tcp_user_timeout=5&gssencmode=prefer":       "h:5432 db u",
		"postgres://u:s3cretpw@h/db?load_balance_hosts=disable&client_encoding=LATIN1":       "h:5432 db u",
		"postgres://u:s3cretpw@h/db?schema=public&pool_max_conns=3&connection_limit=1":       "h:5432 db u",
		"postgres://u:s3cretpw@h/db?statement_timeout=5000&application_name=x&replication=0": "h:5432 db u",
		"postgres://u:s3cretpw@h/db?ssl_min_protocol_version=TLSv1.3":                        "h:5432 db u",

		"postgres://u:s3cr@etpw@h/db":                           "holds an @ that does not end user and password: percent-encode it as %40, and /, ? and # there as %2F, %3F and %23",
		"postgres://u:s3cr/etpw@h/db":                           "is not a URL (invalid port); percent-encode special characters in user and password",
		"postgres://u:s3cr#etpw@h/db":                           "is not a URL (invalid port); percent-encode special characters in user and password",
		"postgres://u:s3cretpw@h/db#x":                          "has an unescaped #: percent-encode it as %23",
		"postgres://u:s3cretpw@h:99999/db":                      "is not a URL (invalid port); percent-encode special characters in user and password",
		"postgres://u:s3cretpw@h1,/db":                          "is not a URL (a host of the list is empty); percent-encode special characters in user and password",
		"postgres://u:s3cretpw@[h]/db":                          "is not a URL (invalid IPv6 address in brackets); percent-encode special characters in user and password",
		"postgres://u:s3cretpw@h/db?sslmode=verifyfull":         `sslmode: unknown value "verifyfull" (did you mean "verify-full"?)`,
		"postgres://u:s3cretpw@h/db?target_session_attrs=rw":    `target_session_attrs: unknown value "rw" (known: any, prefer-standby, primary, read-only, read-write, standby)`,
		"postgres://u:s3cretpw@h/db?sslMode=require":            `has an unknown parameter "sslMode" (did you mean "sslmode"?)`,
		"postgres://u:s3cretpw@h/db?connect_timeout=5s":         "connect_timeout: write whole seconds",
		"postgres://u:s3cretpw@h/db?sslmode":                    "has a parameter that cannot be read: write name=value, and = within a value as %3D",
		"postgres://u:s3cretpw@h/db?hostaddr=10.0.0.1":          "has the parameter hostaddr, which is not supported: remove it",
		"postgres://u:s3cretpw@h/db?gssencmode=require":         "gssencmode=require is not supported: use TLS",
		"postgres://u:s3cretpw@h/db?replication=database":       "asks for a replication connection, which cannot run queries: remove replication",
		"postgres://u:s3cretpw@h/db?sslrootcert=/no/root.crt":   "cannot be used: configure TLS (unable to read CA file: open /no/root.crt: no such file or directory): see the parameters sslrootcert, sslcert and sslkey, or PGSSLROOTCERT and its like",
		"postgres://u:s3cretpw@h/db?sslcert=/no/a.crt":          `cannot be used: configure TLS (both "sslcert" and "sslkey" are required): see the parameters sslrootcert, sslcert and sslkey, or PGSSLROOTCERT and its like`,
		"postgres://u@h/db?passfile=/no/pass":                   "passfile: open /no/pass: no such file or directory",
		"postgres:///?service=shop&servicefile=/no/services":    "cannot be used: read service (failed to read service file: /no/services): write its section into ~/.pg_service.conf, or name the file in servicefile or PGSERVICEFILE",
		"postgres:///?service=none&servicefile=" + service:      "cannot be used: read service (unable to find service: none): write its section into ~/.pg_service.conf, or name the file in servicefile or PGSERVICEFILE",
		"postgres://u:s3cretpw@h/db?ssl_max_protocol_version=1": `ssl_max_protocol_version: unknown value "1" (known: TLSv1, TLSv1.1, TLSv1.2, TLSv1.3)`,
	} {
		c, err := Config(options.NewURL(text), "test")
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = hosts(c.ConnConfig) + " " + c.Database + " " + c.User
			if c.Password != "s3cretpw" && c.Password != "s3@retpw" {
				t.Errorf("%s: the password is %q", text, c.Password)
			}
			for name := range c.RuntimeParams {
				switch name {
				case "application_name", "client_encoding", "standard_conforming_strings", "statement_timeout":
				default:
					t.Errorf("%s: the server gets %s", text, name)
				}
			}
		}
		if got != want || strings.Contains(got, "etpw") {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
	for _, attrs := range []string{"standby", "read-only", "prefer-standby"} {
		if _, err := PrimaryConfig(options.NewURL("postgres://h/db?target_session_attrs="+attrs), "test"); err == nil || !strings.Contains(err.Error(), "write target_session_attrs=primary") {
			t.Errorf("%s: %v", attrs, err)
		}
	}
}

// TestNoSettingOfTheServerIsRefused: each may stand in a URL.
func TestNoSettingOfTheServerIsRefused(t *testing.T) {
	rows, err := testenv.Connect(t).Query(testenv.Context(t), "SELECT name FROM pg_settings WHERE context IN ('user', 'superuser', 'backend', 'superuser-backend')")
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(names) < 150 {
		t.Fatalf("%d settings, %v", len(names), err)
	}
	for _, name := range names {
		if err := checkSpelling(name); err != nil && knownParams[name] == serverSetting {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPrimaryOfSeveralHosts: a standby that is named first is passed over; where there is no primary,
// the error says so.
func TestPrimaryOfSeveralHosts(t *testing.T) {
	primary := testenv.StartPostgres(t)
	standby := testenv.StartFromBackup(t, testenv.Backup(t, primary, "-R"), testenv.FreePort(t))
	url := fmt.Sprintf("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres", testenv.Port(t, standby), testenv.Port(t, primary))
	connect := func() (*pgx.Conn, error) {
		c, err := PrimaryConfig(options.NewURL(url), "test")
		if err != nil {
			t.Fatal(err)
		}
		return pgx.ConnectConfig(testenv.Context(t), c.ConnConfig)
	}
	conn, err := connect()
	if err != nil {
		t.Fatal(err)
	}
	defer Close(conn)
	var standing bool
	if err := conn.QueryRow(testenv.Context(t), "SELECT pg_is_in_recovery()").Scan(&standing); err != nil || standing {
		t.Errorf("it is a standby: %t, %v", standing, err)
	}
	testenv.Crash(t, primary)
	if _, err = connect(); err == nil || !strings.Contains(Summarize(err).Error(), "server is in standby mode") {
		t.Errorf("without a primary: %v", Summarize(err))
	}
}

// TestSettings of URLs are applied to the session, and are no startup parameters.
func TestSettings(t *testing.T) {
	for params, want := range map[string]string{
		"statement_timeout=5s&search_path=a%2Cb&role=r":                                   "search_path=a,b statement_timeout=5s role=r |",
		"options=-c%20a.b%3Dx%5C%20y%5C%5Cz%20-cwork_mem%3D8MB%20--lock-timeout%3D1s":     `a.b=x y\z lock_timeout=1s work_mem=8MB |`,
		"options=endpoint%3Dep-1%20-c%20geqo%3Doff%20-s":                                  "geqo=off | endpoint=ep-1 -s",
		"options=-c%20work_mem%3D8MB&work_mem=9MB":                                        "work_mem=9MB |",
		"options=-c%20application_name%3Dx%20-c%20client_encoding%3DLATIN1&DateStyle=DMY": "datestyle=DMY |",
		"options=-c": "| -c",
		"":           "|",
	} {
		c, err := Config(options.NewURL("postgres://u@h/db?"+params), "test")
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, s := range c.Settings {
			got += s.Name + "=" + s.Value + " "
		}
		if got = strings.TrimSpace(got + "| " + c.RuntimeParams["options"]); got != want {
			t.Errorf("%s: %s, want %s", params, got, want)
		}
		if n := len(c.RuntimeParams); c.RuntimeParams["client_encoding"] != "UTF8" || n > 3 && c.RuntimeParams["options"] == "" {
			t.Errorf("%s: startup parameters %v", params, c.RuntimeParams)
		}
	}
}

// TestConnectAppliesSettings also to a session that DISCARD ALL has emptied, and says which ones the server refuses.
func TestConnectAppliesSettings(t *testing.T) {
	connect := func(params string) (*pgx.Conn, error) {
		c, err := Config(options.NewURL(testenv.Postgres(t).URL()+params), "test")
		if err != nil {
			t.Fatal(err)
		}
		conn, err := Connect(testenv.Context(t), c)
		if err != nil {
			return nil, Summarize(err)
		}
		t.Cleanup(func() { Close(conn) })
		return conn, nil
	}
	conn, err := connect("&role=pg_read_all_data&app.tenant=it's&options=-c%20lock_timeout%3D3s")
	if err != nil {
		t.Fatal(err)
	}
	var is string
	if err := conn.QueryRow(testenv.Context(t), "SELECT concat(current_user, ' ', current_setting('app.tenant'), ' ', current_setting('lock_timeout'))").Scan(&is); err != nil || is != "pg_read_all_data it's 3s" {
		t.Errorf("%s, %v", is, err)
	}
	for params, says := range map[string]string{
		"&work_men=8MB":               "cannot apply the settings of the URL (work_men): ERROR: unrecognized configuration parameter",
		"&ignore_system_indexes=on":   "cannot apply the settings of the URL (ignore_system_indexes): ERROR: parameter \"ignore_system_indexes\" cannot be set after connection start (SQLSTATE 55P02): correct them, or remove them and use ALTER ROLE",
		"&max_connections=7&geqo=off": "cannot apply the settings of the URL (geqo, max_connections): ERROR: parameter \"max_connections\" cannot be changed",
	} {
		if _, err := connect(params); err == nil || !strings.HasPrefix(err.Error(), says) {
			t.Errorf("%s: %v", params, err)
		}
	}
}
