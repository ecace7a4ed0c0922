package diag

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const text = `system "laptop" {
  hostname = "x"
  file "/etc/nginx.conf" {
    content = <<EOT
server {
  listen 80;
}
EOT
    mode = wrong
  }
}
`

func at(t *testing.T, word string) Range {
	t.Helper()
	i := strings.Index(text, word)
	if i < 0 {
		t.Fatalf("no %q in the text", word)
	}
	line := strings.Count(text[:i], "\n") + 1
	col := i - strings.LastIndexByte(text[:i], '\n')
	return Range{"a.sysc.hcl", Pos{line, col, i}, Pos{line, col + len(word), i + len(word)}}
}

func render(t *testing.T, l List, opts RenderOptions) string {
	t.Helper()
	var b strings.Builder
	if err := Render(&b, l, map[string][]byte{"a.sysc.hcl": []byte(text)}, opts); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRender(t *testing.T) {
	d := New(Error, at(t, "wrong"), "Unknown name", "%s", "There is nothing called wrong here, and this sentence is long enough to be wrapped.\n\n  as = it is")
	d.Values = []Value{{"var.x", `is "y"`}}
	d.Related = []Related{{"Set before", at(t, `"x"`)}}
	want := `
╷
│ Error: Unknown name
│
│   on a.sysc.hcl line 9, in system "laptop":
│    9:     mode = wrong
│                  ^^^^^
│     ├────────────────
│     │ var.x is "y"
│
│   Set before:
│   on a.sysc.hcl line 2:
│    2:   hostname = "x"
│                    ^^^
│
│ There is nothing called wrong here, and this
│ sentence is long enough to be wrapped.
│
│   as = it is
╵
`
	if diff := cmp.Diff(want, render(t, List{d}, RenderOptions{Width: 50})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	colored := render(t, List{d}, RenderOptions{Color: true})
	if !strings.Contains(colored, "mode = \x1b[4mwrong\x1b[0m") || strings.Contains(colored, "^^^") {
		t.Errorf("colours:\n%q", colored)
	}
}

// TestRenderHostile checks that nothing of a text reaches the terminal as a
// command, and that positions that do not fit do no harm.
func TestRenderHostile(t *testing.T) {
	d := New(Error, Range{"evil\x1b[2J", Pos{1, 1, 0}, Pos{9, 9, 99}}, "Bad\x1b]0;title\x07", "%s", "a\rb\x9b31m\u202e")
	var b strings.Builder
	if err := Render(&b, List{d}, map[string][]byte{"evil\x1b[2J": []byte("\x1b[31m\xff\xfe")}, RenderOptions{}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\x07\r\u202e\u009b") {
		t.Errorf("control characters in %q", b.String())
	}
	for _, r := range []Range{{"a.sysc.hcl", Pos{1, 1, -5}, Pos{1, 1, 3}}, {"a.sysc.hcl", Pos{99, 1, 9999}, Pos{99, 1, 10000}}, {"a.sysc.hcl", Pos{2, 1, 20}, Pos{1, 1, 3}}} {
		render(t, List{New(Error, r, "Odd", "x")}, RenderOptions{})
	}
}

func TestJSON(t *testing.T) {
	d := New(Warning, at(t, "wrong"), "Odd", "%s", "Look.")
	d.Values = []Value{{"var.x", "is 1"}}
	var b strings.Builder
	if err := WriteJSON(&b, List{d}, map[string][]byte{"a.sysc.hcl": []byte(text)}); err != nil {
		t.Fatal(err)
	}
	want := `[
  {
    "severity": "warning",
    "summary": "Odd",
    "detail": "Look.",
    "range": {
      "filename": "a.sysc.hcl",
      "start": {
        "line": 9,
        "column": 12,
        "byte": 121
      },
      "end": {
        "line": 9,
        "column": 17,
        "byte": 126
      }
    },
    "snippet": {
      "context": "system \"laptop\"",
      "code": "    mode = wrong",
      "start_line": 9,
      "highlight_start_offset": 11,
      "highlight_end_offset": 16,
      "values": [
        {
          "traversal": "var.x",
          "statement": "is 1"
        }
      ]
    }
  }
]
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSuggest(t *testing.T) {
	for _, tt := range []struct {
		name       string
		candidates []string
		want       string
	}{
		{"hostnmae", []string{"hostname", "packages"}, "hostname"},
		{"package", []string{"packages", "package_set"}, "packages"},
		{"Scirpt", []string{"script"}, "script"},
		{"x", []string{"y"}, ""},
		{"/6", []string{"/1"}, ""},
		{"site", []string{"file"}, ""},
		{"prto", []string{"port"}, "port"},
		{"out", []string{"one"}, ""},
		{"zzzz", []string{"hostname"}, ""},
		{"openss", []string{"openssl", "openssh"}, "openssh"},
		{"", []string{"a"}, ""},
		{strings.Repeat("a", 1<<20), []string{"a"}, ""},
	} {
		if got, _ := Suggest(tt.name, tt.candidates); got != tt.want {
			t.Errorf("Suggest(%.20q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestSort(t *testing.T) {
	a, b, c := New(Error, at(t, "hostname"), "B", "x"), New(Error, at(t, "wrong"), "A", "x"), New(Error, Range{}, "C", "x")
	same := *a
	got := List{b, a, b, &same, c}.Sort()
	if diff := cmp.Diff(List{c, a, b}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if (List{Warningf(Range{}, "W", "x")[0]}).Err() != nil {
		t.Error("warnings alone are an error")
	}
	many := List{}
	for range 100 {
		many = append(many, New(Warning, Range{}, "W", "x"), New(Error, Range{}, "E", "x"))
	}
	fatal := New(Error, Range{}, "F", "x")
	fatal.Fatal = true
	if l := append(many, fatal).Limit(); len(l) != maxHandedOn || l[0] != fatal || l[1].Severity != Error {
		t.Errorf("limited to %d, beginning with %v", len(l), l[0])
	}
}
