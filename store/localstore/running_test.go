package localstore

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sysc/store"
)

// TestGCKeepsWhatRuns: what a process uses stays, with what it refers to, although no
// root leads to it and nobody has the store open. When the process has ended, it goes.
func TestGCKeepsWhatRuns(t *testing.T) {
	self, err := os.ReadFile(os.Args[0])
	must(t, err)
	s := newStore(t)
	lib := add(t, s, AddOptions{Name: "lib"}, "lib=1")
	in := write(t, "bin/", "data=2", "lib="+lib.Path.ID())
	must(t, os.WriteFile(in+"/bin/run", self, 0o755))
	app, err := s.AddDir(t.Context(), in, &AddOptions{Name: "app", Candidates: []store.Path{lib.Path}})
	must(t, err)
	dead := add(t, s, AddOptions{Name: "dead"}, "f=3")
	register(t, s, lib, app, dead)
	s = reopen(t, s)
	dir := s.PhysicalPath(app.Path)
	want := slices.Sorted(slices.Values([]store.Path{lib.Path, app.Path}))

	for _, tt := range []struct {
		by    string
		start func(cmd *exec.Cmd) (closed io.Closer)
	}{
		{"exe", func(cmd *exec.Cmd) io.Closer { cmd.Path = dir + "/bin/run"; return nil }},
		{"cwd", func(cmd *exec.Cmd) io.Closer { cmd.Dir = dir + "/bin"; return nil }},
		{"fd", func(cmd *exec.Cmd) io.Closer {
			f, err := os.Open(dir + "/data")
			must(t, err)
			cmd.ExtraFiles = []*os.File{f}
			return f
		}},
		{"maps", func(cmd *exec.Cmd) io.Closer {
			f, err := os.Open(dir + "/data")
			must(t, err)
			cmd.ExtraFiles = []*os.File{f}
			cmd.Env = append(cmd.Env, "SYSC_MAP=3")
			return f
		}},
		{"environ", func(cmd *exec.Cmd) io.Closer {
			cmd.Env = append(cmd.Env, "PATH=/bin:"+dir+"/bin:/sbin")
			return nil
		}},
		{"mountinfo", func(cmd *exec.Cmd) io.Closer {
			// In a sandbox the object has another path, also as exe.
			script := `mount --bind "$1" "$2" && shift && exec "$1/bin/run" -test.run=^TestHelperProcess$`
			*cmd = *exec.Command("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", dir, t.TempDir())
			return nil
		}},
	} {
		t.Run(tt.by, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestHelperProcess$")
			file := tt.start(cmd)
			cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PATH=") }), cmd.Env...)
			cmd.Env = append(cmd.Env, "SYSC_HELPER=wait")
			cmd.Stderr = os.Stderr
			in, err := cmd.StdinPipe()
			must(t, err)
			out, err := cmd.StdoutPipe()
			must(t, err)
			must(t, cmd.Start())
			defer func() {
				in.Close()
				cmd.Wait()
			}()
			if file != nil {
				must(t, file.Close())
			}
			if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
				t.Fatalf("%q, %v", line, err)
			}
			running, err := s.Running(t.Context())
			must(t, err)
			if len(running) != 1 || running[0].Path != app.Path || running[0].Process.PID != cmd.Process.Pid ||
				running[0].Process.By != tt.by || running[0].Process.Name == "" {
				t.Errorf("running: %+v", running)
			}
			keepers, err := s.KeptBy(t.Context(), lib.Path)
			must(t, err)
			if len(keepers) != 1 || keepers[0].Root.Process == nil || !slices.Equal(keepers[0].Chain, []store.Path{app.Path, lib.Path}) {
				t.Errorf("kept by %+v", keepers)
			}
			gc(t, s, GCOptions{})
			if got, err := s.Objects(t.Context()); err != nil || !slices.Equal(got, want) {
				t.Errorf("objects %v, %v; want %v", got, err, want)
			}
		})
	}
	verify(t, s)
	if got := gc(t, s, GCOptions{}); !slices.Equal(got.Objects, want) {
		t.Errorf("after they have ended: %+v", got)
	}
}

