package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childFolder); dir != "" {
		writeForEver(dir)
	}
	testenv.Main(m)
}

// open returns a store of each kind, with a name of its own at a server.
func open(t *testing.T, kind, name string) Store {
	t.Helper()
	o := Options{Name: name}
	switch kind {
	case "memory":
		return Memory()
	case "file":
		o.Path = filepath.Join(t.TempDir(), "a", "b")
	case "redis":
		o.URL = options.NewURL(testenv.Redis(t).URL())
	case "postgres":
		o.URL = options.NewURL(testenv.Postgres(t).URL())
	}
	return open2(t, o)
}

func open2(t *testing.T, o Options) Store {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

var kinds = []string{"memory", "file", "redis", "postgres"}

func in(term int64) Term { return func() (int64, error) { return term, nil } }

// TestStoresKeepValues proves what each store does with values, keys, scopes and bounds.
func TestStoresKeepValues(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			ctx := testenv.Context(t)
			store := open(t, kind, "values")
			a, b := Of(store, SourceScope("a"), NoTerm), Of(store, TransformScope("a", "a"), NoTerm)
			want := func(s plugin.State, key, value string) {
				t.Helper()
				if got, err := s.Get(ctx, key); err != nil || string(got) != value || value == "" && got != nil {
					t.Errorf("%s is %q, %v; want %q", key, got, err, value)
				}
			}
			put := func(s plugin.State, key, value string) {
				t.Helper()
				if err := s.Put(ctx, key, []byte(value)); err != nil {
					t.Errorf("Put(%s): %v", key, err)
				}
			}
			want(a, "k", "")
			odd, largest := "\x00\xff\n'\"\\$1", strings.Repeat("x", plugin.MaxStateValue)
			put(a, "k", odd)
			put(a, "K.other-_9", largest)
			want(a, "k", odd)
			want(a, "K.other-_9", largest)
			want(b, "k", "")
			put(b, "k", "of b")
			put(a, "k", "2")
			want(a, "k", "2")
			put(a, "k", "")
			put(a, "k", "")
			want(a, "k", "")
			want(b, "k", "of b")
			put(a, "k", "plain")              // =6b is not k
			long := strings.Repeat("k", 5000) // events have keys of any text
			for _, key := range []string{"", ".term", ".lock", "../up", "a/b", "a b", "=6b", "näh\x00\xff", long + "1", long + "2"} {
				want(a, key, "")
				put(a, key, "of "+key[max(0, len(key)-20):])
			}
			for _, key := range []string{"", ".term", ".lock", "../up", "a/b", "a b", "=6b", "näh\x00\xff", long + "1", long + "2"} {
				want(a, key, "of "+key[max(0, len(key)-20):])
				put(a, key, "")
				want(a, key, "")
			}
			if err := a.Put(ctx, "k", []byte(largest+"x")); !plugin.IsPermanent(err) {
				t.Errorf("a value that is too long: %v", err)
			}
		})
	}
}

// TestEarlierLeaderIsFenced proves that a value of a later leader is not replaced by an earlier one, and that a component without a
// leadership is never refused.
func TestEarlierLeaderIsFenced(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			ctx := testenv.Context(t)
			store := open(t, kind, "fenced")
			put := func(term int64, value string) error {
				return Of(store, SourceScope("s"), in(term)).Put(ctx, "k", []byte(value))
			}
			for _, term := range []int64{3, 3, 12} {
				if err := put(term, fmt.Sprint("of ", term)); err != nil {
					t.Fatal(err)
				}
			}
			err := put(3, "late")
			if known, ok := plugin.FencedBy(err); !ok || known != 12 {
				t.Errorf("an earlier leader gets %v", err)
			}
			if got, err := Of(store, SourceScope("s"), in(3)).Get(ctx, "k"); string(got) != "of 12" {
				t.Errorf("%q, %v", got, err)
			}
			if err := Of(store, SourceScope("other"), in(1)).Put(ctx, "k", []byte("v")); err != nil {
				t.Errorf("another component: %v", err)
			}
			if err := put(0, "without"); err != nil {
				t.Errorf("without a leadership: %v", err)
			}
			lost := errors.New("lost")
			if err := Of(store, SourceScope("s"), func() (int64, error) { return 0, lost }).Put(ctx, "k", nil); !errors.Is(err, lost) {
				t.Errorf("without a term: %v", err)
			}
		})
	}
}

