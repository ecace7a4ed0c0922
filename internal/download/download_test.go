package download

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var content = bytes.Repeat([]byte("0123456789abcdef"), 20_000)

// A server counts requests and answers them with a function.
func serve(t *testing.T, answer http.HandlerFunc) (url string, requests func() []string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, strings.TrimSpace(r.URL.Path+" "+r.Header.Get("Range")))
		mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
}

func whole(w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// broken sends n bytes, of what is asked for, of all that it announced.
func broken(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start := 0
		if text, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
			start, _ = strconv.Atoi(strings.TrimSuffix(text, "-"))
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, len(content)-1, len(content)))
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(content)-start))
		if start > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		w.Write(content[start:min(start+n, len(content))])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func request(t *testing.T, urls ...string) Request {
	return Request{URLs: urls, Dest: filepath.Join(t.TempDir(), "file"), SHA256: sha256.Sum256(content), Size: -1}
}

var quick = &Client{Backoff: time.Nanosecond}

// checkDone checks that the file is there and nothing else.
func checkDone(t *testing.T, r Request, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(r.Dest); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := os.Stat(r.Dest + ".part"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the part is still there: %v", err)
	}
}

func checkNothing(t *testing.T, r Request) {
	t.Helper()
	if _, err := os.Stat(r.Dest); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a file: %v", err)
	}
}

func TestFetch(t *testing.T) {
	url, requests := serve(t, whole)
	r := request(t, url+"/a")
	var told [][2]int64
	r.Progress = func(done, total int64) { told = append(told, [2]int64{done, total}) }
	checkDone(t, r, New(2, nil).Fetch(t.Context(), r))
	if n := int64(len(content)); len(told) < 2 || told[0] != [2]int64{0, r.Size} || told[len(told)-1] != [2]int64{n, n} {
		t.Errorf("progress was %d", told)
	}
	if got := requests(); len(got) != 1 {
		t.Errorf("requests %q", got)
	}
}

func TestFetchFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "with space")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	r := request(t, "file://"+strings.ReplaceAll(name, " ", "%20"))
	checkDone(t, r, quick.Fetch(t.Context(), r))
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"file://" + fifo, "file://" + t.TempDir(), "file:///missing", "file://host/x", "ftp://x/y", "::"} {
		r := request(t, bad)
		if err := quick.Fetch(t.Context(), r); err == nil || !strings.Contains(err.Error(), "download "+bad) {
			t.Errorf("%s: got %v", bad, err)
		}
		checkNothing(t, r)
	}
}

// TestResume breaks every answer off: the next attempt goes on where the last
// one stopped.
func TestResume(t *testing.T) {
	url, requests := serve(t, broken(len(content)/3+1))
	r := request(t, url+"/a")
	checkDone(t, r, quick.Fetch(t.Context(), r))
	got := requests()
	if len(got) != 3 || got[0] != "/a" || !strings.Contains(got[1], "bytes=") || !strings.Contains(got[2], "bytes=") {
		t.Errorf("requests %q", got)
	}
}

// TestResumeLater goes on with what an earlier call left, and with what it left
// complete.
func TestResumeLater(t *testing.T) {
	url, requests := serve(t, whole)
	for n, want := range map[int]string{1000: "/a bytes=1000-", len(content): "/a bytes=" + strconv.Itoa(len(content)) + "-"} {
		r := request(t, url+"/a")
		if err := os.WriteFile(r.Dest+".part", content[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		before := len(requests())
		first := int64(-1)
		r.Progress = func(done, _ int64) {
			if first < 0 {
				first = done
			}
		}
		checkDone(t, r, quick.Fetch(t.Context(), r))
		if first != int64(n) {
			t.Errorf("progress began with %d, want %d", first, n)
		}
		if got := requests()[before:]; len(got) != 1 || got[0] != want {
			t.Errorf("requests %q, want %q", got, want)
		}
	}
}

// TestResumeWrong has the beginning of something else: it is noticed by the
// hash, and everything is fetched.
func TestResumeWrong(t *testing.T) {
	url, requests := serve(t, whole)
	r := request(t, url+"/a")
	if err := os.WriteFile(r.Dest+".part", []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	checkDone(t, r, quick.Fetch(t.Context(), r))
	if got := requests(); len(got) != 2 || got[1] != "/a" {
		t.Errorf("requests %q", got)
	}
}

// TestNoResumeWithoutHash: nothing could tell whether the parts belong together.
func TestNoResumeWithoutHash(t *testing.T) {
	url, requests := serve(t, whole)
	r := request(t, url+"/a")
	r.SHA256 = [sha256.Size]byte{}
	if err := os.WriteFile(r.Dest+".part", []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	checkDone(t, r, quick.Fetch(t.Context(), r))
	if got := requests(); len(got) != 1 || got[0] != "/a" {
		t.Errorf("requests %q", got)
	}
}

func TestServerIgnoresRange(t *testing.T) {
	url, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(content) })
	r := request(t, url+"/a")
	if err := os.WriteFile(r.Dest+".part", content[:100], 0o600); err != nil {
		t.Fatal(err)
	}
	checkDone(t, r, quick.Fetch(t.Context(), r))
}

func TestMirrors(t *testing.T) {
	missing, _ := serve(t, http.NotFound)
	evil, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("evil")) })
	busy, busyRequests := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	good, _ := serve(t, whole)
	r := request(t, missing+"/a", evil+"/a", busy+"/a", good+"/a")
	checkDone(t, r, quick.Fetch(t.Context(), r))
	if n := len(busyRequests()); n != attempts {
		t.Errorf("the busy server was asked %d times, want %d", n, attempts)
	}
}

