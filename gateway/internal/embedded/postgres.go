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

// Postgres is a private PostgreSQL server.
type Postgres struct {
	dir  string // holds data/ and the socket
	port int    // on 127.0.0.1; 0: only the socket
	safe bool   // survives a crash of the machine, at the price of fsync
	more []string
	bin  string
	attr *syscall.SysProcAttr
	proc *process
}

// StartPostgres makes a database cluster in dir, where there is none, and starts
// a server on it: on a Unix socket in dir, and on 127.0.0.1:port where port is
// not 0. dir must be short (a socket's path has 107 bytes at most), must not lie
// under /root, and is handed to the user that the server runs as. Nothing that
// was committed survives a crash of the machine: it is for tests. More arguments follow
// its own.
func StartPostgres(ctx context.Context, dir string, port int, more ...string) (*Postgres, error) {
	return startPostgres(ctx, dir, port, false, more...)
}

func startPostgres(ctx context.Context, dir string, port int, safe bool, more ...string) (*Postgres, error) {
	bin, err := findPostgres()
	if err != nil {
		return nil, err
	}
	p := &Postgres{dir: dir, port: port, safe: safe, more: more, bin: bin}
	if len(p.socket()) > maxSocketPath {
		return nil, fmt.Errorf("the path %s is longer than the %d bytes that a socket's may have: choose a shorter folder", p.socket(), maxSocketPath)
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
		"-c", "jit=off", "-c", "shared_buffers=16MB", "-c", "lc_messages=C", "-c", "max_connections=200"}
	if !p.safe {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	}
	cmd := p.command("postgres", append(args, p.more...)...)
	p.proc, err = launch(ctx, "postgres", cmd, "database system is ready to accept", syscall.SIGQUIT) // a standby: read-only connections
	return err
}

// Backup makes a copy of the running server's files in dir, on which [StartPostgres] starts a
// server with the same history. More arguments are for pg_basebackup: with -R the copy is a
// standby of this server.
func (p *Postgres) Backup(ctx context.Context, dir string, more ...string) error {
	if p.attr != nil {
		if err := os.Chown(dir, int(p.attr.Credential.Uid), int(p.attr.Credential.Gid)); err != nil {
			return fmt.Errorf("cannot give %s to the server's user: %w", dir, err)
		}
	}
	args := []string{"-D", filepath.Join(dir, "data"), "-h", p.dir, "-p", strconv.Itoa(p.socketPort()), "-U", "postgres",
		"--checkpoint=fast", "--no-sync", "--wal-method=stream"}
	cmd := p.command("pg_basebackup", append(args, more...)...)
	if path, err := exec.LookPath("pg_basebackup"); err == nil { // it may lie elsewhere than the server
		cmd.Path = path
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_basebackup: %w\n%s", err, out)
	}
	return ctx.Err()
}

// Stop ends all sessions and stops the server in order.
func (p *Postgres) Stop(ctx context.Context) error {
	if p.proc == nil {
		return nil
	}
	return p.proc.stop(ctx, syscall.SIGINT)
}

// Crash ends the server at once, as a crash does: the next start recovers (PostgreSQL's
// immediate shutdown).
func (p *Postgres) Crash(ctx context.Context) error { return p.proc.stop(ctx, syscall.SIGQUIT) }

func (p *Postgres) String() string { return "PostgreSQL" }

// URL returns where the server is: by TCP where it has a port, else by its socket.
func (p *Postgres) URL() string {
	if p.port != 0 {
		return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", p.port)
	}
	return "postgres:///postgres?user=postgres&host=" + p.dir
}

// sealed returns the parameters that keep the PG* variables of the environment, which are for
// another server, from the URL: a parameter of the URL wins over its variable. No parameter
// undoes PGSERVICE, so the URL names a service of its own, which is empty.
func (p *Postgres) sealed() string {
	return fmt.Sprintf("&port=%d&password=&passfile=/dev/null&connect_timeout=0&options=&timezone=UTC"+
		"&sslmode=disable&sslnegotiation=postgres&sslcertmode=disable&sslcert=&sslkey=&sslrootcert=&sslpassword=&sslsni=1"+
		"&target_session_attrs=any&channel_binding=disable&require_auth=&min_protocol_version=3.0&max_protocol_version=3.0"+
		"&application_name=&service=private&servicefile=%s", p.socketPort(), p.serviceFile())
}

// serviceFile is the file of the URL's service.
func (p *Postgres) serviceFile() string { return filepath.Join(p.dir, "service.conf") }

// maxSocketPath is the longest path of a Unix socket in bytes (sun_path less
// its zero byte).
const maxSocketPath = 107

func (p *Postgres) socket() string {
	return filepath.Join(p.dir, ".s.PGSQL."+strconv.Itoa(p.socketPort()))
}

// socketPort is the port's number, which is part of the socket's name too.
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

// chooseUser sees to it that the server does not run as root, which it refuses.
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

// findPostgres returns the folder of PostgreSQL's programs: that of the PATH, or
// the newest of where distributions put them.
func findPostgres() (string, error) {
	if path, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(path), nil
	}
	var found []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/libexec/postgresql*", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin"} {
		matches, _ := filepath.Glob(filepath.Join(pattern, "postgres")) // the patterns are right
		found = append(found, matches...)
	}
	if len(found) == 0 {
		return "", errors.New("no PostgreSQL server is installed: install the package postgresql (apt-get install postgresql), or set DATABASE_URL")
	}
	slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(found[len(found)-1]), nil
}

// version returns the number in a path such as /usr/lib/postgresql/15/bin.
func version(path string) int {
	n := 0
	for _, c := range path {
		if c >= '0' && c <= '9' {
			n = n*10 + int(c-'0')
		}
	}
	return n
}
