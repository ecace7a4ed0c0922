// Package lock reads and writes sysc.lock: what exactly the inputs of a
// definition are, which packages its systems and environments consist of, and
// which numbers its users and groups have.
//
// The file is JSON, sorted, with one entry on a line, so that git merges two
// people's changes as long as they touched different entries. Writing what was
// read gives the same bytes.
package lock

import (
	"slices"

	"sysc/store"
	"sysc/systems/distro/debian"
)

// FileName is the lock file's name, beside the root module.
const FileName = "sysc.lock"

// Version is the version of the format that this package writes, and the only
// one it reads.
const Version = 1

// A File is a lock file's content. The zero File is empty; maps are nil when
// nothing is in them.
type File struct {
	// Inputs are the pinned inputs by name.
	Inputs map[string]Input
	// Modules are the pinned sources of modules, by their addresses as package source
	// writes them; behind that of one that has a version of its own, what was asked
	// for stands in parentheses.
	Modules map[string]Module
	// Resolutions are the packages of roots by address: "system.NAME" or
	// "derivation.NAME". Those with the same packages may be one.
	Resolutions map[string]*Resolution
	// Users and Groups are the numbers given to declared accounts that state none.
	// Numbers are never taken back, so that files on a machine keep their owners.
	Users  map[string]uint32
	Groups map[string]uint32
}

// An Input is one pinned input.
type Input struct {
	// Type is the input's type, such as "debian".
	Type string
	// Settings is the digest of the settings that it was pinned with.
	Settings store.Digest
	// Revision is the state that an input of type "debian" is pinned to, and Pin that of
	// any other.
	Revision debian.Revision
	Pin      Pin
}

// A Module is one pinned source of modules: a commit of a repository, or an
// archive.
type Module struct {
	// Constraint is what is asked for, by all who do: constraints of versions and
	// refs, sorted, with commas between. It is "" when anything will do.
	Constraint string `json:"constraint,omitempty"`
	// Version is that of the tag, "" when no version was chosen.
	Version string `json:"version,omitempty"`
	// Ref is the tag, the branch or "HEAD" that led to the commit; "" for an archive
	// and where the commit itself was asked for.
	Ref string `json:"ref,omitempty"`
	// Commit is the whole hash of the commit, "" for an archive.
	Commit string `json:"commit,omitempty"`
	// Tree is the digest of the files.
	Tree store.Digest `json:"tree"`
}

// A Resolution is what a request for packages was resolved to.
type Resolution struct {
	Request Request
	// Packages are sorted by name, then by architecture.
	Packages []debian.Package
	// Source is what is built in a root of the packages; nil for all roots but those of
	// packages that are built again, whose requests say so.
	Source *debian.Source
}

// List returns the packages, of nil none.
func (r *Resolution) List() []debian.Package {
	if r == nil {
		return nil
	}
	return r.Packages
}

// A Request is what somebody asked for.
type Request struct {
	// Input is the input's name, and Revision its id (debian.Revision.ID).
	Input        string `json:"input"`
	Revision     string `json:"revision"`
	Architecture string `json:"architecture"`
	// Base is "required", "essential" or "none".
	Base       string `json:"base"`
	Recommends bool   `json:"recommends,omitempty"`
	// Build asks for what building the only one of Packages needs, in place of itself.
	Build bool `json:"build,omitempty"`
	// With are the other inputs that packages are from, sorted by name.
	With []InputState `json:"with,omitempty"`
	// Pins say which priorities packages had that an archive does not give them itself,
	// in their order, written as for people.
	Pins []string `json:"pins,omitempty"`
	// Exclude are the names of packages that must not be there, sorted, each once.
	Exclude []string `json:"exclude,omitempty"`
	// Files are packages that are in no archive, sorted by name, each once. What
	// [Resolution.Packages] has of them has no archive.
	Files []OwnFile `json:"files,omitempty"`
	// Packages are the names asked for, sorted, each once; "git=1:2.47" asks for a
	// version, "git=1:2*" for one that begins so, "libc6:i386" for an architecture,
	// "tools:hammer" for a package of an input that is not the base.
	Packages []string `json:"packages"`
}

// An OwnFile is a package file that a definition names in place of an archive's.
type OwnFile struct {
	Package string       `json:"package"`
	SHA256  store.Digest `json:"sha256"`
}

// An InputState is an input in the state of one revision.
type InputState struct {
	Input    string `json:"input"`
	Revision string `json:"revision"`
}

// Equal reports whether two requests ask for the same.
func (r Request) Equal(o Request) bool {
	return r.Input == o.Input && r.Revision == o.Revision && r.Architecture == o.Architecture &&
		r.Base == o.Base && r.Recommends == o.Recommends && r.Build == o.Build && slices.Equal(r.With, o.With) &&
		slices.Equal(r.Pins, o.Pins) && slices.Equal(r.Exclude, o.Exclude) &&
		slices.Equal(r.Files, o.Files) && slices.Equal(r.Packages, o.Packages)
}
