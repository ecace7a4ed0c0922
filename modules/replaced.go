package modules

import (
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

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

// A patching says how a package is built again.
type patching struct {
	patches []string // paths in the store
	at      diag.Range
}

// A chosenVersion says which version of a package is taken.
type chosenVersion struct {
	version string // or the beginning of one and *
	at      diag.Range
}

// versions reads the blocks that choose a version.
func (r *reader) versions() map[string]chosenVersion {
	all := map[string]chosenVersion{}
	for _, n := range r.instances("package") {
		version, given := r.maybeText(n, "version")
		_, from := r.maybeText(n, "from")
		switch {
		case !given:
		case from:
			r.errorf(r.option(n, "version"), "Package of its own with a version", "from is a package of the definition's own, and version chooses one of the archives'. Take one of them out.")
		default:
			all[n.Key()] = chosenVersion{version, rangeOf(r.option(n, "version"), n.Range())}
		}
	}
	return all
}

// patched reads the blocks that have patches.
func (r *reader) patched() map[string]patching {
	all := map[string]patching{}
	for _, n := range r.instances("package") {
		v, ok := r.value(n, "patch")
		if !ok || v.IsNull() {
			continue
		}
		p := patching{at: n.Range()}
		if v.Type() == cty.String {
			v = cty.TupleVal([]cty.Value{v})
		}
		p.patches = texts(v)
		_, from := r.maybeText(n, "from")
		outside := slices.ContainsFunc(p.patches, func(path string) bool { return !strings.HasPrefix(path, storePrefix) })
		switch {
		case from:
			r.errorf(r.option(n, "patch"), "Package of its own with patches", "from is a package of the definition's own, and patch is for one of an archive. Take one of them out.")
		case outside:
			r.errorf(r.option(n, "patch"), "Patch outside of the store", "patch is the path of a patch in the store, or a list of them, as source(\"./x.patch\") or fetchurl(…) returns it.")
		case len(p.patches) > 0:
			all[n.Key()] = p
		}
	}
	return all
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
	native := r.nativeNames(packages)
	var diags diag.List
	from := map[string]string{}
	for _, name := range sortedKeys(r.replaced) {
		if !slices.Contains(native, name) {
			diags = append(diags, diag.Errorf(r.replaced[name].at, "Package is not installed",
				"There is something in place of %q, but nothing installs that. Add it to packages.%s", name, diag.DidYouMean(name, native))...)
		}
		from[name] = r.replaced[name].from
	}
	return from, diags
}

// replaces returns what is installed in place of a package.
func (r rootRequest) replaces(p debian.Package) (replacement, bool) {
	own, ok := r.replaced[p.Name]
	if _, patched := r.patched[p.Name]; patched {
		ok = true
	}
	return own, ok && r.native(p)
}

// nativeNames are the names of the native ones of packages, sorted.
func (r *rootRequest) nativeNames(packages []debian.Package) []string {
	var names []string
	for _, p := range packages {
		if r.native(p) {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	return names
}

// native reports whether a package is of the system's own architecture, or of none.
func (r rootRequest) native(p debian.Package) bool {
	return p.Architecture == r.arch || p.Architecture == debian.ArchitectureAll
}
