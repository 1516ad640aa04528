package embedded

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// Redis is a private Redis or Valkey server.
type Redis struct {
	dir  string
	port int  // on 127.0.0.1; 0: only the socket
	keep bool // writes an append-only file
	more []string
	bin  string
	proc *process
}

// ErrNoRedis says that no server is installed.
var ErrNoRedis = errors.New("no Redis server is installed, or none that the PATH leads to: install redis-server or valkey-server (apt-get install redis-server), or set REDIS_URL")

// StartRedis starts a server that keeps nothing on disk: on a Unix socket in
// dir, and on 127.0.0.1:port where port is not 0. More arguments follow its own.
func StartRedis(ctx context.Context, dir string, port int, more ...string) (*Redis, error) {
	return startRedis(ctx, dir, port, false, more...)
}

func startRedis(ctx context.Context, dir string, port int, keep bool, more ...string) (*Redis, error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		bin, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		r := &Redis{dir: dir, port: port, keep: keep, more: more, bin: bin}
		if err := r.Start(ctx); err != nil {
			return nil, err
		}
		return r, nil
	}
	return nil, ErrNoRedis
}

// Start starts the server again after Stop or Kill.
func (r *Redis) Start(ctx context.Context) (err error) {
	appendonly := "no"
	if r.keep {
		appendonly = "yes"
	}
	args := []string{"--port", strconv.Itoa(r.port), "--bind", "127.0.0.1", "--unixsocket", r.socket(), "--unixsocketperm", "700",
		"--dir", r.dir, "--save", "", "--appendonly", appendonly, "--daemonize", "no", "--loglevel", "notice"}
	cmd := exec.Command(r.bin, append(args, r.more...)...)
	cmd.Dir, cmd.Env = r.dir, environment()
	r.proc, err = launch(ctx, filepath.Base(r.bin), cmd, "eady to accept connections", syscall.SIGKILL)
	return err
}

// Stop stops the server in order.
func (r *Redis) Stop(ctx context.Context) error { return r.proc.stop(ctx, syscall.SIGTERM) }

// Kill ends the server as kill -9 does.
func (r *Redis) Kill() { r.proc.kill() }

// URL returns where the server is: by TCP where it has a port, else by its socket.
func (r *Redis) URL() string {
	if r.port != 0 {
		return fmt.Sprintf("redis://127.0.0.1:%d", r.port)
	}
	return "unix://" + r.socket()
}

func (r *Redis) String() string { return filepath.Base(r.bin) }

func (r *Redis) socket() string { return filepath.Join(r.dir, "redis.sock") }
