// Package download gets one file from one of several places, completely or not
// at all.
//
// A [Client] asks the addresses of a [Request] in order, goes on where an
// interrupted attempt stopped, tries again when it may help, and gives the file
// its name only when its size and hash are right. Everything that a server says
// is hostile: sizes are limited, and a server that falls silent is left.
package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

const (
	attempts       = 3 // at one address, while errors are transient
	defaultBackoff = 500 * time.Millisecond
	defaultSilence = 30 * time.Second
	bufferSize     = 64 << 10
)

// A Client downloads. The zero value works; [New] gives one for many downloads
// at once. It is safe for concurrent use.
type Client struct {
	// HTTP sends the requests; nil means http.DefaultClient. Its CheckRedirect is
	// not used: redirects are followed to http and https, never from https to http.
	HTTP *http.Client
	// Netrc has user names and passwords; nil means none. They are sent over https,
	// or to this machine itself, to the host that they belong to, and not where
	// that redirects to.
	Netrc *Netrc
	// Proxy is which proxies HTTP uses, for messages.
	Proxy Proxy
	// Backoff is the pause before the second attempt at an address, doubled for
	// the third, both with up to a half of random added; 0 means half a second.
	Backoff time.Duration
	// Silence is how long a server may send nothing; 0 means 30 seconds.
	Silence time.Duration
	// Dirs are directories with files that are named by their SHA-256 hashes in
	// hexadecimal: what is wanted by hash is taken from there, and no address is
	// asked for it.
	Dirs []string
}

// New returns a client that keeps up to n idle connections to each host. proxy
// may be nil: no variable of the environment has an effect then.
func New(n int, proxy Proxy) *Client {
	transport := &http.Transport{
		MaxIdleConnsPerHost: n,
		IdleConnTimeout:     30 * time.Second,
		TLSHandshakeTimeout: 15 * time.Second,
		ForceAttemptHTTP2:   true,
	}
	if proxy != nil {
		transport.Proxy = func(r *http.Request) (*url.URL, error) { return proxy(r.URL) }
	}
	return &Client{HTTP: &http.Client{Transport: transport}, Proxy: proxy}
}

// A Request is one file to get.
type Request struct {
	// URLs are where the file is, best first. http, https and file.
	URLs []string
	// Dest is the file's name here. Dest+".part" is used meanwhile, and left
	// behind by an interruption for the next call. Nobody else may use either at
	// the same time.
	Dest string
	// SHA256 is the file's hash. Zero means that it is not known: then an earlier
	// ".part" is not used.
	SHA256 [sha256.Size]byte
	// Size is the file's length in bytes, -1 when it is not known.
	Size int64
	// Past are asked, in their order, when none of URLs has the file, or only another one of
	// its name: what keeps files for long need not be asked for all of them.
	Past []string
	// MaxSize is the most bytes to accept; 0 means any number when Size is -1.
	MaxSize int64
	// Progress, if not nil, is told how many bytes are there of how many; total is
	// -1 when it is not known. Each attempt tells first what is there already. It is
	// called in the caller's goroutine.
	Progress func(done, total int64)
}

// Fetch gets the file. The result is not synced to disk.
//
// When every address failed, the error wraps what each of them said, in a [*GoneError]
// when none of them has such a file: [*HashError], [*StatusError], [*TruncatedError], [*SizeError], what net/http
// returns, or ctx's error.
func (c *Client) Fetch(ctx context.Context, r Request) error {
	if len(r.URLs) == 0 {
		return fmt.Errorf("download %s: no address", r.Dest)
	}
	if at, ok := c.here(r.SHA256); ok {
		return c.fetchFrom(ctx, at, r)
	}
	failures, err := c.fetchAny(ctx, r.URLs, r)
	if err != nil || failures == nil {
		return err
	}
	if !slices.ContainsFunc(failures, func(err error) bool { return !isElsewhere(err) }) && len(r.Past) > 0 {
		past, err := c.fetchAny(ctx, r.Past, r)
		if err != nil || past == nil {
			return err
		}
		failures = append(failures, past...)
	}
	err = failures[0]
	if len(failures) > 1 {
		err = errors.Join(failures...)
	}
	if !slices.ContainsFunc(failures, func(err error) bool { return !IsGone(err) }) {
		err = &GoneError{err}
	}
	return err
}

// fetchAny asks several addresses until one of them works, and returns why the others did
// not: nil when one has. The error is what no other address would help with.
func (c *Client) fetchAny(ctx context.Context, addresses []string, r Request) (failures []error, err error) {
	for _, address := range addresses {
		err := c.fetchFrom(ctx, address, r)
		if err == nil {
			return nil, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("download %s: %w", redact(address), context.Cause(ctx))
		}
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			return nil, err
		}
		failures = append(failures, err)
	}
	return failures, nil
}

// here returns the address of a file that is in one of the client's directories.
func (c *Client) here(hash [sha256.Size]byte) (address string, ok bool) {
	if hash == [sha256.Size]byte{} {
		return "", false
	}
	for _, dir := range c.Dirs {
		name := filepath.Join(dir, hex.EncodeToString(hash[:]))
		if abs, err := filepath.Abs(name); err == nil {
			if _, err := os.Lstat(abs); err == nil {
				return (&url.URL{Scheme: "file", Path: abs}).String(), true
			}
		}
	}
	return "", false
}

