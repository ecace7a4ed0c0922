package debian_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/google/go-cmp/cmp"

	"sysc/internal/download"
	"sysc/systems/distro/debian"
)

// now is the time at which the tests happen.
var now = time.Date(2026, 9, 14, 12, 0, 0, 0, time.UTC)

const packagesA = `Package: a
Version: 1.0-1
Architecture: amd64
Depends: b (>= 2)
Filename: pool/a_1.0-1_amd64.deb
Size: 100
SHA256: 1111111111111111111111111111111111111111111111111111111111111111

Package: b
Version: 1:2~rc1-1
Architecture: all
Filename: pool/b_2~rc1-1_all.deb
Size: 200
SHA256: 2222222222222222222222222222222222222222222222222222222222222222

Package: foreign
Version: 1
Architecture: arm64
Filename: pool/foreign_1_arm64.deb
Size: 1
SHA256: 3333333333333333333333333333333333333333333333333333333333333333
`

// A mirror is a directory with one small archive, signed by a key of its own.
type mirror struct {
	t       *testing.T
	dir     string
	key     *openpgp.Entity
	release string // fields of the Release file before the list of files
	files   map[string][]byte
}

func newMirror(t *testing.T) *mirror {
	t.Helper()
	m := &mirror{t: t, dir: t.TempDir(), key: newSigner(t), files: make(map[string][]byte)}
	m.release = "Suite: stable\nCodename: trixie\nDate: Mon, 14 Sep 2026 08:00:00 UTC\nValid-Until: Mon, 21 Sep 2026 08:00:00 UTC\n" +
		"Acquire-By-Hash: yes\nNo-Support-for-Architecture-all: Packages\nArchitectures: all amd64 arm64\nComponents: main\n"
	m.files["main/binary-amd64/Packages.gz"] = compress(t, packagesA)
	return m
}

