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

// prefix is how folders of servers that keep nothing begin.
const prefix = "/tmp/eventgateway-"

// Need says which servers are wanted.
type Need struct {
	Postgres, Redis bool
	// Dir keeps the data between runs; "" keeps nothing.
	Dir string
}

// Servers are the private servers of one gateway.
type Servers struct {
	postgres *Postgres
	redis    *Redis
	dir      string
	keep     bool
	lock     *os.File
}

// Start starts what is needed, all at once. Before, it removes what gateways that
// were killed have left behind.
func Start(ctx context.Context, need Need) (_ *Servers, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	sweep()
	s := &Servers{dir: need.Dir, keep: need.Dir != ""}
	if err := s.makeDir(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
		}
	}()
	var starting sync.WaitGroup
	var postgresErr, redisErr error
	if need.Postgres {
		starting.Go(func() {
			if s.postgres, postgresErr = s.startPostgres(ctx); postgresErr == nil {
				postgresErr = s.postgres.prepare(ctx)
			}
		})
	}
	if need.Redis {
		starting.Go(func() { redisErr = s.startRedis(ctx) })
	}
	starting.Wait()
	return s, errors.Join(postgresErr, redisErr)
}

// makeDir makes the folder and locks it, so that it is seen to be in use.
func (s *Servers) makeDir() (err error) {
	if !s.keep {
		if s.dir, err = os.MkdirTemp(filepath.Dir(prefix), filepath.Base(prefix)); err != nil {
			return fmt.Errorf("cannot make a folder for the private servers: %w", err)
		}
	} else if s.dir, err = filepath.Abs(s.dir); err != nil {
		return err
	}
	// PostgreSQL's user must get to its folder below, and that only.
	if err := errors.Join(os.MkdirAll(s.dir, 0o711), os.Chmod(s.dir, 0o711)); err != nil {
		return fmt.Errorf("cannot use %s for the private servers: %w", s.dir, err)
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

// sweep removes folders whose gateway is gone: nobody holds their lock. Their
// servers are gone too, since the kernel ends them with their gateway.
func sweep() {
	dirs, _ := filepath.Glob(prefix + "*") // the pattern is right
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || !owned(info) {
			continue // another user's, who may have put anything there
		}
		lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
		if err != nil {
			continue // one that is just being made
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

// environment is what the servers need of the gateway's environment, in which secrets stand
// that they must not have: their users can run programs there (COPY FROM PROGRAM).
func environment() (out []string) {
	for _, name := range []string{"PATH", "LANG", "TZ", "TMPDIR", "HOME"} {
		if value, ok := os.LookupEnv(name); ok {
			out = append(out, name+"="+value)
		}
	}
	return out
}

// sub makes a folder below dir for one server.
func (s *Servers) sub(name string) (string, error) {
	dir := filepath.Join(s.dir, name)
	return dir, os.MkdirAll(dir, 0o700)
}

func (s *Servers) startPostgres(ctx context.Context) (*Postgres, error) {
	dir, err := s.sub("pg")
	if err != nil {
		return nil, err
	}
	return startPostgres(ctx, dir, 0, s.keep)
}

func (s *Servers) startRedis(ctx context.Context) error {
	dir, err := s.sub("redis")
	if err != nil {
		return err
	}
	s.redis, err = startRedis(ctx, dir, 0, s.keep)
	return err
}

// PostgresURL returns where the private PostgreSQL is; "" where there is none.
func (s *Servers) PostgresURL() string {
	if s.postgres == nil {
		return ""
	}
	return s.postgres.URL() + s.postgres.sealed()
}

// RedisURL returns where the private Redis is; "" where there is none.
func (s *Servers) RedisURL() string {
	if s.redis == nil {
		return ""
	}
	return s.redis.URL()
}

// Describe says in lines for people what runs, where, and for how long.
func (s *Servers) Describe() []string {
	var lines []string
	if s.postgres != nil {
		lines = append(lines, fmt.Sprintf("private %s:  psql '%s'", s.postgres, s.postgres.URL()))
	}
	if s.redis != nil {
		lines = append(lines, fmt.Sprintf("private %s:  %s", s.redis, s.redis.URL()))
	}
	if s.keep {
		return append(lines, "their data is kept in "+s.dir)
	}
	return append(lines, "their data is LOST on exit; --data DIR keeps it, DATABASE_URL and REDIS_URL name servers of yours")
}

// Stop stops the servers and removes what need not be kept.
func (s *Servers) Stop(ctx context.Context) error {
	var err error
	if s.postgres != nil {
		err = errors.Join(err, s.postgres.Stop(ctx))
	}
	if s.redis != nil {
		err = errors.Join(err, s.redis.Stop(ctx))
	}
	if !s.keep {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}
