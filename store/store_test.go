package store

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParsePath(t *testing.T) {
	id := "0123456789abcdfghijklmnpqrsvwxyz"
	for _, s := range []string{id + "-a", id + "-A+-._?=9", id + "-" + strings.Repeat("x", MaxNameLen)} {
		p, err := ParsePath(s)
		if err != nil || string(p) != s || p.ID() != id || p.Name() != s[IDLen+1:] {
			t.Errorf("ParsePath(%q) = %q, %v", s, p, err)
		}
		got, rest, err := ParseLogical(p.Logical() + "/bin/sh")
		if err != nil || got != p || rest != "/bin/sh" {
			t.Errorf("ParseLogical: %q, %q, %v", got, rest, err)
		}
	}
	for _, s := range []string{
		"", id, id + "-", id + "a-b", id[1:] + "-a", "e" + id[1:] + "-a", "A" + id[1:] + "-a",
		id + "-.hidden", id + "-a/b", id + "-a b", id + "-a\n", id + "-é", id + "-" + strings.Repeat("x", MaxNameLen+1), "../" + id + "-a",
	} {
		if p, err := ParsePath(s); err == nil {
			t.Errorf("ParsePath(%q) = %q, want an error", s, p)
		}
	}
	for _, s := range []string{id + "-a", "/nix/store/" + id + "-a", Dir, Dir + "/", Dir + "/../x", "/sysc/storex/" + id + "-a"} {
		if p, _, err := ParseLogical(s); err == nil {
			t.Errorf("ParseLogical(%q) = %q, want an error", s, p)
		}
	}
}

func TestDigestText(t *testing.T) {
	const empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	d, err := ParseDigest(empty)
	if err != nil || d != DigestOf(nil) || d.String() != empty {
		t.Errorf("%s, %v", d, err)
	}
	if short, err := ParseDigest(d.Hex()); err != nil || short != d {
		t.Errorf("without prefix: %v", err)
	}
	text, err := json.Marshal(d)
	var back Digest
	if err != nil || json.Unmarshal(text, &back) != nil || back != d {
		t.Errorf("%s, %v", text, err)
	}
	for _, s := range []string{"", "sha256:", "sha512:" + d.Hex(), d.Hex()[1:], d.Hex() + "0", strings.ToUpper(d.Hex()), "g" + d.Hex()[1:]} {
		if d, err := ParseDigest(s); err == nil {
			t.Errorf("ParseDigest(%q) = %s, want an error", s, d)
		}
	}
}

// Everything that MakeID is given changes the id.
func TestMakeIDTellsApart(t *testing.T) {
	a := Path("00000000000000000000000000000000-a")
	b := Path("11111111111111111111111111111111-b")
	self := []SelfReference{{File: "f", Offset: 1}}
	d := DigestOf(nil)
	seen := map[string]string{}
	for _, v := range []struct {
		kind Kind
		name string
		tree Digest
		self []SelfReference
		refs []Path
	}{
		{KindTree, "n", d, nil, nil},
		{KindFile, "n", d, nil, nil},
		{KindRoot, "n", d, nil, nil},
		{KindTree, "m", d, nil, nil},
		{KindTree, "n", DigestOf([]byte{0}), nil, nil},
		{KindTree, "n", d, self, nil},
		{KindTree, "n", d, []SelfReference{{File: "f", Offset: 2}}, nil},
		{KindTree, "n", d, []SelfReference{{File: "f", Link: true, Offset: 1}}, nil},
		{KindTree, "n", d, []SelfReference{{File: "g", Offset: 1}}, nil},
		{KindTree, "n", d, append(self, self...), nil},
		{KindTree, "n", d, nil, []Path{a}},
		{KindTree, "n", d, nil, []Path{b}},
		{KindTree, "n", d, nil, []Path{a, b}},
	} {
		id := MakeID(v.kind, v.name, v.tree, v.self, v.refs)
		if other, ok := seen[id]; ok {
			t.Errorf("%+v and %s have one id", v, other)
		}
		seen[id] = fmt.Sprintf("%+v", v)
		if _, err := MakePath(id, "x"); err != nil {
			t.Errorf("id %s: %v", id, err)
		}
	}
	if MakeID(KindTree, "n", d, nil, []Path{b, a, b}) != MakeID(KindTree, "n", d, nil, []Path{a, b}) {
		t.Error("the order of references matters")
	}
}

// testdata/ids.txt has one vector a line for other programs: JSON with the
// inputs as docs/formats.md names them, and the id.
func TestGoldenIDs(t *testing.T) {
	f, err := os.Open("testdata/ids.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	n := 0
	for lines.Scan() {
		var v struct {
			Kind       Kind
			Name       string
			Tree       Digest
			Self       []SelfReference
			References []Path
			ID         string
		}
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		if got := MakeID(v.Kind, v.Name, v.Tree, v.Self, v.References); got != v.ID {
			t.Errorf("%s: got %s: that needs another version", lines.Text(), got)
		}
		n++
	}
	if n == 0 {
		t.Error("no vectors")
	}
}

func TestEncodeID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sum [32]byte
		copy(sum[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "sum"))
		id := EncodeID(sum)
		var bits strings.Builder
		for _, c := range id {
			fmt.Fprintf(&bits, "%05b", strings.IndexRune(alphabet, c))
		}
		var want strings.Builder
		for _, b := range sum[:20] {
			fmt.Fprintf(&want, "%08b", b)
		}
		if bits.String() != want.String() {
			t.Fatalf("%x became %s", sum, id)
		}
	})
}

func FuzzParsePath(f *testing.F) {
	f.Add("0123456789abcdfghijklmnpqrsvwxyz-name")
	f.Add("/sysc/store/0123456789abcdfghijklmnpqrsvwxyz-name/x")
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := ParsePath(s); err == nil {
			if again, err := MakePath(p.ID(), p.Name()); err != nil || again != p {
				t.Errorf("%q: %q, %v", p, again, err)
			}
		}
		if p, rest, err := ParseLogical(s); err == nil && p.Logical()+rest != s {
			t.Errorf("%q became %q and %q", s, p, rest)
		}
	})
}

func TestCleanName(t *testing.T) {
	for text, want := range map[string]string{
		`m["a/b"]`:    "m--a-b--",
		"g++-1.2_x?=": "g++-1.2_x?=",
		"ä":           "--",
	} {
		if got := CleanName(text); got != want {
			t.Errorf("CleanName(%q) = %q, want %q", text, got, want)
		}
		if err := CheckName(CleanName(text)); err != nil {
			t.Error(err)
		}
	}
}
