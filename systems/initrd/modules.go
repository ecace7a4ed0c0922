package initrd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"sysc/derivations/builtin"
	"sysc/store"
	"sysc/store/tree"
	"sysc/systems/earlyboot"
)

// A Source is what roots are read from: a store.
type Source interface {
	tree.Source
	OpenBlob(ctx context.Context, d store.Digest) (*os.File, error)
}

// required are the modules without which no generation can be mounted; a kernel may
// have them built in.
var required = []string{"erofs", "overlay"}

// byName are further modules that are asked for by name: file systems of data
// partitions and of images, what mounts files, and what the firmware has to say. A kernel
// may lack any of them.
var byName = []string{"ext4", "btrfs", "xfs", "squashfs", "loop", "efivarfs"}

// drivers find the disks of most machines: buses, controllers, and watchdogs. Each is
// loaded where there is a device for it. A kernel may lack any of them.
var drivers = []string{
	"virtio_pci", "virtio_blk", "virtio_scsi", "ahci", "ata_piix", "nvme", "sd_mod", "mptspi", "megaraid_sas", "mpt3sas",
	"xhci_pci", "ehci_pci", "usb_storage", "uas", "sdhci_pci", "sdhci_acpi", "mmc_block",
	"hv_vmbus", "hv_storvsc", "xen_blkfront", "vmw_pvscsi",
	"i6300esb", "iTCO_wdt", "sp5100_tco",
}

// maxListing bounds the lists that depmod(8) makes, and maxModule a module, in
// bytes.
const (
	maxListing = 16 << 20
	maxModule  = 256 << 20
)

// modules are those of one kernel.
type modules struct {
	src Source
	dir tree.Entry // modules.dep stands in it
	// needs has what modules.dep says: the path of a module, and those that it
	// needs, as they have to be loaded last to first.
	needs map[string][]string
	// paths are the modules' by their names, with "_" for "-".
	paths   map[string]string
	builtIn map[string]bool
}

// moduleDirs are where distributions keep modules, below the root.
var moduleDirs = []string{"usr/lib/modules", "lib/modules"}

// openModules reads what there is of a kernel's modules.
func openModules(ctx context.Context, src Source, root store.Digest, version string) (*modules, error) {
	m := &modules{src: src, needs: map[string][]string{}, paths: map[string]string{}, builtIn: map[string]bool{}}
	var err error
	for _, dir := range moduleDirs {
		_, m.dir, err = tree.Resolve(ctx, src, root, dir+"/"+version)
		if !errors.Is(err, store.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("find modules of kernel %s: %w", version, err)
	}
	if m.dir.Type != tree.Dir {
		return nil, fmt.Errorf("find modules of kernel %s: not a directory", version)
	}
	dep, err := m.read(ctx, "modules.dep", maxListing)
	if err != nil {
		return nil, fmt.Errorf("%w; depmod, from the package kmod, makes it", err)
	}
	m.parseDependencies(string(dep))
	builtIn, err := m.read(ctx, "modules.builtin", maxListing)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(builtIn)) {
		m.builtIn[moduleName(strings.TrimSpace(line))] = true
	}
	return m, nil
}

// parseDependencies reads modules.dep(5).
func (m *modules) parseDependencies(text string) {
	for line := range strings.Lines(text) {
		path, needs, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		m.needs[path] = strings.Fields(needs)
		m.paths[moduleName(path)] = path
	}
}

// moduleName is what modprobe(8) calls a module.
func moduleName(p string) string {
	name, _, _ := strings.Cut(path.Base(p), ".")
	return strings.ReplaceAll(name, "-", "_")
}

// choose returns the modules of an initrd, with all that they need, each after what it
// needs. Those that the kernel has built in, or has not, are left out; of the
// required ones and of those that somebody asked for none may be missing.
func (m *modules) choose(ctx context.Context, asked []string) ([]chosen, error) {
	asked = slices.Clone(asked)
	for i, name := range asked {
		asked[i] = moduleName(name)
	}
	for _, name := range slices.Concat(required, asked) {
		if _, ok := m.paths[name]; !ok && !m.builtIn[name] {
			return nil, fmt.Errorf("the kernel has no module %s", name)
		}
	}
	aliases, err := m.aliases(ctx)
	if err != nil {
		return nil, err
	}
	var list []chosen
	done := map[string]bool{}
	add := func(path string, aliases []string) {
		if done[path] {
			return
		}
		done[path] = true
		c := chosen{path: path, Module: earlyboot.Module{Name: moduleName(path), Aliases: aliases}}
		for _, n := range slices.Backward(m.needs[path]) {
			c.Needs = append(c.Needs, moduleName(n))
		}
		c.File = c.Name + ".ko"
		list = append(list, c)
	}
	for i, name := range slices.Concat(required, byName, drivers, asked) {
		path, ok := m.paths[name]
		if !ok {
			continue
		}
		for _, p := range slices.Backward(m.needs[path]) {
			add(p, nil)
		}
		if i < len(required)+len(byName) {
			add(path, nil)
		} else {
			add(path, aliases[name])
		}
	}
	return list, nil
}

// A chosen module is one of an initrd, and where it is in the root.
type chosen struct {
	path string
	earlyboot.Module
}

// aliases reads what hardware modules are for.
func (m *modules) aliases(ctx context.Context) (map[string][]string, error) {
	text, err := m.read(ctx, "modules.alias", maxListing)
	if err != nil {
		return nil, err
	}
	aliases := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == "alias" {
			aliases[words[2]] = append(aliases[words[2]], words[1])
		}
	}
	return aliases, nil
}

// readModule returns a module as the kernel has it in memory.
func (m *modules) readModule(ctx context.Context, path string) ([]byte, error) {
	data, err := m.read(ctx, path, maxModule)
	if err != nil {
		return nil, err
	}
	r, err := builtin.Decompress(io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data))), 1)
	if err != nil {
		return nil, fmt.Errorf("decompress %s: %w", path, err)
	}
	defer r.Close()
	data, err = io.ReadAll(io.LimitReader(r, maxModule+1))
	if err != nil || len(data) > maxModule {
		return nil, fmt.Errorf("decompress %s: %d bytes, at most %d: %w", path, len(data), maxModule, err)
	}
	return data, nil
}

// read reads a file in the directory of modules.
func (m *modules) read(ctx context.Context, name string, limit int64) ([]byte, error) {
	e, err := tree.Find(ctx, m.src, m.dir.Digest, name)
	if err != nil {
		return nil, err
	}
	if e.Type != tree.File || e.Size > limit {
		return nil, fmt.Errorf("%s: not a file of at most %d bytes", name, limit)
	}
	f, err := m.src.OpenBlob(ctx, e.Digest)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}
