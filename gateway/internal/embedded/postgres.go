package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// Postgres is an embedded PostgreSQL server.
type Postgres struct {
	dir     string // holds data/ and the socket
	port    int    // on 127.0.0.1; 0: only the socket
	durable bool   // with fsync: commits survive a crash of the host
	args    []string
	bin     string // folder of the programs
	attr    *syscall.SysProcAttr
	proc    *process
}

// StartPostgres creates a database cluster in dir, where there is none, and starts
// a server on it. The server listens on a Unix socket in dir, and on 127.0.0.1:port if
// port is not 0. dir must be short (the socket's path has at most 107 bytes) and not below
// /root; it is given to the user of the server. It is for tests: a crash of the host may lose
// commits. args are further arguments of the server.
func StartPostgres(ctx context.Context, dir string, port int, args ...string) (*Postgres, error) {
	return startPostgres(ctx, dir, port, false, args...)
}

func startPostgres(ctx context.Context, dir string, port int, durable bool, args ...string) (*Postgres, error) {
	bin, err := findPostgres()
	if err != nil {
		return nil, err
	}
	p := &Postgres{dir: dir, port: port, durable: durable, args: args, bin: bin}
	if len(p.socket()) > maxSocketPath {
		return nil, fmt.Errorf("the path %s is longer than %d bytes, the most of a socket: choose a shorter folder", p.socket(), maxSocketPath)
	}
	if err := p.chooseUser(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "PG_VERSION")); err != nil {
		cmd := p.command("initdb", "-D", filepath.Join(dir, "data"), "-U", "postgres",
			"--no-sync", "--auth=trust", "--no-locale", "--encoding=UTF8", "--wal-segsize=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("initdb: %w\n%s", err, out)
		}
	}
	if err := os.WriteFile(p.serviceFile(), []byte("[private]\n"), 0o600); err != nil {
		return nil, err
	}
	return p, p.Start(ctx)
}

// Start starts the server again after Stop or Kill.
func (p *Postgres) Start(ctx context.Context) (err error) {
	listen := ""
	if p.port != 0 {
		listen = "127.0.0.1"
	}
	args := []string{"-D", filepath.Join(p.dir, "data"), "-k", p.dir,
		"-c", "listen_addresses=" + listen, "-p", strconv.Itoa(p.socketPort()),
		"-c", "jit=off", "-c", "shared_buffers=16MB", "-c", "lc_messages=C", "-c", "max_connections=200",
		"-c", "wal_level=logical", "-c", "max_replication_slots=10", "-c", "max_wal_senders=10"}
	if !p.durable { // a replication slot gets only flushed WAL, and with synchronous_commit=off the WAL writer flushes it
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "wal_writer_delay=10ms")
	}
	cmd := p.command("postgres", append(args, p.args...)...)
	p.proc, err = launch(ctx, "postgres", cmd, "database system is ready to accept", syscall.SIGQUIT) // of a standby: "... read-only connections"
	return err
}

// Backup copies the running server's files to dir, where [StartPostgres] starts a server with
// the same history. extra are further arguments of pg_basebackup: with -R the copy is a standby
// of this server.
func (p *Postgres) Backup(ctx context.Context, dir string, extra ...string) error {
	if p.attr != nil {
		if err := os.Chown(dir, int(p.attr.Credential.Uid), int(p.attr.Credential.Gid)); err != nil {
			return fmt.Errorf("cannot give %s to the server's user: %w", dir, err)
		}
	}
	args := []string{"-D", filepath.Join(dir, "data"), "-h", p.dir, "-p", strconv.Itoa(p.socketPort()), "-U", "postgres",
		"--checkpoint=fast", "--no-sync", "--wal-method=stream"}
	cmd := p.command("pg_basebackup", append(args, extra...)...)
	if path, err := exec.LookPath("pg_basebackup"); err == nil { // it may be in another folder than the server
		cmd.Path = path
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_basebackup: %w\n%s", err, out)
	}
	return ctx.Err()
}

