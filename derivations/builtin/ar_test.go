package builtin

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestReadAr(t *testing.T) {
	data := makeAr("debian-binary/", "2.0\n", "odd", "abc", "empty", "", "last", "x")
	data = data[:len(data)-1] // the padding of the last may be missing
	members, err := readAr(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range members {
		content, err := io.ReadAll(m)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m.name+"="+string(content))
	}
	if want := "debian-binary=2.0\n odd=abc empty= last=x"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", strings.Join(got, " "), want)
	}
}

func TestReadArRefuses(t *testing.T) {
	many := []string{}
	for range maxArMembers + 1 {
		many = append(many, "x", "")
	}
	good := makeAr("name", "content")
	for want, data := range map[string][]byte{
		"no ar archive":       []byte("!<arch>"),
		"unexpected EOF":      good[:len(arMagic)+30],
		"the archive ends":    good[:len(good)-4],
		"damaged header":      bytes.Replace(good, []byte("`\n"), []byte("xx"), 1),
		"member name":         makeAr("a/b", "x"),
		"size \"-1\"":         bytes.Replace(good, []byte("7         `"), []byte("-1        `"), 1),
		"size \"9999999999\"": nil,
		"more than":           makeAr(many...),
	} {
		if data == nil {
			data = bytes.Replace(good, []byte("7         `"), []byte("9999999999`"), 1)
			want = "9999999999 bytes"
		}
		if _, err := readAr(bytes.NewReader(data), int64(len(data))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want error with %q", err, want)
		}
	}
}

func FuzzReadAr(f *testing.F) {
	f.Add(makeAr("debian-binary", "2.0\n", "control.tar.xz", "x", "data.tar", ""))
	f.Add([]byte(arMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		members, err := readAr(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		total := int64(len(arMagic))
		for _, m := range members {
			total += arHeaderSize + m.Size()
		}
		if total > int64(len(data)) {
			t.Fatalf("members of %d bytes in %d", total, len(data))
		}
	})
}
