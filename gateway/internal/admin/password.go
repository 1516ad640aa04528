package admin

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/time/rate"
)

// Bounds of the hashes of passwords that are computed in a second. With bcrypt each takes from milliseconds to a second of a
// core.
const (
	passwordsPerSecond = 5
	passwordBurst      = 10
)

// passwords checks passwords. The hash of a right one is computed once. Later requests are recognised by a digest, so that a
// page or a program with a request each second costs little.
type passwords struct {
	key      [sha256.Size]byte // of the digests; new in each process
	attempts *rate.Limiter

	computing sync.Mutex // one core at most computes
	mu        sync.Mutex
	right     map[string][sha256.Size]byte // by user: digest of the hash and of the password that is right
}

func newPasswords() *passwords {
	p := &passwords{attempts: rate.NewLimiter(passwordsPerSecond, passwordBurst), right: map[string][sha256.Size]byte{}}
	_, _ = rand.Read(p.key[:]) // never fails
	return p
}

// check reports whether a password is that of a user. busy is set if it was not checked, because there are too many
// attempts. An unknown user takes as long as one of the known users.
func (p *passwords) check(users map[string]User, name, given string) (right, busy bool) {
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
	p.mu.Lock()
	last, ok := p.right[name]
	p.mu.Unlock()
	if known && ok && hmac.Equal(last[:], digest[:]) {
		return true, false
	}
	if !p.attempts.Allow() {
		return false, true
	}
	p.computing.Lock()
	err := bcrypt.CompareHashAndPassword([]byte(u.Hash.Reveal()), []byte(given))
	p.computing.Unlock()
	if !known || err != nil {
		return false, false
	}
	p.mu.Lock()
	p.right[name] = digest
	p.mu.Unlock()
	return true, false
}

func (p *passwords) digest(hash, given string) (d [sha256.Size]byte) {
	m := hmac.New(sha256.New, p.key[:])
	m.Write([]byte(hash + "\n" + given))
	m.Sum(d[:0])
	return d
}
