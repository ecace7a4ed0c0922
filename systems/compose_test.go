package systems_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sysc/derivations"
	"sysc/store"
	"sysc/store/tree"
	"sysc/systems"
	"sysc/systems/systemstest"
)

// base is a root with merged /usr and Debian's account files.
var base = []string{
	"d usr/bin 0755", "f usr/bin/sh 0755 #!shell", "l bin usr/bin", "l lib usr/lib",
	"f etc/passwd 0644 root:x:0:0:root:/root:/bin/sh", "f etc/group 0644 root:x:0:",
	"f etc/shadow 0640:0:42 root:*:19000:0:99999:7:::", "f etc/gshadow 0640:0:42 root:*::",
	"d etc/dir 0755", "f etc/dir/file 0644 x", "l etc/loop loop",
	"f usr/lib/systemd/system/ssh.service 0644 [Install]",
	"f usr/lib/systemd/system/getty@.service 0644 [Unit]",
	"l etc/systemd/system/multi-user.target.wants/ssh.service /usr/lib/systemd/system/ssh.service",
	"l etc/systemd/system/sshd.service /usr/lib/systemd/system/ssh.service",
	"f var/lib/dpkg/status 0644 Package: x",
}

func TestDeclare(t *testing.T) {
	l := newLab(t)
	s := l.mustCompose(systems.Definition{
		Hostname:    "host.example",
		Files:       []systems.File{{Path: "/bin/tool", Content: "tool", Mode: 0o4755, User: "alice", Group: "staff"}, {Path: "/etc/new/deep/file", Mode: 0o600}},
		Directories: []systems.Directory{{Path: "/etc/dir", Mode: 0o750, Group: "staff"}, {Path: "/srv/data", Mode: 0o2775}},
		Symlinks:    []systems.Symlink{{Path: "/etc/loop", Target: "dir"}},
		Groups:      []systems.Group{{Name: "staff", GID: 500, Members: []string{"alice"}}},
		Users:       []systems.User{{Name: "alice", UID: 1000, Home: "/home/alice", Shell: "/bin/sh", Description: "Alice"}},
	}, base...)
	for path, want := range map[string]tree.Entry{
		"/usr/bin/tool": {Name: "tool", Type: tree.File, Mode: 0o4755, UID: 1000, GID: 500, Size: 4, Digest: store.DigestOf([]byte("tool"))},
		"/etc/loop":     {Name: "loop", Type: tree.Link, Mode: 0o777, Target: "dir"},
		"/var/lib/dpkg": {Name: "dpkg", Type: tree.Link, Mode: 0o777, Target: "../../usr/lib/sysc/dpkg"},
	} {
		if diff := cmp.Diff(want, l.entry(s, path)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	for path, want := range map[string][3]uint32{
		"/etc/dir": {0o750, 0, 500}, "/srv/data": {0o2775, 0, 0}, "/etc/new/deep": {0o755, 0, 0},
		"/home/alice": {0o700, 1000, 1000}, "/etc/shadow": {0o640, 0, 42},
	} {
		e := l.entry(s, path)
		if got := [3]uint32{e.Mode, e.UID, e.GID}; got != want {
			t.Errorf("%s is %o, want %o", path, got, want)
		}
	}
	for path, want := range map[string]string{
		"/etc/hostname": "host.example\n", "/etc/dir/file": "x\n", "/usr/lib/sysc/dpkg/status": "Package: x\n",
		"/etc/passwd":  "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000:Alice:/home/alice:/bin/sh\n",
		"/etc/group":   "root:x:0:\nstaff:x:500:alice\nalice:x:1000:\n",
		"/etc/shadow":  "root:*:19000:0:99999:7:::\nalice:!*:::::::\n",
		"/etc/gshadow": "root:*::\nstaff:!::alice\nalice:!::\n",
	} {
		if got := l.text(s, path); got != want {
			t.Errorf("%s holds %q, want %q", path, got, want)
		}
	}
	// The manifest says where a path leads, and what stands there.
	f := s.Manifest.Files[0]
	if f.Path != "/bin/tool" || f.Resolved != "/usr/bin/tool" || f.UID != 1000 || f.GID != 500 || f.Size != 4 {
		t.Errorf("manifest has %+v", f)
	}
}

// Directories are made where nobody can make them in the machine, and nowhere else.
func TestMountPoints(t *testing.T) {
	l := newLab(t)
	points := func(paths ...string) (list []systems.MountPoint) {
		for _, p := range paths {
			list = append(list, systems.MountPoint{Path: p, Position: "main.sysc.hcl:1"})
		}
		return list
	}
	s := l.mustCompose(systems.Definition{
		Directories: []systems.Directory{{Path: "/own", Mode: 0o700}},
		MountPoints: points("/", "/bin/below/deep", "/data", "/data/inner", "/etc/dir", "/home/anna/music", "/own", "/run/x", "/tmp"),
	}, base...)
	for path, mode := range map[string]uint32{"/data": 0o755, "/usr/bin/below/deep": 0o755, "/own": 0o700, "/etc/dir/file": 0o644} {
		if e := l.entry(s, path); e.Mode != mode {
			t.Errorf("%s has mode %o, want %o", path, e.Mode, mode)
		}
	}
	for _, path := range []string{"/data/inner", "/home", "/run", "/tmp"} {
		if l.has(s, path) {
			t.Errorf("the root has %s", path)
		}
	}
	for path, want := range map[string]string{
		"/bin/sh": "mount point /bin/sh: the root has a file there", "/etc/dir/file/x": "is a file", "/x/../y": "not clean",
	} {
		_, err := l.compose(systems.Definition{MountPoints: points(path)}, base...)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "main.sysc.hcl:1") {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

func TestUnits(t *testing.T) {
	l := newLab(t)
	hello := "[Service]\nExecStart=/bin/sh\n[Install]\nWantedBy=multi-user.target graphical.target\nAlias=hi.service\n"
	s := l.mustCompose(systems.Definition{Units: []systems.Unit{
		{Name: "hello.service", Content: hello, Enable: true},
		{Name: "quiet.service", Content: hello},
		{Name: "ssh.service"},
		{Name: "getty@tty1.service", Enable: true, WantedBy: []string{"getty.target"}},
		{Name: "apt-daily.timer", Mask: true},
	}}, base...)
	const dir = "/etc/systemd/system/"
	for link, want := range map[string]string{
		"multi-user.target.wants/hello.service": dir + "hello.service",
		"graphical.target.wants/hello.service":  dir + "hello.service",
		"hi.service":                            dir + "hello.service",
		"getty.target.wants/getty@tty1.service": "/usr/lib/systemd/system/getty@.service",
		"apt-daily.timer":                       "/dev/null",
	} {
		if got := l.entry(s, dir+link).Target; got != want {
			t.Errorf("%s -> %q, want %q", link, got, want)
		}
	}
	for _, gone := range []string{"multi-user.target.wants/quiet.service", "multi-user.target.wants/ssh.service", "sshd.service"} {
		if l.has(s, dir+gone) {
			t.Errorf("%s is enabled", gone)
		}
	}
	if got := l.text(s, dir+"quiet.service"); got != hello {
		t.Errorf("unit holds %q", got)
	}
}

// Each definition is wrong; the error names the declaration and says why.
func TestDeclarationErrors(t *testing.T) {
	l := newLab(t)
	file := func(path string) systems.File {
		return systems.File{Path: path, Mode: 0o644, Position: "a.sysc.hcl:7"}
	}
	for name, tt := range map[string]struct {
		def  systems.Definition
		want string
	}{
		"over directory":   {systems.Definition{Files: []systems.File{file("/etc/dir")}}, "a.sysc.hcl:7: file /etc/dir: the root has a directory there"},
		"below file":       {systems.Definition{Files: []systems.File{file("/etc/passwd/x")}}, "/etc/passwd is a file, not a directory"},
		"twice by alias":   {systems.Definition{Files: []systems.File{file("/bin/x"), file("/usr/bin/x")}}, "file /usr/bin/x: file /bin/x at a.sysc.hcl:7 is the same file"},
		"twice":            {systems.Definition{Files: []systems.File{file("/etc/x"), file("/etc/x")}}, "file /etc/x: also declared at a.sysc.hcl:7"},
		"two kinds":        {systems.Definition{Files: []systems.File{file("/etc/x")}, Symlinks: []systems.Symlink{{Path: "/etc/x", Target: "y"}}}, "also declared at a.sysc.hcl:7"},
		"in run":           {systems.Definition{Files: []systems.File{file("/run/x")}}, "filled when the machine runs"},
		"in boot":          {systems.Definition{Files: []systems.File{file("/boot/x")}}, "kept by sysc itself"},
		"in root":          {systems.Definition{Files: []systems.File{file("/x")}}, "a file cannot stand in / itself"},
		"through a loop":   {systems.Definition{Files: []systems.File{file("/etc/loop/x")}}, "symbolic links on the way"},
		"not clean":        {systems.Definition{Files: []systems.File{file("/etc//x")}}, `write "/etc/x"`},
		"not absolute":     {systems.Definition{Files: []systems.File{file("etc/x")}}, "is not absolute"},
		"unknown user":     {systems.Definition{Files: []systems.File{{Path: "/etc/x", User: "bob", Position: "b:1"}}}, `b:1: file /etc/x: no user "bob"`},
		"unknown group":    {systems.Definition{Directories: []systems.Directory{{Path: "/etc/x", Group: "bob"}}}, `no group "bob"`},
		"hostname twice":   {systems.Definition{Hostname: "a", Files: []systems.File{file("/etc/hostname")}}, "hostname: file /etc/hostname at a.sysc.hcl:7 is the same file"},
		"bad hostname":     {systems.Definition{Hostname: "a_b"}, "not a letter, digit or hyphen"},
		"uid taken":        {systems.Definition{Users: []systems.User{{Name: "bob", UID: 0, Position: "c:3"}}}, "c:3: user bob"},
		"uid differs":      {systems.Definition{Users: []systems.User{{Name: "root", UID: 5}}}, "the root has it with uid 0, not 5"},
		"gid taken":        {systems.Definition{Groups: []systems.Group{{Name: "bob", GID: 0}}}, "gid 0 belongs to group root"},
		"colon in name":    {systems.Definition{Users: []systems.User{{Name: "a:b", UID: 7}}}, "not a name"},
		"gecos injection":  {systems.Definition{Users: []systems.User{{Name: "a", UID: 7, Description: "x\nroot2::0:0"}}}, "colon or a line break"},
		"no such member":   {systems.Definition{Groups: []systems.Group{{Name: "g", GID: 7, Members: []string{"nobody"}}}}, `no user "nobody"`},
		"no such group":    {systems.Definition{Users: []systems.User{{Name: "a", UID: 7, Groups: []string{"sudo"}}}}, `no group "sudo"`},
		"unit by nobody":   {systems.Definition{Units: []systems.Unit{{Name: "x.service", Content: "[Unit]\n", Enable: true}}}, "nothing wants it"},
		"unit not there":   {systems.Definition{Units: []systems.Unit{{Name: "x.service"}}}, "no package ships it"},
		"unit no suffix":   {systems.Definition{Units: []systems.Unit{{Name: "x"}}}, "needs a suffix"},
		"check of nothing": {systems.Definition{HealthChecks: []systems.HealthCheck{{Name: "x", Timeout: 1000}}}, "exactly one of"},
		"check of much":    {systems.Definition{HealthChecks: []systems.HealthCheck{{Name: "x", Timeout: 1000, TCP: "a:1", Unit: "b"}}}, "exactly one of"},
		"check in a hurry": {systems.Definition{HealthChecks: []systems.HealthCheck{{Name: "x", TCP: "a:1"}}}, "a timeout of 0s"},
		"check, no host":   {systems.Definition{HealthChecks: []systems.HealthCheck{{Name: "x", Timeout: 1000, TCP: ":1"}}}, "no HOST:PORT"},
		"check of a file":  {systems.Definition{HealthChecks: []systems.HealthCheck{{Name: "x", Timeout: 1000, HTTP: "file:///x"}}}, "begins with http"},
		"check by a build": {systems.Definition{HealthChecks: []systems.HealthCheck{{Name: "x", Timeout: 1000, Command: []string{"/sysc/store/00000000000000000000000000000000-x"}}}}, "a program of the machine"},
		"unit path":        {systems.Definition{Units: []systems.Unit{{Name: "../x.service"}}}, "not a unit's name"},
		"masked, enabled":  {systems.Definition{Units: []systems.Unit{{Name: "x.service", Mask: true, Enable: true}}}, "masked unit"},
	} {
		_, err := l.compose(tt.def, base...)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", name, err, tt.want)
		}
	}
}

func TestDeclarationErrorIsKept(t *testing.T) {
	l := newLab(t)
	_, err := l.compose(systems.Definition{Files: []systems.File{{Path: "/etc/x", User: "bob", Position: "b:1"}}}, base...)
	var wrong *systems.DeclarationError
	if !errors.As(err, &wrong) || wrong.Position != "b:1" || wrong.What != "file /etc/x" {
		t.Errorf("error %v does not hold a DeclarationError of the file: %+v", err, wrong)
	}
}

func TestReferencesFollowTexts(t *testing.T) {
	l := newLab(t)
	g := derivations.NewGraph()
	used, err := g.AddSource(nil, derivations.Source{Name: "used", Content: []byte("used")})
	if err != nil {
		t.Fatal(err)
	}
	copied, err := g.AddSource(nil, derivations.Source{Name: "copied", Content: []byte("copied\n")})
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.composeIn(g, systems.Definition{Files: []systems.File{
		{Path: "/etc/a", Content: "run " + used.Logical() + "\n", Mode: 0o644},
		{Path: "/etc/b", Source: copied.Logical(), Mode: 0o600},
	}}, base...)
	if err != nil {
		t.Fatal(err)
	}
	root, err := l.store.Object(t.Context(), s.Manifest.Root.Path)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(root.References, []store.Path{used}) {
		t.Errorf("references %q, want %q", root.References, used)
	}
	if got := l.text(s, "/etc/b"); got != "copied\n" {
		t.Errorf("/etc/b holds %q", got)
	}
	closure, err := l.store.Closure(t.Context(), []store.Path{s.Path})
	if err != nil || !slices.Contains(closure, used) || !slices.Contains(closure, s.Manifest.Root.Path) {
		t.Errorf("closure %q, %v", closure, err)
	}
}

// Where a declaration stands says nothing about the system, and makes no other
// derivation.
func TestPositionsMakeNoOtherSystem(t *testing.T) {
	g := derivations.NewGraph()
	root, err := systemstest.AddRoot(g, base)
	if err != nil {
		t.Fatal(err)
	}
	def := systems.Definition{
		Name: "test", Platform: "linux/amd64", Root: root, Position: "a:9",
		Files: []systems.File{{Path: "/etc/x", Content: "x", Position: "a:1"}},
		Users: []systems.User{{Name: "a", UID: 7, Home: "/home/a", Position: "a:2"}},
		Units: []systems.Unit{{Name: "ssh.service", Position: "a:3"}},
	}
	first, err := systems.Compose(g, def)
	if err != nil {
		t.Fatal(err)
	}
	def.Position, def.Files[0].Position, def.Users[0].Position, def.Units[0].Position = "b:90", "b:10", "b:20", "b:30"
	def.Provenance = systems.Provenance{Revision: "abc", Dirty: true}
	if second, err := systems.Compose(g, def); err != nil || second != first {
		t.Errorf("other positions, another derivation: %v, %v, %v", first, second, err)
	}
}

func TestKernelIsTheNewest(t *testing.T) {
	l := newLab(t)
	s := l.mustCompose(systems.Definition{}, append(slices.Clone(base),
		"f boot/vmlinuz-6.12.9+deb13-amd64 0644 old", "f boot/initrd.img-6.12.9+deb13-amd64 0644 old initrd",
		"f boot/vmlinuz-6.12.48+deb13-amd64 0644 new", "f boot/vmlinuz-6.12.48~rc1+deb13-amd64 0644 candidate")...)
	if k := s.Manifest.Kernel; k == nil || k.Version != "6.12.48+deb13-amd64" || k.Path != "/boot/vmlinuz-6.12.48+deb13-amd64" || k.Size != 4 {
		t.Errorf("kernel %+v", k)
	}
	if s.Manifest.Initrd != nil {
		t.Errorf("initrd %+v of another kernel", s.Manifest.Initrd)
	}
}
