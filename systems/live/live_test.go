package live

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
	"sysc/systems"
)

func TestParseUnits(t *testing.T) {
	const text = `Type=simple
Id=ssh.service
ActiveState=active
ControlGroup=/system.slice/ssh.service
RefuseManualStop=no
DefaultDependencies=yes

Id=basic.target
ActiveState=inactive
RefuseManualStop=yes
DefaultDependencies=no

Type=oneshot
Id=systemd-sysctl.service
ActiveState=failed
ControlGroup=
RefuseManualStop=no
DefaultDependencies=no
`
	want := []unit{
		{name: "ssh.service", active: true, control: "/system.slice/ssh.service"},
		{name: "basic.target", refuses: true},
		{name: "systemd-sysctl.service", failed: true, early: true},
	}
	if diff := cmp.Diff(want, parseUnits([]byte(text)), cmp.AllowUnexported(unit{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzParseUnits(f *testing.F) {
	f.Add([]byte("Id=a.service\nActiveState=active\n\nId=b.service\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, u := range parseUnits(text) {
			if u.name == "" || strings.Contains(u.name, "\n") {
				t.Errorf("%+v", u)
			}
		}
	})
}

func TestMappedFiles(t *testing.T) {
	const maps = `55d0c0a00000-55d0c0a02000 r--p 00000000 00:1b 1234                       /usr/bin/sleep
7f0000000000-7f0000010000 rw-p 00000000 00:00 0
7f0000010000-7f0000020000 r-xp 00000000 00:1b 77   /usr/lib/x86_64-linux-gnu/libc.so.6
7f0000010000-7f0000020000 r--p 00000000 00:1b 77   /usr/lib/x86_64-linux-gnu/libc.so.6
7f0000020000-7f0000030000 r--p 00000000 00:1c 78   /lib/a name with blanks (deleted)
7f0000030000-7f0000040000 rw-s 00000000 00:01 9    /memfd:x (deleted)
7f0000030000-7f0000040000 rw-s 00000000 00:01 9    /dev/zero
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
`
	want := []string{"/lib/a name with blanks", "/usr/bin/sleep", "/usr/lib/x86_64-linux-gnu/libc.so.6"}
	if got := mappedFiles(maps); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestUnitOf(t *testing.T) {
	for text, want := range map[string]string{
		"0::/system.slice/ssh.service\n":                                              "ssh.service",
		"12:cpu:/x.service\n0::/user.slice/user-0.slice/session-1.scope\n":            "session-1.scope",
		"0::/system.slice/system-serial\\x2dgetty.slice/serial-getty@ttyS0.service\n": "serial-getty@ttyS0.service",
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-x.scope\n":    "run-x.scope",
		"0::/system.slice/docker-0123.scope/init\n":                                   "docker-0123.scope",
		"0::/\n": "", "": "",
	} {
		if got := unitOf(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestNamedFiles(t *testing.T) {
	const text = "# /etc/comment\nExecStart=/usr/sbin/x -c /etc/x.conf --opt=/etc/y,/bin/z\nEnvironmentFile=-/etc/default/x\n" +
		"ReadWritePaths=/var/lib/x /run/etc/no\nConditionPathExists=!/etc/not\nExecStartPre=/usr/bin/%i\n"
	want := []string{"/bin/z", "/etc/default/x", "/etc/not", "/etc/x.conf", "/etc/y", "/usr/sbin/x"}
	got := namedFiles(text)
	got = slices.DeleteFunc(got, func(s string) bool { return s == "/usr/bin/" })
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// A world is a store with roots.
type world struct {
	t  *testing.T
	st *localstore.Store
}

func newWorld(t *testing.T) *world {
	t.Helper()
	st, err := localstore.Open(t.Context(), filepath.Join(t.TempDir(), "store"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return &world{t, st}
}

// side is a generation whose root has files: "path=content", "path->target".
func (w *world) side(number int, files ...string) *Side {
	w.t.Helper()
	b := tree.NewBuilder(w.st, store.Digest{})
	for _, f := range files {
		name, target, link := strings.Cut(f, "->")
		e := tree.Entry{Type: tree.Link, Mode: tree.ModeLink, Target: target}
		if !link {
			var content string
			name, content, _ = strings.Cut(f, "=")
			d, n, err := w.st.AddBlob(w.t.Context(), strings.NewReader(content))
			if err != nil {
				w.t.Fatal(err)
			}
			e = tree.Entry{Type: tree.File, Mode: 0o644, Digest: d, Size: n}
		}
		if err := b.Put(w.t.Context(), name, e); err != nil {
			w.t.Fatal(err)
		}
	}
	d, _, err := b.Write(w.t.Context(), w.st)
	if err != nil {
		w.t.Fatal(err)
	}
	return &Side{Number: number, Manifest: &systems.Manifest{Root: systems.Root{Tree: d}}}
}

func (w *world) change(old, new *Side) *Change {
	return (&Machine{Source: w.st}).Change(old, new)
}

// base is what both generations have.
var base = []string{
	"bin->usr/bin", "lib->usr/lib", "usr/lib/systemd/systemd=init", "usr/lib/x86_64-linux-gnu/libc.so.6=libc",
	"usr/lib/systemd/system/same.service=[Service]\nExecStart=/usr/bin/same\n", "usr/bin/same=same",
	"usr/lib/systemd/system/dbus.service=[Service]\nExecStart=/usr/bin/dbus\n",
}

func TestPlan(t *testing.T) {
	w := newWorld(t)
	old := w.side(1, append(slices.Clone(base),
		"usr/bin/program=1", "usr/bin/dbus=1", "usr/bin/early=1", "etc/x.conf=1", "etc/r.conf=1",
		"etc/systemd/system/gone.service=[Service]\nExecStart=/bin/true\n",
		"etc/systemd/system/text.service=[Service]\nExecStart=/bin/true\n",
		"usr/lib/systemd/system/program.service=[Service]\nExecStart=/bin/program\n",
		"usr/lib/systemd/system/config.service=[Service]\nExecStart=/bin/same -c /etc/x.conf\n",
		"usr/lib/systemd/system/reload.service=[Service]\nExecStart=/bin/same -c /etc/r.conf\nX-ReloadIfChanged=true\n",
		"usr/lib/systemd/system/early.service=[Service]\nExecStart=/bin/early\n",
		"usr/lib/systemd/system/masked.service=[Service]\nExecStart=/bin/same\n",
		"usr/lib/systemd/system/template@.service=[Service]\nExecStart=/bin/same\n",
		"usr/lib/systemd/system/own.service=[Service]\nExecStart=/bin/program\n",
		"etc/systemd/system/multi-user.target.wants/text.service->../text.service",
	)...)
	new := w.side(2, append(slices.Clone(base),
		"usr/bin/program=2", "usr/bin/dbus=2", "usr/bin/early=2", "etc/x.conf=2", "etc/r.conf=2",
		"etc/systemd/system/text.service=[Service]\nExecStart=/bin/false\n",
		"usr/lib/systemd/system/program.service=[Service]\nExecStart=/bin/program\n",
		"usr/lib/systemd/system/config.service=[Service]\nExecStart=/bin/same -c /etc/x.conf\n",
		"usr/lib/systemd/system/reload.service=[Service]\nExecStart=/bin/same -c /etc/r.conf\nX-ReloadIfChanged=true\n",
		"usr/lib/systemd/system/early.service=[Service]\nExecStart=/bin/early\n",
		"usr/lib/systemd/system/masked.service=[Service]\nExecStart=/bin/same\n", "etc/systemd/system/masked.service->/dev/null",
		"usr/lib/systemd/system/template@.service=[Service]\nExecStart=/bin/same\n", "etc/systemd/system/template@.service.d/more.conf=[Service]\nNice=1\n",
		"usr/lib/systemd/system/own.service=[Service]\nExecStart=/bin/program\n",
		"usr/lib/systemd/system/new.service=[Service]\nExecStart=/bin/true\n", "usr/lib/systemd/system/other.service=[Service]\nExecStart=/bin/true\n",
		"etc/systemd/system/multi-user.target.wants/text.service->../text.service",
		"etc/systemd/system/multi-user.target.wants/new.service->/usr/lib/systemd/system/new.service",
		"etc/systemd/system/multi-user.target.wants/nowhere.service->/usr/lib/systemd/system/nowhere.service",
		"etc/systemd/system/stopped.target.wants/other.service->/usr/lib/systemd/system/other.service",
	)...)
	var units []unit
	for _, name := range []string{
		"config.service", "dbus.service", "early.service", "gone.service", "masked.service", "multi-user.target", "own.service", "program.service",
		"reload.service", "run-generated.service", "same.service", "template@a.service", "text.service",
	} {
		units = append(units, unit{name: name, active: true, early: name == "early.service"})
	}
	units = append(units, unit{name: "stopped.target"})
	p, err := w.change(old, new).plan(t.Context(), units, "own.service")
	if err != nil {
		t.Fatal(err)
	}
	want := &plan{
		stop:    []string{"config.service", "gone.service", "masked.service", "program.service", "template@a.service", "text.service"},
		restart: []string{"config.service", "program.service", "template@a.service", "text.service"},
		reload:  []string{"reload.service"},
		start:   []string{"new.service"},
		notes:   []string{"own.service has changed and is what sysc runs in: it is left alone"},
	}
	if diff := cmp.Diff(want, p, cmp.AllowUnexported(plan{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	p, err = w.change(new, new).plan(t.Context(), units, "")
	if err != nil || fmt.Sprint(*p) != fmt.Sprint(plan{}) {
		t.Errorf("nothing has changed: %+v, %v", p, err)
	}
}

func TestNeedsReboot(t *testing.T) {
	w := newWorld(t)
	with := func(more ...string) *Side { return w.side(2, append(slices.Clone(base), more...)...) }
	without := func(name string) []string {
		return slices.DeleteFunc(slices.Clone(base), func(f string) bool { return strings.HasPrefix(f, name) })
	}
	old := with("etc/x=1", "usr/share/x=1")
	old.Manifest.Kernel = &systems.Kernel{Version: "1"}
	kernel := with("etc/x=1", "usr/share/x=1")
	kernel.Manifest.Kernel = &systems.Kernel{Version: "2", BootFile: systems.BootFile{Digest: store.Digest{1}}}
	params := with("etc/x=1", "usr/share/x=1")
	params.Manifest.Kernel, params.Manifest.KernelParams = old.Manifest.Kernel, []string{"quiet"}
	initrd := with("etc/x=1", "usr/share/x=1")
	initrd.Manifest.Kernel, initrd.Manifest.Initrd = old.Manifest.Kernel, &systems.BootFile{Digest: store.Digest{2}}
	for name, c := range map[string]struct {
		new  *Side
		want string
	}{
		"files":  {with("etc/x=2", "usr/share/y=1"), ""},
		"kernel": {kernel, "kernel changed"},
		"params": {params, "kernel command line changed"},
		"initrd": {initrd, "initrd changed"},
		"libc":   {w.side(2, append(without("usr/lib/x86"), "etc/x=1", "usr/lib/x86_64-linux-gnu/libc.so.6=2")...), "libc changed"},
		"init":   {w.side(2, append(without("usr/lib/systemd/systemd="), "etc/x=1", "usr/lib/systemd/systemd=2")...), "init changed"},
		"mounts": {with("etc/x=1", "usr/share/x=1", "etc/fstab=x"), "/etc/fstab changed"},
		"layout": {with("etc/x=1", "sbin->usr/sbin"), "directories of / changed"},
	} {
		if c.new.Manifest.Kernel == nil {
			c.new.Manifest.Kernel = old.Manifest.Kernel
		}
		why, err := w.change(old, c.new).NeedsReboot(t.Context())
		if err != nil || strings.Join(why, ", ") != c.want {
			t.Errorf("%s: %q, %v, want %q", name, why, err, c.want)
		}
	}
}

// What was taken off has lost what was before it.
func TestInTree(t *testing.T) {
	w := newWorld(t)
	c := w.change(w.side(1, append(slices.Clone(base), "etc/x=1")...), w.side(2))
	for name, want := range map[string]string{
		"/usr/bin/same": "/usr/bin/same", "/bin/same": "/bin/same", "/lib/systemd/systemd": "/lib/systemd/systemd",
		"/libexec/none": "", "/x": "/etc/x", "/x86_64-linux-gnu/none": "",
	} {
		if got, err := c.inTree(t.Context(), name); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
}

func TestState(t *testing.T) {
	m := &Machine{Run: filepath.Join(t.TempDir(), "run")}
	if n, err := m.Mounted(); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if err := m.setState(state{Generation: 3, Stopped: []string{"a.service"}}); err != nil {
		t.Fatal(err)
	}
	if s, err := m.state(); err != nil || s.Generation != 3 || len(s.Stopped) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}
