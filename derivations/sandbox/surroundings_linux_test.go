package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listProcesses prints the name of every process that there is.
func listProcesses() {
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	fmt.Println(len(names))
	for _, name := range names {
		line, err := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
		fmt.Printf("%q %s\n", line, outcome(err))
	}
}

// showModes prints the mode of each directory, and how much is in it.
func showModes(dirs []string) {
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err != nil {
			fmt.Println(dir, outcome(err))
			continue
		}
		entries, err := os.ReadDir(dir)
		fmt.Println(dir, info.Mode(), len(entries), outcome(err))
	}
}

// A builder sees process 1, which is sysc's, and itself.
func TestOtherProcessesAreHidden(t *testing.T) {
	for _, writable := range []bool{false, true} {
		f := newFixture(t)
		f.spec.WritableRoot = writable
		if got := f.builder("processes").output(); !strings.HasPrefix(got, "2\n") {
			t.Errorf("writable root %v: %s", writable, got)
		}
	}
	// Without a sandbox it finds this one.
	out, err := exec.Command(selfPath(t), "builder", "processes").Output()
	if err != nil || strings.HasPrefix(string(out), "2\n") || !strings.Contains(string(out), filepath.Base(selfPath(t))) {
		t.Errorf("%v\n%s", err, out)
	}
}

// The temporary directories are empty, and everybody's who is there.
func TestTemporaryDirectories(t *testing.T) {
	newFixture(t).builder("modes", "/tmp", "/var/tmp", "/dev/shm", "/run", "/build", "/sys").expect(
		"/tmp dtrwxrwxrwx 0 ok", "/var/tmp dtrwxrwxrwx 0 ok", "/dev/shm dtrwxrwxrwx 0 ok", "/run drwxr-xr-x 0 ok", "/build drwxr-xr-x 0 ok", "/sys ENOENT")
}

// How sysc's own programs are laid out, by its caller's wish, is not the builder's
// matter.
func TestPersonalityIsReset(t *testing.T) {
	const noRandom = "personality=262144 " // ADDR_NO_RANDOMIZE
	outside, err := exec.Command("setarch", "-R", selfPath(t), "builder", "surroundings").Output()
	must(t, err)
	if !strings.Contains(string(outside), noRandom) {
		t.Fatalf("without a sandbox it is not there: %s", outside)
	}
	if out, err := exec.Command("setarch", "-R", selfPath(t), "-test.run", "^TestSurroundings$").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Nothing of the host's tells a builder how to reach the network.
func TestNoResolver(t *testing.T) {
	names := []string{"/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/ssl/certs", "/run/systemd/resolve", "/run/nscd/socket"}
	f := newFixture(t)
	for line := range strings.Lines(f.builder(append([]string{"read"}, names...)...).output()) {
		if !strings.HasSuffix(line, ": ENOENT\n") {
			t.Error(line)
		}
	}
	if !slices.ContainsFunc(names, func(name string) bool { _, err := os.Stat(name); return err == nil }) {
		t.Skip("this machine has none of it either")
	}
}
