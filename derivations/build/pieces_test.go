package build

import (
	"strings"
	"testing"

	"sysc/derivations"
)

func TestPieces(t *testing.T) {
	p, err := scratchPath(&job{d: &derivations.Derivation{Name: "hello-2.10"}}, "out")
	if err != nil {
		t.Fatal(err)
	}
	f := newPieces(p)
	id, path := p.ID(), p.Logical()
	other := strings.Repeat("0", len(id))
	for name, tt := range map[string]struct {
		text string
		want int64
	}{
		"none":               {"nothing " + other, -1},
		"whole":              {"abc " + path + "/bin " + id + " end of the file, which is not near", -1},
		"chunk":              {strings.Repeat("-", 40) + id[8:24] + strings.Repeat("-", 40), 40},
		"gcc's last piece":   {path + "/lib" + strings.Repeat("\x00", 9) + id[31:] + "-hello-2.10/lib" + strings.Repeat("\x00", 40), int64(len(path) + 13)},
		"no piece":           {strings.Repeat("-", 40) + id[31:] + "-hello-2.10/lib" + strings.Repeat("-", 40), -1},
		"gcc's first piece":  {strings.Repeat("\x00", 40) + "/sysc/store/" + id[:4] + strings.Repeat("\x00", 40), 40},
		"movabs of gcc -O0":  {strings.Repeat("\x00", 40) + "H\xb8" + path[:8] + "H\xba" + path[8:16] + "H\x89" + path[16:24] + "H\x89" + strings.Repeat("\x00", 40), 62},
		"one of 8 in words":  {strings.Repeat("-", 40) + id[5:13] + strings.Repeat("-", 40), 40},
		"alike path":         {strings.Repeat("-", 40) + "/sysc/store/" + id[:3] + other[3:] + "-lib" + strings.Repeat("-", 40), -1},
		"alike, and cut off": {strings.Repeat("-", 40) + "/sysc/store/" + id[:3] + "\x00" + other[4:] + "-lib" + strings.Repeat("-", 40), 40},
		"another store path": {path + " /sysc/store/" + other + "-hello-2.10 and more text behind it, for a while", -1},
		"one of 7":           {strings.Repeat("-", 40) + id[9:16] + strings.Repeat("-", 40), -1},
	} {
		text := func(fn func(int64, []byte)) error { return eachWindow(strings.NewReader(tt.text), fn) }
		if got, err := f.search(text); err != nil || got != tt.want {
			t.Errorf("%s: got %d, %v, want %d", name, got, err, tt.want)
		}
	}
}

func TestExecWarnsOfPieces(t *testing.T) {
	w := newWorld(t).withRoot()
	var warnings []string
	events := w.opts.Events
	w.opts.Events = func(e Event) {
		if e.Kind == Warning {
			warnings = append(warnings, e.Line)
		}
		events(e)
	}
	p, err := scratchPath(&job{d: &derivations.Derivation{Name: "hello"}}, "out")
	if err != nil {
		t.Fatal(err)
	}
	filler := strings.Repeat(".", 40)
	w.mustRealise(w.exec("hello", "write $out/good $out", "write $out/bin/bad "+filler+p.ID()[16:24]+filler))
	if len(warnings) != 1 || !strings.Contains(warnings[0], `"bin/bad" has a piece of its own path at byte 40`) {
		t.Errorf("got %q", warnings)
	}
}
