package modules

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"

	"sysc/store"
	"sysc/systems"
)

// A system has sysc where it boots with sysc's initrd, unless it says otherwise.
func TestProgramOf(t *testing.T) {
	own := runtime.GOOS + "/" + runtime.GOARCH
	for name, c := range map[string]struct {
		platform, packages, boot string
		want                     bool
		problem                  string
	}{
		"no kernel":              {own, `"git"`, ``, false, ""},
		"kernel":                 {own, `"linux-image-amd64"`, ``, true, ""},
		"not wanted":             {own, `"linux-image-amd64"`, `sysc = false`, false, ""},
		"other initrd":           {own, `"linux-image-amd64"`, `initrd = "distribution"`, false, ""},
		"wanted without":         {own, `"git"`, `sysc = true`, true, ""},
		"other platform":         {"linux/riscv64", `"linux-image-amd64"`, ``, false, ""},
		"wanted, other platform": {"linux/riscv64", `"linux-image-amd64"`, `sysc = true`, false, "leave boot.sysc out"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, kernels()...)
			b.input()
			text := "system \"s\" {\n platform = \"PLATFORM\"\n base = input.debian\n hostname = \"s\"\n packages = [" + c.packages + "]\n boot {\n" + c.boot + "\n}\n}\n"
			b.write("s.sysc.hcl", strings.ReplaceAll(text, "PLATFORM", own))
			p, _ := b.lock()
			s, diags := p.Open(context.Background(), "s")
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			r := &reader{e: s.e, by: s.block.Range}
			diags = s.read(r)
			if diags.HasErrors() || len(r.diags) > 0 {
				t.Fatal(diags, r.diags)
			}
			def := s.Definition
			def.Platform = c.platform // after the packages, which the archive has for one only
			p.opts.Program = func() (systems.Program, error) {
				return systems.Program{Digest: store.DigestOf([]byte("sysc")), Size: 4}, nil
			}
			diags = s.program(r, &def)
			if problem := diags.Err(); (problem != nil) != (c.problem != "") || problem != nil && !strings.Contains(strings.ToLower(problem.Error()), c.problem) {
				t.Errorf("diagnostics: %v, want %q", diags, c.problem)
			}
			got := slices.ContainsFunc(def.Files, func(f systems.File) bool { return f.Path == systems.ProgramPath })
			if units := len(def.Units) > 0; got != c.want || units != c.want {
				t.Errorf("program %v, units %v, want %v", got, units, c.want)
			}
		})
	}
}