// waitInObject is a process that has no store open.
func waitInObject() error {
	if os.Getenv("SYSC_MAP") != "" {
		const fd = 3
		if _, err := unix.Mmap(fd, 0, 1, unix.PROT_READ, unix.MAP_PRIVATE); err != nil {
			return err
		}
		if err := unix.Close(fd); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// An object that another store has, too, is used there.
func TestRunningElsewhere(t *testing.T) {
	var dirs []string
	for range 2 {
		s := newStore(t)
		register(t, s, add(t, s, AddOptions{}, "f=1"))
		dirs = append(dirs, s.Dir())
	}
	one, other := open(t, dirs[0]), open(t, dirs[1])
	objects, err := one.Objects(t.Context())
	must(t, err)
	f, err := os.Open(one.PhysicalPath(objects[0]) + "/f")
	must(t, err)
	defer f.Close()
	for s, want := range map[*Store]int{one: 1, other: 0} {
		if got, err := s.Running(t.Context()); err != nil || len(got) != want {
			t.Errorf("%d processes, %v; want %d", len(got), err, want)
		}
	}
	// By another name, which the kernel does not know.
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(filepath.Dir(one.Dir()), link))
	linked := open(t, filepath.Join(link, filepath.Base(one.Dir())))
	if got, err := linked.Running(t.Context()); err != nil || len(got) != 1 || got[0].Process.PID != os.Getpid() {
		t.Errorf("below a link: %+v, %v", got, err)
	}
}

// The environment of a process has any bytes.
func FuzzFindIDs(f *testing.F) {
	id := regexp.MustCompile("/s/store/([0-9abcdfghijklmnpqrsvwxyz]{32})-")
	f.Add([]byte("/s/store/" + fakeID('z') + "-/s/store/" + fakeID('y') + "-"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := processScan{dirs: []string{"/s/store/"}, found: map[string]string{}}
		p.text(data, "environ")
		want := map[string]string{}
		for _, match := range id.FindAllSubmatch(data, -1) {
			want[string(match[1])] = "environ"
		}
		if !maps.Equal(p.found, want) {
			t.Errorf("found %v, want %v", p.found, want)
		}
		p.mounted(string(data))
	})
}

// What is no path of an object is none, wherever it ends.
func TestFindIDs(t *testing.T) {
	id := fakeID('z')
	const dir = "/new\nline/st/store/"
	for text, want := range map[string]bool{
		dir + id + "-": true, dir + id + "-x": true, "a=" + dir + id + "-x/bin\x00": true, "/mnt" + dir + id + "-x (deleted)": true,
		id + "-x": false, dir + id: false, dir + id + "/": false, dir + id[1:] + "-x": false, dir + "z" + id + "-x": false,
		dir + id[1:] + "e-x": false, dir: false, "": false, "/other/store/" + id + "-x": false,
	} {
		p := processScan{dirs: []string{dir}, found: map[string]string{}}
		p.text([]byte(text), "fd")
		if _, got := p.found[id]; got != want || len(p.found) > 1 {
			t.Errorf("%q: found %v", text, p.found)
		}
	}
	p := processScan{dirs: []string{dir}, found: map[string]string{}}
	p.maps([]byte(`7f00-7f01 r--p 0 fe:01 12 /new\012line/st/store/` + id + "-x/lib.so\n"))
	if len(p.found) != 1 {
		t.Errorf("maps: found %v", p.found)
	}
	for root, want := range map[string]bool{
		dir + id + "-x": true, "/store/" + id + "-x": true, "/st/store/" + id + "-x/bin": true, "/data" + dir + id + "-x": true,
		"/other/st/store/" + id + "-x": false, dir: false, "/": false,
	} {
		p := processScan{dirs: []string{dir}, found: map[string]string{}}
		if p.mounted(root); (len(p.found) == 1) != want {
			t.Errorf("mount of %q: found %v", root, p.found)
		}
	}
}
