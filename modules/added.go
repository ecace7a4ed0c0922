package modules

import "sysc/systems/distro/debian"

// maxAdded says when packages are not kept apart any more: when there are as many on
// top as a quarter of those below, configuring all of them at once is about as quick.
const maxAdded = 4

// addedOnTop marks those of the packages that a system did not have when it was locked
// before, so that the others, which need none of them, need not be configured again.
// What comes out is part of the lock file, and all there is to know: how a root came
// about is not otherwise looked at. Packages stay on top until one of those below them
// changes, or there are too many, or an architecture is new; then all are below again.
func addedOnTop(before, packages []debian.Package) []debian.Package {
	below := map[debian.Package]bool{}
	architectures := map[string]bool{} // that dpkg knows there
	for _, p := range before {
		if !p.Added {
			below[identity(p)] = true
			architectures[p.Architecture] = true
		}
	}
	var added, kept int
	foreign := false
	out := make([]debian.Package, len(packages))
	for i, p := range packages {
		p.Added = !below[identity(p)]
		if p.Added {
			added++
			foreign = foreign || p.Architecture != debian.ArchitectureAll && !architectures[p.Architecture]
		} else {
			kept++
		}
		out[i] = p
	}
	if kept == len(below) && added*maxAdded <= kept && !foreign {
		return out
	}
	for i := range out {
		out[i].Added = false
	}
	return out
}

// identity is what a root has of a package: not where it is fetched from, nor why.
func identity(p debian.Package) debian.Package {
	return debian.Package{Name: p.Name, Version: p.Version, Architecture: p.Architecture, SHA256: p.SHA256}
}
