package systems_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sysc/store"
	"sysc/systems"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// golden compares got with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// before and after are two versions of one definition.
func before() systems.Definition {
	return systems.Definition{
		Name: "laptop", Platform: "linux/amd64", Hostname: "old",
		Packages: []systems.Package{
			{Name: "gone", Version: "1", Architecture: "amd64"},
			{Name: "openssh-server", Version: "1:10.0p1-7", Architecture: "amd64", Explicit: true},
			{Name: "same", Version: "2", Architecture: "all"},
		},
		Files: []systems.File{
			{Path: "/etc/gone", Content: "x\n", Mode: 0o644},
			{Path: "/etc/mode", Content: "same\n", Mode: 0o644},
			{Path: "/etc/ssh/sshd_config", Content: "# ssh\nPort 22\nUsePAM yes\n", Mode: 0o644},
		},
		Users: []systems.User{{Name: "alice", UID: 1000, Group: "alice", Home: "/home/alice", Shell: "/bin/sh"}},
		Units: []systems.Unit{
			{Name: "app.service", Content: "[Service]\nExecStart=/bin/app --config /etc/ssh/sshd_config\n", Enable: true, WantedBy: []string{"multi-user.target"}},
			{Name: "gone.service", Content: "x", Enable: true, WantedBy: []string{"multi-user.target"}},
			{Name: "off.service", Content: "[Service]\n", Enable: true, WantedBy: []string{"multi-user.target"}},
			{Name: "other.service", Content: "[Service]\nExecStart=/bin/x /etc/ssh/sshd_config.d\n", Enable: true, WantedBy: []string{"multi-user.target"}},
		},
	}
}

func after() systems.Definition {
	d := before()
	d.Hostname = "new"
	d.Packages = []systems.Package{
		{Name: "htop", Version: "3.4.1-5", Architecture: "amd64", Explicit: true},
		{Name: "openssh-server", Version: "1:10.0p1-7+deb13u1", Architecture: "amd64", Explicit: true},
		{Name: "same", Version: "2", Architecture: "all"},
	}
	d.Files = []systems.File{
		{Path: "/etc/mode", Content: "same\n", Mode: 0o600, User: "alice", Position: "main.sysc.hcl:9"},
		{Path: "/etc/new", Content: "one\ntwo\x1b[31m\n", Mode: 0o644, Position: "main.sysc.hcl:12"},
		{Path: "/etc/pending", Content: "see " + store.Dir + "/x", Mode: 0o644},
		{Path: "/etc/ssh/sshd_config", Content: "# ssh\nPort 2222\nUsePAM yes\n", Mode: 0o644, Position: "modules/std/openssh.sysc.hcl:31"},
	}
	d.Directories = []systems.Directory{{Path: "/srv/data", Mode: 0o755, Position: "main.sysc.hcl:20"}}
	d.Symlinks = []systems.Symlink{{Path: "/etc/localtime", Target: "/usr/share/zoneinfo/UTC"}}
	d.Users = []systems.User{{Name: "alice", UID: 1000, Group: "alice", Groups: []string{"sudo"}, Home: "/home/alice", Shell: "/bin/bash", Position: "main.sysc.hcl:4"}}
	d.Groups = []systems.Group{{Name: "staff", GID: 500}}
	d.Units = []systems.Unit{
		d.Units[0],
		{Name: "hello.service", Content: "[Service]\nExecStart=/bin/hello\n", Enable: true, WantedBy: []string{"multi-user.target"}, Position: "main.sysc.hcl:15"},
		{Name: "off.service", Content: "[Service]\n"},
		d.Units[3],
	}
	d.KernelParams = []string{"quiet"}
	return d
}

// contentsOf joins contents for a comparison.
func contentsOf(all ...systems.Contents) func(store.Digest) ([]byte, bool) {
	return func(d store.Digest) ([]byte, bool) {
		for _, c := range all {
			if text, ok := c[d]; ok {
				return []byte(text), true
			}
		}
		return nil, false
	}
}

func plan() *systems.Plan {
	old, oldTexts := systems.MakeManifest(before(), nil)
	new, newTexts := systems.MakeManifest(after(), nil)
	return systems.Diff(old, new, &systems.DiffOptions{Contents: contentsOf(oldTexts, newTexts)})
}

func TestRenderGolden(t *testing.T) {
	var b strings.Builder
	if err := systems.Render(&b, plan(), systems.RenderOptions{Entry: "sysc-2.conf"}); err != nil {
		t.Fatal(err)
	}
	golden(t, "plan.txt", b.String())
	var first strings.Builder
	m, texts := systems.MakeManifest(before(), nil)
	if err := systems.Render(&first, systems.Diff(nil, m, &systems.DiffOptions{Contents: contentsOf(texts)}), systems.RenderOptions{Color: true}); err != nil {
		t.Fatal(err)
	}
	golden(t, "plan-first.txt", first.String())
}

func TestDiffUnits(t *testing.T) {
	got := map[string]string{}
	for _, u := range plan().Units {
		got[u.Name] = u.Do
	}
	want := map[string]string{
		"app.service":   systems.Restart, // names a file that changed
		"gone.service":  systems.Stop,
		"hello.service": systems.Start,
		"off.service":   systems.Nothing, // is enabled no more, and may run on
		// other.service names a file whose path only begins like one that changed.
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("units (-want +got):\n%s", diff)
	}
}

func TestDiffOfEqualIsEmpty(t *testing.T) {
	old, _ := systems.MakeManifest(before(), nil)
	new, _ := systems.MakeManifest(before(), nil)
	p := systems.Diff(old, new, nil)
	if !p.Empty() {
		t.Errorf("plan %+v", p)
	}
	var b strings.Builder
	if err := systems.Render(&b, p, systems.RenderOptions{}); err != nil || b.Len() > 0 {
		t.Errorf("printed %q, %v", b.String(), err)
	}
}

// A built system and the definition that it was made from do not differ.
func TestDiffOfBuiltSystemAndDefinition(t *testing.T) {
	l := newLab(t)
	def := systems.Definition{
		Name: "test", Platform: "linux/amd64", Hostname: "h",
		Files:    []systems.File{{Path: "/bin/x", Content: "x", Mode: 0o755, Position: "a:1"}},
		Users:    []systems.User{{Name: "a", UID: 7, Home: "/home/a", Groups: []string{"root"}, Position: "a:2"}},
		Symlinks: []systems.Symlink{{Path: "/etc/l", Target: "x", Position: "a:4"}},
		Units:    []systems.Unit{{Name: "ssh.service", Position: "a:3"}, {Name: "own.service", Content: "[Unit]\n"}},
	}
	built := l.mustCompose(def, base...).Manifest
	m, _ := systems.MakeManifest(def, nil)
	if p := systems.Diff(built, m, nil); !p.Empty() {
		t.Errorf("plan %+v", p)
	}
}

func TestDowngradeIsTold(t *testing.T) {
	one := systems.Definition{Packages: []systems.Package{{Name: "p", Version: "2"}}}
	two := systems.Definition{Packages: []systems.Package{{Name: "p", Version: "1"}}}
	old, _ := systems.MakeManifest(one, nil)
	new, _ := systems.MakeManifest(two, nil)
	p := systems.Diff(old, new, &systems.DiffOptions{CompareVersions: strings.Compare})
	if len(p.Packages) != 1 || !p.Packages[0].Downgrade {
		t.Errorf("plan %+v", p.Packages)
	}
}

func TestManifestGolden(t *testing.T) {
	l := newLab(t)
	s := l.mustCompose(systems.Definition{
		Name: "golden", Platform: "linux/amd64", Hostname: "h", KernelParams: []string{"quiet"},
		Packages: []systems.Package{{Name: "p", Version: "1", Architecture: "all", Explicit: true, Size: 10}},
		Files:    []systems.File{{Path: "/bin/x", Content: "x<&>\n", Mode: 0o755}},
		Users:    []systems.User{{Name: "a", UID: 7, Home: "/home/a"}},
		Units:    []systems.Unit{{Name: "own.service", Content: "[Unit]\n"}, {Name: "x.timer", Mask: true}},
	}, append(base, "f boot/vmlinuz-1 0644 k", "f boot/initrd.img-1 0644 i")...)
	data, err := s.Manifest.Encode()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "manifest.json", string(data))
	if s.Digest != store.DigestOf(data) {
		t.Errorf("digest %s of another manifest", s.Digest)
	}
}

func TestParseManifestRefuses(t *testing.T) {
	data, err := os.ReadFile("testdata/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := systems.ParseManifest(data); err != nil {
		t.Fatal(err)
	}
	good := string(data)
	for name, change := range map[string][2]string{
		"format":        {`"format": 1`, `"format": 2`},
		"unknown field": {`"format": 1,`, "\"format\": 1,\n  \"more\": true,"},
		"white space":   {"{\n  \"format\"", "{ \"format\""},
		"parent":        {`"path": "/bin/x"`, `"path": "/../x"`},
		"name":          {`"name": "golden"`, `"name": "../x"`},
		"root":          {`"path": "`, `"path": "x`},
		"field twice":   {`"hostname": "h",`, "\"hostname\": \"h\",\n  \"hostname\": \"h\","},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("%s: nothing changed", name)
		}
		if _, err := systems.ParseManifest([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := systems.ParseManifest([]byte(good + "\n")); err == nil {
		t.Error("text after the manifest: accepted")
	}
}

func FuzzParseManifest(f *testing.F) {
	data, err := os.ReadFile("testdata/manifest.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"format":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := systems.ParseManifest(data)
		if err != nil {
			return
		}
		again, err := m.Encode()
		if err != nil || string(again) != string(data) {
			t.Errorf("not canonical, but accepted: %v", err)
		}
	})
}

// What a plan shows of a text is enough to make the new one of the old one.
func TestDiffAppliesToOldText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.SampledFrom([]string{"a", "b", "c", "", "}", "same", "x"})
		old := strings.Join(rapid.SliceOfN(line, 1, 30).Draw(t, "old"), "\n") + "\n"
		new := strings.Join(rapid.SliceOfN(line, 1, 30).Draw(t, "new"), "\n") + "\n"
		def := func(text string) systems.Definition {
			return systems.Definition{Files: []systems.File{{Path: "/f", Content: text}}}
		}
		a, at := systems.MakeManifest(def(old), nil)
		b, bt := systems.MakeManifest(def(new), nil)
		p := systems.Diff(a, b, &systems.DiffOptions{Contents: contentsOf(at, bt)})
		if old == new {
			if !p.Empty() {
				t.Fatalf("plan %+v", p)
			}
			return
		}
		if got := apply(t, old, p.Files[0].Diff); got != new {
			t.Fatalf("diff %q makes %q of %q, want %q", p.Files[0].Diff, got, old, new)
		}
	})
}
