package systems

import (
	"sysc/derivations"
	"sysc/store"
)

// A Definition is one system, or one home, after all options are merged: plain data,
// sorted, the same for the same definition text and lock file.
type Definition struct {
	// Kind says what it is of. A home has files, directories, symbolic links and units
	// without owners, and nothing else; its paths are absolute below the home directory,
	// as in "/.profile", and Root is empty.
	Kind     Kind
	Name     string
	Platform string // "linux/amd64"
	// Position is where the system is declared, "file:line".
	Position string
	Hostname string
	// Root is the output that holds the configured root of the packages.
	Root derivations.Ref
	// Packages are what Root consists of, sorted by name.
	Packages []Package
	// Files, Directories and Symlinks are sorted by path.
	Files       []File
	Directories []Directory
	Symlinks    []Symlink
	// MountPoints are sorted by path.
	MountPoints []MountPoint
	// Users, Groups and Units are sorted by name.
	Users  []User
	Groups []Group
	Units  []Unit
	// KernelParams are appended to the kernel's command line.
	KernelParams []string
	Boot         BootSettings
	// Initrd is set when sysc makes the initrd of the newest kernel in Root; else the
	// system has the one that is there, if any.
	Initrd *Initrd
	// HealthChecks are sorted by name.
	HealthChecks []HealthCheck
	// Provenance says where the definition came from.
	Provenance Provenance
}

// BootSettings say how generations are offered for booting.
type BootSettings struct {
	// Limit is how many generations have a boot entry at most, 0 for all. The current,
	// the booted, the one to go back to, and pinned ones have one in any case.
	Limit int `json:"limit,omitempty"`
	// Tries is how often a new generation is booted at most until it is known to be
	// good; 0 does not count.
	Tries int `json:"tries,omitempty"`
	// Initrd is [InitrdSysc] when sysc made the initrd, which mounts generations from a
	// data partition; "" when it is what the root came with.
	Initrd string `json:"initrd,omitempty"`
}

// InitrdSysc is [BootSettings.Initrd] of a system with an [Initrd].
const InitrdSysc = "sysc"

// An Initrd is what sysc makes of its own first program and modules of the kernel.
type Initrd struct {
	// Program is the digest of the first program for the system's platform; zero where
	// this sysc has none, which only whoever makes the initrd reports.
	Program store.Digest
	// Modules are further modules for it, by name, sorted.
	Modules []string
}

// A Package is one installed package, as the plan and the record show it.
type Package struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"`
	// Explicit is true for a package that the definition names.
	Explicit bool `json:"explicit,omitempty"`
	// Size is the package file's, in bytes, and SHA256 its digest; zero in what an
	// earlier sysc has made, and of a package that is replaced.
	Size   int64        `json:"size"`
	SHA256 store.Digest `json:"sha256,omitzero"`
	// Replaced is set when a file that the definition names is installed in place of
	// the archive's, whose version Version is.
	Replaced bool `json:"replaced,omitempty"`
}

// A File is a declared file. Either Content or Source is set.
type File struct {
	Path string `json:"path"` // absolute and clean
	// Content is the text, UTF-8. A placeholder in it is an input.
	Content string `json:"content,omitempty"`
	// Source is a placeholder or logical store path, with what follows it, of a
	// file to take the bytes from.
	Source string `json:"source,omitempty"`
	// Digest and Size are those of what Source has, where that is known beforehand.
	Digest store.Digest `json:"digest,omitzero"`
	Size   int64        `json:"size,omitempty"`
	Mode   uint32       `json:"mode"`
	User   string       `json:"user"`
	Group  string       `json:"group"`
	// Position is where it is declared, "file:line".
	Position string `json:"position,omitempty"`
}

// A Directory is a declared directory.
type Directory struct {
	Path     string `json:"path"`
	Mode     uint32 `json:"mode"`
	User     string `json:"user"`
	Group    string `json:"group"`
	Position string `json:"position,omitempty"`
}

// A Symlink is a declared symbolic link.
type Symlink struct {
	Path     string `json:"path"`
	Target   string `json:"target"`
	Position string `json:"position,omitempty"`
}

// A MountPoint is where a file system is mounted, a path that is absolute and clean. It is
// a directory of the root where that is read-only in the machine; elsewhere systemd makes
// it when it mounts.
type MountPoint struct {
	Path     string `json:"path"`
	Position string `json:"position,omitempty"`
}

// A User is a declared account.
type User struct {
	Name        string   `json:"name"`
	UID         uint32   `json:"uid"`
	Group       string   `json:"group"` // primary
	Groups      []string `json:"groups,omitempty"`
	Description string   `json:"description,omitempty"`
	Home        string   `json:"home"`
	Shell       string   `json:"shell"`
	System      bool     `json:"system,omitempty"`
	Position    string   `json:"position,omitempty"`
}

// A Group is a declared group.
type Group struct {
	Name     string   `json:"name"`
	GID      uint32   `json:"gid"`
	Members  []string `json:"members,omitempty"`
	System   bool     `json:"system,omitempty"`
	Position string   `json:"position,omitempty"`
}

// A Unit is a declared systemd unit.
type Unit struct {
	Name    string `json:"name"` // with suffix: "hello.service"
	Content string `json:"content,omitempty"`
	// Enable links the unit into WantedBy; false leaves it to be started by hand
	// or by others.
	Enable   bool     `json:"enable"`
	WantedBy []string `json:"wanted_by,omitempty"`
	// Mask makes the unit impossible to start.
	Mask     bool   `json:"mask,omitempty"`
	Position string `json:"position,omitempty"`
}

// Provenance says what a system was made from.
type Provenance struct {
	// Revision is the definition's git commit, "" outside a repository; Dirty is
	// set when the work tree differs from it.
	Revision string `json:"revision,omitempty"`
	Dirty    bool   `json:"dirty,omitempty"`
	// LockDigest is the digest of sysc.lock.
	LockDigest string `json:"lock_digest,omitempty"`
	// Version is that of sysc.
	Version string `json:"version"`
}
