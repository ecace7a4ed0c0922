package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckIDs(t *testing.T) {
	for _, ids := range [][4]int{{0, 0, 0, 0}, {1000, 1000, 100, 100}} {
		if err := checkIDs(ids[0], ids[1], ids[2], ids[3]); err != nil {
			t.Errorf("%v: %v", ids, err)
		}
	}
	for _, ids := range [][4]int{{1000, 0, 100, 100}, {0, 1000, 0, 0}, {1000, 1000, 100, 0}} {
		if checkIDs(ids[0], ids[1], ids[2], ids[3]) == nil {
			t.Errorf("%v: no error", ids)
		}
	}
}

// Only root can make a program that is set to another's id.
func TestSetIDProgramRunsNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	dir, err := os.MkdirTemp("", "sysc-set-id-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o711))
	program := filepath.Join(dir, "tests")
	copyProgram(t, selfPath(t), program)
	must(t, os.Chown(program, nobody, nobody))
	for mode, refused := range map[os.FileMode]bool{0o755: false, 0o755 | os.ModeSetuid: true, 0o755 | os.ModeSetgid: true} {
		must(t, os.Chmod(program, mode))
		out, err := again(t, nil, program, "-test.run", "^TestExit$/^exit=0$")
		if !refused && err != nil || refused && !strings.Contains(out, "is set-id and refuses to run") {
			t.Errorf("mode %v: %v\n%s", mode, err, out)
		}
	}
}
