package activate_test

import (
	"fmt"
	"testing"

	"sysc/systems"
)

// largeRoot has about as many files as a workstation of 400 packages: 40,000
// below /usr, 1,500 below /etc.
func largeRoot() []string {
	entries := append([]string{}, baseRoot...)
	for i := range 40_000 {
		entries = append(entries, fmt.Sprintf("f usr/share/d%03d/f%d 0644 %d", i%1000, i, i))
	}
	for i := range 1500 {
		entries = append(entries, fmt.Sprintf("f etc/d%02d/f%d 0644 %d", i%50, i, i))
	}
	return entries
}

func BenchmarkSwitchUnchanged(b *testing.B) {
	l := newLab(b)
	system := l.build(definition(), largeRoot()...)
	l.doSwitch(system)
	for b.Loop() {
		if res := l.doSwitch(system); !res.Unchanged {
			b.Fatal("changed")
		}
	}
}

func BenchmarkSwitchOneFile(b *testing.B) {
	l := newLab(b)
	base := largeRoot()
	l.doSwitch(l.build(definition(), base...))
	n := 0
	for b.Loop() {
		b.StopTimer()
		n++
		def := definition()
		def.Files = []systems.File{{Path: "/etc/motd", Content: fmt.Sprint(n), Mode: 0o644}}
		system := l.build(def, base...)
		b.StartTimer()
		l.doSwitch(system)
	}
}

func BenchmarkSwitchFirst(b *testing.B) {
	l := newLab(b)
	system := l.build(definition(), largeRoot()...)
	root := l.root
	n := 0
	for b.Loop() {
		n++
		l.root = fmt.Sprint(root, n)
		l.doSwitch(system)
	}
}

func BenchmarkComposeOneFile(b *testing.B) {
	l := newLab(b)
	base := largeRoot()
	l.build(definition(), base...)
	n := 0
	for b.Loop() {
		n++
		def := definition()
		def.Files = []systems.File{{Path: "/etc/motd", Content: fmt.Sprint(n), Mode: 0o644}}
		l.build(def, base...)
	}
}