// TestPast: what keeps files for long is asked when no mirror has the file, or another
// one, and not when a mirror has it or may have it later.
func TestPast(t *testing.T) {
	missing, _ := serve(t, http.NotFound)
	another, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("another")) })
	busy, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	good, _ := serve(t, whole)
	past, asked := serve(t, whole)
	want := 0
	for _, urls := range [][]string{{missing + "/a"}, {missing + "/a", another + "/a"}, {missing + "/a", good + "/a"}, {busy + "/a", missing + "/a"}} {
		r := request(t, urls...)
		r.Past = []string{missing + "/b", past + "/b"}
		err := quick.Fetch(t.Context(), r)
		switch urls[0] {
		case busy + "/a":
			checkNothing(t, r)
			if !IsTransient(err) {
				t.Errorf("%v: %v", urls, err)
			}
		default:
			checkDone(t, r, err)
		}
		if urls[len(urls)-1] != good+"/a" && urls[0] != busy+"/a" {
			want++
		}
		if got := len(asked()); got != want {
			t.Errorf("%v: the past was asked %d times, want %d", urls, got, want)
		}
	}
	var gone *GoneError
	var status *StatusError
	r := request(t, missing+"/a")
	r.Past = []string{missing + "/b"}
	if err := quick.Fetch(t.Context(), r); !errors.As(err, &gone) || !errors.As(err, &status) || IsTransient(err) {
		t.Errorf("nobody has it: %v", err)
	}
	r.Past = []string{another + "/b"}
	if err := quick.Fetch(t.Context(), r); errors.As(err, &gone) || !strings.Contains(err.Error(), "wrong content") {
		t.Errorf("there is another file: %v", err)
	}
}

func TestErrors(t *testing.T) {
	status := func(code int) string {
		url, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
		return url + "/a"
	}
	good, _ := serve(t, whole)
	evil, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("evil")) })
	truncated, _ := serve(t, broken(0))
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, test := range []struct {
		name      string
		change    func(*Request)
		want      string
		transient bool
	}{
		{"missing", func(r *Request) { r.URLs = []string{status(404)} }, "server says 404 Not Found", false},
		{"busy", func(r *Request) { r.URLs = []string{status(503)} }, "server says 503", true},
		{"too many", func(r *Request) { r.URLs = []string{status(429)} }, "server says 429", true},
		{"hash", func(r *Request) { r.URLs = []string{evil + "/a"} }, "expected sha256:" + fmt.Sprintf("%x", sha256.Sum256(content)), false},
		{"cut", func(r *Request) { r.URLs = []string{truncated + "/a"} }, "got 0 bytes of 320000", true},
		{"short", func(r *Request) { r.URLs, r.Size = []string{good + "/a"}, int64(len(content))+1 }, "the file has 320000 bytes, and not 320001", false},
		{"long", func(r *Request) { r.URLs, r.Size = []string{good + "/a"}, int64(len(content))-1 }, "longer than 319999 bytes", false},
		{"limit", func(r *Request) { r.URLs, r.MaxSize = []string{good + "/a"}, 1000 }, "longer than 1000 bytes", false},
		{"refused", func(r *Request) { r.URLs = []string{closed.URL + "/a"} }, "connection refused", true},
		{"none", func(r *Request) { r.URLs = nil }, "no address", false},
		{"secret", func(r *Request) { r.URLs = []string{strings.Replace(status(403), "http://", "http://user:secret@", 1)} }, "user:xxxxx@", false},
	} {
		r := request(t)
		test.change(&r)
		err := quick.Fetch(t.Context(), r)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want error with %q", test.name, err, test.want)
		}
		if IsTransient(err) != test.transient {
			t.Errorf("%s: transient is %t", test.name, IsTransient(err))
		}
		checkNothing(t, r)
	}
}

func TestHashErrorFields(t *testing.T) {
	evil, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("evil")) })
	r := request(t, evil+"/a")
	var wrong *HashError
	if err := quick.Fetch(t.Context(), r); !errors.As(err, &wrong) {
		t.Fatalf("got %v", err)
	}
	if wrong.URL != evil+"/a" || wrong.Want != r.SHA256 || wrong.Got != sha256.Sum256([]byte("evil")) {
		t.Errorf("got %+v", wrong)
	}
	if _, err := os.Stat(r.Dest + ".part"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("wrong content was kept: %v", err)
	}
}

// TestSilence leaves a server that says nothing any more.
func TestSilence(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	url, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Write(content[:100])
		w.(http.Flusher).Flush()
		<-release
	})
	client := &Client{Backoff: time.Nanosecond, Silence: 20 * time.Millisecond}
	r := request(t, url+"/a")
	err := client.Fetch(t.Context(), r)
	if !errors.Is(err, errSilent) || !IsTransient(err) {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadFile(r.Dest + ".part"); err != nil || len(left) != 100 {
		t.Errorf("%d bytes are left for later, %v", len(left), err)
	}
}

// TestCancel leaves what has come for the next time.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	release := make(chan struct{})
	defer close(release)
	url, requests := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Write(content[:100])
		w.(http.Flusher).Flush()
		<-release
	})
	r := request(t, url+"/a", url+"/b")
	r.Progress = func(done, _ int64) {
		if done > 0 {
			cancel(why)
		}
	}
	if err := quick.Fetch(ctx, r); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	if got := requests(); len(got) != 1 {
		t.Errorf("requests %q", got)
	}
	if left, err := os.ReadFile(r.Dest + ".part"); err != nil || !bytes.Equal(left, content[:100]) {
		t.Errorf("%d bytes are left for later, %v", len(left), err)
	}
}

func TestIsTransient(t *testing.T) {
	for _, test := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{context.Canceled, false},
		{&net.DNSError{IsNotFound: true}, false},
		{&net.DNSError{IsTimeout: true}, true},
		{&TruncatedError{}, true},
		{&HashError{}, false},
		{&SizeError{}, false},
		{os.ErrPermission, false},
		{errors.Join(&StatusError{Code: 404}, &StatusError{Code: 503}), true},
		{fmt.Errorf("fetch: %w", errors.Join(&HashError{}, &TruncatedError{})), true},
		{errors.Join(&StatusError{Code: 404}, &HashError{}), false},
	} {
		if got := IsTransient(test.err); got != test.want {
			t.Errorf("IsTransient(%v): got %t", test.err, got)
		}
	}
}

// TestHere: what a directory has is taken from there, if it is what is wanted, and
// nobody is asked for it.
func TestHere(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the server was asked") }))
	defer s.Close()
	dir, hash := t.TempDir(), sha256.Sum256([]byte("here"))
	name := filepath.Join(dir, hex.EncodeToString(hash[:]))
	c := &Client{Dirs: []string{filepath.Join(dir, "missing"), dir}}
	for content, fine := range map[string]bool{"here": true, "somewhere else": false} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		r := Request{URLs: []string{s.URL}, Dest: filepath.Join(t.TempDir(), "file"), SHA256: hash, Size: -1}
		err := c.Fetch(t.Context(), r)
		var wrong *HashError
		if fine != (err == nil) || !fine && !errors.As(err, &wrong) {
			t.Errorf("%q: %v", content, err)
		}
		if got, _ := os.ReadFile(r.Dest); fine && string(got) != content {
			t.Errorf("got %q", got)
		}
	}
}
