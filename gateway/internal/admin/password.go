package admin

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/time/rate"
)

// Bounds of the hashes of passwords that are computed in a second. With bcrypt each takes from milliseconds to a second of a
// core.
const (
	passwordsPerSecond = 5
	passwordBurst      = 10
	// passwordWait bounds how long an attempt waits for its turn.
	passwordWait = 5 * time.Second
)

// passwords checks passwords. The hash of a right one is computed once. Later requests are recognised by a digest, so that a
// page or a program with a request each second costs little.
type passwords struct {
	key   [sha256.Size]byte // of the digests; new in each process
	turns *turns            // one core at most computes
	rate  *rate.Limiter     // of computations

	mu    sync.Mutex
	right map[string][sha256.Size]byte // by user: digest of the hash and of the password that is right
}

func newPasswords() *passwords {
	p := &passwords{turns: newTurns(), rate: rate.NewLimiter(passwordsPerSecond, passwordBurst), right: map[string][sha256.Size]byte{}}
	_, _ = rand.Read(p.key[:]) // never fails
	return p
}

// check reports whether a password is that of a user. busy is set if it was not checked, because there are too many
// attempts, or ctx has ended. An unknown user takes as long as one of the known users.
//
// Attempts of different addresses, or for different users, take turns. So a client that tries many passwords delays the
// others by one computation for each name that it tries.
func (p *passwords) check(ctx context.Context, users map[string]User, address, name, given string) (right, busy bool) {
	if len(users) == 0 {
		return false, false
	}
	u, known := users[name]
	if !known {
		for _, u = range users { // any
			break
		}
	}
	digest := p.digest(u.Hash.Reveal(), given)
	if known && p.wasRight(name, digest) {
		return true, false
	}
	ctx, cancel := context.WithTimeout(ctx, passwordWait)
	defer cancel()
	of := attempt{address, name}
	if !known {
		of.name = "" // all unknown names take one turn together
	}
	if !p.turns.take(ctx, of) {
		return false, true
	}
	defer p.turns.release()
	if known && p.wasRight(name, digest) { // meanwhile
		return true, false
	}
	if p.rate.Wait(ctx) != nil {
		return false, true
	}
	err := bcrypt.CompareHashAndPassword([]byte(u.Hash.Reveal()), []byte(given))
	if !known || err != nil {
		return false, false
	}
	p.mu.Lock()
	p.right[name] = digest
	p.mu.Unlock()
	return true, false
}

// wasRight reports whether the password of a user with this digest was right before.
func (p *passwords) wasRight(name string, digest [sha256.Size]byte) bool {
	p.mu.Lock()
	last, ok := p.right[name]
	p.mu.Unlock()
	return ok && hmac.Equal(last[:], digest[:])
}

func (p *passwords) digest(hash, given string) (d [sha256.Size]byte) {
	m := hmac.New(sha256.New, p.key[:])
	m.Write([]byte(hash + "\n" + given))
	m.Sum(d[:0])
	return d
}