func newSigner(t *testing.T) *openpgp.Entity {
	t.Helper()
	key, err := openpgp.NewEntity("archive", "", "archive@example.org", &packet.Config{
		Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return now.Add(-time.Hour) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func compress(t *testing.T, text string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// write signs the archive and writes it to the directory.
func (m *mirror) write() {
	m.t.Helper()
	text := m.release + "SHA256:\n"
	for name, data := range m.files {
		text += fmt.Sprintf(" %x %d %s\n", sha256.Sum256(data), len(data), name)
		m.put(name, data)
		m.put(fmt.Sprintf("%s/by-hash/SHA256/%x", filepath.Dir(name), sha256.Sum256(data)), data)
	}
	var buf bytes.Buffer
	w, err := clearsign.Encode(&buf, m.key.PrivateKey, &packet.Config{Time: func() time.Time { return now }})
	if err != nil {
		m.t.Fatal(err)
	}
	w.Write([]byte(text))
	if err := w.Close(); err != nil {
		m.t.Fatal(err)
	}
	m.put("InRelease", buf.Bytes())
}

func (m *mirror) put(name string, data []byte) {
	m.t.Helper()
	file := filepath.Join(m.dir, "dists/trixie", name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mirror) change(name string, change func([]byte) []byte) {
	m.t.Helper()
	file := filepath.Join(m.dir, "dists/trixie", name)
	data, err := os.ReadFile(file)
	if err != nil {
		m.t.Fatal(err)
	}
	m.put(name, change(data))
}

func (m *mirror) keyring() []byte {
	var buf bytes.Buffer
	if err := m.key.Serialize(&buf); err != nil {
		m.t.Fatal(err)
	}
	return buf.Bytes()
}

func (m *mirror) archives() []debian.Archive {
	return debian.Archives(debian.Settings{Name: "d", Suites: []string{"trixie"}, Architecture: "amd64", Keyring: m.keyring()})
}

func (m *mirror) fetcher() *debian.Downloads {
	return &debian.Downloads{
		Client:  &download.Client{Backoff: time.Millisecond},
		Mirrors: map[string][]string{"d": {"file://" + m.dir}}, Dir: filepath.Join(m.t.TempDir(), "cache"),
	}
}

func TestUpdate(t *testing.T) {
	m := newMirror(t)
	m.write()
	f := m.fetcher()
	revision, err := debian.Update(t.Context(), m.archives(), f, now, debian.Revision{})
	if err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(m.files["main/binary-amd64/Packages.gz"]))
	text, err := json.Marshal(revision)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"indexes":[{"archive":"d","suite":"trixie","component":"main","architecture":"amd64",`+
		`"path":"dists/trixie/main/binary-amd64/Packages.gz","by_hash":"dists/trixie/main/binary-amd64/by-hash/SHA256/%s",`+
		`"size":%d,"sha256":"sha256:%s","date":"2026-09-14T08:00:00Z"}]}`, sum, len(m.files["main/binary-amd64/Packages.gz"]), sum)
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("revision (-want +got):\n%s", diff)
	}
	var back debian.Revision
	if err := json.Unmarshal(text, &back); err != nil || back.ID() != revision.ID() || !back.Date().Equal(revision.Date()) {
		t.Errorf("read back: %+v, %v", back, err)
	}
}

func TestUpdateErrors(t *testing.T) {
	stranger := newSigner(t)
	tests := []struct {
		name   string
		change func(m *mirror)
		as     any
		want   string
	}{
		{"another key", func(m *mirror) { m.write(); m.key = stranger }, new(*debian.SignatureError), "which is none of the trusted keys "},
		{"tampered", func(m *mirror) {
			m.write()
			m.change("InRelease", func(b []byte) []byte {
				return bytes.Replace(b, []byte("Components: main"), []byte("Components: evil"), 1)
			})
		}, new(*debian.SignatureError), "changed after it was signed"},
		{"truncated", func(m *mirror) {
			m.write()
			m.change("InRelease", func(b []byte) []byte { return b[:len(b)/2] })
		}, new(*debian.SignatureError), "not signed"},
		{"expired", func(m *mirror) {
			m.release = strings.Replace(m.release, "21 Sep", "14 Sep", 1)
			m.write()
		}, new(*debian.ExpiredError), "expired at 2026-09-14T08:00:00Z"},
		{"another suite", func(m *mirror) { m.release = strings.ReplaceAll(m.release, "trixie", "forky"); m.write() }, nil, `answered with suite "stable", code name "forky"`},
		{"no architecture", func(m *mirror) { m.release = strings.Replace(m.release, "amd64 ", "", 1); m.write() }, nil, `no architecture "amd64", there is all, arm64`},
		{"no component", func(m *mirror) {
			m.release = strings.Replace(m.release, "Components: main", "Components: contrib", 1)
			m.write()
		}, nil, `no component "main", there is contrib`},
		{"no index", func(m *mirror) { m.files = map[string][]byte{"x": nil}; m.write() }, nil, "no SHA-256 of the index of main for amd64"},
		{"nothing there", func(m *mirror) {}, nil, "dists/trixie/InRelease"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMirror(t)
			tt.change(m)
			_, err := debian.Update(t.Context(), m.archives(), m.fetcher(), now, debian.Revision{})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "update trixie of d: ") {
				t.Fatalf("error is %v, want one with %q", err, tt.want)
			}
			if tt.as != nil && !errors.As(err, tt.as) {
				t.Errorf("error is a %T, want a %T", err, tt.as)
			}
		})
	}
}

func TestUpdateSnapshot(t *testing.T) {
	m := newMirror(t)
	m.write()
	archives := m.archives()
	archives[0].AllowExpired = true
	if _, err := debian.Update(t.Context(), archives, m.fetcher(), now.AddDate(1, 0, 0), debian.Revision{}); err != nil {
		t.Error(err)
	}
}

// readUniverse reads the packages of one input.
func readUniverse(ctx context.Context, r debian.Revision, architecture string, f debian.Fetcher) (*debian.Universe, error) {
	packages, err := debian.ReadPackages(ctx, r, architecture, f)
	if err != nil {
		return nil, err
	}
	return debian.NewUniverse(architecture, debian.Part{Input: "d", Packages: []*debian.Packages{packages}})
}

// TestReadUniverseForms reads indexes in all the forms that archives have.
func TestReadUniverseForms(t *testing.T) {
	split := strings.Index(packagesA, "Package: b")
	amd64, all := packagesA[:split], packagesA[split:]
	tests := []struct {
		name   string
		change func(m *mirror)
	}{
		{"gzip", func(m *mirror) {}},
		{"plain", func(m *mirror) { m.files = map[string][]byte{"main/binary-amd64/Packages": []byte(packagesA)} }},
		{"no by-hash", func(m *mirror) {
			m.release = strings.Replace(m.release, "Acquire-By-Hash: yes\n", "", 1)
		}},
		{"an index for all architectures", func(m *mirror) {
			m.release = strings.Replace(m.release, "No-Support-for-Architecture-all: Packages\n", "", 1)
			m.files = map[string][]byte{"main/binary-amd64/Packages": []byte(amd64), "main/binary-all/Packages.gz": compress(m.t, all)}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMirror(t)
			tt.change(m)
			m.write()
			f := m.fetcher()
			revision, err := debian.Update(t.Context(), m.archives(), f, now, debian.Revision{})
			if err != nil {
				t.Fatal(err)
			}
			u, err := readUniverse(t.Context(), revision, "amd64", f)
			if err != nil {
				t.Fatal(err)
			}
			got, err := u.Resolve(debian.Request{Packages: []debian.Want{{Name: "a"}}, Base: debian.BaseNone})
			if err != nil {
				t.Fatal(err)
			}
			var list []string
			for _, p := range got {
				list = append(list, fmt.Sprint(p.Name, " ", p.Version, " ", p.Architecture, " ", p.Archive, " ", p.Filename, " ", p.Size, " ", p.Explicit))
			}
			want := []string{"a 1.0-1 amd64 d pool/a_1.0-1_amd64.deb 100 true", "b 1:2~rc1-1 all d pool/b_2~rc1-1_all.deb 200 false"}
			if diff := cmp.Diff(want, list); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
			if _, err := u.Resolve(debian.Request{Packages: []debian.Want{{Name: "foreign"}}, Base: debian.BaseNone}); err == nil {
				t.Error("a package of another architecture")
			}
			// From the cache, without a mirror.
			f.Mirrors = map[string][]string{"d": {"file:///nowhere"}}
			if _, err := readUniverse(t.Context(), revision, "amd64", f); err != nil {
				t.Errorf("from the cache: %v", err)
			}
		})
	}
}

// TestReadUniverseByHash has a mirror that is being updated: the plain name is
// another file already.
func TestReadUniverseByHash(t *testing.T) {
	m := newMirror(t)
	m.write()
	f := m.fetcher()
	revision, err := debian.Update(t.Context(), m.archives(), f, now, debian.Revision{})
	if err != nil {
		t.Fatal(err)
	}
	m.change("main/binary-amd64/Packages.gz", func(b []byte) []byte { return append(b, 0) })
	if _, err := readUniverse(t.Context(), revision, "amd64", f); err != nil {
		t.Error(err)
	}
}

func TestReadUniverseErrors(t *testing.T) {
	tests := []struct {
		name   string
		change func([]byte) []byte
		as     any
		want   string
	}{
		{"other bytes", func(b []byte) []byte { b = slices.Clone(b); b[len(b)-1] ^= 1; return b }, new(*download.HashError), ""},
		{"shorter", func(b []byte) []byte { return b[:len(b)-7] }, nil, "Packages.gz"},
		{"longer", func(b []byte) []byte { return append(b, 0) }, nil, "Packages.gz"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMirror(t)
			m.release = strings.Replace(m.release, "Acquire-By-Hash: yes\n", "", 1)
			m.write()
			f := m.fetcher()
			revision, err := debian.Update(t.Context(), m.archives(), f, now, debian.Revision{})
			if err != nil {
				t.Fatal(err)
			}
			m.change("main/binary-amd64/Packages.gz", tt.change)
			_, err = readUniverse(t.Context(), revision, "amd64", f)
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.as != nil && !errors.As(err, tt.as) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// TestReadUniverseMismatch has a directory of indexes that somebody wrote to: an index is
// checked when it is parsed, wherever it comes from. What it was parsed into before
// stays what it was.
func TestReadUniverseMismatch(t *testing.T) {
	m := newMirror(t)
	m.write()
	for _, parsed := range []bool{false, true} {
		f := m.fetcher()
		revision, err := debian.Update(t.Context(), m.archives(), f, now, debian.Revision{})
		if err != nil {
			t.Fatal(err)
		}
		var before *debian.Universe
		if parsed {
			if before, err = readUniverse(t.Context(), revision, "amd64", f); err != nil {
				t.Fatal(err)
			}
		}
		index := revision.Indexes[0]
		forged := make([]byte, index.Size)
		copy(forged, compress(t, strings.Replace(packagesA, "1.0-1", "9.0-1", 1)))
		if err := os.WriteFile(filepath.Join(f.Dir, index.SHA256.Hex()), forged, 0o644); err != nil {
			t.Fatal(err)
		}
		after, err := readUniverse(t.Context(), revision, "amd64", f)
		if parsed {
			if err != nil || !reflect.DeepEqual(before, after) {
				t.Errorf("what was parsed before is not what is read: %v", err)
			}
			continue
		}
		var mismatch *debian.MismatchError
		if !errors.As(err, &mismatch) || mismatch.Want != index.SHA256 || mismatch.Got == index.SHA256 {
			t.Errorf("error is %v, want a mismatch", err)
		}
	}
}
