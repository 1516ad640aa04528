package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Redis is an embedded Redis or Valkey server.
type Redis struct {
	dir     string
	port    int  // on 127.0.0.1; 0: only the socket
	durable bool // with an append-only file
	args    []string
	bin     string
	proc    *process
}

// ErrNoRedis is returned where no server is installed.
var ErrNoRedis = errors.New("no Redis server is installed, or none is in the PATH: install redis-server or valkey-server (apt-get install redis-server), or set REDIS_URL")

// StartRedis starts a server without persistence. It listens on a Unix socket in dir, and on
// 127.0.0.1:port if port is not 0. args are further arguments of the server.
func StartRedis(ctx context.Context, dir string, port int, args ...string) (*Redis, error) {
	return startRedis(ctx, dir, port, false, args...)
}

func startRedis(ctx context.Context, dir string, port int, durable bool, args ...string) (*Redis, error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		bin, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		r := &Redis{dir: dir, port: port, durable: durable, args: args, bin: bin}
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
	if r.durable {
		appendonly = "yes"
	}
	args := []string{"--port", strconv.Itoa(r.port), "--bind", "127.0.0.1", "--unixsocket", r.socket(), "--unixsocketperm", "700",
		"--dir", r.dir, "--save", "", "--appendonly", appendonly, "--daemonize", "no", "--loglevel", "notice"}
	cmd := exec.Command(r.bin, append(args, r.args...)...)
	cmd.Dir, cmd.Env = r.dir, environment()
	r.proc, err = launch(ctx, filepath.Base(r.bin), cmd, "eady to accept connections", syscall.SIGKILL)
	return err
}

// Stop stops the server with SIGTERM.
func (r *Redis) Stop(ctx context.Context) error { return r.proc.stop(ctx, syscall.SIGTERM) }

// stopWithData stops the server so that the next Start has its data, also without an append-only file.
func (r *Redis) stopWithData(ctx context.Context) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", r.socket())
	if err == nil {
		_, err = conn.Write([]byte("SHUTDOWN SAVE\r\n"))
		defer conn.Close()
	}
	if err != nil {
		return fmt.Errorf("cannot stop %s: %w", r.proc.name, err)
	}
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-r.proc.done:
	case <-timer.C:
		r.proc.kill() // else it would end later, and nothing would start it again
	}
	return nil
}

// stopTimeout bounds a stop with data; then the server is killed.
const stopTimeout = 5 * time.Second

// Kill ends the server with SIGKILL.
func (r *Redis) Kill() { r.proc.kill() }

// URL returns the URL of the server: by TCP if it has a port, else by its socket.
func (r *Redis) URL() string {
	if r.port != 0 {
		return fmt.Sprintf("redis://127.0.0.1:%d", r.port)
	}
	return "unix://" + r.socket()
}

func (r *Redis) String() string { return filepath.Base(r.bin) }

func (r *Redis) socket() string { return filepath.Join(r.dir, "redis.sock") }
