package ocifetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"sysc/internal/loopback"
)

// A guard lets out what is encrypted, or stays on this machine, and bounds what
// comes back.
type guard struct {
	next http.RoundTripper
	// local is set when the registry is this machine. No other one may send us here
	// without TLS.
	local bool
}

// wholeBlob is the key of a context in which answers may be of any length: package
// download limits them.
type wholeBlob struct{}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !(r.URL.Scheme == "http" && g.local && loopback.IsHost(r.URL.Hostname())) {
		return nil, fmt.Errorf("refused to ask %s://%s: without TLS, only servers on this machine are asked", r.URL.Scheme, r.URL.Host)
	}
	resp, err := g.next.RoundTrip(r)
	if err != nil || r.Context().Value(wholeBlob{}) != nil {
		return resp, err
	}
	resp.Body = &limitedBody{ReadCloser: resp.Body, left: maxAnswer}
	return resp, nil
}

// errTooLong says that an answer is over the limit.
var errTooLong = errors.New("the answer is too long")

// A limitedBody fails behind so many bytes.
type limitedBody struct {
	io.ReadCloser
	left int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("%w: more than %d bytes", errTooLong, int64(maxAnswer))
	}
	return n, err
}

// unlimited lets answers be of any length.
func unlimited(ctx context.Context) context.Context { return context.WithValue(ctx, wholeBlob{}, true) }
