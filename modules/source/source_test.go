package source

import (
	"slices"
	"strings"
	"testing"

	"sysc/internal/gitfetch"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"git::https://example.org/net.git":                                "git::https://example.org/net.git",
		"git::https://example.org/net.git//sub/dir?ref=v1.2.0":            "git::https://example.org/net.git//sub/dir?ref=v1.2.0",
		"git::https://example.org/net.git/?ref=release/1.x":               "git::https://example.org/net.git?ref=release/1.x",
		"git::ssh://git@example.org:2222/team/net.git":                    "git::ssh://git@example.org:2222/team/net.git",
		"git::git@example.org:team/net.git//a":                            "git::git@example.org:team/net.git//a",
		"git@example.org:team/net.git":                                    "git::git@example.org:team/net.git",
		"git@github.com:o/r.git//sub?ref=main":                            "git::git@github.com:o/r.git//sub?ref=main",
		"github.com/o/r":                                                  "git::https://github.com/o/r.git",
		"github.com/o/r.git":                                              "git::https://github.com/o/r.git",
		"github.com/o/r//modules/x?ref=v1":                                "git::https://github.com/o/r.git//modules/x?ref=v1",
		"gitlab.com/o/r":                                                  "git::https://gitlab.com/o/r.git",
		"bitbucket.org/o/r//x":                                            "git::https://bitbucket.org/o/r.git//x",
		"git::http://127.0.0.1:8080/net.git":                              "git::http://127.0.0.1:8080/net.git",
		"https://example.org/net-1.2.tar.gz":                              "https://example.org/net-1.2.tar.gz",
		"https://example.org/net.zip//net-1.2/x":                          "https://example.org/net.zip//net-1.2/x",
		"http://127.0.0.1:1/a.tar.zst":                                    "http://127.0.0.1:1/a.tar.zst",
		"git::https://example.org/net.git//a//b":                          "git::https://example.org/net.git//a/b",
		"git::https://example.org/net.git?ref=" + strings.Repeat("a", 40): "git::https://example.org/net.git?ref=" + strings.Repeat("a", 40),
	} {
		s, err := Parse(text)
		if err != nil || s.String() != want {
			t.Errorf("Parse(%q) = %q, %v, want %q", text, s, err, want)
			continue
		}
		if again, err := Parse(s.String()); err != nil || again != s {
			t.Errorf("Parse(%q) = %q, %v, want the same", s, again, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                           "it is neither",
		"modules/x":                                  "it is neither",
		"hashicorp/consul/aws":                       "no registries",
		"app.terraform.io/example/vpc/aws":           "no registries",
		"hg::https://example.org/x":                  `nothing of "hg::"`,
		"s3::https://s3.amazonaws.com/b/x.zip":       `nothing of "s3::"`,
		"ext::sh -c id":                              `nothing of "ext::"`,
		"git::ext::sh -c id":                         "",
		"git::--upload-pack=id":                      "",
		"git::file:///srv/x.git":                     "--override",
		"git::/srv/x.git":                            "--override",
		"file:///srv/x":                              "--override",
		"/srv/x":                                     "--override",
		"https://example.org/net.git":                "git::https://example.org/net.git",
		"https://example.org/net":                    "git::https://example.org/net",
		"ssh://git@example.org/net.git":              "git::ssh://",
		"http://example.org/a.zip":                   "Use https",
		"git::http://example.org/a.git":              "http is for servers on this machine",
		"git::https://u:p@example.org/a.git":         "password",
		"https://token@example.org/a.zip":            "password",
		"github.com/o":                               "OWNER/NAME",
		"github.com/o/r/sub":                         "//DIR",
		"git::https://example.org/a.git//../b":       "leads out",
		"git::https://example.org/a.git//":           "no directory",
		"git::https://example.org/a.git?depth=1":     "take depth out",
		"git::https://example.org/a.git?sshkey=x":    "take sshkey out",
		"git::https://example.org/a.git?ref=--x":     "not the name",
		"git::https://example.org/a.git?ref=a&ref=b": "several refs",
		"https://example.org/a.zip?ref=x":            "no refs",
		"https://example.org/a.zip?checksum=x":       "take checksum out",
		"git::https://example.org/a.git?x=y":         "means nothing",
		strings.Repeat("a", 5000):                    "more than",
	} {
		if s, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %q, %v, want an error with %q", text, s, err, want)
		} else if strings.Contains(err.Error(), "u:p") || strings.Contains(err.Error(), "token") {
			t.Errorf("Parse(%q): the password is in the error: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"git::https://example.org/net.git//sub?ref=v1", "git@h:p//x", "github.com/o/r//m?ref=x", "https://h/a.tar.gz//x", "git::ssh://u@h:1/p"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(s.String())
		if err != nil || again != s {
			t.Errorf("Parse(%q) = %q, and that %q, %v", text, s, again, err)
		}
		if s.Dir == ".." || strings.HasPrefix(s.Dir, "../") || strings.HasPrefix(s.Dir, "/") || s.Package.Name() == "" {
			t.Errorf("Parse(%q): directory %q, name %q", text, s.Dir, s.Package.Name())
		}
		if _, ok := Path(s.Package, Pin{Commit: strings.Repeat("a", 40)}); !ok {
			t.Errorf("Parse(%q): no path in the store", text)
		}
	})
}

func TestChoose(t *testing.T) {
	var tags []gitfetch.Tag
	for _, name := range []string{"v1.0.0", "1.1.0", "v1.2.0", "1.2.0", "v1.2.9", "v1.10.0", "v2.0.0-rc.1", "v2.0.0-rc.2", "v3", "v1.2", "latest", "v1.2.9+build"} {
		tags = append(tags, gitfetch.Tag{Name: name})
	}
	versions := Versions(tags)
	for _, test := range []struct {
		constraints []string
		want        string
	}{
		{nil, "v1.10.0"},
		{[]string{"~> 1.2"}, "v1.10.0"},
		{[]string{"~> 1.2.0"}, "v1.2.9+build"},
		{[]string{"1.2.0"}, "v1.2.0"},
		{[]string{"= 1.1.0"}, "1.1.0"},
		{[]string{">= 1.0, < 1.2"}, "1.1.0"},
		{[]string{"~> 1.0", "!= 1.10.0", "< 1.2.5"}, "v1.2.0"},
		{[]string{">= 2.0.0-rc.1"}, ""},
		{[]string{"2.0.0-rc.1"}, "v2.0.0-rc.1"},
		{[]string{"~> 3.0"}, ""},
	} {
		var constraints []Constraint
		for _, text := range test.constraints {
			c, err := ParseConstraint(text)
			if err != nil {
				t.Fatal(err)
			}
			constraints = append(constraints, c)
		}
		if got, _ := Choose(versions, constraints); got.Tag.Name != test.want {
			t.Errorf("%q: got %q, want %q", test.constraints, got.Tag.Name, test.want)
		}
	}
	if !slices.IsSortedFunc(versions, func(a, b Version) int { return b.parsed.Compare(a.parsed) }) {
		t.Errorf("not sorted: %v", versions)
	}
	for _, text := range []string{"", "latest", "~>", "1.2.3.4.5.x", strings.Repeat(">1,", 400)} {
		if c, err := ParseConstraint(text); err == nil {
			t.Errorf("%q is accepted: %v", text, c)
		}
	}
}

// TestObjectPath: whatever a lock file says, there is a name for it.
func TestObjectPath(t *testing.T) {
	s, err := Parse("git::https://example.org/" + strings.Repeat("long%20", 100) + ".git")
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"1.2.3", "1.2.3-rc.1+build", strings.Repeat("9", 1000), "../../x", "\x00\n/", "ü" + strings.Repeat("ü", 100)} {
		if p, ok := Path(s.Package, Pin{Version: version}); !ok || strings.ContainsAny(string(p), "/\n\x00") {
			t.Errorf("version %q: %q, %v", version, p, ok)
		}
	}
}
