package sandbox

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// controlGroup makes a control group of version 2.
func controlGroup(t *testing.T, name string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a control group")
	}
	for _, top := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var st unix.Statfs_t
		if unix.Statfs(top, &st) != nil || st.Type != unix.CGROUP2_SUPER_MAGIC {
			continue
		}
		dir := filepath.Join(top, "sysc-test-"+name+"-"+strconv.Itoa(os.Getpid()))
		if os.Mkdir(dir, 0o755) == nil {
			t.Cleanup(func() { must(t, os.Remove(dir)) })
			return dir
		}
	}
	t.Skip("needs a control group of version 2 that can be made")
	return ""
}

// A builder is born in its control group, with all that it starts, and sees nothing
// of that; with a starter, too.
func TestControlGroup(t *testing.T) {
	for name, s := range map[string]*Shared{"alone": nil, "shared": shared(t)} {
		// Linux kills at once what is born in a group that was killed before.
		dir := controlGroup(t, name)
		group, err := os.Open(dir)
		must(t, err)
		defer group.Close()
		f := newFixture(t)
		f.spec.Group, f.spec.Shared = group, s
		if got := f.builder("show", "/proc/self/cgroup").output(); !strings.Contains(got, "0::/\n") {
			t.Errorf("the builder finds itself in %q", got)
		}
		f.builder("beat", "/build/beat")
		ended := make(chan error)
		go func() {
			_, err := Run(t.Context(), f.spec)
			ended <- err
		}()
		waitFor(filepath.Join(f.build, "beat"))
		f.until("processes in the group", func() bool {
			list, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
			return err == nil && len(strings.Fields(string(list))) >= 2 // process 1 and the builder
		})
		must(t, os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0))
		if err := <-ended; err == nil {
			t.Error("killed, but no error")
		}
	}
}
