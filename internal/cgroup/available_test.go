package cgroup

import (
	"testing"
	"testing/fstest"
)

func TestAvailable(t *testing.T) {
	m := newMachine(t)
	expect := func(what string, want int64, limited bool) {
		t.Helper()
		if got, ok := Available(m.proc); got != want || ok != limited {
			t.Errorf("%s: got %d, %v, want %d, %v", what, got, ok, want, limited)
		}
	}
	expect("no controller", 0, false)
	m.write("memory.max", "max\n")
	expect("no limit", 0, false)
	m.write("memory.max", "1000\n")
	expect("use is not known", 0, false)
	m.write("memory.current", "700\n")
	expect("own limit", 300, true)
	m.write("memory.stat", "anon 1\ninactive_file 100\n")
	expect("contents of files", 400, true)
	m.write("../memory.max", "500\n")
	m.write("../memory.current", "350\n")
	expect("limit of the group around it", 150, true)
	m.write("../memory.current", "600\n")
	expect("beyond the limit", 0, true)
	m.write("memory.max", "max\n")
	m.write("../memory.current", "400\n")
	expect("limit of the group around it alone", 100, true)
	if n, ok := Available(fstest.MapFS{}); n != 0 || ok {
		t.Errorf("version 1: got %d, %v", n, ok)
	}
}
