package boot

import (
	"fmt"
	"strings"

	"sysc/systems"
	"sysc/systems/generation"
)

// Names of files that entries name.
const (
	linuxName  = "linux"
	initrdName = "initrd"
)

// GenerationParam is the parameter of the kernel's command line that names the
// generation.
const GenerationParam = "sysc.generation"

// ParamsName is the file, below a machine's root, with what its kernels are told
// whatever the generation: where its data are, and its consoles. It is one line.
const ParamsName = "sysc/state/kernel-params"

// FilesOf returns what a system boots with, none for a container.
func FilesOf(m *systems.Manifest) []File {
	if m.Kernel == nil {
		return nil
	}
	files := []File{{Name: linuxName, Digest: m.Kernel.Digest, Size: m.Kernel.Size}}
	if m.Initrd != nil {
		files = append(files, File{Name: initrdName, Digest: m.Initrd.Digest, Size: m.Initrd.Size})
	}
	return files
}

// EntryOf returns the entry of a generation that boots with files ([FilesOf]), nil
// without any. The kernel gets params, then those of the system.
func EntryOf(r *generation.Record, m *systems.Manifest, files []File, params ...string) *Entry {
	if len(files) == 0 {
		return nil
	}
	words := append([]string{fmt.Sprintf("%s=%d", GenerationParam, r.Number)}, params...)
	e := &Entry{
		Title:   fmt.Sprintf("%s, generation %d (%s)", r.Name, r.Number, r.Created.UTC().Format("2006-01-02 15:04")),
		Version: r.Number.String(),
		SortKey: OtherKey,
		Options: strings.Join(append(words, m.KernelParams...), " "),
	}
	for _, f := range files {
		switch f.Name {
		case linuxName:
			e.Linux = f.Path()
		case initrdName:
			e.Initrd = f.Path()
		}
	}
	return e
}
