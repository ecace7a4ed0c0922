package modules

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sysc/modules/lock"
	"sysc/store"
	"sysc/systems"
	"sysc/systems/distro/debian"
	"sysc/systems/distro/debian/debiantest"
)

// testTime is when the archives of tests are signed; now is a minute later.
func testTime() time.Time { return time.Now().Add(-time.Minute).Truncate(time.Second) }

func control(name, version, more string) *debiantest.Package {
	text := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: amd64\nMaintainer: sysc <sysc@example.org>\nDescription: test\n%s", name, version, more)
	return &debiantest.Package{Control: text}
}

// A bench is a project with an archive of its own.
type bench struct {
	t       testing.TB
	dir     string
	archive *debiantest.Archive
}

func newBench(t testing.TB, packages ...*debiantest.Package) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir()}
	b.archive = &debiantest.Archive{Suite: "stable", Architecture: "amd64", Date: testTime(), Packages: packages}
	b.publish()
	return b
}

func (b *bench) publish() {
	b.t.Helper()
	if err := b.archive.Write(filepath.Join(b.dir, "archive")); err != nil {
		b.t.Fatal(err)
	}
	ring, err := os.ReadFile(filepath.Join(b.dir, "archive", "keyring.asc"))
	if err != nil {
		b.t.Fatal(err)
	}
	b.write("keyring.asc", string(ring))
}

