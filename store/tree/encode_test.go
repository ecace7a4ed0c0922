package tree

import (
	"encoding/hex"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sysc/store"
)

// sample has every type, every field, and the odd names that are legal.
func sample() *Tree {
	long := strings.Repeat("n", MaxName)
	return &Tree{Entries: []Entry{
		{Name: "\n", Type: File, Mode: 0o444, Size: 3, Digest: store.DigestOf([]byte("abc"))},
		{Name: "bin", Type: Dir, Mode: 0o755, Size: 1 << 40, Digest: store.DigestOf([]byte("tree"))},
		{Name: "link", Type: Link, Mode: 0o777, Target: "../\xff\n target"},
		{Name: long, Type: File, Mode: 0o4755, UID: 4294967294, GID: 42, Size: 0, Digest: store.DigestOf(nil),
			Xattrs: []Xattr{{"security.capability", "\x01\x00"}, {"user.empty", ""}}},
		{Name: "\xff\xfe", Type: Link, Mode: 0o777, UID: 1, Target: strings.Repeat("t", MaxTarget)},
	}}
}

// testdata/*.hex are vectors for other programs: the encoding as hexdump -C
// shows it, a blank line, the digest. SYSC_UPDATE_GOLDEN=1 writes them.
func TestGolden(t *testing.T) {
	for name, tr := range map[string]*Tree{
		"empty": {},
		"file":  {Entries: []Entry{{Name: store.FileEntry, Type: File, Mode: 0o444, Size: 6, Digest: store.DigestOf([]byte("hello\n"))}}},
		"all":   sample(),
	} {
		t.Run(name, func(t *testing.T) {
			file := "testdata/" + name + ".hex"
			data, err := tr.Encode()
			if err != nil {
				t.Fatal(err)
			}
			got := hex.Dump(data) + "\n" + store.DigestOf(data).String() + "\n"
			if os.Getenv("SYSC_UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("encoding changed: that needs another version (-want +got)\n%s", diff)
			}
			back, err := Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tr.Entries, back.Entries, equateEmpty); diff != "" {
				t.Errorf("decoded (-want +got)\n%s", diff)
			}
		})
	}
}

var equateEmpty = cmp.FilterPath(func(p cmp.Path) bool { return true },
	cmp.FilterValues(func(a, b []Entry) bool { return len(a) == 0 && len(b) == 0 }, cmp.Ignore()))