// fetchFrom tries one address until it works or trying again makes no sense.
func (c *Client) fetchFrom(ctx context.Context, address string, r Request) error {
	pause := c.Backoff
	if pause == 0 {
		pause = defaultBackoff
	}
	fresh := r.SHA256 == [sha256.Size]byte{}
	for attempt := 1; ; attempt++ {
		resumed, err := c.attempt(ctx, address, r, fresh)
		var wrong *HashError
		switch {
		case err == nil:
			return nil
		case resumed && errors.As(err, &wrong):
			// What was there before may have been the wrong part. Once more, all of it.
			fresh = true
			continue
		case !IsTransient(err) || attempt == attempts || ctx.Err() != nil:
			return err
		}
		timer := time.NewTimer(pause + rand.N(pause/2+1))
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
		pause *= 2
	}
}

// attempt asks one address once. resumed says that an earlier part was used.
func (c *Client) attempt(ctx context.Context, address string, r Request, fresh bool) (resumed bool, err error) {
	part := r.Dest + ".part"
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, fmt.Errorf("download %s: %v", redact(address), err)
	}
	defer f.Close()
	t := transfer{client: c, address: address, request: r, file: f, hash: sha256.New()}
	if !fresh {
		if err := t.readPart(); err != nil {
			return false, fmt.Errorf("download %s: %v", redact(address), err)
		}
	}
	resumed = t.done > 0
	if r.Progress != nil {
		r.Progress(t.done, r.Size)
	}
	if err := t.run(ctx); err != nil {
		if t.done == 0 {
			os.Remove(part)
		}
		return resumed, t.failed(err)
	}
	if err := t.check(); err != nil {
		os.Remove(part)
		return resumed, err
	}
	if err := f.Close(); err != nil {
		return resumed, fmt.Errorf("download %s: %v", redact(address), err)
	}
	return resumed, os.Rename(part, r.Dest)
}

// A transfer is one attempt.
type transfer struct {
	client  *Client
	address string
	request Request
	file    *os.File
	hash    hash.Hash
	done    int64 // bytes in file
	total   int64 // bytes expected, -1 when not known
}

// readPart takes over what an earlier attempt left.
func (t *transfer) readPart() error {
	n, err := io.Copy(t.hash, t.file)
	if err != nil {
		return err
	}
	t.done = n
	if limit := t.limit(); limit >= 0 && n > limit {
		return t.restart()
	}
	return nil
}

func (t *transfer) restart() error {
	t.hash.Reset()
	t.done = 0
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return t.file.Truncate(0)
}

// limit returns the number of bytes that the file may have, -1 for any.
func (t *transfer) limit() int64 {
	switch {
	case t.request.Size >= 0:
		return t.request.Size
	case t.request.MaxSize > 0:
		return t.request.MaxSize
	}
	return -1
}

func (t *transfer) run(ctx context.Context) error {
	if t.done == 0 {
		if err := t.restart(); err != nil {
			return err
		}
	}
	if t.done > 0 && t.done == t.request.Size {
		return nil // only the hash was left to be checked
	}
	u, err := url.Parse(t.address)
	if err != nil {
		return err
	}
	switch u.Scheme {
	case "http", "https":
		return t.http(ctx)
	case "file":
		return t.local(ctx, u)
	}
	return fmt.Errorf("scheme %q is none of http, https, file", u.Scheme)
}

// copy appends body to the file.
func (t *transfer) copy(ctx context.Context, body io.Reader) error {
	limit := t.limit()
	buf := make([]byte, bufferSize)
	for {
		n, readErr := body.Read(buf)
		if n > 0 {
			t.done += int64(n)
			if limit >= 0 && t.done > limit {
				return &SizeError{URL: redact(t.address), Limit: limit}
			}
			t.hash.Write(buf[:n])
			if _, err := t.file.Write(buf[:n]); err != nil {
				return err
			}
			if t.request.Progress != nil {
				t.request.Progress(t.done, t.total)
			}
		}
		switch {
		case readErr == io.EOF && t.total >= 0 && t.done < t.total, errors.Is(readErr, io.ErrUnexpectedEOF):
			return &TruncatedError{URL: redact(t.address), Got: t.done, Want: t.total}
		case readErr == io.EOF:
			return nil
		case readErr != nil:
			return readErr
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
	}
}

// check compares what came with what was asked for.
func (t *transfer) check() error {
	switch want := t.request.Size; {
	case want >= 0 && t.done < want && t.done == t.total: // all that there is
		return &SizeError{URL: redact(t.address), Limit: want, Short: true, Got: t.done}
	case want >= 0 && t.done < want:
		return &TruncatedError{URL: redact(t.address), Got: t.done, Want: want}
	}
	want := t.request.SHA256
	if got := [sha256.Size]byte(t.hash.Sum(nil)); want != [sha256.Size]byte{} && got != want {
		return &HashError{URL: redact(t.address), Want: want, Got: got}
	}
	return nil
}

// failed names the address in errors that do not.
func (t *transfer) failed(err error) error {
	var named interface{ address() string }
	if errors.As(err, &named) {
		return err
	}
	return fmt.Errorf("download %s%s: %w%s", redact(t.address), t.client.Proxy.of(t.address), err, advice(err))
}

// redact hides a password in an address.
func redact(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Redacted()
}
