package activate_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sysc/store"
	"sysc/systems"
	"sysc/systems/activate"
	"sysc/systems/boot"
	"sysc/systems/generation"
)

func TestSwitchMakesAMachine(t *testing.T) {
	l := newLab(t)
	res := l.doSwitch(l.build(definition()))
	if res.Generation.Number != 1 || res.Unchanged || res.Previous != 0 {
		t.Errorf("result %+v", res)
	}
	l.wantFile("usr/bin/sh", "#!shell\n")
	l.wantFile("bin/sh", "#!shell\n")
	l.wantFile("etc/motd", "hello\n")
	l.wantFile("etc/hostname", "testhost\n")
	// A relative link out of /etc leads where it does in the root.
	l.wantFile("etc/os-release", "NAME=test\n")
	l.wantFile("var/lib/dpkg/status", "Package: test\n")
	l.wantFile("home/alice/.profile", "PATH=/bin\n")
	l.wantFile("root/.profile", "root's\n")
	l.wantFile("etc/systemd/system/hello.service", "[Service]\nExecStart=/bin/sh\n")
	for link, want := range map[string]string{
		"usr": "sysc/generations/current/root/usr", "etc": "sysc/generations/current/root/etc", "bin": "usr/bin",
		"var/lib/dpkg":             "../../usr/lib/sysc/dpkg",
		"sysc/generations/current": "1", "sysc/generations/1/system": string(res.Generation.System.Logical()),
		"etc/systemd/system/multi-user.target.wants/hello.service": "/etc/systemd/system/hello.service",
	} {
		if got, err := os.Readlink(l.path(link)); err != nil || got != want {
			t.Errorf("%s -> %q (%v), want %q", link, got, err, want)
		}
	}
	for dir, want := range map[string]os.FileMode{"home/alice": 0o700, "root": 0o700, "tmp": 0o777 | os.ModeSticky, "usr/share/empty": 0o555} {
		info, err := os.Stat(l.path(dir))
		if err != nil || info.Mode()&^os.ModeDir != want {
			t.Errorf("%s: mode %v (%v), want %v", dir, info.Mode(), err, want)
		}
	}
	l.wantFile("boot/vmlinuz-6.1.0-10", "kernel\n")
	if l.exists("vmlinuz") || l.exists("boot/initrd.img-6.1.0-10") {
		t.Error("what scripts made for another boot loader stands beside the boot files")
	}
	passwd := l.read("etc/passwd")
	if !strings.HasSuffix(passwd, "\nalice:x:1000:1000::/home/alice:/bin/sh\n") {
		t.Errorf("passwd is %q", passwd)
	}
}

