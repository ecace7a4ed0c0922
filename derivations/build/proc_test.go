package build

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// childProcesses lists what this process has started and is still there.
func childProcesses(t testing.TB) []string {
	t.Helper()
	var list []string
	for _, dir := range processes(t) {
		stat, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err != nil {
			continue // it has ended
		}
		// The name stands in brackets and may hold anything.
		var state string
		var parent int
		rest := string(stat[strings.LastIndexByte(string(stat), ')')+1:])
		if _, err := fmt.Sscan(rest, &state, &parent); err != nil {
			t.Fatalf("%s/stat: %v", dir, err)
		}
		if parent == os.Getpid() {
			list = append(list, string(stat))
		}
	}
	return list
}

// mountsOf lists the mounts of any process that show something of the temporary
// directory dir. They are named by paths from the top of a file system.
func mountsOf(t testing.TB, dir string) []string {
	t.Helper()
	part := filepath.Join(filepath.Base(filepath.Dir(dir)), filepath.Base(dir)) + "/"
	var list []string
	for _, process := range processes(t) {
		text, _ := os.ReadFile(filepath.Join(process, "mountinfo")) // it may have ended
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, part) {
				list = append(list, process+": "+line)
			}
		}
	}
	return list
}

func processes(t testing.TB) []string {
	t.Helper()
	list, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// openFiles lists what this process has open below dir.
func openFiles(t testing.TB, dir string) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, link := range links {
		target, _ := os.Readlink(link) // it may be closed
		if strings.HasPrefix(target, dir+"/") {
			list = append(list, target)
		}
	}
	return list
}