// Stop ends all sessions and stops the server (fast shutdown).
func (p *Postgres) Stop(ctx context.Context) error {
	if p.proc == nil {
		return nil
	}
	return p.proc.stop(ctx, syscall.SIGINT)
}

// Crash ends the server at once (immediate shutdown). The next start recovers as after a crash.
func (p *Postgres) Crash(ctx context.Context) error { return p.proc.stop(ctx, syscall.SIGQUIT) }

func (p *Postgres) String() string { return "PostgreSQL" }

// URL returns the URL of the server: by TCP if it has a port, else by its socket.
func (p *Postgres) URL() string {
	if p.port != 0 {
		return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", p.port)
	}
	return "postgres:///postgres?user=postgres&host=" + p.dir
}

// overrides returns URL parameters that override the PG* variables of the environment, which are for
// another server. There is no parameter against PGSERVICE, so the URL names an empty service.
func (p *Postgres) overrides() string {
	return fmt.Sprintf("&port=%d&password=&passfile=/dev/null&connect_timeout=0&options=&timezone=UTC"+
		"&sslmode=disable&sslnegotiation=postgres&sslcertmode=disable&sslcert=&sslkey=&sslrootcert=&sslpassword=&sslsni=1"+
		"&target_session_attrs=any&channel_binding=disable&require_auth=&min_protocol_version=3.0&max_protocol_version=3.0"+
		"&application_name=&service=private&servicefile=%s", p.socketPort(), p.serviceFile())
}

// serviceFile returns the path of the file with the URL's service.
func (p *Postgres) serviceFile() string { return filepath.Join(p.dir, "service.conf") }

// maxSocketPath is the longest path of a Unix socket in bytes (sun_path less
// its zero byte).
const maxSocketPath = 107

func (p *Postgres) socket() string {
	return filepath.Join(p.dir, ".s.PGSQL."+strconv.Itoa(p.socketPort()))
}

// socketPort returns the number of the port, which is also part of the socket's name.
func (p *Postgres) socketPort() int {
	if p.port == 0 {
		return 5432
	}
	return p.port
}

func (p *Postgres) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.bin, name), args...)
	cmd.Dir = p.dir // the working directory may be one that the user cannot enter
	cmd.Env = append(environment(), "LC_ALL=C")
	if p.attr != nil {
		attr := *p.attr
		cmd.SysProcAttr = &attr
	}
	return cmd
}

// chooseUser selects another user for the server if this is root, since PostgreSQL refuses root.
func (p *Postgres) chooseUser() error {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
		if uerr != nil || gerr != nil {
			continue
		}
		p.attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		if err := os.Chown(p.dir, int(uid), int(gid)); err != nil {
			return fmt.Errorf("cannot give %s to %s: %w", p.dir, name, err)
		}
		return nil
	}
	return errors.New("PostgreSQL refuses to run as root, and there is no user postgres or nobody; run the gateway as an ordinary user or set DATABASE_URL")
}

// findPostgres returns the folder of PostgreSQL's programs: that in the PATH, else the
// newest in the folders of distributions.
func findPostgres() (string, error) {
	if path, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(path), nil
	}
	var found []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/libexec/postgresql*", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin"} {
		matches, _ := filepath.Glob(filepath.Join(pattern, "postgres")) // it fails only for a malformed pattern
		found = append(found, matches...)
	}
	if len(found) == 0 {
		return "", errors.New("no PostgreSQL server is installed: install the package postgresql (apt-get install postgresql), or set DATABASE_URL")
	}
	slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(found[len(found)-1]), nil
}

// version returns the number in a path such as /usr/lib/postgresql/15/bin, 0 where there is none.
func version(path string) int {
	n := 0
	for _, c := range path {
		if c >= '0' && c <= '9' {
			n = n*10 + int(c-'0')
		}
	}
	return n
}