func TestSwitchUnprivilegedTakesNoSetID(t *testing.T) {
	l := newLab(t)
	l.doSwitch(l.build(definition()))
	info, err := os.Stat(l.path("usr/bin/su"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode()&os.ModeSetuid != 0, os.Geteuid() == 0; got != want {
		t.Errorf("set-user-id is %v, want %v", got, want)
	}
}

func TestSwitchAgainMakesNoGeneration(t *testing.T) {
	l := newLab(t)
	system := l.build(definition())
	first := l.doSwitch(system)
	again := l.doSwitch(system)
	if !again.Unchanged || again.Generation.Number != first.Generation.Number {
		t.Errorf("second switch: %+v", again)
	}
	if want := []string{l.path("sysc/generations/1/system")}; !slices.Equal(again.Roots, want) {
		t.Errorf("roots %q, want %q", again.Roots, want)
	}
}

// A change that was planned for another state of the machine is refused, and leaves
// it as it is.
func TestSwitchFrom(t *testing.T) {
	l := newLab(t)
	system := l.build(definition())
	from := func(s activate.State, system *systems.System) error {
		req := l.request(system)
		req.From = &s
		_, err := activate.Switch(t.Context(), req)
		return err
	}
	var changed *activate.ChangedError
	if err := from(activate.State{Number: 1, System: system.Path}, system); !errors.As(err, &changed) || changed.Have != (activate.State{}) {
		t.Errorf("from a generation that is not there: %v", err)
	}
	if l.exists("usr") {
		t.Error("a refused switch changed the machine")
	}
	if err := from(activate.State{}, system); err != nil {
		t.Fatal(err)
	}
	def := definition()
	def.Hostname = "other"
	other := l.build(def)
	for _, s := range []activate.State{{}, {Number: 1, System: other.Path}, {Number: 2, System: system.Path}} {
		if err := from(s, other); !errors.As(err, &changed) || changed.Have != (activate.State{Number: 1, System: system.Path}) {
			t.Errorf("from %v: %v", s, err)
		}
	}
	l.wantFile("etc/hostname", "testhost\n")
	if err := from(activate.State{Number: 1, System: system.Path}, other); err != nil {
		t.Error(err)
	}
	l.wantFile("etc/hostname", "other\n")
}

func TestSwitchOfOneFileTouchesOnlyItsDirectory(t *testing.T) {
	l := newLab(t)
	def := definition()
	l.doSwitch(l.build(def))
	usr := resolved(t, l.path("usr"))
	def.Files[0].Content = "changed\n"
	res := l.doSwitch(l.build(def))
	if res.Generation.Number != 2 || res.Previous != 1 {
		t.Errorf("generation %d after %d", res.Generation.Number, res.Previous)
	}
	l.wantFile("etc/motd", "changed\n")
	if now := resolved(t, l.path("usr")); now != usr {
		t.Errorf("/usr moved from %s to %s", usr, now)
	}
	l.doRollback(0)
	l.wantFile("etc/motd", "hello\n")
	if cur, err := l.profile().Current(); err != nil || cur.Number != 1 {
		t.Errorf("current %v, %v", cur, err)
	}
	// Rolling back again leads on to nothing: 1 is the first.
	if _, err := activate.Rollback(t.Context(), l.request(nil), 0); !errors.Is(err, generation.ErrNotExist) {
		t.Errorf("roll back from the first: %v", err)
	}
	l.doRollback(2)
	l.wantFile("etc/motd", "changed\n")
	// A new generation after a roll back goes back to where it came from.
	l.doRollback(1)
	def.Files[0].Content = "third\n"
	if res := l.doSwitch(l.build(def)); res.Generation.Number != 3 || res.Generation.Previous != 1 {
		t.Errorf("generation %d, previous %d", res.Generation.Number, res.Generation.Previous)
	}
}

func resolved(t *testing.T, p string) string {
	t.Helper()
	got, err := filepath.EvalSymlinks(p)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestBootEntries(t *testing.T) {
	l := newLab(t)
	def := definition()
	res := l.doSwitch(l.build(def))
	if res.BootEntry != "sysc-1.conf" {
		t.Errorf("boot entry %q", res.BootEntry)
	}
	entry := l.entry(1)
	if entry.SortKey != boot.SelectedKey || entry.Options != "sysc.generation=1 quiet" {
		t.Errorf("entry %+v", entry)
	}
	l.wantFile("boot"+entry.Linux, "kernel\n")
	l.wantFile("boot"+entry.Initrd, "initrd\n")
	def.KernelParams = nil
	l.doSwitch(l.build(def))
	if a, b := l.entry(1), l.entry(2); a.SortKey != "sysc-1" || b.SortKey != boot.SelectedKey || a.Linux != b.Linux {
		t.Errorf("entries %+v, %+v", a, b)
	}
	l.doRollback(1)
	if a, b := l.entry(1), l.entry(2); a.SortKey != boot.SelectedKey || b.SortKey != "sysc-1" {
		t.Errorf("entries after roll back %+v, %+v", a, b)
	}
}

func (l *lab) entry(n int) *boot.Entry {
	l.Helper()
	e, err := boot.Parse([]byte(l.read("boot/loader/entries/" + boot.FileName(n))))
	if err != nil {
		l.Fatal(err)
	}
	return e
}

func TestNoKernelNoEntry(t *testing.T) {
	l := newLab(t)
	var entries []string
	for _, e := range baseRoot {
		if !strings.Contains(e, "boot") {
			entries = append(entries, e)
		}
	}
	res := l.doSwitch(l.build(definition(), entries...))
	if res.BootEntry != "" || l.exists("boot/loader") {
		t.Errorf("entry %q", res.BootEntry)
	}
	if !slices.Contains(res.Notes, "the system has no kernel: no boot entry") {
		t.Errorf("notes %q", res.Notes)
	}
}

func TestForeignDirectoryIsRefused(t *testing.T) {
	l := newLab(t)
	if err := os.MkdirAll(l.path("usr/local"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := activate.Switch(t.Context(), l.request(l.build(definition())))
	var foreign *activate.ForeignError
	if !errors.As(err, &foreign) || foreign.Path != l.path("usr") {
		t.Fatalf("error %v", err)
	}
	if l.exists("etc") {
		t.Error("a refused switch left /etc")
	}
}

func TestLinkOutOfTheMachineIsNotFollowed(t *testing.T) {
	for _, name := range []string{"sysc", "var", "boot", "home", "srv"} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			outside := t.TempDir()
			if err := os.MkdirAll(l.root, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(outside, l.path(name)); err != nil {
				t.Fatal(err)
			}
			def := definition()
			def.Files = append(def.Files, systems.File{Path: "/srv/www/index.html", Content: "x", Mode: 0o644})
			_, err := activate.Switch(t.Context(), l.request(l.build(def)))
			entries, readErr := os.ReadDir(outside)
			if readErr != nil || len(entries) > 0 {
				t.Fatalf("/%s leads out, and the switch (%v) wrote %v there", name, err, entries)
			}
		})
	}
}

func TestMachineDirectoriesAreTheMachines(t *testing.T) {
	l := newLab(t)
	def := definition()
	l.doSwitch(l.build(def))
	l.write("var/lib/app/data", "precious")
	l.write("home/alice/letter", "dear")
	if err := os.Remove(l.path("home/alice/.profile")); err != nil {
		t.Fatal(err)
	}
	res := l.doSwitch(l.build(def, append(slices.Clone(baseRoot), "f var/lib/new/file 0600 new", "f etc/skel/.new 0644 x")...))
	l.wantFile("var/lib/app/data", "precious")
	l.wantFile("home/alice/letter", "dear")
	l.wantFile("var/lib/new/file", "new\n")
	if l.exists("home/alice/.profile") || l.exists("home/alice/.new") {
		t.Error("a home that was there was filled up")
	}
	if len(res.Kept) > 0 {
		t.Errorf("kept %q", res.Kept)
	}
}

func TestDeclaredFilesInMachineDirectories(t *testing.T) {
	l := newLab(t)
	def := definition()
	srv := func(text string) systems.File {
		return systems.File{Path: "/srv/www/index.html", Content: text, Mode: 0o644}
	}
	def.Files = []systems.File{srv("one\n"), {Path: "/home/alice/.config/app", Content: "a\n", Mode: 0o600, User: "alice"}}
	def.Symlinks = []systems.Symlink{{Path: "/var/www", Target: "/srv/www"}}
	l.doSwitch(l.build(def))
	l.wantFile("srv/www/index.html", "one\n")
	l.wantFile("home/alice/.config/app", "a\n")
	def.Files[0] = srv("two\n")
	l.doSwitch(l.build(def))
	l.wantFile("srv/www/index.html", "two\n")
	l.doRollback(0)
	l.wantFile("srv/www/index.html", "one\n")
	l.doRollback(2)
	l.wantFile("srv/www/index.html", "two\n")
	// What somebody changed stays, and is told.
	l.write("srv/www/index.html", "mine\n")
	def.Files[0] = srv("three\n")
	res := l.doSwitch(l.build(def))
	l.wantFile("srv/www/index.html", "mine\n")
	if !slices.Equal(res.Kept, []string{"/srv/www/index.html"}) {
		t.Errorf("kept %q", res.Kept)
	}
	// What is declared no more goes.
	def.Files, def.Symlinks = nil, nil
	l.doSwitch(l.build(def))
	if l.exists("home/alice/.config/app") || l.exists("var/www") {
		t.Error("files that are declared no more are still there")
	}
	l.wantFile("srv/www/index.html", "mine\n")
}

func TestDeleteRemovesWhatNobodyUses(t *testing.T) {
	l := newLab(t)
	def := definition()
	first := l.doSwitch(l.build(def))
	def.Files[0].Content = "changed\n"
	var entries []string
	for _, e := range baseRoot {
		entries = append(entries, strings.Replace(e, " kernel", " newer kernel", 1))
	}
	l.doSwitch(l.build(def, entries...))
	oldKernel := l.entry(1).Linux
	if err := activate.Delete(t.Context(), l.request(nil), []generation.Number{2}); err == nil {
		t.Fatal("the current generation was deleted")
	}
	if err := activate.Delete(t.Context(), l.request(nil), []generation.Number{1}); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{
		"sysc/generations/1", "boot/loader/entries/sysc-1.conf", "boot" + oldKernel,
		"sysc/store/" + string(first.Generation.System), "sysc/generations/trees/" + first.Generation.Places["etc"],
	} {
		if l.exists(p) {
			t.Errorf("%s is still there", p)
		}
	}
	l.wantFile("usr/bin/sh", "#!shell\n")
	l.wantFile("etc/motd", "changed\n")
	l.wantFile("boot"+l.entry(2).Linux, "newer kernel\n")
	// The number is not used again.
	def.Files[0].Content = "third\n"
	if res := l.doSwitch(l.build(def)); res.Generation.Number != 3 {
		t.Errorf("generation %d, want 3", res.Generation.Number)
	}
}

func TestRepair(t *testing.T) {
	l := newLab(t)
	system := l.build(definition())
	res := l.doSwitch(system)
	if err := os.RemoveAll(l.path("sysc/generations/trees/" + res.Generation.Places["etc"])); err != nil {
		t.Fatal(err)
	}
	again := l.doSwitch(system)
	if again.Unchanged || again.Generation.Number != 1 {
		t.Errorf("result %+v", again)
	}
	l.wantFile("etc/motd", "hello\n")
}

func TestSourceBuiltObjectsStandOnTheMachine(t *testing.T) {
	l := newLab(t)
	blob, size, err := l.store.AddBlob(t.Context(), strings.NewReader("library"))
	if err != nil {
		t.Fatal(err)
	}
	lib := l.addObject("lib", store.KindFile, derivedFile(blob, size))
	def := definition()
	def.Symlinks = []systems.Symlink{{Path: "/usr/lib/lib.so", Target: lib.Path.Logical()}}
	system := l.build(def)
	res := l.doSwitch(system)
	l.wantFile("sysc/store/"+string(lib.Path), "library")
	if !slices.Contains(res.Generation.Objects, lib.Path) {
		t.Errorf("objects %q", res.Generation.Objects)
	}
}

func TestLeftoversAreCleaned(t *testing.T) {
	l := newLab(t)
	system := l.build(definition())
	l.doSwitch(system)
	if err := os.MkdirAll(l.path("sysc/generations/.new/half/done"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(l.path("sysc/generations/.new/half"), 0o500); err != nil {
		t.Fatal(err)
	}
	def := definition()
	def.Files[0].Content = "changed\n"
	l.doSwitch(l.build(def))
	if l.exists("sysc/generations/.new/half") {
		t.Error("the leftover is still there")
	}
}

// What was changed by hand is found, of each kind, in what the generation owns and in
// what is declared elsewhere; and nothing else is.
func TestDrift(t *testing.T) {
	l := newLab(t)
	def := definition()
	def.Files = append(def.Files, systems.File{Path: "/srv/www/index", Content: "page\n", Mode: 0o644})
	record := l.doSwitch(l.build(def)).Generation
	drift := func() string {
		t.Helper()
		found, err := activate.FindDrift(t.Context(), l.root, "", l.store, record)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, d := range found {
			fmt.Fprintf(&b, "%s %s %v %t\n", d.Action.Symbol(), d.Name, d.Details, !d.Old.IsZero() && !d.New.IsZero())
		}
		return b.String()
	}
	if got := drift(); got != "" {
		t.Errorf("of a new machine:\n%s", got)
	}
	l.write("var/lib/app/more", "what a machine does\n")
	l.write("etc/motd", "changed\n")
	l.write("etc/added", "")
	l.write("srv/www/index", "other\n")
	for _, err := range []error{
		os.Remove(l.path("etc/hostname")),
		os.Remove(l.path("etc/os-release")), os.Symlink("elsewhere", l.path("etc/os-release")),
		os.Chmod(l.path("usr/bin/sh"), 0o700),
		os.Remove(l.path("bin")), os.Mkdir(l.path("bin"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := "~ /bin [a link → something else] false\n" +
		"+ /etc/added [] false\n- /etc/hostname [] false\n~ /etc/motd [] true\n" +
		"~ /etc/os-release [to ../usr/lib/os-release → elsewhere] false\n" +
		"~ /srv/www/index [] true\n~ /usr/bin/sh [mode 0755 → 0700] true\n"
	if got := drift(); got != want {
		t.Errorf("drift:\n%swant:\n%s", got, want)
	}
}
