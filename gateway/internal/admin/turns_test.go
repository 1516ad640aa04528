package admin

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// wait starts an attempt that waits for its turn, and sends its name when the turn has come.
func (t *turns) wait(test *testing.T, ctx context.Context, of attempt, came chan<- string) {
	test.Helper()
	t.mu.Lock()
	before := t.count
	t.mu.Unlock()
	go func() {
		if t.take(ctx, of) {
			came <- of.address + of.name
		} else {
			came <- "refused"
		}
	}()
	testenv.Eventually(test, testenv.Wait, "the attempt to wait", func() bool {
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.count > before
	})
}

// TestManyAttemptsDelayOthersByOneTurn proves that many attempts of an attacker delay another client by one attempt only. Further
// attempts are refused at once, and those whose request ends leave the queue.
func TestManyAttemptsDelayOthersByOneTurn(t *testing.T) {
	turns, came := newTurns(), make(chan string, 100)
	attacker, ada := attempt{"192.0.2.66", "ada"}, attempt{"192.0.2.1", "ada"}
	if !turns.take(t.Context(), attacker) {
		t.Fatal("the first attempt is refused")
	}
	gone, cancel := context.WithCancel(t.Context())
	for i := range maxWaitingOfOne {
		ctx := t.Context()
		if i%2 == 1 {
			ctx = gone
		}
		turns.wait(t, ctx, attacker, came)
	}
	if turns.take(t.Context(), attacker) {
		t.Error("more attempts wait than may")
	}
	turns.wait(t, t.Context(), ada, came)
	cancel()
	for range maxWaitingOfOne / 2 {
		if got := <-came; got != "refused" {
			t.Errorf("an attempt whose request has ended: %s", got)
		}
	}
	order := ""
	for range maxWaitingOfOne/2 + 1 {
		turns.release()
		order += fmt.Sprint(<-came, " ")
	}
	want := "192.0.2.66ada 192.0.2.1ada "
	for range maxWaitingOfOne/2 - 1 {
		want += "192.0.2.66ada "
	}
	if order != want {
		t.Errorf("the turns come as\n%s, want\n%s", order, want)
	}
	turns.release()
	if turns.taken || turns.count != 0 || len(turns.waiting)+len(turns.order) != 0 {
		t.Errorf("something is left: %+v", turns)
	}
}

// TestPasswordIsNotCheckedForARequestThatHasEnded proves that an attempt does not wait longer than its request, and that a right
// password that was checked meanwhile takes no computation.
func TestPasswordIsNotCheckedForARequestThatHasEnded(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("r1ght"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	users, p := map[string]User{"ada": {Hash: options.NewSecret(string(hash)), Role: RoleRead}}, newPasswords()
	if !p.turns.take(t.Context(), attempt{}) { // as if another was being computed
		t.Fatal("the first attempt is refused")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if right, busy := p.check(ended, users, "192.0.2.1", "ada", "r1ght"); right || !busy {
		t.Errorf("right %v, busy %v", right, busy)
	}
	p.turns.release()
	for name, want := range map[string][2]bool{"ada": {true, false}, "eve": {false, false}} {
		if right, busy := p.check(t.Context(), users, "192.0.2.1", name, "r1ght"); right != want[0] || busy != want[1] {
			t.Errorf("%s: right %v, busy %v", name, right, busy)
		}
	}
	p.rate.SetBurst(0) // from here on no hash is computed
	if right, _ := p.check(t.Context(), users, "192.0.2.66", "ada", "r1ght"); !right {
		t.Error("a password that was right is checked again")
	}
}

// TestHostWithManyAddressesIsOneClient proves that a host which uses many addresses of its IPv6 network fills no more places than one client.
func TestHostWithManyAddressesIsOneClient(t *testing.T) {
	turns, came := newTurns(), make(chan string, 100)
	attemptFrom := func(peer string) attempt { return attempt{peerAddress(&http.Request{RemoteAddr: peer}), "ada"} }
	if !turns.take(t.Context(), attemptFrom("[2001:db8::1]:1")) {
		t.Fatal("the first attempt is refused")
	}
	for i := range maxWaitingOfOne {
		turns.wait(t, t.Context(), attemptFrom(fmt.Sprintf("[2001:db8::%x:2]:1", i)), came)
	}
	if turns.take(t.Context(), attemptFrom("[2001:db8:0:0:ffff::9]:1")) {
		t.Error("another address of the network has a place of its own")
	}
	for _, other := range []string{"[2001:db8:0:1::1]:1", "192.0.2.1:1", "@"} {
		turns.wait(t, t.Context(), attemptFrom(other), came)
	}
	for range maxWaitingOfOne + 3 {
		turns.release()
		if got := <-came; got == "refused" {
			t.Error("an attempt that waits is refused")
		}
	}
}
