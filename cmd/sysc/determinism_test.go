package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"sysc/systems/distro/debian/debiantest"
)

// A circumstance is what must not matter to who evaluates and builds a definition.
type circumstance struct {
	// dir is where the definition is, below a directory that everybody may read.
	dir string
	// uid is who runs sysc, 0 for who runs the test.
	uid   uint32
	umask string
	// env is set besides HOME and what says where things are.
	env []string
	// seed decides which blocks stand in which files, in which order; 0 leaves them
	// where they are.
	seed uint64
	// builds is set when outputs are made and compared as well.
	builds bool
}

const someUser = 65534

// circumstances begins with what the others are compared with.
var circumstances = []circumstance{
	{dir: "plain", umask: "022", builds: true},
	{dir: "one processor", umask: "077", env: []string{"GOMAXPROCS=1", "TZ=Asia/Kathmandu", "LANG=tr_TR.UTF-8", "LC_ALL=tr_TR.UTF-8"}},
	{dir: "deep/er/ünd weiter", umask: "000", env: []string{"GOMAXPROCS=8", "TZ=America/St_Johns", "LANG=C", "USER=eve", "GOGC=1"}, seed: 1},
	{dir: "user", uid: someUser, umask: "027", env: []string{"GOMAXPROCS=8", "TZ=:/nonexistent", "LC_ALL=de_AT.UTF-8"}, seed: 2, builds: true},
	{dir: "user again", uid: someUser, umask: "077", env: []string{"GOMAXPROCS=1", "TZ=UTC", "LC_COLLATE=sv_SE.UTF-8", "PWD=/"}, seed: 3},
	{dir: "shuffled", umask: "022", seed: 4, builds: true},
}

// deterministicTargets are what the definition of testdata/determinism.txtar makes.
var deterministicTargets = []string{
	"derivation.text", `derivation.each["web"]`, `derivation.each["ärger"]`, "derivation.all", `module.sites["éxample.org"].derivation.page`,
	"environment.dev", `environment.many["x"]`, "system.box", "system.north", "system.south",
}

// TestDeterminism: one definition gives the same lock file, values, derivations and
// outputs, whoever evaluates and builds it where, on how many processors, and
// whichever way its blocks are distributed to files. As root, that is also another
// user.
func TestDeterminism(t *testing.T) {
	s := newScene(t)
	var want *observation
	for _, c := range circumstances {
		if c.uid != 0 && os.Geteuid() != 0 {
			c.uid = 0
		}
		got := s.observe(t, c)
		if want == nil {
			want = got
			continue
		}
		if !c.builds {
			got.Outputs = want.Outputs
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("in %q things differ, -%q +here:\n%s", c.dir, circumstances[0].dir, diff)
		}
	}
	if len(want.Outputs) != len(deterministicTargets) || len(want.Hashes["system.box"]) < 10 {
		t.Errorf("there is not much to compare: %d outputs, %d derivations of system.box", len(want.Outputs), len(want.Hashes["system.box"]))
	}
	s.checkChanges(t, want)
}

// checkChanges makes sure that what matters is noticed, and a comment is not.
func (s *scene) checkChanges(t *testing.T, want *observation) {
	t.Helper()
	for _, change := range []struct {
		file, old, new string
		changed        []string
	}{
		{"src/sub/two.txt", "two", "too", []string{"derivation.text", `derivation.each["web"]`, `derivation.each["ärger"]`, "derivation.all", "system.box"}},
		{"motd.tmpl", "of ", "by ", []string{"system.box", "system.north", "system.south"}},
		{"main.sysc.hcl", "system \"fleet\" {", "# a comment\nsystem \"fleet\" {", nil},
		{"main.sysc.hcl", "number-${each.value}", "nummer-${each.value}", []string{"system.north", "system.south"}},
	} {
		changed := *s
		changed.files = maps.Clone(s.files)
		text := changed.files[change.file]
		if !strings.Contains(text, change.old) {
			t.Fatalf("%q is not in %s", change.old, change.file)
		}
		changed.files[change.file] = strings.Replace(text, change.old, change.new, 1)
		c := circumstances[0]
		c.dir, c.builds = "changed "+change.new, false
		got := changed.observe(t, c)
		for _, target := range deterministicTargets {
			differs := !slices.Equal(got.Hashes[target], want.Hashes[target])
			if differs != slices.Contains(change.changed, target) {
				t.Errorf("with %q in place of %q, %s has changed: %v", change.new, change.old, target, differs)
			}
		}
	}
}

// A scene is a definition, its archive, and a place for all circumstances.
type scene struct {
	dir, program, mirror string
	// files are those of the definition, by their names.
	files map[string]string
}

func newScene(t *testing.T) *scene {
	t.Helper()
	// The directory of a test, and of its binary, are for their owner only.
	dir, err := os.MkdirTemp("", "sysc-determinism-")
	must(t, err)
	t.Cleanup(func() {
		makeRemovable(dir)
		must(t, os.RemoveAll(dir))
	})
	must(t, os.Chmod(dir, 0o755))
	s := &scene{dir: dir, program: filepath.Join(dir, "sysc"), files: map[string]string{}}
	program, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	must(t, os.WriteFile(s.program, program, 0o755))

	ar, err := txtar.ParseFile(filepath.Join("testdata", "determinism.txtar"))
	must(t, err)
	for _, f := range ar.Files {
		if rest, ok := strings.CutPrefix(f.Name, "pkg/"); ok {
			name := filepath.Join(dir, "packages", rest)
			must(t, os.MkdirAll(filepath.Dir(name), 0o755))
			must(t, os.WriteFile(name, f.Data, 0o644))
			continue
		}
		s.files[f.Name] = string(f.Data)
	}
	s.publish(t)
	return s
}

