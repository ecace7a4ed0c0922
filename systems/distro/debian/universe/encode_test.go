package universe

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sysc/store"
)

func encoded() []Package {
	return []Package{
		{Name: "a", Version: "1", Architecture: "all", Source: "a", SourceVersion: "1", Priority: "optional", Filename: "pool/a.deb", Size: 7, SHA256: store.DigestOf([]byte("a"))},
		{
			Name: "b", Version: "1:2-3+b1", Architecture: "hurd-amd64", Source: "src", SourceVersion: "1:2-3", Priority: "standard", Essential: true, MultiArch: "same",
			PreDepends: "p", Depends: "a | c", Recommends: "r", Conflicts: "x", Breaks: "y", Provides: "z (= 1)", Filename: "pool/" + strings.Repeat("b", 200), Size: 1 << 40,
		},
	}
}

// TestEncode has the bytes of one list. When they change, the version of what is kept
// (package debian) has to change, too.
func TestEncode(t *testing.T) {
	const want = "sha256:11d8cd46c3aa49388abf118caa1de35711f8e825740d174a5f76ba36706aceeb"
	if got := store.DigestOf(Encode(encoded())).String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, list := range [][]Package{encoded(), {}} {
		got, err := Decode(string(Encode(list)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(list, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestDecodeDamaged(t *testing.T) {
	whole := string(Encode(encoded()))
	for n := range len(whole) {
		if _, err := Decode(whole[:n]); !errors.Is(err, ErrEncoding) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := Decode(whole + "x"); !errors.Is(err, ErrEncoding) {
		t.Errorf("with one byte more: %v", err)
	}
	for _, name := range []string{"/etc/passwd", "../x", "a/../x"} {
		list := encoded()
		list[0].Filename = name
		if _, err := Decode(string(Encode(list))); !errors.Is(err, ErrEncoding) {
			t.Errorf("file name %q: %v", name, err)
		}
	}
}

func TestEncodeProperty(t *testing.T) {
	text := rapid.StringMatching(`[a-z0-9 |(),.+~:-]{0,20}`)
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOf(rapid.Custom(func(t *rapid.T) Package {
			p := Package{Size: rapid.Int64Range(0, 1<<50).Draw(t, "size"), Essential: rapid.Bool().Draw(t, "essential")}
			for _, word := range p.words() {
				*word = rapid.OneOf(rapid.SampledFrom(commonWords), text).Draw(t, "word")
			}
			for _, field := range p.texts() {
				*field = text.Draw(t, "field")
			}
			p.Name, p.Filename = "n"+p.Name, "f"
			copy(p.SHA256[:], text.Draw(t, "hash"))
			return p
		})).Draw(t, "packages")
		got, err := Decode(string(Encode(list)))
		if err != nil {
			t.Fatal(err)
		}
		if len(list)+len(got) > 0 && !cmp.Equal(list, got) {
			t.Errorf("-want +got:\n%s", cmp.Diff(list, got))
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(string(Encode(encoded())))
	f.Add("")
	f.Fuzz(func(t *testing.T, data string) {
		list, err := Decode(data)
		if err != nil {
			return
		}
		// What was taken for a list is one.
		again, err := Decode(string(Encode(list)))
		if err != nil || !cmp.Equal(list, again) {
			t.Errorf("%v\n%s", err, cmp.Diff(list, again))
		}
	})
}
