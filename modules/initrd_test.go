package modules

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sysc/derivations"
	"sysc/store"
	"sysc/systems"
	"sysc/systems/distro/debian/debiantest"
)

func kernels() []*debiantest.Package {
	return append(stock(), control("linux-image-amd64", "6.12", "Depends: linux-image-6.12-amd64\n"), control("linux-image-6.12-amd64", "6.12", ""),
		control("linux-image-6.12-amd64-dbg", "6.12", ""), control("cryptsetup-initramfs", "2:2.7", ""))
}

func TestInitrdOf(t *testing.T) {
	program := store.DigestOf([]byte("program of linux/amd64"))
	none := (*systems.Initrd)(nil)
	for name, c := range map[string]struct {
		packages, boot string
		want           *systems.Initrd
		theirs         bool // packages make theirs
	}{
		"no kernel":       {`"git"`, ``, none, false},
		"debug symbols":   {`"linux-image-6.12-amd64-dbg"`, ``, none, false},
		"kernel":          {`"linux-image-amd64"`, ``, &systems.Initrd{Program: program}, false},
		"modules":         {`"linux-image-amd64"`, `initrd_modules = ["b", "a", "b"]`, &systems.Initrd{Program: program, Modules: []string{"a", "b"}}, false},
		"asked for":       {`"git"`, `initrd = "sysc"`, &systems.Initrd{Program: program}, false},
		"distribution":    {`"linux-image-amd64"`, `initrd = "distribution"`, none, true},
		"encrypted disks": {`"linux-image-amd64", "cryptsetup-initramfs"`, "initrd = \"distribution\"\nkernel_params = [\"root=/dev/sda1\"]", none, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, kernels()...)
			b.input()
			b.write("s.sysc.hcl", "system \"s\" {\n base = input.debian\n hostname = \"s\"\n packages = ["+c.packages+"]\n boot {\n"+c.boot+"\n}\n}\n")
			p, _ := b.lock()
			p.opts.InitProgram = func(platform string) store.Digest { return store.DigestOf([]byte("program of " + platform)) }
			def := b.system(p, "s").Definition
			if diff := cmp.Diff(c.want, def.Initrd); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			root, _ := p.Graph().Derivation(def.Root.Derivation)
			if theirs := root.Env["INITRD"] != "No"; theirs != c.theirs {
				t.Errorf("packages make an initrd: %v, want %v", theirs, c.theirs)
			}
			if _, err := systems.Compose(p.Graph(), def); err != nil {
				t.Error(err)
			}
		})
	}
}

// Two systems of the same packages have two roots when one of them has an initrd in it.
func TestInitrdRoots(t *testing.T) {
	b := newBench(t, kernels()...)
	b.input()
	text := ""
	for _, name := range []string{"sysc", "distribution"} {
		text += "system \"" + name + "\" {\n base = input.debian\n packages = [\"linux-image-amd64\"]\n boot {\n initrd = \"" + name + "\"\n }\n}\n"
	}
	b.write("s.sysc.hcl", text)
	p, _ := b.lock()
	roots := map[derivations.Ref]bool{}
	for _, name := range []string{"sysc", "distribution"} {
		roots[b.system(p, name).Definition.Root] = true
	}
	if len(roots) != 2 {
		t.Errorf("%d roots, want 2", len(roots))
	}
}

func TestInitrdUnsuitable(t *testing.T) {
	b := newBench(t, kernels()...)
	b.input()
	b.write("s.sysc.hcl", "system \"s\" {\n base = input.debian\n packages = [\"linux-image-amd64\",\n\"cryptsetup-initramfs\"]\n}\n")
	p, _ := b.lock()
	_, diags := p.System(context.Background(), "s")
	if len(diags) != 1 || diags[0].Subject.Start.Line != 4 || !strings.Contains(diags[0].Detail, "boot.initrd = \"distribution\"") {
		t.Errorf("diagnostics: %v", diags)
	}
}
