package debian

import (
	"fmt"
	"strings"

	"sysc/store"
	"sysc/systems/distro/debian/resolve"
)

// A Package is one chosen package, as the lock file has it.
type Package struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"`
	// Archive is the name of the mirror that has it, Filename the path there; "" for a
	// file of the definition's own.
	Archive  string       `json:"archive"`
	Filename string       `json:"filename"`
	Size     int64        `json:"size"` // bytes
	SHA256   store.Digest `json:"sha256"`
	// Explicit is true for a package that was asked for by name.
	Explicit bool `json:"explicit,omitempty"`
	// Added is true for a package that is unpacked and configured on top of the root
	// that all others make. Those need none of the added ones.
	Added bool `json:"added,omitempty"`
}

// FromSecurity reports whether the package is from the security archive of an input.
func (p *Package) FromSecurity() bool { return strings.HasSuffix(p.Archive, securitySuffix) }

// Label is the name, with the architecture behind it, as in "libc6:i386", unless that
// is the given one.
func (p *Package) Label(architecture string) string {
	if p.Architecture == architecture || p.Architecture == ArchitectureAll {
		return p.Name
	}
	return p.Name + ":" + p.Architecture
}

// A Base says which packages a root has before anything is asked for.
type Base string

const (
	// BaseRequired are the essential packages and those of priority "required",
	// as debootstrap's variant "minbase" has them. It is the default.
	BaseRequired Base = "required"
	// BaseEssential are the essential packages only.
	BaseEssential Base = "essential"
	// BaseNone is nothing at all.
	BaseNone Base = "none"
)

// A Request says what a root shall consist of.
type Request struct {
	Packages []Want
	// Base "" means [BaseRequired].
	Base Base
	// Exclude are the names of packages that must not be there; all of them exist.
	Exclude []string
	// Keep are packages that must not be there in another version than this.
	Keep []Package
	// Recommends takes in what packages recommend, as far as possible.
	Recommends bool
}

// Resolve chooses packages, sorted by name. When there are none to choose, the
// error is several [*UnknownPackageError] in one (errors.Join), or an
// [*UnsatisfiableError].
func (u *Universe) Resolve(r Request) ([]Package, error) {
	request := resolve.Request{Wants: r.Packages, Exclude: r.Exclude, Recommends: r.Recommends}
	switch r.Base {
	case "", BaseRequired:
		request.Base = u.u.Base(u.base, true)
	case BaseEssential:
		request.Base = u.u.Base(u.base, false)
	case BaseNone:
	default:
		return nil, fmt.Errorf("resolve packages: unknown base %q", r.Base)
	}
	for _, p := range r.Keep {
		for _, id := range u.versions(p) {
			if u.u.Package(id).SHA256 == p.SHA256 {
				request.Keep = append(request.Keep, id)
			}
		}
	}
	choices, err := resolve.Resolve(u.u, request)
	if err != nil {
		return nil, err
	}
	packages := make([]Package, len(choices))
	for i, c := range choices {
		p := u.u.Package(c.ID)
		packages[i] = Package{
			Name: p.Name, Version: p.Version, Architecture: p.Architecture,
			Archive: p.Origin.Archive, Filename: p.Filename, Size: p.Size, SHA256: p.SHA256,
			Explicit: c.Explicit,
		}
	}
	return packages, nil
}
