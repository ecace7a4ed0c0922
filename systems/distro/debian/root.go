package debian

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/store"
	"sysc/systems/distro/debian/dpkg"
)

// A RootRequest says what a root is made of.
type RootRequest struct {
	// Name is for people: it becomes part of the names of derivations.
	Name string
	// Architecture is Debian's name of it, "amd64" and the like.
	Architecture string
	// Packages are what [Universe.Resolve] chose, in any order.
	Packages []Package
	// Replaced maps names of packages, of the architecture or of "all", to paths in
	// the store: of package files that are taken in place of the archive's, or of
	// directories that have them.
	Replaced map[string]string
	// Initrd is set when the packages shall make their initrd, if they have the programs
	// for it.
	Initrd bool
	// Origin is where the definition asks for the root.
	Origin derivations.Origin
}

// configureEpoch is the time that configuring happens at, in seconds, wherever
// it leaves a trace (SOURCE_DATE_EPOCH): 2025-01-01 00:00 UTC. It is constant,
// because a root shall depend on its packages alone: with the date of the
// archive in it, every update of the lock file would configure everything anew.
const configureEpoch = "1735689600"

// Root adds the derivations of a configured root to a graph and returns the last
// one's output, a root object: per package a fetch and an unpack step, then
// "builtin:debian-root" and the run of the maintainer scripts.
func Root(g *derivations.Graph, r RootRequest) (derivations.Ref, error) {
	ref, err := root(g, r)
	if err != nil {
		return ref, fmt.Errorf("make root %q: %w", r.Name, err)
	}
	return ref, nil
}

func root(g *derivations.Graph, r RootRequest) (derivations.Ref, error) {
	platform, err := Platform(r.Architecture)
	if err != nil {
		return derivations.Ref{}, err
	}
	packages := slices.Clone(r.Packages)
	slices.SortFunc(packages, func(a, b Package) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Architecture, b.Architecture))
	})
	layout := dpkg.Layout{Architecture: r.Architecture}
	var files []string // of packages on top
	for _, p := range packages {
		file, err := packageFile(g, r, p)
		if err != nil {
			return derivations.Ref{}, fmt.Errorf("package %q: %w", p.Name, err)
		}
		if p.Added {
			files = append(files, p.Name, file)
			continue
		}
		unpacked, err := unpackPackage(g, r, p, file)
		if err != nil {
			return derivations.Ref{}, fmt.Errorf("package %q: %w", p.Name, err)
		}
		layout.Packages = append(layout.Packages, dpkg.Input{Name: p.Name, Tree: unpacked})
	}
	composed, err := add(g, derivations.Derivation{
		Name: sanitise(r.Name + "-unpacked"), Platform: derivations.PlatformAny, Builder: dpkg.Builder,
	}, layout, r.Origin)
	if err != nil {
		return derivations.Ref{}, err
	}
	ref, err := configure(g, r, platform, composed, nil)
	if err != nil || len(files) == 0 {
		return ref, err
	}
	below, err := g.Placeholder(ref)
	if err != nil {
		return derivations.Ref{}, err
	}
	return configure(g, r, platform, below, files)
}

// configure adds the run of the maintainer scripts in a root. files are names of
// packages, each with its file's path behind it, that dpkg unpacks there first.
func configure(g *derivations.Graph, r RootRequest, platform, root string, files []string) (derivations.Ref, error) {
	env := map[string]string{
		"DEBIAN_FRONTEND":             "noninteractive",
		"DEBCONF_NONINTERACTIVE_SEEN": "true",
		"DEBCONF_NOWARNINGS":          "yes",
		"PATH":                        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME":                        "/root",
		"LC_ALL":                      "C.UTF-8",
		"TZ":                          "UTC",
		"SOURCE_DATE_EPOCH":           configureEpoch,
		"SYSC_DEBIAN_ARCHITECTURE":    r.Architecture,
	}
	if !r.Initrd {
		env["INITRD"] = "No" // also read by the scripts in /etc/kernel/postinst.d
	}
	hash, err := g.Add(derivations.Derivation{
		Name: sanitise(r.Name), Platform: platform, Builder: "exec",
		Args: append([]string{"/bin/sh", "-c", dpkg.ConfigureScript, "configure"}, files...),
		Env:  env,
		Root: root, WritableRoot: true,
	}, r.Origin)
	return derivations.Ref{Derivation: hash, Output: derivations.DefaultOutput}, err
}

// packageFile returns the placeholder of a package's file, or of a directory that has
// it: what replaces the package, or the step that fetches it.
func packageFile(g *derivations.Graph, r RootRequest, p Package) (string, error) {
	if from, ok := r.replaces(p); ok {
		return from, nil
	}
	return add(g, derivations.Derivation{
		Name: sanitise(path.Base(p.Filename)), Platform: derivations.PlatformAny, Builder: builtin.BuilderFetch,
		Fixed: &derivations.Fixed{Kind: store.KindFile, Digest: p.SHA256, Size: p.Size},
	}, map[string]any{"url": "mirror://" + p.Archive + "/" + escapePath(p.Filename), "size": p.Size}, r.Origin)
}

// unpackPackage adds the step that unpacks a package's file. It returns the placeholder of
// what it makes.
func unpackPackage(g *derivations.Graph, r RootRequest, p Package, file string) (string, error) {
	name, attrs := p.Name+"-"+p.Version, map[string]any{"source": file, "format": "deb"}
	if _, ok := r.replaces(p); ok {
		name, attrs["package"] = p.Name+"-replaced", p.Name
	}
	return add(g, derivations.Derivation{
		Name: sanitise(name), Platform: derivations.PlatformAny, Builder: builtin.BuilderUnpack,
	}, attrs, r.Origin)
}

// replaces returns what is installed in place of a package.
func (r RootRequest) replaces(p Package) (string, bool) {
	from, ok := r.Replaced[p.Name]
	return from, ok && (p.Architecture == r.Architecture || p.Architecture == ArchitectureAll)
}

// add adds a derivation with attributes and returns its output's placeholder.
func add(g *derivations.Graph, d derivations.Derivation, attrs any, o derivations.Origin) (string, error) {
	var err error
	if d.Attrs, err = derivations.MakeAttrs(attrs); err != nil {
		return "", err
	}
	hash, err := g.Add(d, o)
	if err != nil {
		return "", err
	}
	return g.Placeholder(derivations.Ref{Derivation: hash, Output: derivations.DefaultOutput})
}

// sanitise makes a legal name of an object out of a version or file name:
// "~" and ":" may not stand there (store.CheckName).
func sanitise(name string) string {
	clean := strings.Map(func(c rune) rune {
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', strings.ContainsRune("+-._?=", c):
			return c
		}
		return '_'
	}, name)
	clean = strings.TrimLeft(clean, ".")
	if clean == "" {
		clean = "_"
	}
	// Room for "-" and the name of an output.
	if most := store.MaxNameLen - 32; len(clean) > most {
		clean = clean[:most]
	}
	return clean
}

// Builtins returns the build steps that roots need beside the standard ones.
func Builtins() map[string]builtin.Func {
	return map[string]builtin.Func{dpkg.Builder: dpkg.Compose}
}
