package modules

import (
	"strings"

	"sysc/lang/diag"
	"sysc/systems/distro/debian"
)

// A replacement says what is installed in place of a package of the archive.
type replacement struct {
	from string // a path in the store: a package file, or a directory that has it
	// file is what is there, nil when that is known only once something is built.
	file *ownFile
	at   diag.Range
}

// replaced reads the blocks that replace packages.
func (r *reader) replaced(w *work) map[string]replacement {
	all := map[string]replacement{}
	for _, n := range r.instances("package") {
		from, given := r.maybeText(n, "from")
		switch {
		case !given: // as without the block
		case !strings.HasPrefix(from, storePrefix):
			r.errorf(r.option(n, "from"), "Package outside of the store",
				"from is the path of a package file in the store, or of a directory that has it, as derivation.NAME.out or source(\"./file.deb\") returns it; %q is none.", from)
		default:
			file, err := w.ownFile(from, n.Key())
			if err != nil {
				r.errorf(r.option(n, "from"), "No such package file", "What is installed as %q cannot be read: %v.", n.Key(), err)
			}
			all[n.Key()] = replacement{from: from, file: file, at: n.Range()}
		}
	}
	return all
}

// replacements checks that what is replaced is there, and returns from where each is
// taken.
func (r rootRequest) replacements(packages []debian.Package) (map[string]string, diag.List) {
	native := map[string]bool{}
	for _, p := range packages {
		if r.native(p) {
			native[p.Name] = true
		}
	}
	var diags diag.List
	from := map[string]string{}
	for _, name := range sortedKeys(r.replaced) {
		if !native[name] {
			diags = append(diags, diag.Errorf(r.replaced[name].at, "Package is not installed",
				"There is something in place of %q, but nothing installs that. Add it to packages.%s", name, diag.DidYouMean(name, sortedKeys(native)))...)
		}
		from[name] = r.replaced[name].from
	}
	return from, diags
}

// replaces returns what is installed in place of a package.
func (r rootRequest) replaces(p debian.Package) (replacement, bool) {
	own, ok := r.replaced[p.Name]
	return own, ok && r.native(p)
}

// native reports whether a package is of the system's own architecture, or of none.
func (r rootRequest) native(p debian.Package) bool {
	return p.Architecture == r.arch || p.Architecture == debian.ArchitectureAll
}
