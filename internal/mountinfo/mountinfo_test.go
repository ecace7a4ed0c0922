package mountinfo

import (
	"os"
	"slices"
	"testing"
	"testing/fstest"
)

func TestRead(t *testing.T) {
	proc := func(text string) fstest.MapFS {
		return fstest.MapFS{"self/mountinfo": {Data: []byte(text)}}
	}
	got, err := Read(proc("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n" +
		`1 0 0:1 / /with\040space\134 rw - tmpfs tmpfs rw` + "\n"))
	want := []Mount{{"/mnt1", "/mnt2", "ext3"}, {"/", `/with space\`, "tmpfs"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := Read(proc("1 2 3\n")); err == nil {
		t.Error("no error")
	}
}

func TestReadOfThisMachine(t *testing.T) {
	mounts, err := Read(os.DirFS("/proc"))
	if err != nil || !slices.ContainsFunc(mounts, func(m Mount) bool { return m.Point == "/proc" && m.Type == "proc" }) {
		t.Errorf("got %q, %v", mounts, err)
	}
}
