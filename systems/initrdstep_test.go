package systems_test

import (
	"context"
	"strings"
	"testing"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/derivations/builtin"
	"sysc/store"
	"sysc/systems"
	"sysc/systems/systemstest"
)

// bootable are a root with a kernel, which has erofs and overlay built in.
var bootable = []string{
	"f boot/vmlinuz-6.1 0644 the kernel", "f boot/initrd.img-6.1 0644 made by a package",
	"l lib usr/lib",
	"f usr/lib/modules/6.1/modules.dep 0644 kernel/virtio.ko:", "f usr/lib/modules/6.1/modules.alias 0644 alias virtio:* virtio",
	"f usr/lib/modules/6.1/modules.builtin 0644 kernel/fs/erofs/erofs.ko\nkernel/fs/overlayfs/overlay.ko",
	"f usr/lib/modules/6.1/kernel/virtio.ko 0644 module",
}

func TestInitrd(t *testing.T) {
	l := newLab(t)
	theirs := l.mustCompose(systems.Definition{}, bootable...)
	if got := l.blob(theirs.Manifest.Initrd.Digest); got != "made by a package\n" || theirs.Manifest.Boot.Initrd != "" {
		t.Errorf("without an initrd of sysc's: %q, %+v", got, theirs.Manifest.Boot)
	}
	ours := l.mustCompose(systems.Definition{Initrd: systemstest.Initrd()}, bootable...)
	m := ours.Manifest
	if m.Boot.Initrd != systems.InitrdSysc || m.Initrd == nil || m.Initrd.Path != "/boot/initrd.img-6.1" {
		t.Fatalf("manifest: %+v, %+v", m.Boot, m.Initrd)
	}
	if got := l.blob(m.Initrd.Digest); !strings.HasPrefix(got, "\x28\xb5\x2f\xfd") {
		t.Errorf("initrd begins with %q", got[:min(len(got), 8)])
	}
	if e := l.entry(ours, m.Initrd.Path); e.Digest != m.Initrd.Digest || e.Mode != 0o644 {
		t.Errorf("in the root: %+v", e)
	}
	again := newLab(t).mustCompose(systems.Definition{Initrd: systemstest.Initrd()}, bootable...)
	if again.Path != ours.Path {
		t.Errorf("another store makes %s, not %s", again.Path, ours.Path)
	}
	more := l.mustCompose(systems.Definition{Initrd: systemstest.Initrd("virtio")}, bootable...)
	if more.Manifest.Initrd.Digest == m.Initrd.Digest {
		t.Error("a further module is not in the initrd")
	}
}

func TestInitrdRefused(t *testing.T) {
	for name, c := range map[string]struct {
		entries []string
		initrd  *systems.Initrd
		want    string
	}{
		"no kernel":       {[]string{"d boot 0755"}, systemstest.Initrd(), "linux-image"},
		"no modules":      {bootable[:1], systemstest.Initrd(), "modules of kernel 6.1"},
		"no such module":  {bootable, systemstest.Initrd("raid-card"), "no module raid_card"},
		"another program": {bootable, &systems.Initrd{Program: store.DigestOf([]byte("another"))}, "evaluate"},
	} {
		if _, err := newLab(t).compose(systems.Definition{Initrd: c.initrd}, c.entries...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want something about %s", name, err, c.want)
		}
	}
}

// A change of what is declared does not make the initrd anew.
func TestInitrdIsBuiltOnce(t *testing.T) {
	l := newLab(t)
	made := 0
	steps := systemstest.Builtins()
	for name, step := range steps {
		if name == "builtin:initrd" {
			steps[name] = func(ctx context.Context, s *builtin.Step) error { made++; return step(ctx, s) }
		}
	}
	for _, text := range []string{"one", "two", "one"} {
		g := derivations.NewGraph()
		root, err := systemstest.AddRoot(g, bootable)
		if err != nil {
			t.Fatal(err)
		}
		ref, err := systems.Compose(g, systems.Definition{
			Name: "test", Platform: "linux/amd64", Root: root, Initrd: systemstest.Initrd(),
			Files: []systems.File{{Path: "/etc/text", Content: text, Mode: 0o644}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := build.Realise(t.Context(), l.store, g, []derivations.Ref{ref}, &build.Options{Builtins: steps}); err != nil {
			t.Fatal(err)
		}
	}
	if made != 1 {
		t.Errorf("made %d times", made)
	}
}
