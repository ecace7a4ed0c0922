package evalcache

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func key(n int) Key { return Key{byte(n)} }

func put(t *testing.T, c *Cache, n int, parts ...string) {
	t.Helper()
	var all [][]byte
	for _, p := range parts {
		all = append(all, []byte(p))
	}
	if err := c.Put(key(n), all...); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, c *Cache, n int) string {
	t.Helper()
	value, err := c.Get(key(n))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func names(t *testing.T, c *Cache) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(c.dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestCache(t *testing.T) {
	c := New(filepath.Join(t.TempDir(), "a", "b"))
	if got := get(t, c, 1); got != "" {
		t.Errorf("an empty cache has %q", got)
	}
	put(t, c, 1, "on", "", "e")
	put(t, c, 2, "two")
	if got := get(t, c, 1); got != "one" {
		t.Errorf("got %q", got)
	}
	put(t, c, 1, "another")
	if a, b := get(t, c, 1), get(t, c, 2); a != "another" || b != "two" {
		t.Errorf("got %q and %q", a, b)
	}
	for _, name := range append(names(t, c), c.dir) {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is for others to see: %v", name, info.Mode())
		}
	}
	if n := len(names(t, c)); n != 2 {
		t.Errorf("%d files", n)
	}
}

// TestDamaged changes each byte of a file, and cuts it short.
func TestDamaged(t *testing.T) {
	c := New(t.TempDir())
	put(t, c, 1, "value")
	good, err := os.ReadFile(c.path(key(1)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		for _, data := range [][]byte{bad, good[:i]} {
			if err := os.WriteFile(c.path(key(1)), data, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := get(t, c, 1); got != "" {
				t.Errorf("byte %d: got %q", i, got)
			}
		}
	}
	put(t, c, 1, "again")
	if got := get(t, c, 1); got != "again" {
		t.Errorf("got %q", got)
	}
}

// TestTrim shows that what was not used for the longest time goes first.
func TestTrim(t *testing.T) {
	c := New(t.TempDir())
	big := string(make([]byte, 1000))
	for n := range 5 {
		put(t, c, n, big)
		age(t, c.path(key(n)), time.Duration(10-n)*24*time.Hour)
	}
	get(t, c, 0) // used just now
	age(t, filepath.Join(c.dir, "new-1"), 2*leftover)
	age(t, filepath.Join(c.dir, "new-2"), 0)
	age(t, filepath.Join(c.dir, "somebody-else's"), 1000*time.Hour)
	c.max = 3500
	put(t, c, 5, big)
	for n, want := range []bool{true, false, false, false, true, true} {
		if got := get(t, c, n) != ""; got != want {
			t.Errorf("%d is there: %v", n, got)
		}
	}
	if n := len(names(t, c)); n != 5 {
		t.Errorf("left are %v", names(t, c))
	}
}

// age makes a file that is so old, if there is none.
func age(t *testing.T, name string, old time.Duration) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	at := time.Now().Add(-old)
	if err := os.Chtimes(name, at, at); err != nil {
		t.Fatal(err)
	}
}

// TestTooLarge shows that one evaluation cannot take the place of all others, and that
// what it was before is not kept in its place.
func TestTooLarge(t *testing.T) {
	c := New(t.TempDir())
	put(t, c, 1, "small")
	if err := c.Put(key(1), make([]byte, maxEntry)); err != nil {
		t.Fatal(err)
	}
	if got := get(t, c, 1); got != "" || len(names(t, c)) != 0 {
		t.Errorf("got %d bytes", len(got))
	}
}

// TestNoDirectory shows that a cache that cannot be written is an error, not a panic,
// and that one that cannot be read is no value.
func TestNoDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := New(file)
	if err := c.Put(key(1), []byte("x")); err == nil {
		t.Error("kept in a file")
	}
	if value, err := c.Get(key(1)); value != "" || err == nil {
		t.Errorf("got %q, %v", value, err)
	}
}

// TestTogether has many write and read the same at once: whoever gets something gets
// all of one of them.
func TestTogether(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			c := New(dir)
			c.max = 10_000
			for i := range 50 {
				text := fmt.Sprintf("%04d", n*100+i)
				if err := c.Put(key(i%5), []byte(text), bytes.Repeat([]byte(text), 500)); err != nil {
					t.Error(err)
				}
				value, err := c.Get(key(i % 5))
				if err != nil || value != "" && value != strings.Repeat(value[:4], 501) {
					t.Errorf("got %d bytes, %v", len(value), err)
				}
			}
		})
	}
	all.Wait()
}