func (b *bench) write(name, text string) {
	b.t.Helper()
	path := filepath.Join(b.dir, "project", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// input writes the definition of the input.
func (b *bench) input() {
	b.write("input.sysc.hcl", fmt.Sprintf(`
input "debian" {
  type     = "debian"
  suites   = ["stable"]
  security = false
  keyring  = "keyring.asc"
  url      = "file://%s"
}
`, filepath.Join(b.dir, "archive")))
}

func (b *bench) load() *Project {
	b.t.Helper()
	p, diags := Load(context.Background(), filepath.Join(b.dir, "project"), &Options{Version: "0.3.0", Platform: "linux/amd64"})
	if diags.HasErrors() {
		b.t.Fatalf("load: %v", diags.Err())
	}
	return p
}

func (b *bench) lockOptions() LockOptions {
	return LockOptions{Fetcher: func(s debian.Settings) debian.Fetcher {
		return &debian.Downloads{
			Mirrors: debian.Mirrors(s, func(string) string { return "" }, filepath.Join(b.dir, "no-host")),
			Dir:     filepath.Join(b.dir, "cache"),
		}
	}}
}

func (b *bench) lock(update ...string) (*Project, *Changes) {
	b.t.Helper()
	p := b.load()
	opts := b.lockOptions()
	opts.Update = update
	changes, diags, err := p.Lock(context.Background(), opts)
	if err != nil || diags.HasErrors() {
		b.t.Fatalf("lock: %v, %v", err, diags.Err())
	}
	return p, changes
}

func (b *bench) system(p *Project, name string) *System {
	b.t.Helper()
	s, diags := p.System(context.Background(), name)
	if diags.HasErrors() {
		b.t.Fatalf("system %s: %v", name, diags.Err())
	}
	return s
}

const laptop = `
system "laptop" {
  base     = input.debian
  hostname = "laptop"
  packages = ["git", pkg.debian.vim]

  file "/etc/motd" {
    content = "on ${config.hostname}\n"
    mode    = "0640"
  }
  directory "/srv/data" {
    user = "www"
  }
  symlink "/etc/greeting" {
    target = "motd"
  }
  user "ada" {
    description = "Ada Lovelace"
    groups      = ["media"]
  }
  user "www" {
    system = true
  }
  group "media" {
    gid = 1000
  }
  unit "hello.service" {
    wanted_by = ["multi-user.target"]
    content   = "[Service]\nExecStart=/bin/true\n"
  }
  boot {
    kernel_params = ["quiet"]
  }
}
`

func stock() []*debiantest.Package {
	return []*debiantest.Package{
		control("base-files", "13", "Essential: yes\nPriority: required\n"),
		control("libc6", "2.41", ""),
		control("git", "1:2.47.2-1", "Depends: libc6\n"),
		control("vim", "2:9.1", "Depends: libc6\nRecommends: vim-runtime\n"),
		control("vim-runtime", "2:9.1", ""),
		control("nano", "8.4", "Conflicts: vim\n"),
	}
}

func TestLockAndSystem(t *testing.T) {
	b := newBench(t, stock()...)
	b.input()
	b.write("laptop.sysc.hcl", laptop)
	p, changes := b.lock()
	var names []string
	for _, added := range changes.Roots[0].Added {
		names = append(names, added.Name)
	}
	if diff := cmp.Diff([]string{"base-files", "git", "libc6", "vim"}, names); diff != "" {
		t.Errorf("locked packages, -want +got:\n%s", diff)
	}
	want := []IDChange{{"user", "ada", 1001}, {"user", "www", 899}}
	if diff := cmp.Diff(want, changes.IDs); diff != "" || !changes.Written || len(changes.Inputs) != 1 {
		t.Errorf("changes: written %v, inputs %v, ids -want +got:\n%s", changes.Written, changes.Inputs, diff)
	}

	def := b.system(p, "laptop").Definition
	if _, ok := p.Graph().Derivation(def.Root.Derivation); !ok {
		t.Error("the root is not in the graph")
	}
	digest := def.Provenance.LockDigest
	if !strings.HasPrefix(digest, "sha256:") {
		t.Errorf("lock digest %q", digest)
	}
	def.Root, def.Provenance = systems.Definition{}.Root, systems.Provenance{}
	for i := range def.Packages {
		if def.Packages[i].SHA256.IsZero() {
			t.Errorf("package %s has no hash", def.Packages[i].Name)
		}
		def.Packages[i].Size, def.Packages[i].SHA256 = 0, store.Digest{}
	}
	wantDef := systems.Definition{
		Name: "laptop", Platform: "linux/amd64", Position: "laptop.sysc.hcl:2", Hostname: "laptop",
		Packages: []systems.Package{
			{Name: "base-files", Version: "13", Architecture: "amd64"},
			{Name: "git", Version: "1:2.47.2-1", Architecture: "amd64", Explicit: true},
			{Name: "libc6", Version: "2.41", Architecture: "amd64"},
			{Name: "vim", Version: "2:9.1", Architecture: "amd64", Explicit: true},
		},
		Files:       []systems.File{{Path: "/etc/motd", Content: "on laptop\n", Mode: 0o640, User: "root", Group: "root", Position: "laptop.sysc.hcl:7"}},
		Directories: []systems.Directory{{Path: "/srv/data", Mode: 0o755, User: "www", Group: "root", Position: "laptop.sysc.hcl:11"}},
		Symlinks:    []systems.Symlink{{Path: "/etc/greeting", Target: "motd", Position: "laptop.sysc.hcl:14"}},
		Users: []systems.User{
			{Name: "ada", UID: 1001, Groups: []string{"media"}, Description: "Ada Lovelace", Home: "/home/ada", Shell: "/bin/bash", Position: "laptop.sysc.hcl:17"},
			{Name: "www", UID: 899, Home: "/nonexistent", Shell: "/usr/sbin/nologin", System: true, Position: "laptop.sysc.hcl:21"},
		},
		Groups:       []systems.Group{{Name: "media", GID: 1000, Position: "laptop.sysc.hcl:24"}},
		Units:        []systems.Unit{{Name: "hello.service", Content: "[Service]\nExecStart=/bin/true\n", Enable: true, WantedBy: []string{"multi-user.target"}, Position: "laptop.sysc.hcl:27"}},
		KernelParams: []string{"quiet"},
	}
	if diff := cmp.Diff(wantDef, def); diff != "" {
		t.Errorf("definition, -want +got:\n%s", diff)
	}
	if _, err := systems.Compose(p.Graph(), b.system(p, "laptop").Definition); err != nil {
		t.Errorf("compose: %v", err)
	}
}

// A second lock changes nothing; an update moves what the archive has moved.
func TestLockAgain(t *testing.T) {
	b := newBench(t, stock()...)
	b.input()
	b.write("laptop.sysc.hcl", laptop)
	b.lock()
	path := filepath.Join(b.dir, "project", lock.FileName)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, changes := b.lock(); changes.Written || len(changes.Roots) > 0 {
		t.Errorf("locking again wrote %+v", changes)
	}

	b.archive.Packages = append(stock()[1:], control("base-files", "13.1", "Essential: yes\nPriority: required\n"))
	b.publish()
	if _, changes := b.lock(); changes.Written {
		t.Error("locking moved an input that nobody asked to update")
	}
	_, changes := b.lock("debian")
	if len(changes.Roots) != 1 || len(changes.Roots[0].Changed) != 1 || changes.Roots[0].Changed[0].New.Version != "13.1" {
		t.Errorf("update: got %+v, want base-files changed", changes.Roots)
	}
	if len(changes.IDs) != 0 {
		t.Errorf("update gave numbers again: %v", changes.IDs)
	}
	after, err := os.ReadFile(path)
	if err != nil || bytes.Equal(before, after) {
		t.Errorf("the lock file has not changed (%v)", err)
	}
}

// Numbers stay when an account is gone, and come back with it.
func TestNumbersStay(t *testing.T) {
	b := newBench(t, stock()...)
	b.input()
	b.write("s.sysc.hcl", "system \"s\" {\n  hostname = \"s\"\n  user \"bob\" {\n  }\n}\n")
	b.lock()
	b.write("s.sysc.hcl", "system \"s\" {\n  hostname = \"s\"\n  user \"alice\" {\n  }\n}\n")
	p, _ := b.lock()
	if diff := cmp.Diff(map[string]uint32{"bob": 1000, "alice": 1001}, p.lock.Users); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Every way in which the lock file does not fit the definition is an error at
// the user's line that names sysc lock.
func TestStaleLock(t *testing.T) {
	tests := []struct {
		name, old, new string
		line           int
		want           string
	}{
		{"package added", `"git", pkg`, `"git", "nano", pkg`, 5, `"nano" is not in sysc.lock`},
		{"package gone", `"git", pkg`, `pkg`, 2, "no longer asks for: git"},
		{"recommends", `hostname = "laptop"`, "hostname = \"laptop\"\n  install_recommends = true", 2, "recommended"},
		{"base packages", `hostname = "laptop"`, "hostname = \"laptop\"\n  base_packages = \"none\"", 2, "other base packages"},
		{"user", `user "www"`, "user \"eve\" {\n}\n user \"www\"", 21, "no number for user \"eve\""},
		{"system", `system "laptop"`, `system "desk"`, 2, "no packages for system.desk"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, stock()...)
			b.input()
			b.write("laptop.sysc.hcl", laptop)
			b.lock()
			b.write("laptop.sysc.hcl", strings.Replace(laptop, tt.old, tt.new, 1))
			p := b.load()
			_, diags := p.System(context.Background(), p.Systems()[0])
			if len(diags) != 1 || !strings.Contains(diags[0].Detail, tt.want) || !strings.Contains(diags[0].Detail, "Run sysc lock") {
				t.Fatalf("got %v, want one error with %q", diags.Err(), tt.want)
			}
			if got := diags[0].Subject.Start.Line; got != tt.line {
				t.Errorf("error in line %d, want %d: %v", got, tt.line, diags.Err())
			}
		})
	}
	t.Run("settings", func(t *testing.T) {
		b := newBench(t, stock()...)
		b.input()
		b.write("laptop.sysc.hcl", laptop)
		b.lock()
		b.write("input.sysc.hcl", strings.Replace(string(b.load().Files()["input.sysc.hcl"]), "security = false", "security = true", 1))
		_, diags := b.load().System(context.Background(), "laptop")
		if len(diags) != 1 || !strings.Contains(diags[0].Detail, "settings of input \"debian\" have changed") || diags[0].Subject.Filename != "input.sysc.hcl" {
			t.Errorf("got %v", diags.Err())
		}
	})
}

// Packages that cannot be had are errors at the line that names them, and
// nothing is written.
func TestUnresolvable(t *testing.T) {
	tests := []struct{ name, packages, want string }{
		{"unknown", `"git", "vmi"`, `No package "vmi" in input "debian"; did you mean vim?`},
		{"two unknown", `"qwertyuiop", "vmi"`, `No package "qwertyuiop" in input "debian"`},
		{"conflict", `"nano", "vim"`, "cannot be installed together"},
		{"version", `"git=1:9"`, "no version"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, stock()...)
			b.input()
			b.write("s.sysc.hcl", "system \"s\" {\n  hostname = \"s\"\n  packages = ["+tt.packages+"]\n}\n")
			changes, diags, err := b.load().Lock(context.Background(), b.lockOptions())
			if err != nil || changes != nil || !diags.HasErrors() || !strings.Contains(diags.Err().Error(), tt.want) {
				t.Fatalf("got %v, %v, want an error with %q", err, diags.Err(), tt.want)
			}
			for _, d := range diags {
				if d.Subject.Start.Line != 3 || d.Subject.Start.Column < 14 {
					t.Errorf("error at %v, want the element of the list", d.Subject)
				}
			}
			if _, err := os.Stat(filepath.Join(b.dir, "project", lock.FileName)); err == nil {
				t.Error("a lock file was written")
			}
		})
	}
}

