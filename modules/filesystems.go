package modules

import (
	"fmt"
	"slices"
	"strings"

	"sysc/lang/diag"
	"sysc/modules/option"
	"sysc/systems"
	"sysc/systems/fstab"
)

// filesystems reads what is mounted when the machine starts: a file, and directories to
// mount at. paths are those that are declared, def has its initrd.
func (r *reader) filesystems(def *systems.Definition, paths map[string]diag.Range) {
	instances := r.instances("filesystem")
	if len(instances) == 0 {
		return
	}
	first := instances[0]
	if other, ok := paths[fstab.Path]; ok {
		r.errorf(first, "Path declared twice",
			"%s is made of the filesystem blocks, and it is declared at %s, too. Write its lines as filesystem blocks, or everything that is mounted into that file.", fstab.Path, other)
	}
	var entries []fstab.Entry
	for _, n := range instances {
		entries = append(entries, r.filesystem(n, def.Initrd != nil))
		def.MountPoints = append(def.MountPoints, systems.MountPoint{Path: n.Key(), Position: position(n.Range())})
	}
	const mode = 0o644
	def.Files = append(def.Files, systems.File{
		Path: fstab.Path, Content: fstab.Format(entries), Mode: mode, User: "root", Group: "root", Position: position(first.Range()),
	})
}

// filesystem reads one of them. own says whether sysc's initrd mounts the root.
func (r *reader) filesystem(n *option.Node, own bool) fstab.Entry {
	before := r.problems()
	e := fstab.Entry{
		MountPoint: n.Key(), Device: r.text(n, "device"), Type: r.text(n, "type"), Options: r.texts(n, "options"), Check: r.flag(n, "check"),
	}
	const nofail = "nofail"
	if r.flag(n, nofail) && !slices.Contains(e.Options, nofail) {
		e.Options = append(e.Options, nofail)
	}
	if r.problems() > before || n.Misspelt() {
		return e
	}
	if err := e.Validate(); err != nil {
		r.errorf(n, "Unsuitable file system", "%s: %v.", n.Path(), err)
	}
	if why := keptMountPoint(e.MountPoint, own); why != "" {
		r.errorf(n, "Mount point of sysc's own", "%s: %s", n.Path(), why)
	}
	return e
}

// keptMountPoint says why nothing else can be mounted at a path, "" when it can. own says
// whether sysc's initrd mounts the root, of which package earlyboot has the list.
func keptMountPoint(path string, own bool) string {
	top, below, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch {
	case systems.Owned(top) && below == "":
		return fmt.Sprintf("/%s belongs to the generation, which brings its files along, and they would be hidden. Directories in it can be mounted at.", top)
	case !own:
		return ""
	case path == "/":
		return "sysc's initrd mounts the generation there. With boot.initrd = \"distribution\" another one mounts the root."
	case top == "sysc":
		return "/sysc is on the data partition, which sysc's initrd mounts, and has the generations."
	case path == "/var":
		return "/var is on the data partition, which sysc's initrd mounts. Directories in it, such as /var/lib/postgresql, can be mounted at."
	case top == "boot", top == "efi":
		return fmt.Sprintf("/%s is kept for the partition that the machine boots from, which sysc mounts itself.", top)
	}
	return ""
}
