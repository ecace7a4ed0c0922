package download

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// errSilent is why a request is given up that gets no bytes.
var errSilent = errors.New("the server fell silent")

// http asks a server, for the rest if there is a beginning already.
func (t *transfer) http(ctx context.Context) error {
	silence := t.client.Silence
	if silence == 0 {
		silence = defaultSilence
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer watchdog.Stop()

	resp, err := t.send(ctx)
	if err != nil {
		return because(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && t.done > 0 {
		// The part is as long as the file, or longer: its hash will tell.
		return nil
	}
	if err := t.accept(resp); err != nil {
		return err
	}
	body := reader(func(p []byte) (int, error) {
		n, err := resp.Body.Read(p)
		watchdog.Reset(silence)
		return n, err
	})
	return because(ctx, t.copy(ctx, body))
}

func (t *transfer) send(ctx context.Context) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "sysc")
	// The bytes as they are: net/http must not unpack anything.
	req.Header.Set("Accept-Encoding", "identity")
	if t.done > 0 {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(t.done, 10)+"-")
	}
	t.client.Netrc.authorize(req)
	client := http.Client{}
	if t.client.HTTP != nil {
		client = *t.client.HTTP
	}
	client.CheckRedirect = checkRedirect
	return client.Do(req)
}

// accept reads an answer's head: whether it is the file, or the rest of it, and
// how long it is.
func (t *transfer) accept(resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusPartialContent:
		want := "bytes " + strconv.FormatInt(t.done, 10) + "-"
		if !strings.HasPrefix(resp.Header.Get("Content-Range"), want) {
			return fmt.Errorf("server sent range %q, want %q", resp.Header.Get("Content-Range"), want)
		}
	case http.StatusOK:
		if err := t.restart(); err != nil {
			return err
		}
	default:
		return &StatusError{URL: redact(t.address), Code: resp.StatusCode}
	}
	t.total = t.request.Size
	if resp.ContentLength >= 0 {
		t.total = t.done + resp.ContentLength
	}
	if limit := t.limit(); limit >= 0 && t.total > limit {
		return &SizeError{URL: redact(t.address), Limit: limit}
	}
	return nil
}

// local copies a file of this machine. O_NONBLOCK: a FIFO must not block.
func (t *transfer) local(ctx context.Context, u *url.URL) error {
	if u.Host != "" && u.Host != "localhost" {
		return fmt.Errorf("file of another host %q", u.Host)
	}
	f, err := os.OpenFile(u.Path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("not a regular file")
	}
	if err := t.restart(); err != nil {
		return err
	}
	t.total = info.Size()
	if limit := t.limit(); limit >= 0 && t.total > limit {
		return &SizeError{URL: redact(t.address), Limit: limit}
	}
	return t.copy(ctx, f)
}

// because returns why ctx was cancelled instead of the bare fact.
func because(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

type reader func([]byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }
