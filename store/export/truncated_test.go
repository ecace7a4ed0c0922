package export

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// Wherever a stream breaks off, what is in the store is sound, and more of the
// stream completes it.
func TestTruncated(t *testing.T) {
	_, data := smallStream(t)
	opts := ImportOptions{Trusted: trust(t, testKey(t, "a"))}
	whole := newStore(t)
	_, err := importBytes(whole, data, opts)
	must(t, err)
	for name, reader := range map[string]func([]byte) io.Reader{
		"reader": func(b []byte) io.Reader { return onlyReader{bytes.NewReader(b)} },
		"seeker": func(b []byte) io.Reader { return bytes.NewReader(b) },
	} {
		t.Run(name, func(t *testing.T) {
			dst := newStore(t)
			had := 0
			for n := range data {
				_, err := Import(t.Context(), reader(data[:n]), dst, opts)
				var cut *TruncatedError
				if !errors.As(err, &cut) {
					t.Fatalf("%d bytes: %v", n, err)
				}
				got := count(t, dst)
				if got < had || cut.Arrived != got {
					t.Fatalf("%d bytes: %d objects, %d before, the error says %d: %v", n, got, had, cut.Arrived, err)
				}
				if got > had || n%100 == 0 {
					verify(t, dst)
				}
				had = got
			}
			if had != 2 {
				t.Errorf("%d objects arrived without the last byte", had)
			}
			_, err := Import(t.Context(), reader(data), dst, opts)
			must(t, err)
			if got, want := state(t, dst), state(t, whole); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			verify(t, dst)
		})
	}
	// The same, each time into a new store: at the borders of frames.
	at := len(magic)
	for _, f := range split(data) {
		for _, n := range []int{at, at + frameHead, at + frameHead + len(f.payload)/2} {
			dst := newStore(t)
			_, err := importBytes(dst, data[:n], opts)
			var cut *TruncatedError
			if !errors.As(err, &cut) || cut.Arrived != count(t, dst) || !strings.Contains(err.Error(), "breaks off") {
				t.Errorf("%d bytes: %v", n, err)
			}
			verify(t, dst)
			if _, err := importBytes(dst, data, opts); err != nil {
				t.Errorf("%d bytes, then all: %v", n, err)
			}
			if got, want := state(t, dst), state(t, whole); got != want {
				t.Errorf("%d bytes, then all: got\n%s\nwant\n%s", n, got, want)
			}
			must(t, dst.Close())
		}
		at += frameHead + len(f.payload)
	}
}

// A source that fails is not one that ends.
func TestBrokenReader(t *testing.T) {
	_, data := smallStream(t)
	failure := errors.New("connection reset")
	dst := newStore(t)
	r := io.MultiReader(bytes.NewReader(data[:len(data)-20]), errorReader{failure})
	_, err := Import(t.Context(), r, dst, unsigned)
	var cut *TruncatedError
	if !errors.As(err, &cut) || !errors.Is(err, failure) || cut.Arrived != 2 || cut.Total != 2 || count(t, dst) != 2 {
		t.Errorf("%v", err)
	}
	verify(t, dst)
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }
