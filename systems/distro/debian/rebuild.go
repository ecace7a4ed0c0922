package debian

import (
	"fmt"
	"path"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/store"

	_ "embed"
)

// A RebuildRequest says which package is built again, and how.
type RebuildRequest struct {
	// Package is the archive's, of [RebuildRequest.Source].
	Package Package
	Source  Source
	// Architecture is that of the system.
	Architecture string
	// Root is the path of the root that the build runs in.
	Root string
	// Patches are paths in the store, in the order in which they are applied.
	Patches []string
	Origin  derivations.Origin
}

// rebuildScript is run by /bin/sh with the package's version, what to build ("any" or
// "all"), and how many patches there are; then come these, and names of the source's files,
// each with its path.
//
//go:embed rebuild.sh
var rebuildScript string

// Rebuild adds the build of a source package with patches to a graph and returns the path
// of its output: a directory with the package files. They have the version of the
// archive's package, so that what others need of it remains true.
func Rebuild(g *derivations.Graph, r RebuildRequest) (string, error) {
	path, err := rebuild(g, r)
	if err != nil {
		return "", fmt.Errorf("build package %q: %w", r.Package.Name, err)
	}
	return path, nil
}

func rebuild(g *derivations.Graph, r RebuildRequest) (string, error) {
	platform, err := Platform(r.Architecture)
	if err != nil {
		return "", err
	}
	kind := "any"
	if r.Package.Architecture == ArchitectureAll {
		kind = "all"
	}
	args := append([]string{"/bin/sh", "-euc", rebuildScript, "rebuild", r.Package.Version, kind, fmt.Sprint(len(r.Patches))}, r.Patches...)
	for _, f := range r.Source.Files {
		name := path.Base(f.Filename)
		file, err := add(g, derivations.Derivation{
			Name: sanitise(name), Platform: derivations.PlatformAny, Builder: builtin.BuilderFetch,
			Fixed: &derivations.Fixed{Kind: store.KindFile, Digest: f.SHA256, Size: f.Size},
		}, map[string]any{"url": "mirror://" + r.Source.Archive + "/" + escapePath(f.Filename), "size": f.Size}, r.Origin)
		if err != nil {
			return "", err
		}
		args = append(args, name, file)
	}
	hash, err := g.Add(derivations.Derivation{
		Name: sanitise(r.Source.Name + "-" + r.Package.Version), Platform: platform, Builder: derivations.BuilderExec,
		Args: args, Root: r.Root,
	}, r.Origin)
	if err != nil {
		return "", err
	}
	return g.Placeholder(derivations.Ref{Derivation: hash, Output: derivations.DefaultOutput})
}
