package debian_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sysc/systems/distro/debian"
)

const trixie = "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nID=debian\nVERSION_CODENAME=trixie\n"

func TestMirrors(t *testing.T) {
	const main, security = "d", "d-security"
	fallback := map[string][]string{main: {debian.DefaultMirror}, security: {debian.DefaultMirror + "-security"}}
	tests := []struct {
		name     string
		settings debian.Settings
		variable string
		files    map[string]string
		want     map[string][]string
	}{
		{name: "nothing", want: fallback},
		{
			name: "settings come first", settings: debian.Settings{URL: "http://a.example.org/debian/"}, variable: "http://b.example.org/debian",
			want: map[string][]string{main: {"http://a.example.org/debian"}, security: {"http://a.example.org/debian-security"}},
		},
		{
			name: "variable", variable: "http://b.example.org/debian/",
			files: map[string]string{"etc/os-release": trixie, "etc/apt/sources.list": "deb http://c.example.org/debian trixie main\n"},
			want:  map[string][]string{main: {"http://b.example.org/debian"}, security: {"http://b.example.org/debian-security"}},
		},
		{
			name: "one-line style",
			files: map[string]string{
				"etc/os-release": trixie,
				"etc/apt/sources.list": `# deb http://commented.example.org/debian trixie main
deb-src http://source.example.org/debian trixie main
deb [arch=amd64 signed-by=/x] https://c.example.org/debian/ trixie main contrib # mine
deb http://c.example.org/debian trixie-updates main
`,
			},
			want: map[string][]string{main: {"https://c.example.org/debian"}, security: {"https://c.example.org/debian-security"}},
		},
		{
			name: "deb822 style with a security archive elsewhere",
			files: map[string]string{
				"etc/os-release": trixie,
				"etc/apt/sources.list.d/debian.sources": `Types: deb
# a comment
URIs: http://c.example.org/debian http://d.example.org/debian
Suites: trixie trixie-updates
Components: main

Types: deb deb-src
URIs: http://s.example.org/debian-security
Suites: trixie-security
Components: main
`,
			},
			want: map[string][]string{
				main:     {"http://c.example.org/debian", "http://d.example.org/debian"},
				security: {"http://s.example.org/debian-security", "http://c.example.org/debian-security", "http://d.example.org/debian-security"},
			},
		},
		{
			name: "what is not the main archive",
			files: map[string]string{
				"etc/os-release":                        trixie,
				"etc/apt/sources.list.d/a.list":         "deb https://apt.example.org/tool trixie main\n",
				"etc/apt/sources.list.d/b.list":         "deb http://c.example.org/debian bookworm main\n",
				"etc/apt/sources.list.d/c.list":         "deb http://c.example.org/debian trixie contrib\n",
				"etc/apt/sources.list.d/d.list":         "deb ftp://c.example.org/debian trixie main\n",
				"etc/apt/sources.list.d/e.list":         "deb http://me:secret@c.example.org/debian trixie main\n",
				"etc/apt/sources.list.d/f.list.off":     "deb http://off.example.org/debian trixie main\n",
				"etc/apt/sources.list.d/g.sources":      "Enabled: no\nTypes: deb\nURIs: http://g.example.org/debian\nSuites: trixie\nComponents: main\n",
				"etc/apt/sources.list.d/broken.sources": "what is this\n",
			},
			want: fallback,
		},
		{
			name: "another distribution",
			files: map[string]string{
				"etc/os-release":       "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n",
				"etc/apt/sources.list": "deb http://c.example.org/debian noble main\n",
			},
			want: fallback,
		},
		{
			name: "snapshot", settings: debian.Settings{Snapshot: "20260901T000000Z", URL: "http://snap.example.org/archive/"}, variable: "http://b.example.org/debian",
			want: map[string][]string{
				main:     {"http://snap.example.org/archive/debian/20260901T000000Z"},
				security: {"http://snap.example.org/archive/debian-security/20260901T000000Z"},
			},
		},
	}
	tests = append(tests, tests[len(tests)-1])
	last := &tests[len(tests)-1]
	last.name, last.settings = "snapshot where the past is kept", debian.Settings{Snapshot: "20260901T000000Z", History: "http://snap.example.org/archive"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range tt.files {
				file := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			tt.settings.Name = main
			env := func(name string) string {
				if name == debian.HistoryVariable {
					return ""
				}
				if name != debian.MirrorVariable {
					t.Errorf("$%s is read", name)
				}
				return tt.variable
			}
			if diff := cmp.Diff(tt.want, debian.Mirrors(tt.settings, env, root)); diff != "" {
				t.Errorf("mirrors (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPast(t *testing.T) {
	date := func(day int) time.Time { return time.Date(2026, 9, day, 3, 0, 0, 0, time.UTC) }
	r := debian.Revision{
		Indexes: []debian.Index{{Archive: "d", Date: date(1)}, {Archive: "d", Date: date(9)}, {Archive: "d-security", Date: date(8)}},
		Earlier: []debian.Index{{Archive: "d", Date: date(3)}, {Archive: "d", Date: date(4)}, {Archive: "d", Date: date(4)}},
	}
	signed := r.Signed()
	want := map[string][]time.Time{"d": {date(9), date(4), date(3)}, "d-security": {date(8)}}
	if diff := cmp.Diff(want, signed); diff != "" {
		t.Errorf("signed (-want +got):\n%s", diff)
	}
	env := func(variable string) func(string) string {
		return func(name string) string { return map[string]string{debian.HistoryVariable: variable}[name] }
	}
	got := debian.Past(debian.Settings{Name: "d", History: "http://p.example.org/a/"}, map[string][]time.Time{"d": {date(1)}, "d-security": {date(2)}}, env(""))
	addresses := map[string][]string{
		"d":          {"http://p.example.org/a/debian/20260901T150000Z", "http://p.example.org/a/debian/20260901T090000Z"},
		"d-security": {"http://p.example.org/a/debian-security/20260902T150000Z", "http://p.example.org/a/debian-security/20260902T090000Z"},
	}
	if diff := cmp.Diff(addresses, got); diff != "" {
		t.Errorf("past (-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		settings       debian.Settings
		variable, want string
	}{
		{want: debian.DefaultHistory},
		{variable: "http://ours/", want: "http://ours"},
		{variable: debian.NoHistory},
		{settings: debian.Settings{Keyring: []byte("own")}, variable: "http://ours"},
		{settings: debian.Settings{Keyring: []byte("own"), History: "http://theirs"}, want: "http://theirs"},
		{settings: debian.Settings{History: debian.NoHistory}},
	} {
		if got := debian.History(tt.settings, env(tt.variable)); got != tt.want {
			t.Errorf("%+v, %q: %q, want %q", tt.settings, tt.variable, got, tt.want)
		}
	}
}
