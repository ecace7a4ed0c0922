package sandbox

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"testing/fstest"
)

func TestStrays(t *testing.T) {
	proc := fstest.MapFS{"version": {}, "self/cmdline": {Data: []byte(initName + "\x00")}}
	add := func(pid, parent int, name, line string) {
		proc[fmt.Sprintf("%d/cmdline", pid)] = &fstest.MapFile{Data: []byte(line)}
		proc[fmt.Sprintf("%d/status", pid)] = &fstest.MapFile{Data: fmt.Appendf(nil, "Name:\t%s\nPPid:\t%d\n", name, parent)}
	}
	add(1, 0, "systemd", "init\x00")
	add(500, 1, "systemd", "systemd\x00--user\x00")
	add(600, 500, "sysc", "sysc\x00build\x00")
	add(601, 600, "exe", initName+"\x00")     // at work
	add(1002, 1, "exe", initName+"\x00")      // its caller is gone
	add(700, 500, "exe", initName+"\x00")     // so is this one's
	add(701, 1, "exe", initName+" other\x00") // something else
	got, err := Strays(proc)
	if want := []int{700, 1002}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestSandboxAtWorkIsNoStray(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f := newFixture(t).builder("beat", "/build/beat")
	over := make(chan struct{})
	go func() { Run(ctx, f.spec); close(over) }()
	f.await("beat")
	got, err := Strays(os.DirFS("/proc"))
	cancel()
	<-over
	if err != nil || len(got) > 0 {
		t.Errorf("got %v, %v", got, err)
	}
}
