// Package fstab writes /etc/fstab, by which a machine mounts file systems while it
// starts, and reads where that mounts them.
//
// The format is that of fstab(5): a line for each file system with the device, the mount
// point, the type, the options, 0, and the order in which file systems are checked.
// Blanks, backslashes and control characters stand in it as a backslash with three octal
// digits.
package fstab

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Path is where the file is in a root.
const Path = "/etc/fstab"

// MaxSize bounds what is read of the file, in bytes.
const MaxSize = 1 << 20

// Auto is the type of a file system that says itself of which type it is.
const Auto = "auto"

// An Entry is a file system that is mounted.
type Entry struct {
	// Device is what is mounted: the path of a device, UUID=…, LABEL=…, PARTUUID=…,
	// PARTLABEL=…, a directory of another machine ("host:/dir", "//host/dir"), or, with
	// the option bind or loop, a path of this one. File systems without a device, such as
	// tmpfs, may have any word, or "".
	Device string
	// MountPoint is an absolute and clean path.
	MountPoint string
	// Type is that of mount(8), or [Auto].
	Type string
	// Options are as in mount(8), one in each element.
	Options []string
	// Check has fsck look at it before it is mounted, where it is on a device.
	Check bool
}

// tags begin devices by what is on them, see fstab(5).
var tags = []string{"UUID=", "LABEL=", "PARTUUID=", "PARTLABEL="}

// deviceless are types of file systems that are on no device, but for those of FUSE.
var deviceless = []string{
	"9p", "binfmt_misc", "bpf", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs", "fusectl", "hugetlbfs", "mqueue",
	"overlay", "proc", "pstore", "ramfs", "rpc_pipefs", "securityfs", "sysfs", "tmpfs", "tracefs", "virtiofs", "zfs",
}

func (e *Entry) deviceless() bool {
	return slices.Contains(deviceless, e.Type) || e.Type == "fuse" || strings.HasPrefix(e.Type, "fuse.")
}

// onDevice reports whether the device is one of this machine.
func (e *Entry) onDevice() bool {
	return strings.HasPrefix(e.Device, "/dev/") || slices.ContainsFunc(tags, func(tag string) bool { return strings.HasPrefix(e.Device, tag) })
}

// Validate reports what keeps the entry from being mounted, as far as that can be seen
// without the machine, in the words of a sentence's end.
func (e *Entry) Validate() error {
	switch {
	case e.Type == "swap":
		return fmt.Errorf("swap space is not mounted; a unit \"dev-vdb1.swap\" uses that of /dev/vdb1")
	case e.deviceless():
		return nil
	case e.Device == "" && e.Type == Auto:
		return fmt.Errorf("it has no device; a file system without one has a type, such as tmpfs")
	case e.Device == "":
		return fmt.Errorf("it has no device, which file systems of type %s have", e.Type)
	}
	return e.validateDevice()
}

func (e *Entry) validateDevice() error {
	host, _, remote := strings.Cut(e.Device, ":/")
	switch tag, value, _ := strings.Cut(e.Device, "="); {
	case slices.Contains(tags, tag+"="):
		if value == "" {
			return fmt.Errorf("there is nothing behind %s= in its device", tag)
		}
	case strings.HasPrefix(e.Device, "//"), remote && host != "" && !strings.Contains(host, "/"):
	case !strings.HasPrefix(e.Device, "/"):
		return fmt.Errorf("its device %q is none of /dev/…, UUID=…, LABEL=…, PARTUUID=…, PARTLABEL=… and HOST:/DIRECTORY, and its type is %s, which needs one", e.Device, e.Type)
	case path.Clean(e.Device) != e.Device:
		return fmt.Errorf("the path %q is not clean, write %q", e.Device, path.Clean(e.Device))
	case !e.onDevice() && !e.local():
		return fmt.Errorf("its device %q is not in /dev; a directory is mounted a second time with the option \"bind\", the file system in a file with \"loop\"", e.Device)
	}
	return nil
}

// local reports whether options say that the device is a path.
func (e *Entry) local() bool {
	return slices.ContainsFunc(e.Options, func(o string) bool { return o == "bind" || o == "rbind" || o == "loop" })
}

// Format returns the file of some entries, parents before what is mounted in them.
func Format(entries []Entry) string {
	sorted := slices.SortedFunc(slices.Values(entries), func(a, b Entry) int { return strings.Compare(a.MountPoint, b.MountPoint) })
	var b strings.Builder
	b.WriteString("# Made by sysc of the definition's file systems.\n")
	for _, e := range sorted {
		e.write(&b)
	}
	return b.String()
}

func (e *Entry) write(b *strings.Builder) {
	kind := e.Type
	if kind == Auto && (slices.Contains(e.Options, "bind") || slices.Contains(e.Options, "rbind")) {
		kind = "none" // what is mounted is no file system of its own
	}
	device := e.Device
	if device == "" {
		device = kind
	}
	options := "defaults"
	if len(e.Options) > 0 {
		options = strings.Join(e.Options, ",")
	}
	pass := 0
	if e.Check && e.onDevice() && !e.deviceless() {
		pass = 2 // 1 is the root's
		if e.MountPoint == "/" {
			pass = 1
		}
	}
	fmt.Fprintf(b, "%s %s %s %s 0 %d\n", escape(device), escape(e.MountPoint), escape(kind), escape(options), pass)
}

// escape writes a field as getmntent(3) reads it.
func escape(field string) string {
	var b strings.Builder
	for _, c := range []byte(field) {
		if c <= ' ' || c == '\\' || c == 0x7f {
			fmt.Fprintf(&b, `\%03o`, c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// MountPoints returns where the file's lines mount something, in their order. Lines that
// are none, and mount points that are no clean absolute paths, are left out: text may be
// anybody's.
func MountPoints(text string) []string {
	var points []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if p := unescape(fields[1]); strings.HasPrefix(p, "/") && path.Clean(p) == p && strings.IndexByte(p, 0) < 0 {
			points = append(points, p)
		}
	}
	return points
}

// unescape undoes escape.
func unescape(field string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(field, `\`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		field = rest
		const digits = 3
		if len(rest) >= digits {
			if c, err := strconv.ParseUint(rest[:digits], 8, 8); err == nil {
				b.WriteByte(byte(c))
				field = rest[digits:]
				continue
			}
		}
		b.WriteByte('\\')
	}
}
