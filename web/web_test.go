package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"testing"
)

// maxTransfer bounds what a browser loads to show the page, in bytes over the network.
const maxTransfer = 150_000

// onDemand is loaded when the first chart is drawn, and not with the page.
const onDemand = "js/charts/uplot.js"

func get(path, accept, etag string) *httptest.ResponseRecorder {
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept-Encoding", accept)
	r.Header.Set("If-None-Match", etag)
	Handler().ServeHTTP(w, r)
	return w
}

// TestPageIsSmall proves that all files of the page together are small, and that each is served compressed and plain.
func TestPageIsSmall(t *testing.T) {
	total := 0
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		want, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		compressed, plain := get("/"+name, "br, gzip;q=0.8", ""), get("/"+name, "br", "")
		if name != onDemand {
			total += compressed.Body.Len()
		}
		if !bytes.Equal(plain.Body.Bytes(), want) || plain.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s is not served plain", name)
		}
		zr, err := gzip.NewReader(compressed.Body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := io.ReadAll(zr); err != nil || !bytes.Equal(got, want) || compressed.Header().Get("Content-Encoding") != "gzip" {
			t.Errorf("%s: %v, or other bytes after decompression", name, err)
		}
		for _, w := range []*httptest.ResponseRecorder{compressed, plain} {
			if w.Header().Get("Content-Type") == "" || w.Header().Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s: headers %v", name, w.Header())
			}
		}
		tag := compressed.Header().Get("ETag")
		if again := get("/"+name, "gzip", tag); tag == plain.Header().Get("ETag") || again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("%s: ETag %s, status %d", name, tag, again.Code)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", total)
	if total > maxTransfer {
		t.Errorf("the page takes %d bytes, more than %d", total, maxTransfer)
	}
}

// TestPageHasTypes proves that the code of the page agrees with its types, which are in comments, and with those of the API.
func TestPageHasTypes(t *testing.T) {
	const tsc = "../.ci/node_modules/.bin/tsc"
	if out, err := exec.Command(tsc, "-p", ".").CombinedOutput(); err != nil {
		t.Errorf("%v: run .ci/prepare if %s is missing\n%s", err, tsc, out)
	}
}

// TestCodingsAreNegotiated proves that gzip is sent only to clients that accept it.
func TestCodingsAreNegotiated(t *testing.T) {
	for accept, want := range map[string]string{"": "", "gzip": "gzip", "deflate, gzip": "gzip", "GZIP ; q=0.5": "gzip", "gzip;q=0": "", "gzip; q=0.000": "", "gzip;q=1.0": "gzip", "br;q=1, deflate": "", "xgzip": ""} {
		if got := get("/", accept, "").Header().Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: %q, want %q", accept, got, want)
		}
	}
}