// An archive that cannot be trusted or reached is an error, not a diagnostic,
// and keeps its type.
func TestLockErrors(t *testing.T) {
	b := newBench(t, stock()...)
	b.input()
	b.write("laptop.sysc.hcl", laptop)
	release := filepath.Join(b.dir, "archive", "dists", "stable", "InRelease")
	good, err := os.ReadFile(release)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(release, bytes.Replace(good, []byte("Codename: stable"), []byte("Codename: stably"), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	_, diags, err := b.load().Lock(context.Background(), b.lockOptions())
	var tampered *debian.SignatureError
	if !asError(err, &tampered) || diags.HasErrors() || !strings.Contains(err.Error(), "input.sysc.hcl:2") {
		t.Errorf("got %v, %v, want a SignatureError that names the input's line", err, diags.Err())
	}
}

const hello = `
derivation "hello" {
  version  = "1"
  packages = ["git"]
  script   = "mkdir $out"
}
system "s" {
  hostname = "s"
  packages = ["vim", derivation.hello]
}
`

// Derivations run in a root from the lock file, and may be installed.
func TestDerivations(t *testing.T) {
	b := newBench(t, stock()...)
	b.input()
	b.write("s.sysc.hcl", hello)
	p, changes := b.lock()
	var addresses []string
	for _, r := range changes.Roots {
		addresses = append(addresses, r.Address)
	}
	if diff := cmp.Diff([]string{"derivation.hello", "system.s"}, addresses); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	hello, diags := p.Derivation(context.Background(), "hello")
	if diags.HasErrors() {
		t.Fatal(diags.Err())
	}
	d, ok := p.Graph().Derivation(hello.Hash)
	if !ok || len(d.Inputs) != 1 {
		t.Fatalf("hello has inputs %v, want its root", d.Inputs)
	}
	s := b.system(p, "s")
	root, ok := p.Graph().Derivation(s.Definition.Root.Derivation)
	if !ok || !slices.Contains(root.Inputs, hello.Ref()) || len(root.Inputs) != 2 {
		t.Errorf("the system's root has inputs %v, want the packages' root and hello", root.Inputs)
	}
}

// Two evaluations of the same files give the same bytes, whatever the order in
// which files are listed and however many processors there are.
func TestDeterministic(t *testing.T) {
	b := newBench(t, stock()...)
	b.input()
	text := laptop + `
config {
  packages = ["nano"]
  file "/a" {
    content = join(",", [for k, v in config.user : k])
  }
}
`
	text = strings.Replace(text, `"nano"`, `"vim-runtime"`, 1)
	b.write("laptop.sysc.hcl", text)
	b.lock()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var want []byte
	for i := range 12 {
		runtime.GOMAXPROCS([]int{1, 4}[i%2])
		if i%3 == 2 {
			// Another directory with the same files, created in another order.
			other := &bench{t: t, dir: t.TempDir()}
			entries, err := os.ReadDir(filepath.Join(b.dir, "project"))
			if err != nil {
				t.Fatal(err)
			}
			rand.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
			for _, e := range entries {
				data, err := os.ReadFile(filepath.Join(b.dir, "project", e.Name()))
				if err != nil {
					t.Fatal(err)
				}
				other.write(e.Name(), string(data))
			}
			other.archive, other.dir = b.archive, filepath.Join(other.dir)
			if got := evaluated(t, other); !bytes.Equal(got, want) {
				t.Fatalf("another directory gives\n%s\nwant\n%s", got, want)
			}
			continue
		}
		got := evaluated(t, b)
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("evaluation %d gives\n%s\nwant\n%s", i, got, want)
		}
	}
}

// evaluated is a system and the identities of its graph as bytes.
func evaluated(t *testing.T, b *bench) []byte {
	p := b.load()
	s := b.system(p, "laptop")
	var hashes []string
	for _, h := range p.Graph().Hashes() {
		hashes = append(hashes, h.String())
	}
	data, err := json.MarshalIndent(map[string]any{"definition": s.Definition, "hashes": hashes}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestExplainAndEval(t *testing.T) {
	b := newBench(t, stock()...)
	b.write("s.sysc.hcl", `
option "web.port" {
  type        = port
  default     = 80
  description = "Where it listens."
}
config {
  web {
    port = default(8080)
  }
}
config {
  when = config.hostname == "other"
  web {
    port = force(1)
  }
}
system "s" {
  hostname = "s"
  web {
    port = 443
  }
  file "/broken" {
    content = nothing.at.all
  }
}
`)
	p := b.load()
	s, diags := p.Open(context.Background(), "s")
	if diags.HasErrors() {
		t.Fatal(diags.Err())
	}
	e, diags := s.Explain("web.port")
	if diags.HasErrors() {
		t.Fatal(diags.Err())
	}
	var got []string
	for _, d := range e.Definitions {
		got = append(got, fmt.Sprintf("%d %d %s %s", d.Range.Start.Line, d.Priority, d.Text, d.Status))
	}
	want := []string{"21 100 443 used", "15 50 1 condition false", "9 1000 8080 lost", "4 1500 80 lost"}
	slices.Sort(got[1:])
	slices.Sort(want[1:])
	if diff := cmp.Diff(want, got); diff != "" || string(e.Value) != "443" || e.Type != "port" || e.Description == "" {
		t.Errorf("explanation %+v, definitions -want +got:\n%s", e, diff)
	}
	// What is broken elsewhere does not matter.
	value, diags := s.Value(`{ p = config.web.port + 1, n = system.name, d = option.web.port.is_defined }`)
	if diags.HasErrors() || value.Sensitive || string(value.JSON) != `{"d":true,"n":"s","p":444}` {
		t.Errorf("eval: %s, %v", value.JSON, diags.Err())
	}
	if _, diags := s.Value(`config.file["/broken"].content`); len(diags) != 1 || diags[0].Subject.Start.Line != 24 {
		t.Errorf("eval of what is broken: %v", diags.Err())
	}
	if _, diags := s.Explain("web.prot"); !diags.HasErrors() || !strings.Contains(diags.Err().Error(), `Did you mean "port"?`) {
		t.Errorf("explain of an unknown option: %v", diags.Err())
	}
}

func asError[T error](err error, target *T) bool {
	for err != nil {
		if e, ok := err.(T); ok {
			*target = e
			return true
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return false
		}
		err = u.Unwrap()
	}
	return false
}

// workstation is a locked system of 300 packages and a hundred files.
func workstation(t testing.TB) *bench {
	packages := stock()
	var names []string
	for i := range 300 {
		name := fmt.Sprintf("package%d", i)
		names = append(names, fmt.Sprintf("%q", name))
		packages = append(packages, &debiantest.Package{Control: control(name, "1", "Depends: libc6\n").Control, Plain: true})
	}
	b := newBench(t, packages...)
	b.input()
	text := large(100, 100) + "config {\n  packages = [" + strings.Join(names, ", ") + "]\n}\n"
	b.write("large.sysc.hcl", text)
	b.lock()
	return b
}