// publish makes the archive and serves it.
func (s *scene) publish(t *testing.T) {
	t.Helper()
	tools, err := theTools()
	must(t, err)
	greet, err := debiantest.ReadDir(filepath.Join(s.dir, "packages", "greet"))
	must(t, err)
	key, err := theKey("")
	must(t, err)
	archive := debiantest.Archive{Suite: "trixie", Architecture: runtime.GOARCH, Date: time.Unix(1_780_000_000, 0),
		Packages: []*debiantest.Package{tools, greet}, Key: key}
	must(t, archive.Write(filepath.Join(s.dir, "archive")))
	ring, err := os.ReadFile(filepath.Join(s.dir, "archive", "keyring.asc"))
	must(t, err)
	s.files["archive.asc"], s.files["site/archive.asc"] = string(ring), string(ring)
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(s.dir, "archive"))))
	t.Cleanup(server.Close)
	s.mirror = server.URL
}

// An observation is what the definition gives.
type observation struct {
	// Lock is the lock file.
	Lock string
	// Values are those of some expressions.
	Values map[string]string
	// Hashes are the derivations behind each target, with their names.
	Hashes map[string][]string
	// Outputs are the names of the objects made, which are digests of their contents.
	Outputs []string
}

// observe lays the definition out, locks it, evaluates it and builds it.
func (s *scene) observe(t *testing.T, c circumstance) *observation {
	t.Helper()
	dir := filepath.Join(s.dir, c.dir)
	work := filepath.Join(dir, "definition")
	must(t, os.MkdirAll(work, 0o755))
	s.lay(t, c, dir)
	run := func(args ...string) string {
		t.Helper()
		return s.run(t, c, args...)
	}
	got := &observation{Values: map[string]string{}, Hashes: map[string][]string{}}
	run("lock")
	data, err := os.ReadFile(filepath.Join(work, "sysc.lock"))
	must(t, err)
	got.Lock = string(data)
	for _, expr := range []string{
		`[local.sorted, local.sum, local.yaml, local.hashes, titled("q"), path.module, path.root]`, "module.sites",
		"config.file", "config.share", "config.tags", "config.greeting", "config.packages",
	} {
		got.Values[expr] = run("eval", "--json", "--system", "box", expr)
	}
	for _, target := range deterministicTargets {
		var graph struct{ Nodes []struct{ Hash, Name string } }
		must(t, json.Unmarshal([]byte(run("graph", "--json", target)), &graph))
		for _, n := range graph.Nodes {
			got.Hashes[target] = append(got.Hashes[target], n.Name+" "+n.Hash)
		}
		// Which of several that do not need each other comes first is nobody's promise.
		slices.Sort(got.Hashes[target])
	}
	if c.builds {
		for path := range strings.Lines(run(append([]string{"build"}, deterministicTargets...)...)) {
			got.Outputs = append(got.Outputs, filepath.Base(strings.TrimSpace(path)))
		}
	}
	return got
}

// lay writes the definition, and gives it to who is to read it.
func (s *scene) lay(t *testing.T, c circumstance, dir string) {
	t.Helper()
	files := s.files
	if c.seed != 0 {
		files = shuffledFiles(s.files, rand.New(rand.NewPCG(c.seed, 1)))
	}
	names := slices.Sorted(maps.Keys(files))
	if c.seed%2 == 1 {
		slices.Reverse(names) // directories list what was made first, first
	}
	for _, name := range names {
		name, text := filepath.Join(dir, "definition", name), files[name]
		must(t, os.MkdirAll(filepath.Dir(name), 0o755))
		must(t, os.WriteFile(name, []byte(text), 0o644))
	}
	must(t, filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if c.umask == "077" {
			mode := map[bool]os.FileMode{false: 0o600, true: 0o700}[d.IsDir()]
			if err := os.Chmod(name, mode); err != nil {
				return err
			}
		}
		if c.uid == 0 {
			return nil
		}
		return os.Lchown(name, int(c.uid), int(c.uid))
	}))
}

// run runs sysc in a circumstance and returns what it prints.
func (s *scene) run(t *testing.T, c circumstance, args ...string) string {
	t.Helper()
	dir := filepath.Join(s.dir, c.dir)
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", "umask " + c.umask + `; exec "$0" "$@"`, s.program}, args...)...)
	cmd.Dir = filepath.Join(dir, "definition")
	cmd.Env = append([]string{asSysc, "NO_COLOR=1", "PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(dir, "home"), "TMPDIR=" + dir,
		"SYSC_STORE=" + filepath.Join(dir, "store"), "SYSC_DEBIAN_MIRROR=" + s.mirror}, c.env...)
	if c.uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.uid, Gid: c.uid}}
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("in %q, sysc %q: %v\n%s", c.dir, args, err, &stderr)
	}
	return string(out)
}

// shuffledFiles distributes the blocks of each module to files of other names, in
// another order.
func shuffledFiles(files map[string]string, random *rand.Rand) map[string]string {
	names := []string{"a", "Z", "10", "9", "é", "with space", "_"}
	out := map[string]string{}
	blocks := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(name, ".sysc.hcl") {
			out[name] = files[name]
			continue
		}
		dir := filepath.Dir(name)
		for block := range strings.SplitAfterSeq(files[name], "\n}\n") {
			blocks[dir] = append(blocks[dir], block)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(blocks)) {
		list := blocks[dir]
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for _, block := range list {
			name := filepath.Join(dir, names[random.IntN(len(names))]+".sysc.hcl")
			out[name] += block
		}
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
