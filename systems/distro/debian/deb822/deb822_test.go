package deb822

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// readAll returns all stanzas as [name, value] pairs.
func readAll(r io.Reader) ([][][2]string, error) {
	var all [][][2]string
	reader := NewReader(r)
	for {
		s, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		var fields [][2]string
		for _, f := range s.Fields {
			fields = append(fields, [2]string{string(f.Name), string(f.Value)})
		}
		all = append(all, fields)
	}
}

func TestRead(t *testing.T) {
	tests := []struct {
		name, text string
		want       [][][2]string
	}{
		{"empty", "", nil},
		{"blank lines only", "\n \n\t\n", nil},
		{"one", "A: 1\nB:2\n", [][][2]string{{{"A", "1"}, {"B", "2"}}}},
		{"no line end", "A: 1", [][][2]string{{{"A", "1"}}}},
		{"two stanzas", "\n\nA: 1\n\n\nB: 2\n\n", [][][2]string{{{"A", "1"}}, {{"B", "2"}}}},
		{"blank line of spaces", "A: 1\n  \nB: 2\n", [][][2]string{{{"A", "1"}}, {{"B", "2"}}}},
		{"continuation", "A: 1\n 2\n\t3\nB:\n x\n", [][][2]string{{{"A", "1\n 2\n\t3"}, {"B", "x"}}}},
		{"empty value", "A:\nB: 2\n", [][][2]string{{{"A", ""}, {"B", "2"}}}},
		{"colon in a value", "A: b: c\n", [][][2]string{{{"A", "b: c"}}}},
		{"comment", "# x\nA: 1\n# y\nB: 2\n", [][][2]string{{{"A", "1"}, {"B", "2"}}}},
		{"comment stanza", "# x\n\nA: 1\n", [][][2]string{{{"A", "1"}}}},
		{"comment in a value", "A: 1\n# y\n 2\n", [][][2]string{{{"A", "1\n# y\n 2"}}}},
		{"carriage returns", "A: 1\r\nB: 2\r\n\r\nC: 3\r\n", [][][2]string{{{"A", "1"}, {"B", "2"}}, {{"C", "3"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(tt.text), iotest.OneByteReader(strings.NewReader(tt.text)), iotest.DataErrReader(strings.NewReader(tt.text))} {
				got, err := readAll(r)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("stanzas (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no colon", "A: 1\nfoo\n", `line 2: "foo" is not "Field: value"`},
		{"no name", ": 1\n", "line 1:"},
		{"space in a name", "A B: 1\n", "line 1:"},
		{"armor", "A: 1\n\n-----BEGIN PGP: x\n", "line 3:"},
		{"continuation first", " x\nA: 1\n", "line 1: continuation of no field"},
		{"too many fields", strings.Repeat("A: 1\n", MaxFields+1), "more than 4096 fields"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readAll(strings.NewReader(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestStanzaLimit(t *testing.T) {
	endless := io.MultiReader(strings.NewReader("A: "), &repeat{b: 'x'})
	_, err := NewReader(endless).Next()
	if err == nil || !strings.Contains(err.Error(), "stanza of more than") {
		t.Errorf("got error %v, want the limit", err)
	}
}

// repeat gives one byte for ever.
type repeat struct{ b byte }

func (r *repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.b
	}
	return len(p), nil
}

func TestReadFailure(t *testing.T) {
	broken := iotest.TimeoutReader(iotest.HalfReader(strings.NewReader(strings.Repeat("A: 1\n\n", 100_000))))
	if _, err := readAll(broken); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("got error %v, want %v", err, iotest.ErrTimeout)
	}
}

func TestStanza(t *testing.T) {
	s, err := NewReader(strings.NewReader("Package: a\npackage: b\nX: 1\n 2\n# c\n  3 \n")).Next()
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := s.Get("PACKAGE"); got != "a" || !ok {
		t.Errorf("Get(PACKAGE) = %q, %v", got, ok)
	}
	if got, ok := s.Get("Y"); got != "" || ok {
		t.Errorf("Get(Y) = %q, %v", got, ok)
	}
	if err := s.CheckUnique(); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("CheckUnique() = %v", err)
	}
	if got := Fold(s.Value("X")); got != "1 2 3" {
		t.Errorf("Fold = %q", got)
	}
}

// TestWriteRead writes random stanzas and reads them back in random pieces.
func TestWriteRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[A-Za-z][A-Za-z-]{0,12}`)
		line := rapid.StringMatching(`[a-z(:,.][a-z :(),.]{0,30}[a-z)]`)
		var text bytes.Buffer
		var want [][][2]string
		for range rapid.IntRange(0, 5).Draw(t, "stanzas") {
			var fields [][2]string
			for range rapid.IntRange(1, 6).Draw(t, "fields") {
				f := [2]string{name.Draw(t, "name"), strings.Join(rapid.SliceOfN(line, 1, 4).Draw(t, "lines"), "\n ")}
				fmt.Fprintf(&text, "%s: %s\n", f[0], f[1])
				fields = append(fields, f)
			}
			text.WriteString(rapid.SampledFrom([]string{"\n", "\n\n", " \n"}).Draw(t, "gap"))
			want = append(want, fields)
		}
		got, err := readAll(&pieces{t, text.Bytes()})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("stanzas (-want +got):\n%s", diff)
		}
	})
}

// pieces returns a text in pieces of random length.
type pieces struct {
	t    *rapid.T
	rest []byte
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := rapid.IntRange(1, min(len(b), len(p.rest))).Draw(p.t, "piece")
	copy(b, p.rest[:n])
	p.rest = p.rest[n:]
	return n, nil
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("A: 1\nB: 2\n 3\n\nC: 4\n"))
	f.Add([]byte("# c\n\n \nA:\n x\n# d\n y\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		whole, err := readAll(bytes.NewReader(text))
		split, splitErr := readAll(iotest.OneByteReader(bytes.NewReader(text)))
		if fmt.Sprint(err) != fmt.Sprint(splitErr) {
			t.Fatalf("error %v in one piece, %v in many", err, splitErr)
		}
		if diff := cmp.Diff(whole, split); diff != "" {
			t.Fatalf("depends on the pieces:\n%s", diff)
		}
		for _, s := range whole {
			for _, field := range s {
				Lines(field[1])
			}
		}
	})
}
