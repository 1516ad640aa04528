package expr

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	exprlang "github.com/expr-lang/expr"
)

// functionNames are the functions that the gateway adds to the language.
var functionNames = []string{"now", "uuid", "hash", "coalesce"}

// language is the environment of every program.
var language = []exprlang.Option{
	// The functions of the Evaluator. They are called without an allocation.
	exprlang.Env(map[string]any{getName: evaluatorFunction, "now": evaluatorFunction, "uuid": evaluatorFunction}),
	exprlang.AllowUndefinedVariables(),
	exprlang.DisableBuiltin("now"),
	exprlang.Function("hash", hash, new(func(any) string), new(func(any, string) string)),
	exprlang.Function("coalesce", coalesce),
}

// evaluatorFunction has the type of the functions of an [Evaluator].
var evaluatorFunction func(...any) any

// hash returns the SHA-256 of a value's text in hexadecimal digits, or with a second
// argument the HMAC-SHA-256 under that key.
func hash(args ...any) (any, error) {
	text, err := AppendText(nil, args[0])
	if err != nil {
		return nil, err
	}
	if len(args) == 1 {
		return Hash(text), nil
	}
	return HMAC(args[1].(string), text), nil
}

// Hash returns the SHA-256 of text in hexadecimal digits.
func Hash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// HMAC returns the HMAC-SHA-256 of text in hexadecimal digits.
func HMAC(key string, text []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(text)
	return hex.EncodeToString(mac.Sum(nil))
}

// coalesce returns the first argument that is not nil.
func coalesce(args ...any) (any, error) {
	if len(args) == 0 {
		return nil, errors.New("coalesce needs an argument")
	}
	for _, v := range args {
		if v != nil {
			return v, nil
		}
	}
	return nil, nil
}

// NewUUID returns a random UUID, version 4 of RFC 9562.
func NewUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (x *Evaluator) now(args ...any) any {
	if len(args) > 0 {
		panic("now takes no argument")
	}
	return x.clock()
}

func (x *Evaluator) uuid(args ...any) any {
	if len(args) > 0 {
		panic("uuid takes no argument")
	}
	return x.newID()
}
