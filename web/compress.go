package web

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"sync"
)

// compressor returns a function that returns body as gzip. It compresses at the first call, since most gateways never serve the page.
func compressor(body []byte) func() []byte {
	return sync.OnceValue(func() []byte {
		var b bytes.Buffer
		w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
		_, _ = w.Write(body)                                  // a bytes.Buffer takes all
		_ = w.Close()
		return b.Bytes()
	})
}

// acceptsGzip reports whether a request accepts gzip. It does not compare the weights of codings, but a weight of 0 refuses one.
func acceptsGzip(r *http.Request) bool {
	for _, header := range r.Header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(header, ",") {
			name, weight, weighted := strings.Cut(strings.ReplaceAll(strings.ToLower(coding), " ", ""), ";q=")
			refused := weighted && strings.Trim(weight, "0.") == ""
			if name == "gzip" && !refused {
				return true
			}
		}
	}
	return false
}
