package systemd

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notifier sends notifications to systemd. Its methods may be called concurrently, in any order. A reload before Ready
// sends nothing. After Stopping, only Alive sends anything.
type Notifier struct {
	log *slog.Logger

	mu       sync.Mutex
	ready    bool
	stopping bool
	failed   bool // a notification was not sent, and that was logged
}

// NewNotifier returns a Notifier. If a notification cannot be sent, it logs the first error.
func NewNotifier(log *slog.Logger) *Notifier { return &Notifier{log: log} }

// Enabled reports whether systemd expects notifications.
func Enabled() bool { return os.Getenv("NOTIFY_SOCKET") != "" }

// Watchdog returns the longest time between two calls of Alive after which systemd ends the process; 0: there is none.
func Watchdog() time.Duration {
	d, err := daemon.SdWatchdogEnabled(false)
	if err != nil { // systemd has not set the variable
		return 0
	}
	return d
}

// Ready notifies that the gateway has started. Only the first call has an effect.
func (n *Notifier) Ready() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ready || n.stopping {
		return
	}
	n.ready = true
	n.send(daemon.SdNotifyReady)
}

// Reloading notifies that a reload has begun. Reloaded must follow.
func (n *Notifier) Reloading() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ready && !n.stopping {
		n.send(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
	}
}

// Reloaded notifies that a reload has ended, with or without success.
func (n *Notifier) Reloaded() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ready && !n.stopping {
		n.send(daemon.SdNotifyReady)
	}
}

// Stopping notifies that the stop has begun, and how long it may take. systemd waits that long, also where TimeoutStopSec is
// shorter.
func (n *Notifier) Stopping(within time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stopping = true
	n.send(fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d", daemon.SdNotifyStopping, within.Microseconds()))
}

// Alive notifies the watchdog that the gateway works, and sends one line of status.
func (n *Notifier) Alive(status string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.send(daemon.SdNotifyWatchdog + "\nSTATUS=" + strings.ReplaceAll(status, "\n", " "))
}

// send sends a notification. The caller holds the lock, so that systemd gets the notifications in their order.
func (n *Notifier) send(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil && !n.failed {
		n.failed = true
		n.log.Warn("systemd was not notified", "error", err)
	}
}