func TestEncodeRefuses(t *testing.T) {
	file := Entry{Name: "a", Type: File, Mode: 0o444, Digest: store.DigestOf(nil)}
	link := Entry{Name: "a", Type: Link, Mode: 0o777, Target: "b"}
	with := func(e Entry, change func(*Entry)) []Entry {
		change(&e)
		return []Entry{e}
	}
	for _, tt := range []struct {
		name    string
		entries []Entry
		want    string
	}{
		{"empty name", with(file, func(e *Entry) { e.Name = "" }), "empty name"},
		{"dot", with(file, func(e *Entry) { e.Name = "." }), `name "."`},
		{"dot dot", with(file, func(e *Entry) { e.Name = ".." }), `name ".."`},
		{"slash", with(file, func(e *Entry) { e.Name = "a/b" }), `'/' in the name`},
		{"NUL", with(file, func(e *Entry) { e.Name = "a\x00" }), `'\x00' in the name`},
		{"256 bytes", with(file, func(e *Entry) { e.Name = strings.Repeat("a", 256) }), "256 bytes"},
		{"mode", with(file, func(e *Entry) { e.Mode = 0o10000 }), "beyond 07777"},
		{"type", with(file, func(e *Entry) { e.Type = 'b' }), "unknown type"},
		{"no digest", with(file, func(e *Entry) { e.Digest = store.Digest{} }), "no digest"},
		{"negative", with(file, func(e *Entry) { e.Size = -1 }), "size -1"},
		{"huge", with(file, func(e *Entry) { e.Size = math.MaxInt64 }), "out of range"},
		{"file with target", with(file, func(e *Entry) { e.Target = "x" }), "no link"},
		{"link without target", with(link, func(e *Entry) { e.Target = "" }), "target of 0 bytes"},
		{"long target", with(link, func(e *Entry) { e.Target = strings.Repeat("a", 4096) }), "target of 4096 bytes"},
		{"NUL in target", with(link, func(e *Entry) { e.Target = "a\x00" }), "NUL in the target"},
		{"link mode", with(link, func(e *Entry) { e.Mode = 0o755 }), "mode 0755 of a link"},
		{"link with size", with(link, func(e *Entry) { e.Size = 1 }), "a size or a digest"},
		{"xattrs out of order", with(file, func(e *Entry) { e.Xattrs = []Xattr{{"b", ""}, {"a", ""}} }), "does not come after"},
		{"xattr twice", with(file, func(e *Entry) { e.Xattrs = []Xattr{{"a", ""}, {"a", ""}} }), "does not come after"},
		{"xattr without name", with(file, func(e *Entry) { e.Xattrs = []Xattr{{"", ""}} }), "0 bytes"},
		{"order", []Entry{{Name: "b", Type: Link, Mode: 0o777, Target: "x"}, link}, `"a" does not come after "b"`},
		{"twice", []Entry{link, link}, `"a" does not come after "a"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := (&Tree{Entries: tt.entries}).Encode()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// Every prefix of an encoding, and one with a byte more, is refused.
func TestDecodeWhole(t *testing.T) {
	data, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	for n := range data {
		if _, err := Decode(data[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes were accepted", n, len(data))
		}
	}
	if _, err := Decode(append(data, 0)); err == nil || !strings.Contains(err.Error(), "after the last entry") {
		t.Errorf("trailing byte: got %v", err)
	}
	data[len(header)-1]++
	if _, err := Decode(data); err == nil || !strings.Contains(err.Error(), "version 2, want 1") {
		t.Errorf("other version: got %v", err)
	}
}

// A short input that claims many entries must not allocate for them.
func TestDecodeClaims(t *testing.T) {
	data := []byte(header + "\xff\xff\xff\x00")
	allocated := testing.AllocsPerRun(10, func() {
		if _, err := Decode(data); err == nil {
			t.Fatal("accepted")
		}
	})
	if allocated > 20 {
		t.Errorf("%v allocations", allocated)
	}
}

func entries() *rapid.Generator[[]Entry] {
	name := rapid.StringMatching(`[^/\x00]{1,20}`).Filter(func(s string) bool {
		return CheckName(s) == nil
	})
	return rapid.Custom(func(t *rapid.T) []Entry {
		names := rapid.SliceOfNDistinct(name, 0, 12, rapid.ID).Draw(t, "names")
		list := make([]Entry, len(names))
		for i, n := range names {
			e := Entry{Name: n, UID: rapid.Uint32().Draw(t, "uid"), GID: rapid.Uint32().Draw(t, "gid")}
			e.Type = rapid.SampledFrom([]Type{File, Dir, Link}).Draw(t, "type")
			if e.Type == Link {
				e.Mode, e.Target = 0o777, rapid.StringMatching(`[^\x00]{1,40}`).Draw(t, "target")
			} else {
				e.Mode = rapid.Uint32Range(0, 0o7777).Draw(t, "mode")
				e.Size = rapid.Int64Range(0, MaxSize).Draw(t, "size")
				e.Digest = store.DigestOf([]byte(n))
			}
			list[i] = e
		}
		sortEntries(list)
		return list
	})
}

func sortEntries(list []Entry) {
	for i := range list {
		for j := i; j > 0 && list[j].Name < list[j-1].Name; j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := &Tree{Entries: entries().Draw(t, "entries")}
		data, err := want.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, equateEmpty); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, t := range []*Tree{{}, sample()} {
		data, err := t.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)-1])
	}
	f.Add([]byte(header + "\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tr, err := Decode(data)
		if err != nil {
			return
		}
		// What is accepted is exactly what Encode writes.
		again, err := tr.Encode()
		if err != nil {
			t.Fatalf("decoded, but not encoded: %v", err)
		}
		if string(again) != string(data) {
			t.Fatalf("two encodings of one tree: %x and %x", data, again)
		}
	})
}
