package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// startTimeout bounds the start of all servers together.
const startTimeout = 30 * time.Second

// maxSlotWAL bounds the WAL that the server keeps for a slot of the source postgres-wal which nothing reads any more, as
// after its source was removed from the configuration.
const maxSlotWAL = "1GB"

// prefix begins the names of the folders of servers without a data folder.
const prefix = "/tmp/eventgateway-"

// Options select the servers to start.
type Options struct {
	Postgres, Redis bool
	// Dir is the folder of their data; "" is a temporary one, which Stop removes.
	Dir string
}

// Servers are the embedded servers of one gateway.
type Servers struct {
	postgres *Postgres
	redis    *Redis
	dir      string
	durable  bool // dir is not removed
	lock     *os.File
}

// Start starts the selected servers concurrently, within 30 seconds. Before, it removes temporary
// folders of gateways that were killed. After an error no server runs.
func Start(ctx context.Context, o Options) (_ *Servers, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	removeAbandoned()
	s := &Servers{dir: o.Dir, durable: o.Dir != ""}
	if err := s.createDir(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
		}
	}()
	var starting sync.WaitGroup
	var postgresErr, redisErr error
	if o.Postgres {
		starting.Go(func() {
			if s.postgres, postgresErr = s.startPostgres(ctx); postgresErr == nil {
				postgresErr = s.postgres.createOrders(ctx)
			}
		})
	}
	if o.Redis {
		starting.Go(func() { redisErr = s.startRedis(ctx) })
	}
	starting.Wait()
	return s, errors.Join(postgresErr, redisErr)
}

// createDir creates the folder and locks it, so that other gateways find it in use.
func (s *Servers) createDir() (err error) {
	if !s.durable {
		if s.dir, err = os.MkdirTemp(filepath.Dir(prefix), filepath.Base(prefix)); err != nil {
			return fmt.Errorf("cannot create a folder for the embedded servers: %w", err)
		}
	} else if s.dir, err = filepath.Abs(s.dir); err != nil {
		return err
	}
	// PostgreSQL's user must be able to enter its folder below, and to read nothing else.
	if err := errors.Join(os.MkdirAll(s.dir, 0o711), os.Chmod(s.dir, 0o711)); err != nil {
		return fmt.Errorf("cannot use %s for the embedded servers: %w", s.dir, err)
	}
	s.lock, err = os.OpenFile(filepath.Join(s.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(s.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("%s is in use by another gateway", s.dir)
	}
	return nil
}

// removeAbandoned removes temporary folders whose lock is free, since their gateway has ended.
// Their servers have ended too: the kernel ends them with their gateway.
func removeAbandoned() {
	dirs, _ := filepath.Glob(prefix + "*") // the pattern is right
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || !owned(info) {
			continue // of another user, who may have put anything there
		}
		lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
		if err != nil {
			continue // it is just being created
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(dir) // the next start tries again
		}
		lock.Close()
	}
}

func owned(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// environment returns the variables that the servers need. The others may hold secrets, which a
// user of the server could read (COPY FROM PROGRAM).
func environment() (out []string) {
	for _, name := range []string{"PATH", "LANG", "TZ", "TMPDIR", "HOME"} {
		if value, ok := os.LookupEnv(name); ok {
			out = append(out, name+"="+value)
		}
	}
	return out
}

// serverDir creates a folder below dir for one server.
func (s *Servers) serverDir(name string) (string, error) {
	dir := filepath.Join(s.dir, name)
	return dir, os.MkdirAll(dir, 0o700)
}

func (s *Servers) startPostgres(ctx context.Context) (*Postgres, error) {
	dir, err := s.serverDir("pg")
	if err != nil {
		return nil, err
	}
	return startPostgres(ctx, dir, 0, s.durable, "-c", "max_slot_wal_keep_size="+maxSlotWAL)
}

func (s *Servers) startRedis(ctx context.Context) error {
	dir, err := s.serverDir("redis")
	if err != nil {
		return err
	}
	s.redis, err = startRedis(ctx, dir, 0, s.durable)
	return err
}

// PostgresURL returns the URL of the embedded PostgreSQL; "" where there is none.
func (s *Servers) PostgresURL() string {
	if s.postgres == nil {
		return ""
	}
	return s.postgres.URL() + s.postgres.overrides()
}

// RedisURL returns the URL of the embedded Redis; "" where there is none.
func (s *Servers) RedisURL() string {
	if s.redis == nil {
		return ""
	}
	return s.redis.URL()
}

// PostgresCommand returns the command that connects to the embedded PostgreSQL; "" where there is none.
func (s *Servers) PostgresCommand() string {
	if s.postgres == nil {
		return ""
	}
	return "psql '" + s.postgres.URL() + "'"
}

// Describe returns lines of text: each server with its URL, and where the data is stored.
func (s *Servers) Describe() []string {
	var lines []string
	if s.postgres != nil {
		lines = append(lines, fmt.Sprintf("embedded %s:  %s", s.postgres, s.PostgresCommand()))
	}
	if s.redis != nil {
		lines = append(lines, fmt.Sprintf("embedded %s:  %s", s.redis, s.redis.URL()))
	}
	if s.durable {
		return append(lines, "data: "+s.dir)
	}
	return append(lines, "data: LOST on exit; set --data DIR to store it, or DATABASE_URL and REDIS_URL to servers of yours")
}

// Stop stops the servers and removes a temporary folder. It kills servers that still run when ctx ends.
func (s *Servers) Stop(ctx context.Context) error {
	var err error
	if s.postgres != nil {
		err = errors.Join(err, s.postgres.Stop(ctx))
	}
	if s.redis != nil {
		err = errors.Join(err, s.redis.Stop(ctx))
	}
	if !s.durable {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}
