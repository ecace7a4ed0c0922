package store

import (
	"bytes"
	"encoding/hex"
	"os"
	"reflect"
	"strings"
	"testing"
)

func exampleRecord(t testing.TB) Object {
	path := func(id byte, name string) Path {
		p, err := MakePath(strings.Repeat(string(rune(id)), IDLen), name)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	return Object{
		Path: path('a', "app-1.0"), Kind: KindTree, Tree: DigestOf([]byte("tree")),
		References:     []Path{path('1', "lib"), path('2', "data")},
		SelfReferences: []SelfReference{{File: "bin/app", Offset: 4711}, {File: "link", Link: true, Offset: 12}},
		Deriver:        "app.drv",
	}
}

// testdata/record.hex is for other programs.
func TestGoldenRecord(t *testing.T) {
	text, err := os.ReadFile("testdata/record.hex")
	if err != nil {
		t.Fatal(err)
	}
	want, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	o := exampleRecord(t)
	if got := EncodeRecord(&o); !bytes.Equal(got, want) {
		t.Errorf("got %x: that needs another version", got)
	}
	if got, err := DecodeRecord(want); err != nil || !reflect.DeepEqual(got, o) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestRecordRefused(t *testing.T) {
	change := func(f func(o *Object)) []byte {
		o := exampleRecord(t)
		f(&o)
		return EncodeRecord(&o)
	}
	good := change(func(*Object) {})
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":                 {nil, "cut off"},
		"another format":        {bytes.Replace(good, []byte("record 1"), []byte("record 2"), 1), "of a format"},
		"cut off":               {good[:len(good)-1], "cut off"},
		"more":                  {append(bytes.Clone(good), 0), "1 bytes too many"},
		"no kind":               {change(func(o *Object) { o.Kind = 0 }), "no kind"},
		"unknown kind":          {change(func(o *Object) { o.Kind = 4 }), "number 4"},
		"bad path":              {change(func(o *Object) { o.Path = "x" }), "store path"},
		"bad reference":         {change(func(o *Object) { o.References[0] = "../x" }), "store path"},
		"unsorted":              {change(func(o *Object) { o.References[0] = o.Path }), "sorted"},
		"twice":                 {change(func(o *Object) { o.References[1] = o.References[0] }), "once"},
		"to itself":             {change(func(o *Object) { o.References = []Path{o.Path} }), "itself"},
		"negative offset":       {change(func(o *Object) { o.SelfReferences[0].Offset = -1 }), "number"},
		"huge count":            {append(good[:14+8+40+8+32:14+8+40+8+32], bytes.Repeat([]byte{0xff}, 8)...), "cut off"},
		"huge string, overflow": {append([]byte(recordMagic), bytes.Repeat([]byte{0xff}, 8)...), "cut off"},
	} {
		if _, err := DecodeRecord(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	o := exampleRecord(f)
	f.Add(EncodeRecord(&o))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := DecodeRecord(data)
		if err != nil {
			return
		}
		if again := EncodeRecord(&o); !bytes.Equal(again, data) {
			t.Errorf("%x becomes %x", data, again)
		}
	})
}
