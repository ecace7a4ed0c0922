package debian_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sysc/systems/distro/debian"
	"sysc/systems/distro/debian/debiantest"
)

// TestParsed: an index is read once; what is kept of it is used while it is whole.
func TestParsed(t *testing.T) {
	archive, cache := t.TempDir(), t.TempDir()
	a := debiantest.Archive{Suite: "trixie", Architecture: "amd64", Date: time.Now(), Packages: []*debiantest.Package{
		{Control: "Package: a\nVersion: 1\nArchitecture: all\nDescription: a\n"},
		{Control: "Package: b\nVersion: 2\nArchitecture: amd64\nDepends: a\nDescription: b\n"},
	}}
	if err := a.Write(archive); err != nil {
		t.Fatal(err)
	}
	ring, err := os.ReadFile(filepath.Join(archive, "keyring.asc"))
	if err != nil {
		t.Fatal(err)
	}
	settings := debian.Settings{Name: "d", Suites: []string{"trixie"}, Architecture: "amd64", Keyring: ring}
	f := &debian.Downloads{Mirrors: map[string][]string{"d": {"file://" + archive}}, Dir: cache}
	r, err := debian.Update(t.Context(), debian.Archives(settings), f, time.Now(), debian.Revision{})
	if err != nil {
		t.Fatal(err)
	}
	read := func() error {
		u, err := readUniverse(t.Context(), r, "amd64", f)
		if err != nil {
			return err
		}
		packages, err := u.Resolve(debian.Request{Base: debian.BaseNone, Packages: []debian.Want{{Name: "b"}}})
		if err == nil && (len(packages) != 2 || packages[1].Filename != "pool/main/b_2_amd64.deb") {
			t.Errorf("%+v", packages)
		}
		return err
	}
	if err := read(); err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(cache, "*.packages"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept %v, %v", kept, err)
	}
	whole, err := os.ReadFile(kept[0])
	if err != nil {
		t.Fatal(err)
	}
	// Each byte counts: with the index at hand it is read anew.
	for i := range whole {
		damaged := []byte(strings.Clone(string(whole)))
		damaged[i] ^= 1
		if err := os.WriteFile(kept[0], damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := read(); err != nil {
			t.Fatalf("byte %d: %v", i, err)
		}
		if again, err := os.ReadFile(kept[0]); err != nil || string(again) != string(whole) {
			t.Fatalf("byte %d: it is not written again: %v", i, err)
		}
	}
	// Without it, nothing but what is kept is needed.
	if err := os.RemoveAll(archive); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(cache, r.Indexes[0].SHA256.Hex())); err != nil {
		t.Fatal(err)
	}
	if err := read(); err != nil {
		t.Errorf("with what is kept: %v", err)
	}
	if err := os.Truncate(kept[0], 10); err != nil {
		t.Fatal(err)
	}
	if err := read(); err == nil {
		t.Error("a cut list is taken for a whole one")
	}
}

// TestParsedGivenUp: what was not used for longest goes first.
func TestParsedGivenUp(t *testing.T) {
	f := &debian.Downloads{Dir: t.TempDir()}
	const most = 24
	for i := range most + 3 {
		f.Keep(string(rune('a'+i)), []byte("x"))
		old := time.Now().Add(time.Duration(i-100) * time.Hour)
		if err := os.Chtimes(filepath.Join(f.Dir, string(rune('a'+i))+".packages"), old, old); err != nil {
			t.Fatal(err)
		}
		if r, _ := f.Kept("a"); r != nil { // is used
			r.Close()
		}
	}
	left, err := os.ReadDir(f.Dir)
	if err != nil || len(left) != most || left[0].Name() != "a.packages" || left[1].Name() != "e.packages" {
		t.Errorf("%d are left: %v, %v", len(left), left, err)
	}
}