// TestStoresOrderGateways proves that two gateways with one store see each other's values, and that each value is stored as a whole.
func TestStoresOrderGateways(t *testing.T) {
	for _, kind := range kinds[1:] {
		t.Run(kind, func(t *testing.T) {
			ctx := testenv.Context(t)
			first := open(t, kind, "shared")
			second := first
			if f, ok := first.(*fileStore); ok {
				second = &fileStore{dir: f.dir}
			} else {
				second = open(t, kind, "shared")
			}
			var both sync.WaitGroup
			for g, store := range []Store{first, second} {
				both.Go(func() {
					for n := range 30 {
						value := bytes.Repeat([]byte{byte('a' + g)}, 1+n*100)
						if err := Of(store, SinkScope("s"), in(int64(n+1))).Put(ctx, "k", value); err != nil {
							if _, ok := plugin.FencedBy(err); !ok {
								t.Error(err)
							}
						}
					}
				})
			}
			both.Wait()
			a, err := Of(first, SinkScope("s"), NoTerm).Get(ctx, "k")
			b, _ := Of(second, SinkScope("s"), NoTerm).Get(ctx, "k")
			if err != nil || len(a) != 2901 || !bytes.Equal(a, b) || len(bytes.Trim(a, string(a[:1]))) > 0 {
				t.Errorf("%d bytes, %d bytes, %v", len(a), len(b), err)
			}
		})
	}
}

// TestStoreThatCannotBeReached proves that errors are marked by plugin.Unavailable, and that a store works again afterwards.
func TestStoreThatCannotBeReached(t *testing.T) {
	for kind, raw := range map[string]string{"redis": testenv.Redis(t).URL(), "postgres": testenv.Postgres(t).URL()} {
		t.Run(kind, func(t *testing.T) {
			ctx := testenv.Context(t)
			proxy, through := testenv.ProxyURL(t, raw)
			s := Of(open2(t, Options{Name: "unreached", URL: options.NewURL(through)}), SourceScope("s"), NoTerm)
			if err := s.Put(ctx, "k", []byte("1")); err != nil {
				t.Fatal(err)
			}
			thaw := proxy.Freeze()
			short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			if _, err := s.Get(short, "k"); !plugin.IsUnavailable(err) {
				t.Errorf("Get: %v", err)
			}
			thaw()
			testenv.Eventually(t, testenv.Wait, "a value is stored again", func() bool { return s.Put(ctx, "k", []byte("2")) == nil })
			proxy.LoseAnswers()
			if err := s.Put(ctx, "k", []byte("lost")); !plugin.IsUnavailable(err) {
				t.Errorf("Put: %v", err)
			}
			testenv.Eventually(t, testenv.Wait, "a value is stored again", func() bool { return s.Put(ctx, "k", []byte("3")) == nil })
			if got, err := s.Get(ctx, "k"); string(got) != "3" {
				t.Errorf("%q, %v", got, err)
			}
			scheme, _, _ := strings.Cut(raw, "://")
			none := Of(open2(t, Options{URL: options.NewURL(scheme + "://127.0.0.1:1")}), SourceScope("s"), NoTerm)
			if _, err := none.Get(ctx, "k"); !plugin.IsUnavailable(err) {
				t.Errorf("without a server: %v", err)
			}
		})
	}
}

// TestFolderThatCannotBeWritten proves what `gateway check` and the start report.
func TestFolderThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{file: "is no folder: set state.path", filepath.Join(file, "below"): "set state.path", "/proc/state": "set state.path"} {
		checked, prepared := CheckFolder(dir), (&fileStore{dir: dir}).Prepare(context.Background())
		if dir == "/proc/state" && os.Geteuid() == 0 { // root may write everywhere, it seems to access(2)
			checked = prepared
		}
		for _, err := range []error{checked, prepared} {
			if err == nil || !strings.Contains(err.Error(), "cannot be stored in "+dir) || !strings.Contains(err.Error(), want[strings.Index(want, "set"):]) {
				t.Errorf("%s: %v", dir, err)
			}
		}
	}
	if err := CheckFolder(filepath.Join(t.TempDir(), "a", "b")); err != nil {
		t.Error(err)
	}
}

// TestProbes proves that the probe of each store finds it, and finds what is wrong.
func TestProbes(t *testing.T) {
	ctx := testenv.Context(t)
	for _, kind := range kinds[1:] {
		found := open(t, kind, "probe").Probe(ctx)
		if len(found) == 0 || found[0].Level != plugin.OK {
			t.Errorf("%s: %+v", kind, found)
		}
	}
	u, _ := url.Parse(testenv.Postgres(t).URL())
	u.Path = "/missing"
	for _, o := range []Options{{URL: options.NewURL(u.String())}, {URL: options.NewURL("redis://127.0.0.1:1")}} {
		found := open2(t, o).Probe(ctx)
		if found[len(found)-1].Level != plugin.Problem || !strings.Contains(found[len(found)-1].Text, "cannot connect") {
			t.Errorf("%s: %+v", o.URL, found)
		}
	}
}

// TestPrepareOfGatewaysThatShareAFolder proves that gateways which start at once on one folder do not disturb each other, and leave no file.
func TestPrepareOfGatewaysThatShareAFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shared")
	var all sync.WaitGroup
	for range 8 {
		store := open2(t, Options{Name: "a", Path: dir})
		all.Go(func() {
			for range 20 {
				if err := store.Prepare(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("%v, %v", files, err)
	}
}
