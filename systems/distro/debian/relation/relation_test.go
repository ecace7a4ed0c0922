package relation

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	tests := []struct {
		field string
		want  []Group
	}{
		{"", nil},
		{"a", []Group{{{Name: "a"}}}},
		{"a, b ,c", []Group{{{Name: "a"}}, {{Name: "b"}}, {{Name: "c"}}}},
		{"a,,b,", []Group{{{Name: "a"}}, {{Name: "b"}}}},
		{"a | b", []Group{{{Name: "a"}, {Name: "b"}}}},
		{"a(>=1)|b (<< 2:1-1~)", []Group{{{Name: "a", Op: GreaterEqual, Version: "1"}, {Name: "b", Op: Less, Version: "2:1-1~"}}}},
		{"python3:any (>= 3.11~)", []Group{{{Name: "python3", Arch: "any", Op: GreaterEqual, Version: "3.11~"}}}},
		{"g++ (= 4:14.2.0-1), libc6.1-dev", []Group{{{Name: "g++", Op: Equal, Version: "4:14.2.0-1"}}, {{Name: "libc6.1-dev"}}}},
		{"a (< 1), b (> 2), c (3)", []Group{{{Name: "a", Op: LessEqual, Version: "1"}}, {{Name: "b", Op: GreaterEqual, Version: "2"}}, {{Name: "c", Op: Equal, Version: "3"}}}},
	}
	for _, tt := range tests {
		got, err := Parse(tt.field)
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.field, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("Parse(%q) (-want +got):\n%s", tt.field, diff)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, field := range []string{"a |", "| b", "a (1", "a 1)", "a (>=)", "a (>= 1) x", "a (=> 1)", "a [amd64]", "a b", "a:", ":any", "a/b", "-a", "a (= 1 2)", "ä"} {
		if got, err := Parse(field); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", field, got)
		}
	}
	if _, err := ParseList("a | b"); err == nil {
		t.Error("ParseList took alternatives")
	}
	if _, err := Parse(strings.Repeat("a|", MaxRelations) + "a"); err == nil {
		t.Error("no limit")
	}
}

func TestSatisfied(t *testing.T) {
	tests := []struct {
		op   Op
		want [3]bool // for a version that is older, the same, newer
	}{
		{Any, [3]bool{true, true, true}},
		{Less, [3]bool{true, false, false}},
		{LessEqual, [3]bool{true, true, false}},
		{Equal, [3]bool{false, true, false}},
		{GreaterEqual, [3]bool{false, true, true}},
		{Greater, [3]bool{false, false, true}},
	}
	for _, tt := range tests {
		r := Relation{Name: "a", Op: tt.op, Version: "1.0-1"}
		for i, v := range []string{"1.0~rc1", "1.0-1", "1.0-1+b1"} {
			if got := r.Satisfied(v); got != tt.want[i] {
				t.Errorf("%q satisfied by %s: %v, want %v", tt.op, v, got, tt.want[i])
			}
		}
	}
}

func TestProvidedBy(t *testing.T) {
	plain, two := Relation{Name: "v"}, Relation{Name: "v", Op: Equal, Version: "2"}
	atLeast := func(v string) Relation { return Relation{Name: "v", Op: GreaterEqual, Version: v} }
	tests := []struct {
		asked, provided Relation
		want            bool
	}{
		{plain, plain, true},
		{plain, two, true},
		{atLeast("1"), plain, false},
		{atLeast("1"), two, true},
		{atLeast("3"), two, false},
		{atLeast("1"), atLeast("2"), false},
	}
	for _, tt := range tests {
		if got := tt.asked.ProvidedBy(tt.provided); got != tt.want {
			t.Errorf("%q provided by %q: %v, want %v", tt.asked, tt.provided, got, tt.want)
		}
	}
}

func TestParsePrintParse(t *testing.T) {
	one := rapid.Custom(func(t *rapid.T) Relation {
		r := Relation{
			Name: rapid.StringMatching(`[a-z0-9][a-z0-9+.-]{1,10}`).Draw(t, "name"),
			Arch: rapid.SampledFrom([]string{"", "any", "native", "amd64"}).Draw(t, "arch"),
			Op:   rapid.SampledFrom([]Op{Any, Less, LessEqual, Equal, GreaterEqual, Greater}).Draw(t, "op"),
		}
		if r.Op != Any {
			r.Version = rapid.StringMatching(`([0-9]:)?[0-9][a-z0-9.+~]{0,5}(-[0-9]{1,2})?`).Draw(t, "version")
		}
		return r
	})
	rapid.Check(t, func(t *rapid.T) {
		var want []Group
		var texts []string
		for range rapid.IntRange(1, 4).Draw(t, "groups") {
			g := Group(rapid.SliceOfN(one, 1, 3).Draw(t, "group"))
			want = append(want, g)
			texts = append(texts, g.String())
		}
		got, err := Parse(strings.Join(texts, ", "))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("a (>= 1) | b:any, c")
	f.Add("(((,|,|")
	f.Fuzz(func(t *testing.T, field string) {
		groups, err := Parse(field)
		if err != nil {
			return
		}
		for _, g := range groups {
			again, err := Parse(g.String())
			if err != nil {
				t.Fatalf("Parse(%q): %v", g.String(), err)
			}
			if diff := cmp.Diff([]Group{g}, again); diff != "" {
				t.Fatalf("(-first +again):\n%s", diff)
			}
		}
	})
}

func TestRestrict(t *testing.T) {
	for field, want := range map[string]string{
		"": "",
		"debhelper-compat (= 13), a:native, b (>= 1:2) | c":                                                           "debhelper-compat (= 13), a:native, b (>= 1:2) | c",
		"a [amd64 arm64], b [!amd64], c [any], d[linux-any]":                                                          "a, c, d",
		"a (<< 2) [i386] | b (>> 1) [!i386]":                                                                          "b (>> 1)",
		"a <!nocheck>, b <nocheck>, c <cross> <!stage1>, d <!nocheck cross>, e (>= 1) [any-amd64] <!nodoc !nopython>": "a, c, e (>= 1)",
	} {
		if got, err := Restrict(field, "amd64"); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", field, got, err, want)
		}
	}
	for _, field := range []string{"a [amd64", "a (= 1", "a <x", "a (= 1) x"} {
		if got, err := Restrict(field, "amd64"); err == nil {
			t.Errorf("%q is taken for %q", field, got)
		}
	}
}

func FuzzRestrict(f *testing.F) {
	f.Add("a (<< 2) [i386] | b (>> 1) [!i386], c <!nocheck> <x>")
	f.Fuzz(func(t *testing.T, field string) {
		plain, err := Restrict(field, "amd64")
		if err != nil {
			return
		}
		// Nothing is restricted any more.
		if again, err := Restrict(plain, "i386"); err != nil || again != plain {
			t.Errorf("%q: %q, and then %q, %v", field, plain, again, err)
		}
	})
}
