package activate_test

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"sysc/systems"
	"sysc/systems/activate"
	"sysc/systems/generation"
)

// bootEntries returns the names of the boot entries.
func (l *lab) bootEntries() []string {
	l.Helper()
	list, err := os.ReadDir(l.path("boot/loader/entries"))
	if err != nil {
		l.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func (l *lab) wantEntries(want ...string) {
	l.Helper()
	if got := l.bootEntries(); !slices.Equal(got, want) {
		l.Errorf("boot entries %q, want %q", got, want)
	}
}

// numbered returns definitions that differ.
func numbered(n int, settings systems.BootSettings) systems.Definition {
	def := definition()
	def.Files[0].Content = fmt.Sprintf("number %d\n", n)
	def.Boot = settings
	return def
}

func TestBootLimit(t *testing.T) {
	l := newLab(t)
	for n := 1; n <= 3; n++ {
		l.doSwitch(l.build(numbered(n, systems.BootSettings{})))
	}
	l.wantEntries("sysc-1.conf", "sysc-2.conf", "sysc-3.conf")
	limited := systems.BootSettings{Limit: 2}
	l.doSwitch(l.build(numbered(4, limited)))
	l.wantEntries("sysc-3.conf", "sysc-4.conf")
	// One that is pinned, and one that runs, stay in addition to what can be gone back to.
	if err := activate.Pin(t.Context(), l.request(nil), []generation.Number{3}, true); err != nil {
		t.Fatal(err)
	}
	req := l.request(l.build(numbered(5, limited)))
	req.Booted = 4
	if _, err := activate.Switch(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	l.wantEntries("sysc-3.conf", "sysc-4.conf", "sysc-5.conf")
	req = l.request(l.build(numbered(6, limited)))
	req.Booted = 4
	if _, err := activate.Switch(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	l.wantEntries("sysc-3.conf", "sysc-4.conf", "sysc-5.conf", "sysc-6.conf")
	// Going back gives the entry back, of generation 1 without a limit.
	res := l.doRollback(1)
	if len(res.Notes) > 0 {
		t.Errorf("notes %q", res.Notes)
	}
	l.wantEntries("sysc-1.conf", "sysc-3.conf", "sysc-4.conf", "sysc-5.conf", "sysc-6.conf")
}

func TestPinnedStays(t *testing.T) {
	l := newLab(t)
	l.doSwitch(l.build(numbered(1, systems.BootSettings{})))
	l.doSwitch(l.build(numbered(2, systems.BootSettings{})))
	l.doSwitch(l.build(numbered(3, systems.BootSettings{})))
	pin := func(pinned bool, numbers ...generation.Number) error {
		return activate.Pin(t.Context(), l.request(nil), numbers, pinned)
	}
	if err := pin(true, 2); err != nil {
		t.Fatal(err)
	}
	if err := activate.Delete(t.Context(), l.request(nil), []generation.Number{1, 2}); err == nil || !l.exists("sysc/generations/1") {
		t.Errorf("pinned, and deleted: %v", err)
	}
	booted := l.request(nil)
	booted.Booted = 1
	if err := activate.Delete(t.Context(), booted, []generation.Number{1}); err == nil {
		t.Error("what runs was deleted")
	}
	if err := pin(true, 1, 9); err == nil {
		t.Error("pinned what is not there")
	}
	if err := pin(false, 2); err != nil {
		t.Fatal(err)
	}
	if err := activate.Delete(t.Context(), l.request(nil), []generation.Number{1, 2}); err != nil {
		t.Error(err)
	}
}
