package varint

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
)

func TestCut(t *testing.T) {
	for _, want := range []uint64{0, 1, 127, 128, 1 << 20, 1 << 63, math.MaxUint64} {
		n, rest, ok := Cut(string(binary.AppendUvarint(nil, want)) + "x")
		if n != want || rest != "x" || !ok {
			t.Errorf("%d: got %d, %q, %v", want, n, rest, ok)
		}
	}
	for _, bad := range []string{"", "\x80", strings.Repeat("\xff", 9) + "\x02", strings.Repeat("\x80", 10) + "\x01"} {
		if n, rest, ok := Cut(bad); ok || n != 0 || rest != bad {
			t.Errorf("%q: got %d, %q", bad, n, rest)
		}
	}
}

func TestCutText(t *testing.T) {
	s := string(AppendText(AppendText(nil, "one"), ""))
	one, rest, ok := CutText(s)
	if one != "one" || !ok {
		t.Errorf("got %q", one)
	}
	if none, rest, ok := CutText(rest); none != "" || rest != "" || !ok {
		t.Errorf("got %q, %q, %v", none, rest, ok)
	}
	for _, bad := range []string{"", "\x04one", string(binary.AppendUvarint(nil, math.MaxUint64)) + "one"} {
		if _, rest, ok := CutText(bad); ok || rest != bad {
			t.Errorf("%q has a text", bad)
		}
	}
}

// FuzzCut compares with encoding/binary.
func FuzzCut(f *testing.F) {
	f.Add("\x80\x01x")
	f.Fuzz(func(t *testing.T, s string) {
		want, size := binary.Uvarint([]byte(s))
		n, rest, ok := Cut(s)
		if ok != (size > 0) || ok && (n != want || rest != s[size:]) {
			t.Errorf("got %d, %v; want %d, %d", n, ok, want, size)
		}
	})
}
